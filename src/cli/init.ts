import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { CONFIG_FILES, configTemplate } from '../config/index.ts'
import { codeOf } from '../errors.ts'
import { command, UsageError } from './usage.ts'

const USAGE = `sms-proxy init [FILE]
    writes a commented configuration (${CONFIG_FILES[0]}); - writes it to the standard output
`

/** `argv` follows the word `init`. */
export const init = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const { positionals } = parseArgs({ args: argv, allowPositionals: true })
    const [file = CONFIG_FILES[0], ...others] = positionals
    if (others.length > 0) throw new UsageError('name one file')
    if (file === '-') {
      process.stdout.write(configTemplate())
      return 0
    }
    await write(file)
    const named = file === CONFIG_FILES[0] ? '' : ` --config ${file}`
    process.stdout.write(`${file} is written. Set the link to your SMSC in it (smpp.links), then

  sms-proxy check${named}
  ADMIN_API_KEY=$(openssl rand -hex 24) sms-proxy serve${named}
`)
    return 0
  })

async function write(file: string): Promise<void> {
  const folder = dirname(file)
  try {
    // Of a file that stands where the folder should be, `mkdir` would say EEXIST too.
    if (!existsSync(folder)) await mkdir(folder, { recursive: true })
    // `wx`: somebody's work is not written over. Passwords will stand in it: for its owner alone.
    await writeFile(file, configTemplate(), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    throw new Error(
      codeOf(error) === 'EEXIST'
        ? `${file} exists and was left as it is: name another file, or take it away`
        : `${file} cannot be written: ${codeOf(error)}`,
    )
  }
}
