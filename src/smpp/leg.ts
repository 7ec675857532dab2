import { Backoff } from './backoff.ts'
import type { Address, Connect, Sink } from './net.ts'
import type { Transport } from './outbox.ts'
import type { BodyInput } from './pdu.ts'
import type { Log, Random, SessionClock } from './ports.ts'
import type { SessionEvents, SessionOptions } from './session.ts'
import { Session } from './session.ts'
import { statusName } from './status.ts'
import type { Reply } from './window.ts'

export type BindCommand = 'bind_transceiver' | 'bind_transmitter' | 'bind_receiver'

export interface LegOptions {
  readonly address: Address
  readonly bind: BindCommand
  readonly credentials: BodyInput<BindCommand>
  readonly connectTimeoutMs: number
  readonly session: SessionOptions
}

export interface LegParts {
  readonly connect: Connect
  readonly clock: SessionClock
  readonly random: Random
  readonly log: Log
}

/** A session that is lost sooner is a try that failed: an SMSC that drops each one behind its bind is asked ever more rarely. */
const LASTED_MS = 10_000

/** `waiting`: for the next try. */
export type LegState = 'stopped' | 'connecting' | 'bound' | 'waiting' | 'stopping'

export interface LegEvents extends Omit<SessionEvents, 'closed'> {
  changed(reason: string): void
}

/** One session that is bound again whenever it is lost. A link has one, or two with `bind: pair`. */
export class Leg {
  #state: LegState = 'stopped'
  #session: Session | undefined
  #bindStatus: number | undefined
  /** Monotonic milliseconds. */
  #boundAt = 0
  #cancel: () => void = () => undefined
  #stopped: (() => void) | undefined
  #window: number
  readonly #backoff: Backoff

  constructor(
    private readonly options: LegOptions,
    private readonly parts: LegParts,
    private readonly events: LegEvents,
  ) {
    this.#backoff = new Backoff(parts.random)
    this.#window = options.session.window
  }

  get state(): LegState {
    return this.#state
  }

  get bind(): BindCommand {
    return this.options.bind
  }

  /** The session while it is bound. */
  get session(): Session | undefined {
    return this.#state === 'bound' ? this.#session : undefined
  }

  /** There is a connection, bound or not: also while it drains. */
  get connected(): boolean {
    return this.#session !== undefined
  }

  /** Requests without an answer, also of a session that is on its way out. */
  get inFlight(): number {
    return this.#session?.inFlight ?? 0
  }

  /** The window of this session and of those to come. */
  resize(window: number): void {
    this.#window = window
    this.#session?.resize(window)
  }

  start(): void {
    if (this.#state === 'stopped') this.#connect('starting')
  }

  /** Lets what is in flight end for up to `drainMs`, unbinds and closes. Resolves when that is done. */
  stop(drainMs: number, reason: string): Promise<void> {
    this.#cancel()
    const session = this.#session
    if (!session) {
      this.#become('stopped', reason)
      return Promise.resolve()
    }
    return new Promise(resolve => {
      this.#stopped = resolve
      this.#become('stopping', reason)
      void session.unbind(drainMs, reason)
    })
  }

  #connect(reason: string): void {
    this.#bindStatus = undefined
    this.#become('connecting', reason)
    const { clock, connect } = this.parts
    const { address, connectTimeoutMs } = this.options
    const fail = (why: string): void => {
      this.#cancel()
      this.#retry(why)
    }
    const cancelTimer = clock.after(connectTimeoutMs, () => fail(`no connection in ${connectTimeoutMs} ms`))
    this.#cancel = cancelTimer
    const cancelConnect = connect(
      address,
      transport => {
        cancelTimer()
        return this.#opened(transport)
      },
      fail,
    )
    this.#cancel = () => {
      cancelTimer()
      cancelConnect()
    }
  }

  #opened(transport: Transport): Sink {
    const { clock, log } = this.parts
    const events: SessionEvents = { ...this.events, closed: reason => this.#lost(reason) }
    const options = { ...this.options.session, window: this.#window }
    const session = new Session(transport, options, events, clock, log)
    this.#session = session
    session.send(this.options.bind, this.options.credentials, undefined, reply => this.#bound(session, reply))
    return session
  }

  #bound(session: Session, reply: Reply): void {
    if (session.state !== 'open' && session.state !== 'closed') {
      this.#boundAt = this.parts.clock.monotonic()
      this.#become('bound', 'bound')
    } else if (reply.kind === 'response') {
      this.#bindStatus = reply.pdu.command_status
      session.close(`bind refused: ${statusName(this.#bindStatus)}`)
    } else session.close('bind not answered')
  }

  #lost(reason: string): void {
    this.#session = undefined
    if (!this.#stopped) {
      const lastedMs = this.parts.clock.monotonic() - this.#boundAt
      if (this.#state === 'bound' && lastedMs >= LASTED_MS) this.#backoff.succeeded()
      this.#retry(reason)
      return
    }
    this.#become('stopped', reason)
    this.#stopped()
    this.#stopped = undefined
  }

  #retry(reason: string): void {
    const delayMs = this.#backoff.nextMs(this.#bindStatus)
    this.#cancel = this.parts.clock.after(delayMs, () => this.#connect('next try'))
    this.#become('waiting', reason)
  }

  #become(state: LegState, reason: string): void {
    this.#state = state
    this.events.changed(reason)
  }
}
