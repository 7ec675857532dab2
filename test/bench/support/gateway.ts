import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, type Place, start, stop } from './process.ts'

/** The compiled binary under its own roof: a folder, a configuration, a user with a token. */

export const BINARY = process.env.BENCH_BINARY ?? join(import.meta.dir, '../../../dist/sms-proxy')
const ADMIN_KEY = 'admin-key-of-the-bench'
const LOGIN = { email: 'bench@example.com', password: 'password of the bench' }

export const FILTERS: Readonly<Record<string, string>> = {
  prefixes: `
    const prefixes = ['1900', '1976', '44871', '44872', '44909', '4490', '4491', '4498', '49900', '33899']
    export default sms => {
      for (const prefix of prefixes) if (sms.destination.startsWith(prefix)) return { match: true, reason: prefix }
      return false
    }`,
  words: `
    const words = /casino|lottery|winner|viagra/i
    export default sms => words.test(sms.message)`,
}

export const TEXT = 'Your code is 123456. Do not share it with anyone: our staff will never ask you for it.'

export interface GatewayOptions {
  readonly smscPort: number
  readonly window?: number
  /** The command in front of `serve`; the compiled binary. */
  readonly command?: readonly string[]
  readonly place?: Place
  readonly queueTimeout?: string
  /** A file of messages that it takes over. */
  readonly messages?: string
}

export interface Gateway {
  readonly port: number
  readonly pid: number
  readonly token: string
  /** Milliseconds from its start to the first 200 of /healthy. */
  readonly startMs: number
  /** A whole HTTP request to send `text`; the destination ends in `#`. */
  request(text?: string): string
  /** A whole HTTP request for what became of a message, whose id may hold a `#`. */
  infoRequest(messageId: string): string
  post(path: string, body: object): Promise<{ readonly status: number; readonly text: string }>
  stop(): Promise<void>
}

/** Everything of a send is on: JWT, the app's limit, two filters, receipts, an fsync for each commit. */
const configuration = ({ smscPort, window = 100, queueTimeout = '10s' }: GatewayOptions): string => `
endpoint: 127.0.0.1:0
log: { format: json }
rate_limit: { per_app: { rps: 1000000, burst: 1000000 } }
filters: { dir: ./filters }
smpp:
  queue_timeout: ${queueTimeout}
  links:
    - { id: 1, name: bench, host: 127.0.0.1, port: ${smscPort}, system_id: bench, password: secret, window: ${window}, limit_tps: 0, response_timeout: 30s }
`

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'))
  mkdirSync(join(folder, 'filters'))
  for (const [name, source] of Object.entries(FILTERS))
    writeFileSync(join(folder, 'filters', `${name}.js`), source)
  writeFileSync(join(folder, 'sms-proxy.yaml'), configuration(options))
  if (options.messages !== undefined) {
    mkdirSync(join(folder, 'data'))
    renameSync(options.messages, join(folder, 'data', 'sms-messages.db'))
  }
  const command = options.command ?? [BINARY]
  const startedAt = performance.now()
  const child = start([...command, 'serve'], options.place ?? 'server', {
    cwd: folder,
    env: { ADMIN_API_KEY: ADMIN_KEY, ...(options.command && { PATH: process.env.PATH }) },
  })
  const port = await portOf(child)
  const url = `http://127.0.0.1:${port}`
  const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    return { status: response.status, text: await response.text() }
  }
  await fetch(`${url}/healthy`).then(response => response.text())
  const startMs = performance.now() - startedAt
  await post('/api/v1/user/register', LOGIN, { 'x-admin-key': ADMIN_KEY })
  const { token } = JSON.parse((await post('/api/v1/user/login', { ...LOGIN, app_id: 1 })).text)
  const identity = { authorization: `Bearer ${token}`, 'x-app-id': '1' }
  for (let tries = 0; !(await fetch(`${url}/ready`)).ok; tries++) {
    if (tries > 500) throw new Error('the link is not bound')
    await Bun.sleep(10)
  }
  return {
    ...{ port, pid: child.pid, token, startMs },
    request: (text = TEXT) => {
      const body = { esme: 1, source: 'MyCompany', destination: '49#', message: text, transaction_id: 'tx-#' }
      return httpRequest('POST', '/api/v1/sms/send', identity, JSON.stringify(body))
    },
    infoRequest: id =>
      httpRequest('POST', '/api/v1/sms/info', identity, JSON.stringify({ esme: 1, message_id: id })),
    post: (path, body) => post(path, body, identity),
    stop: async () => {
      await stop(child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** `#` stands for ten digits, which is what `Content-Length` counts. */
function httpRequest(method: string, path: string, headers: Record<string, string>, body: string): string {
  const length = Buffer.byteLength(body.replaceAll('#', '0123456789'))
  const lines = Object.entries({
    host: '127.0.0.1',
    'content-type': 'application/json',
    ...headers,
    'content-length': length,
  })
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

/** Reads the log until it says where it listens, and then on, so that the pipe never fills. */
async function portOf(child: Child): Promise<number> {
  const listening = Promise.withResolvers<number>()
  void (async () => {
    let seen = ''
    for await (const chunk of child.stdout) {
      const text = new TextDecoder().decode(chunk)
      seen = (seen + text).slice(-10_000)
      const port = /"listening"/.test(seen) ? /"port":(\d+)/.exec(seen)?.[1] : undefined
      if (port !== undefined) listening.resolve(Number(port))
      else if (/"level":(50|"error")/.test(text)) process.stderr.write(text)
    }
    listening.reject(new Error(`the gateway ended\n${seen}`))
  })()
  return listening.promise
}
