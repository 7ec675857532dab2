import type { LinkStats } from './counters.ts'
import { LinkCounters } from './counters.ts'
import { PduError } from './error.ts'
import type { BindCommand, LegParts, LegState } from './leg.ts'
import { Leg } from './leg.ts'
import type { Address } from './net.ts'
import { Pacer } from './pacer.ts'
import type { BodyInput, DataSm, DeliverSm, Pdu } from './pdu.ts'
import { withFields } from './ports.ts'
import type { Answer, Session } from './session.ts'
import { STATUS } from './status.ts'
import { Throttle } from './throttle.ts'
import type { Reply } from './window.ts'

/**
 * `LOADED`: bound. `THROTTLED`: bound, and slowed down by the SMSC's 0x58 or 0x14 within the last second;
 * it goes on sending as far as `room()` says. `CONNECTING`: on the way to a bind. `UNBOUND`: waiting for the
 * next try. `DISABLED`: switched off.
 */
export const LINK_STATES = ['LOADED', 'CONNECTING', 'UNBOUND', 'DISABLED', 'THROTTLED'] as const
export type LinkState = (typeof LINK_STATES)[number]

export type Answered =
  | { readonly kind: 'accepted'; readonly messageId: string }
  /** An error in submit_sm_resp, or a generic_nack; or our own word on a field that cannot be written. */
  | { readonly kind: 'refused'; readonly status: number }

export type SubmitOutcome = Answered | Exclude<Reply, { kind: 'response' }>

export interface LinkEvents {
  /** At most once a turn, when `room()` may have risen from 0 or the state has changed. */
  room(link: Link): void
  /** Answers the `command_status` of the response, which waits for it. */
  deliver(pdu: DeliverSm | DataSm, link: Link): Promise<number> | number
  /** The answer to a submit whose outcome was `unknown` because of a timeout. */
  late(tag: unknown, outcome: Answered): void
  state(link: Link, from: LinkState, to: LinkState, reason: string): void
}

export interface LinkOptions {
  readonly id: number
  readonly name: string
  readonly address: Address
  readonly systemId: string
  readonly password: string
  readonly systemType: string
  /** What the SMSC routes to this bind, in its own notation (SMPP 3.4 §5.2.7); empty where it knows by the account. */
  readonly addresses: { readonly ton: number; readonly npi: number; readonly range: string }
  /** 0x34 is version 3.4. */
  readonly interfaceVersion: number
  /** `pair`: a transmitter and a receiver session that make one link. */
  readonly bind: 'transceiver' | 'transmitter' | 'receiver' | 'pair'
  readonly connectTimeoutMs: number
  readonly responseTimeoutMs: number
  readonly enquireLinkMs: number
  /** submit_sm without an answer at most. */
  readonly window: number
  /** submit_sm in any sliding second at most; 0 is no limit. */
  readonly limitTps: number
}

export interface LinkParts extends LegParts {
  readonly events: LinkEvents
}

const BINDS: Readonly<Record<LinkOptions['bind'], readonly BindCommand[]>> = {
  transceiver: ['bind_transceiver'],
  transmitter: ['bind_transmitter'],
  receiver: ['bind_receiver'],
  pair: ['bind_transmitter', 'bind_receiver'],
}

/** The status stays so long after the last refusal, so that it can be seen. */
const THROTTLED_MS = 1000

/** An SMSC account that stays bound, once it is enabled: what a route sends through. */
export class Link {
  readonly id: number
  readonly name: string
  /** `host:port/system_id`: message ids are unique within it. */
  readonly account: string
  #state: LinkState = 'DISABLED'
  #enabled = false
  #closed = false
  #stopping: Promise<unknown> = Promise.resolve()
  #roomAnnounced = false
  #stampScheduled = false
  #stampOwed = false
  #throttledUntil = Number.NEGATIVE_INFINITY
  /** The session over which the last submit_sm was accepted. */
  #served: Session | undefined
  #cancelRoomTimer: (() => void) | undefined
  #cancelThrottledTimer: () => void = () => undefined
  readonly #legs: readonly Leg[]
  readonly #transmit: Leg | undefined
  readonly #pacer: Pacer
  readonly #throttle: Throttle
  readonly #counters: LinkCounters

  constructor(
    private readonly options: LinkOptions,
    private readonly parts: LinkParts,
  ) {
    this.id = options.id
    this.name = options.name
    this.account = accountOf(options)
    this.#pacer = new Pacer(options.limitTps)
    this.#throttle = new Throttle(options.window)
    this.#counters = new LinkCounters(parts.clock)
    this.#legs = BINDS[options.bind].map(bind => this.#leg(bind))
    this.#transmit = this.#legs.find(leg => leg.bind !== 'bind_receiver')
  }

  state(): LinkState {
    return this.#state
  }

  get enabled(): boolean {
    return this.#enabled
  }

  /** A connection stands, bound or not: also while it drains. */
  connected(): boolean {
    return this.#legs.some(leg => leg.connected)
  }

  /** submit_sm that may be written right now; 0 unless bound for transmission. */
  room(): number {
    // Asked three times a send: the clock, at some 40 ns a look, only where time decides.
    const timed = this.#pacer.limited || this.#throttle.paused
    return this.#roomAt(timed ? this.parts.clock.monotonic() : 0)
  }

  #roomAt(now: number): number {
    const session = this.#transmit?.session
    if (!session) return 0
    const window = Math.min(session.room, this.#throttle.room(session.inFlight, now))
    return Math.min(window, this.#pacer.tokens(now))
  }

  /** True while a session is bound that can carry a submit_sm. */
  transmits(): boolean {
    return this.#transmit?.session !== undefined
  }

  /** It can do what it is there for: that is its session for submit_sm, of a receiver the one it has. */
  bound(): boolean {
    return (this.#transmit ?? this.#legs[0])?.state === 'bound'
  }

  /** Bound sessions: 0 to 2. */
  sessions(): number {
    return this.#legs.reduce((count, leg) => count + (leg.state === 'bound' ? 1 : 0), 0)
  }

  /** Share of the window in use; above 1 while the window shrinks under what is in flight. */
  load(): number {
    return (this.#transmit?.inFlight ?? 0) / this.#throttle.window
  }

  /** What stands in the way of a submit_sm: the window, the TPS, a pause after the SMSC asked for one, or its silence. */
  shortage(): 'window' | 'tps' | 'pause' | 'silence' | undefined {
    if (!this.transmits() || this.room() > 0) return undefined
    if (this.#transmit?.session?.doubted) return 'silence'
    const now = this.parts.clock.monotonic()
    if (this.#throttle.waitMs(now) > 0) return 'pause'
    return this.#pacer.tokens(now) <= 0 ? 'tps' : 'window'
  }

  /**
   * Writes a submit_sm at the end of this turn and tells what became of it; without room it is `unwritten`, with a
   * field that does not fit `refused`. `tag` comes back with a late answer. `settle` is called after the return: what
   * fails at once would else come to a caller that is still at work on the part before.
   */
  send(fields: BodyInput<'submit_sm'>, tag: unknown, settle: (outcome: SubmitOutcome) => void): void {
    const now = this.parts.clock.monotonic()
    const session = this.#transmit?.session
    if (!session || this.#roomAt(now) === 0) {
      queueMicrotask(() => settle({ kind: 'unwritten' }))
      return
    }
    const { epoch } = this.#throttle
    try {
      session.send('submit_sm', fields, tag, reply => {
        const outcome = this.#outcome(reply, session, epoch, now)
        // A response comes in a turn of its own; what becomes of a lost session may come within this call.
        if (reply.kind === 'response') settle(outcome)
        else queueMicrotask(() => settle(outcome))
      })
    } catch (error) {
      if (!(error instanceof PduError)) throw error
      const { status } = error
      queueMicrotask(() => settle({ kind: 'refused', status }))
      return
    }
    this.#counters.sent(now)
    this.#pacer.take(now)
    this.#stampSoon()
  }

  /** Begins to bind, when what an earlier session left in flight has ended. */
  enable(): void {
    if (this.#enabled || this.#closed) return
    this.#enabled = true
    this.#update('enabled')
    void this.#stopping.then(() => {
      if (this.#enabled) for (const leg of this.#legs) leg.start()
    })
  }

  /** Takes no more submits at once; what is in flight may end (up to the response timeout), then unbinds. */
  disable(reason: string): void {
    if (!this.#enabled) return
    this.#enabled = false
    const { responseTimeoutMs } = this.options
    this.#stopping = Promise.all(this.#legs.map(leg => leg.stop(responseTimeoutMs, reason)))
  }

  /** Ends the link for good: like `disable`, and resolves when the last socket is closed. */
  async close(): Promise<void> {
    this.disable('closed')
    this.#closed = true
    this.#cancelRoomTimer?.()
    this.#cancelThrottledTimer()
    await this.#stopping
  }

  /** New limits hold from now on, without a new bind. */
  setLimits({ limitTps, window }: { readonly limitTps: number; readonly window: number }): void {
    this.#pacer.setLimit(limitTps, this.parts.clock.monotonic())
    this.#throttle.setMax(window)
    this.#transmit?.resize(window)
    this.#watchRoom()
    this.#announceRoom()
  }

  stats(): LinkStats {
    return this.#counters.stats(this.#transmit?.inFlight ?? 0, this.#throttle.window)
  }

  #leg(bind: BindCommand): Leg {
    const { address, systemId, password, systemType, interfaceVersion, addresses } = this.options
    const { window, responseTimeoutMs, enquireLinkMs, connectTimeoutMs } = this.options
    return new Leg(
      {
        address,
        bind,
        connectTimeoutMs,
        credentials: {
          system_id: systemId,
          password,
          system_type: systemType,
          interface_version: interfaceVersion,
          addr_ton: addresses.ton,
          addr_npi: addresses.npi,
          address_range: addresses.range,
        },
        session: { role: 'esme', window, responseTimeoutMs, enquireLinkMs },
      },
      { ...this.parts, log: withFields(this.parts.log, { link: this.name }) },
      {
        changed: reason => this.#update(reason),
        request: pdu => this.#request(pdu),
        room: () => this.#roomier(),
        late: (tag, pdu) => this.parts.events.late(tag, answered(pdu)),
      },
    )
  }

  #request(pdu: Pdu): Answer | Promise<Answer> {
    if (pdu.command !== 'deliver_sm' && pdu.command !== 'data_sm') return undefined
    this.#counters.delivered()
    return this.parts.events.deliver(pdu, this)
  }

  #outcome(reply: Reply, session: Session, epoch: number, sentAt: number): SubmitOutcome {
    if (reply.kind !== 'response') {
      this.#counters.unanswered(reply.kind)
      return reply
    }
    const outcome = answered(reply.pdu)
    if (outcome.kind === 'accepted') {
      this.#counters.accepted(this.parts.clock.monotonic() - sentAt)
      this.#throttle.accepted(epoch)
      this.#served = session
    } else {
      this.#counters.refused(outcome.status)
      if (outcome.status === STATUS.ESME_RINVBNDSTS && this.#served === session) this.#forgotten(session)
      if (outcome.status === STATUS.ESME_RTHROTTLED || outcome.status === STATUS.ESME_RMSGQFUL)
        this.#slow(epoch)
    }
    return outcome
  }

  /**
   * The SMSC has lost the bind and kept the connection (a restart behind a proxy, say): without a new bind it would refuse
   * all that comes. One that took nothing over this session has an account that may not send, which a new bind does not change.
   */
  #forgotten(session: Session): void {
    void session.unbind(this.options.responseTimeoutMs, 'the SMSC knows nothing of this session any more')
  }

  #slow(epoch: number): void {
    const { clock } = this.parts
    const now = clock.monotonic()
    if (!this.#throttle.refused(epoch, now)) return
    this.#throttledUntil = now + THROTTLED_MS
    this.#cancelThrottledTimer()
    if (!this.#closed)
      this.#cancelThrottledTimer = clock.after(THROTTLED_MS, () => this.#update('no longer throttled'))
    this.#watchRoom()
    this.#update('throttled by the SMSC')
  }

  /** The state follows from the switch, the legs and the throttle; every change is told. */
  #update(reason: string): void {
    const from = this.#state
    this.#state = this.#derived()
    if (from !== this.#state) this.parts.events.state(this, from, this.#state, reason)
    // Also of a pair whose transmitter is back while its receiver is not.
    this.#announceRoom()
  }

  #derived(): LinkState {
    if (!this.#enabled) return 'DISABLED'
    const every = (state: LegState): boolean => this.#legs.every(leg => leg.state === state)
    if (every('bound')) return this.parts.clock.monotonic() < this.#throttledUntil ? 'THROTTLED' : 'LOADED'
    const way = this.#legs.every(leg => leg.state === 'connecting' || leg.state === 'bound')
    return way ? 'CONNECTING' : 'UNBOUND'
  }

  /** Tells of room once a turn, and when only time can bring it, once it has. */
  #announceRoom(): void {
    if (this.#roomAnnounced) return
    this.#roomAnnounced = true
    this.parts.clock.soon(() => {
      this.#roomAnnounced = false
      this.parts.events.room(this)
    })
  }

  /** Milliseconds until time alone may give room (TPS, a pause); 0 when time does not stand in the way. */
  #nextRoomInMs(): number {
    const now = this.parts.clock.monotonic()
    return Math.max(this.#pacer.waitMs(now), this.#throttle.waitMs(now))
  }

  #watchRoom(): void {
    const delayMs = this.#nextRoomInMs()
    if (delayMs === 0 || this.#cancelRoomTimer || this.#closed) return
    this.#cancelRoomTimer = this.parts.clock.after(Math.ceil(delayMs), () => {
      this.#cancelRoomTimer = undefined
      if (this.#nextRoomInMs() > 0) this.#watchRoom()
      else this.#announceRoom()
    })
  }

  /** The octets of this turn leave at its end: that moment counts for the TPS. */
  #stampSoon(): void {
    if (this.#stampScheduled) return
    this.#stampScheduled = true
    this.parts.clock.soon(() => {
      this.#stampScheduled = false
      this.#stamp()
    })
  }

  /** What the socket does not take yet leaves later, and counts from then. */
  #stamp(): void {
    this.#stampOwed = this.#transmit?.session?.blocked === true
    if (this.#stampOwed) return
    this.#pacer.stamp(this.parts.clock.monotonic())
    this.#watchRoom()
  }

  #roomier(): void {
    if (this.#stampOwed) this.#stamp()
    this.#announceRoom()
  }
}

export const accountOf = ({ address, systemId }: Pick<LinkOptions, 'address' | 'systemId'>): string =>
  `${address.host}:${address.port}/${systemId}`

/** A response with an error, or a generic_nack of any status, is a refusal. */
function answered(pdu: Pdu): Answered {
  if (pdu.command === 'submit_sm_resp' && pdu.command_status === STATUS.ESME_ROK)
    return { kind: 'accepted', messageId: pdu.message_id }
  return { kind: 'refused', status: pdu.command_status }
}
