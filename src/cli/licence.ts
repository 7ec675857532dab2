import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { codeOf, GatewayError } from '../errors.ts'
import {
  expiresAt,
  isSignedBy,
  LIMIT_MAX,
  parseLicence,
  readPublicKey,
  signLicence,
  writePublicKey,
} from '../licence/document.ts'
import { command, UsageError, wholeNumber } from './usage.ts'

const USAGE = `sms-proxy license keygen [--out FILE]
    makes a key pair: the private key in FILE (licence.key), the public key on the screen
sms-proxy license sign --key FILE --company NAME --valid-until YYYY-MM-DD
                       [--max-connections N] [--max-tps N]
    writes a signed licence to the standard output; 0, the default, is no limit
sms-proxy license show FILE [--public-key KEY]
    shows a licence, and whether KEY signed it
`

/** `argv` follows the word `license`. */
export const licence = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const [verb, ...rest] = argv
    if (verb === 'keygen') return await keygen(rest)
    if (verb === 'sign') return await signOne(rest)
    if (verb === 'show') return await show(rest)
    throw new UsageError(verb === undefined ? 'what shall be done?' : `there is no "license ${verb}"`)
  })

async function keygen(argv: string[]): Promise<number> {
  const { values } = parseArgs({ args: argv, options: { out: { type: 'string', default: 'licence.key' } } })
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  try {
    // `wx`: a key that is overwritten takes every licence it signed with it.
    await writeFile(values.out, privateKey.export({ format: 'pem', type: 'pkcs8' }), {
      flag: 'wx',
      mode: 0o600,
    })
  } catch (error) {
    throw new Error(
      codeOf(error) === 'EEXIST'
        ? `${values.out} exists and was left as it is: name another file with --out`
        : `${values.out} cannot be written: ${codeOf(error)}`,
    )
  }
  process.stderr.write(`the private key is in ${values.out}: keep it safe; license.public_key is\n`)
  process.stdout.write(`${writePublicKey(publicKey)}\n`)
  return 0
}

async function signOne(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      key: { type: 'string' },
      company: { type: 'string' },
      'valid-until': { type: 'string' },
      'max-connections': { type: 'string', default: '0' },
      'max-tps': { type: 'string', default: '0' },
    },
  })
  const { key, company, 'valid-until': valid_until } = values
  if (key === undefined || company === undefined || valid_until === undefined) {
    throw new UsageError('--key, --company and --valid-until are needed')
  }
  const signed = signLicence(
    {
      company,
      valid_until,
      max_connections: wholeNumber('max-connections', values['max-connections'], LIMIT_MAX),
      max_tps: wholeNumber('max-tps', values['max-tps'], LIMIT_MAX),
    },
    await readPrivateKey(key),
  )
  if (expiresAt(signed) <= Date.now()) process.stderr.write(`note: ${valid_until} is past\n`)
  process.stdout.write(`${JSON.stringify(signed, null, 2)}\n`)
  return 0
}

async function show(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { 'public-key': { type: 'string' } },
  })
  const [file, ...others] = positionals
  if (file === undefined || others.length > 0) throw new UsageError('name one licence file')
  const signed = parseLicence(await read(file))
  const publicKey = values['public-key']
  const good = publicKey === undefined ? undefined : isSignedBy(signed, readPublicKey(publicKey))
  const limit = (value: number): string => (value === 0 ? 'no limit' : String(value))
  const over = expiresAt(signed) <= Date.now() ? ' (past)' : ''
  process.stdout.write(`company          ${signed.company}
valid_until      ${signed.valid_until}${over}
max_connections  ${limit(signed.max_connections)}
max_tps          ${limit(signed.max_tps)}
signature        ${good === undefined ? 'not checked: no --public-key' : good ? 'good' : 'NOT of this key'}
`)
  return good === false ? 1 : 0
}

async function readPrivateKey(file: string): Promise<KeyObject> {
  const pem = await read(file)
  let key: KeyObject | undefined
  try {
    key = createPrivateKey({ key: pem, format: 'pem' })
  } catch {}
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new GatewayError(
    'invalid',
    `${file} is not an Ed25519 private key in PEM, as "license keygen" makes it`,
  )
}

async function read(file: string): Promise<Buffer> {
  return await readFile(file).catch((error: unknown) => {
    throw new Error(`${file} cannot be read: ${codeOf(error)}`)
  })
}
