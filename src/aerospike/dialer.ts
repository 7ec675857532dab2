import { authenticate, logIn } from './commands/info.ts'
import { asAerospikeError, Connection, type ConnectionEvents } from './connection.ts'
import type { Deadlines } from './deadlines.ts'
import { AerospikeError } from './errors.ts'
import type { Settings } from './options.ts'
import type { Host, Socket } from './ports.ts'
import { hashPassword } from './protocol/bcrypt.ts'

export function hostText({ host, port }: Host): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** A node's session: shared by its connections, got by the first of them, renewed before it ends. */
export interface SessionHolder {
  session: { readonly token: Uint8Array; readonly endsMs: number } | undefined
}

/** Sessions are renewed this long before the server ends them. */
const SESSION_MARGIN_MS = 60_000

/** Makes connections: socket, TLS, login, all within the time to connect. */
export class Dialer {
  #passwordHash: string | undefined

  constructor(
    private readonly settings: Settings,
    private readonly deadlines: Deadlines,
  ) {}

  /** `silentMsMax`: how long the connection may owe an answer. */
  async dial(
    host: Host,
    holder: SessionHolder,
    events: ConnectionEvents,
    silentMsMax = this.settings.limits.socketTimeoutMs,
  ): Promise<Connection> {
    const { clock, limits } = this.settings
    const timeout = Promise.withResolvers<never>()
    const peer = hostText(host)
    const cancel = clock.after(limits.connectTimeoutMs, () => {
      timeout.reject(
        new AerospikeError(
          'CLIENT_TIMEOUT',
          `${peer} did not take a connection within ${limits.connectTimeoutMs} ms`,
          { node: peer },
        ),
      )
    })
    let connection: Connection | undefined
    let late = false
    const connecting = this.#connect(host, peer, events, silentMsMax, timeout.promise).then(made => {
      connection = made
      if (late) made.close()
      return made
    })
    try {
      const made = await Promise.race([connecting, timeout.promise])
      await Promise.race([this.#admit(made, holder), timeout.promise])
      return made
    } catch (error) {
      late = true
      connection?.close()
      throw asAerospikeError(error)
    } finally {
      cancel()
    }
  }

  async #connect(
    host: Host,
    peer: string,
    events: ConnectionEvents,
    silentMsMax: number,
    timeout: Promise<never>,
  ): Promise<Connection> {
    const { connect, clock } = this.settings
    const limits = { frameBytesMax: this.settings.limits.frameBytesMax, socketTimeoutMs: silentMsMax }
    let connection: Connection | undefined
    let lost = false
    let socket: Socket
    try {
      const handlers = {
        data: (chunk: Uint8Array) => connection?.received(chunk),
        drain: () => connection?.drained(),
        closed: () => {
          lost = true
          connection?.close()
        },
      }
      socket = await connect(host, handlers, timeout)
      if (lost) throw new Error('closed by the node')
    } catch (cause) {
      throw new AerospikeError('CONNECTION_ERROR', `${peer} cannot be reached`, { node: peer, cause })
    }
    connection = new Connection(peer, socket, clock, this.deadlines, limits, events)
    return connection
  }

  async #admit(connection: Connection, holder: SessionHolder): Promise<void> {
    const { credentials, clock } = this.settings
    if (!credentials) return
    if (holder.session && clock.monotonic() < holder.session.endsMs) {
      try {
        return await authenticate(connection, credentials.user, holder.session.token)
      } catch (error) {
        // The node may have restarted and know nothing of the session: the next connection logs in.
        holder.session = undefined
        throw error
      }
    }
    this.#passwordHash ??= hashPassword(credentials.password)
    const session = await logIn(connection, {
      user: credentials.user,
      passwordHash: this.#passwordHash,
      ...(credentials.mode === 'external' ? { clearPassword: credentials.password } : {}),
    })
    if (!session) return
    const lastsMs =
      session.ttlSeconds === undefined
        ? Number.POSITIVE_INFINITY
        : session.ttlSeconds * 1000 - SESSION_MARGIN_MS
    holder.session = { token: session.token, endsMs: clock.monotonic() + lastsMs }
  }
}
