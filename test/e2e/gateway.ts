import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AerospikeClient } from '../../src/aerospike/index.ts'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import type { MessageStore } from '../../src/store/store.ts'

/** The compiled binary, as `npm run build` left it. */
export const BINARY = join(import.meta.dir, '../../dist/sms-proxy')

export const ADMIN_KEY = 'admin-key-of-the-tests'
const EMAIL = 'tester@example.com'
const PASSWORD = 'password of the tester'
const START_MS = 150_000
/** `host:port` of a cluster to keep messages in, in place of files: `aerospike.test.ts` runs suites so. */
const CLUSTER = process.env.E2E_AEROSPIKE
/** `true`: behind a spool. */
const SPOOL = process.env.E2E_SPOOL ?? 'false'
let namespaces = 0
/** No binary outlives its test by more, whatever becomes of the test. */
export const LIFE_MS = 240_000

export interface LinkTarget {
  readonly port: number
  /** `link-1` and so on when it is left out. */
  readonly name?: string
  readonly systemId?: string
  /** Further keys of the link, as YAML flow: `window: 10, limit_tps: 0`. */
  readonly more?: string
}

export interface GatewayOptions {
  /** One link each, with ids from 1; all of them in `pool-1`. */
  readonly links: readonly LinkTarget[]
  /** Further top-level YAML. */
  readonly yaml?: string
  /** Further lines of the section `smpp`, two spaces in. */
  readonly smpp?: string
  readonly env?: Readonly<Record<string, string>>
  /** The command that runs the binary, which is added to it: `['sh', '-c', 'ulimit …; exec "$0" "$@"']`. */
  readonly under?: readonly string[]
}

/** Runs a command of the binary to its end. */
export async function run(
  argv: readonly string[],
  options: {
    readonly cwd: string
    readonly env?: Readonly<Record<string, string>>
    readonly under?: readonly string[]
  },
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const child = Bun.spawn([...(options.under ?? []), BINARY, ...argv], {
    cwd: options.cwd,
    env: options.env ?? {},
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: START_MS,
    killSignal: 'SIGKILL',
  })
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, stdout, stderr }
}

export interface Reply {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test reads the body it expects, and fails where it is another
  readonly body: any
  readonly headers: Headers
}

/** One life of the binary after another, in a folder of its own with a configuration of its own. */
export class TestGateway {
  readonly folder = mkdtempSync(join(tmpdir(), 'sms-proxy-e2e-'))
  readonly configFile = join(this.folder, 'sms-proxy.yaml')
  /** Of app 1; made with the first call of `asApp`. */
  readonly user = { email: EMAIL, password: PASSWORD }
  /** Where there is a cluster: it has 32, and few suites start more gateways. */
  readonly namespace = `sms${namespaces++ % 32}`
  port = 0
  #process: Bun.Subprocess<'ignore', 'pipe', 'pipe'> | undefined
  #token: Promise<string> | undefined
  /** What it logged in this life, a line each. */
  readonly log: string[] = []

  constructor(private readonly options: GatewayOptions) {
    this.configure(options)
  }

  /** Writes the configuration anew; for a reload or the next life. */
  configure({ links, yaml = '', smpp = '' }: GatewayOptions): void {
    const nameOf = ({ name }: LinkTarget, index: number): string => name ?? `link-${index + 1}`
    const link = (target: LinkTarget, index: number): string => {
      const { port, systemId = 'tester', more = '' } = target
      return `    - { id: ${index + 1}, name: ${nameOf(target, index)}, host: 127.0.0.1, port: ${port}, system_id: ${systemId}, password: secret${more && `, ${more}`} }`
    }
    const names = links.map(nameOf).join(', ')
    writeFileSync(
      this.configFile,
      `endpoint: 127.0.0.1:0
log: { level: debug, format: json }
smpp:
  links:
${links.map(link).join('\n')}
  pools:
    - { id: 0, name: pool-1, links: [${names}] }
${smpp}
${yaml}
`,
    )
  }

  /** Starts it and waits until it listens. Fails with what it said when it does not. */
  async start(): Promise<this> {
    this.log.length = 0
    const child = Bun.spawn([...(this.options.under ?? []), BINARY, 'serve', '--config', this.configFile], {
      cwd: this.folder,
      // Nothing of this machine's environment: a binary needs none.
      env: { ADMIN_API_KEY: ADMIN_KEY, ...this.#cluster(), ...this.options.env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: LIFE_MS,
      killSignal: 'SIGKILL',
    })
    this.#process = child
    this.port = await this.#listening(child)
    return this
  }

  #cluster(): Record<string, string> {
    if (CLUSTER === undefined) return {}
    return {
      SMS_PROXY_AEROSPIKE__HOSTS: CLUSTER,
      SMS_PROXY_AEROSPIKE__NAMESPACE: this.namespace,
      SMS_PROXY_AEROSPIKE__SPOOL: SPOOL,
    }
  }

  /** What the gateway has stored, once it has stopped. `path` in its folder, where there is no cluster. */
  async messages(path: string): Promise<MessageStore> {
    const retentionMs = 24 * 3600 * 1000
    if (CLUSTER === undefined) {
      return openSqliteStore({ path: join(this.folder, path), clock: systemClock, retentionMs })
    }
    const [host = '', port] = CLUSTER.split(':')
    return openAerospikeStore({
      ...{
        client: new AerospikeClient({ hosts: [{ host, port: Number(port) }] }),
        namespace: this.namespace,
      },
      ...{ clock: systemClock, random: systemRandom, log: { warn: () => {} } },
      ...{ retentionMs, instance: 'test', name: 'test', node: 0 },
    })
  }

  async #listening(child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const fail = (why: string): void => reject(new Error(`${why}\n${this.log.slice(-20).join('\n')}`))
    const timer = setTimeout(() => fail('the binary does not listen'), START_MS)
    void this.#read(child.stdout, line => {
      const told = line.startsWith('{') ? (JSON.parse(line) as { msg?: string; port?: number }) : {}
      if (told.msg === 'listening' && told.port !== undefined) resolve(told.port)
    })
    void this.#read(child.stderr, () => undefined)
    void child.exited.then(code => fail(`the binary ended with ${code}`))
    return promise.finally(() => clearTimeout(timer))
  }

  async #read(stream: ReadableStream<Uint8Array>, each: (line: string) => void): Promise<void> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        this.log.push(line)
        each(line)
      }
    }
  }

  /** SIGTERM; answers the exit code. */
  async stop(): Promise<number> {
    this.#process?.kill('SIGTERM')
    return (await this.#process?.exited) ?? 0
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await this.#process?.exited
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** `body` goes as JSON, a form as it is. */
  async fetch(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: unknown,
  ): Promise<Reply> {
    const asIs = body === undefined || body instanceof FormData
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { ...(asIs ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(asIs ? body && { body } : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const json = response.headers.get('content-type')?.includes('json')
    return { status: response.status, body: json ? JSON.parse(text) : text, headers: response.headers }
  }

  admin(method: string, path: string, body?: unknown): Promise<Reply> {
    return this.fetch(method, path, { 'x-admin-key': ADMIN_KEY }, body)
  }

  /** The headers of a user of app 1, made and logged in at the first call. */
  async asApp(): Promise<Record<string, string>> {
    this.#token ??= this.#login()
    return { authorization: `Bearer ${await this.#token}`, 'x-app-id': '1' }
  }

  async #login(): Promise<string> {
    await this.admin('POST', '/api/v1/user/register', this.user)
    const { body } = await this.fetch('POST', '/api/v1/user/login', {}, { ...this.user, app_id: 1 })
    return body.token
  }

  async app(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    return this.fetch(method, path, { ...(await this.asApp()), ...headers }, body)
  }

  send(fields: object = {}, headers: Record<string, string> = {}): Promise<Reply> {
    const message = { esme: 1, source: '+123456789', destination: '+987654321', message: 'Hello world' }
    return this.app('POST', '/api/v1/sms/send', { ...message, ...fields }, headers)
  }

  info(messageId: string): Promise<Reply> {
    return this.app('POST', '/api/v1/sms/info', { esme: 1, message_id: messageId })
  }

  /** Asks every few milliseconds until `done`; a deadline turns a wait into a failure that says what it saw. */
  async until<T>(ask: () => Promise<T> | T, done: (value: T) => boolean, deadlineMs = 100_000): Promise<T> {
    const end = performance.now() + deadlineMs
    for (;;) {
      const value = await ask()
      if (done(value)) return value
      if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${JSON.stringify(value)}`)
      await Bun.sleep(10)
    }
  }

  /** Until every link is bound. */
  async bound(): Promise<this> {
    await this.until(
      () => this.admin('GET', '/api/v1/admin/dashboard/smpp-links'),
      ({ body }) => body.data.every((link: { status: string }) => link.status === 'LOADED'),
    )
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** `await using gateway = await startGateway({ links: [{ port: smsc.port }] })`: bound and ready. */
export const startGateway = async (options: GatewayOptions): Promise<TestGateway> =>
  (await new TestGateway(options).start()).bound()
