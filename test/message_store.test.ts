import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '../src/clock.ts'
import { type Config, loadConfig, showProblem } from '../src/config/index.ts'
import { openMessageStore } from '../src/message_store.ts'
import { certPem, keyPem } from './smpp/certificate.ts'
import { AerospikeServer, type ServerOptions } from './support/aerospike_server.ts'
import { patientClock } from './support/clock.ts'

let folder = ''
let server: AerospikeServer
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'message-store-'))
  writeFileSync(join(folder, 'cert.pem'), certPem)
  writeFileSync(join(folder, 'key.pem'), keyPem)
})
afterEach(() => {
  server.stop()
  rmSync(folder, { recursive: true })
})

const serve = (options: ServerOptions): void => {
  server = new AerospikeServer({ namespaces: ['sms'], ...options })
}
const users = () => ({
  passwords: new Map([['gateway', 'sesame']]),
  sessionSeconds: 3600,
  sessions: new Set<string>(),
})
/** Beside its files. */
function configured(more: string): Config {
  const file = join(folder, 'sms-proxy.yaml')
  writeFileSync(file, `aerospike: { hosts: "127.0.0.1:${server.nodes[0]?.port}", ${more} }\n`)
  const loaded = loadConfig(file, {})
  if ('problems' in loaded) throw new Error(loaded.problems.map(showProblem).join('\n'))
  return loaded.config
}
/** What it logged; or what an operator is told when it does not open. */
async function opening(more: string): Promise<string[] | string> {
  const said: string[] = []
  const note = (fields: object, text: string): void => void said.push(`${text} ${JSON.stringify(fields)}`)
  const log = { debug: note, info: note, warn: note, error: note } as never
  try {
    const { store } = await openMessageStore(configured(more), {
      clock: patientClock,
      random: systemRandom,
      log,
    })
    expect(await store.totals()).toEqual({ messages: 0 })
    await store.close()
    return said
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const TLS = { cert: certPem, key: keyPem }
const ASKS = 'the login at the Aerospike cluster goes without TLS: whoever listens can use it'

test('the store is opened over TLS as a user, and nothing that is said has the password in it', async () => {
  serve({ tls: TLS, users: users() })
  const said = await opening('tls: true, tls_ca: cert.pem, user: gateway, password: sesame')
  expect(said).toBeArray()
  expect(String(said)).not.toContain('sesame')
  expect(String(said)).not.toContain(ASKS)
})

test('a cluster that asks for a certificate gets the gateway’s', async () => {
  serve({ tls: { ...TLS, ca: certPem } })
  expect(await opening('tls: true, tls_ca: cert.pem, tls_cert: cert.pem, tls_key: key.pem')).toBeArray()
  expect(await opening('tls: true, tls_ca: cert.pem')).toStartWith('the Aerospike store cannot be opened')
})

test('hosts whose certificate has another name are reached under that name', async () => {
  serve({ tls: TLS })
  expect(await opening('tls: true, tls_ca: cert.pem, tls_name: localhost')).toBeArray()
  expect(await opening('tls: true, tls_ca: cert.pem, tls_name: elsewhere.example')).toEndWith(
    'set aerospike.tls_name to a name in the certificate',
  )
})

test('a login that goes without TLS is warned of', async () => {
  serve({ users: users() })
  const said = await opening('user: gateway, password: sesame')
  expect(String(said)).toContain(ASKS)
  expect(String(said)).not.toContain('sesame')
})

test('what does not fit the cluster is said with what to set, and without the password', async () => {
  serve({ tls: TLS, users: users() })
  expect(await opening('tls: true, user: gateway, password: sesame')).toEndWith(
    'set aerospike.tls_ca to the authority that signed the certificate',
  )
  expect(await opening('tls: false')).toEndWith('is aerospike.tls as the cluster has it?')
  const wrong = await opening('tls: true, tls_ca: cert.pem, user: gateway, password: opensaysme')
  expect(wrong).toEndWith('set aerospike.user and aerospike.password')
  expect(wrong).not.toContain('opensaysme')
  expect(await opening('tls: true, tls_ca: cert.pem')).toEndWith('set aerospike.user and aerospike.password')
})
