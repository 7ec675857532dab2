import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock, systemRandom } from '../clock.ts'
import { type Config, loadConfig, showProblem } from '../config/index.ts'
import { createLog, type Log } from '../log.ts'
import { Smsc, seededDraw } from '../smsc/smsc.ts'
import { VERSION } from '../version.ts'
import { signalled, start } from './serve.ts'
import { askDirectly, command, wholeNumber } from './usage.ts'

const USAGE = `sms-proxy demo [--port PORT]
    the server on 127.0.0.1 (port 8088), an SMSC simulator behind it, a user: nothing to configure
`

const EMAIL = 'demo@example.com'
const PASSWORD = 'demo-password'
/** Long enough to see "submitted" before "delivered", short enough for the next line to be pasted. */
const RECEIPT_DELAY = '500ms'

/** `argv` follows the word `demo`. */
export const demo = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const { values } = parseArgs({ args: argv, options: { port: { type: 'string', default: '8088' } } })
    const port = wholeNumber('port', values.port, 65_535)
    const folder = await mkdtemp(join(tmpdir(), 'sms-proxy-demo-'))
    const adminKey = Buffer.from(systemRandom(12)).toString('hex')
    const log = createLog({ level: 'info', format: 'auto', server: '' })
    const smsc = startSmsc(log.child('smsc'))
    const told = signalled(log)
    try {
      const read = (): Config => readDemoConfig(folder, port, smsc.port, adminKey)
      const gateway = await start(read(), log, read, 'name another port with --port')
      const url = `http://127.0.0.1:${gateway.port}`
      try {
        await register(url, adminKey)
        process.stdout.write(welcome(url, folder, adminKey))
        await told
      } finally {
        await gateway.stop()
      }
    } finally {
      await smsc.close(0)
      rmSync(folder, { recursive: true, force: true })
    }
    return 0
  })

const startSmsc = (log: Log): Smsc =>
  new Smsc({
    host: '127.0.0.1',
    port: 0,
    accounts: [
      { systemId: 'demo_1', password: 'secret' },
      { systemId: 'demo_2', password: 'secret' },
    ],
    faults: { receiptDelay: RECEIPT_DELAY },
    firstId: systemClock.now() * 100,
    clock: systemClock,
    draw: seededDraw(systemClock.now()),
    log,
  })

/** A real configuration in a real file: what the demo shows is what `serve` does. */
function readDemoConfig(folder: string, port: number, smscPort: number, adminKey: string): Config {
  const file = join(folder, 'sms-proxy.yaml')
  mkdirSync(join(folder, 'filters'), { recursive: true })
  const link = (id: number): string =>
    `{ id: ${id}, name: smpp-link-${id}, host: 127.0.0.1, port: ${smscPort}, system_id: demo_${id}, password: secret }`
  writeFileSync(
    file,
    `env: demo
server_name: sms-proxy-demo
endpoint: 127.0.0.1:${port}
smpp:
  links:
    - ${link(1)}
    - ${link(2)}
  pools:
    - { id: 0, name: pool-1, links: [smpp-link-1, smpp-link-2] }
`,
  )
  const loaded = loadConfig(file, { ADMIN_API_KEY: adminKey })
  if ('config' in loaded) return loaded.config
  throw new Error(loaded.problems.map(showProblem).join('\n'))
}

async function register(url: string, adminKey: string): Promise<void> {
  askDirectly()
  const response = await fetch(`${url}/api/v1/user/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-admin-key': adminKey },
    body: JSON.stringify({ email: EMAIL, password: PASSWORD }),
  })
  if (!response.ok) throw new Error(`the demo user could not be made: ${await response.text()}`)
}

function welcome(url: string, folder: string, adminKey: string): string {
  const json = `-H 'Content-Type: application/json'`
  const auth = `-H "Authorization: Bearer $TOKEN" -H 'X-App-ID: 1'`
  const pick = (name: string): string => `sed 's/.*"${name}":"\\([^"]*\\)".*/\\1/'`
  const login = JSON.stringify({ email: EMAIL, password: PASSWORD, app_id: 1 })
  const send = JSON.stringify({
    esme: 1,
    source: '+123456789',
    destination: '+987654321',
    message: 'Hello world',
    transaction_id: 'tx-001',
  })
  return `
SMS Sender Proxy ${VERSION}: a demo, with an SMSC simulator behind two links.
Its data lies in ${folder} and is deleted when it stops (Ctrl-C).

Paste these into another terminal: log in, send a message, ask what became of it.

TOKEN=$(curl -s ${url}/api/v1/user/login ${json} -d '${login}' | ${pick('token')})
SENT=$(curl -s ${url}/api/v1/sms/send ${auth} ${json} -d '${send}'); echo "$SENT"; ID=$(echo "$SENT" | ${pick('message_id')}); sleep 1
curl -s ${url}/api/v1/sms/info ${auth} ${json} -d "{\\"esme\\":1,\\"message_id\\":\\"$ID\\"}"

Explore   ${url}/swagger
Log in    ${EMAIL} / ${PASSWORD}, app 1
Admin     X-Admin-Key: ${adminKey}
Filters   a file put into ${join(folder, 'filters')} is in force within a second
Go on     sms-proxy init    writes a configuration of your own; then sms-proxy serve

`
}
