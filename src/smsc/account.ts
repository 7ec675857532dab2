import type { Session } from '../smpp/session.ts'
import { segment } from '../smpp/text/segment.ts'
import { ESM_UDHI } from '../smpp/text/udh.ts'
import { Deliveries, type Delivery } from './deliveries.ts'
import type { FaultSettings, Faults } from './faults.ts'
import { readFaults } from './faults.ts'
import type { Later, SmscClock } from './later.ts'

/** A message from a handset. */
export interface FromHandset {
  readonly source: string
  readonly destination: string
  readonly text: string
}

const TON_INTERNATIONAL = 1
const NPI_ISDN = 1
const TON_NETWORK_SPECIFIC = 3
const SHORT_CODE_DIGITS_MAX = 6
const PARTS_MAX = 255
/** A rate is kept by so many pieces a second at most. */
const MO_TICK_MS = 10
/** Timers are late under load, which a rate makes up for; a process that stood still does not flood its ESMEs. */
const MO_LATE_MS_MAX = 1000

/** One system_id: its sessions, its faults, and what waits for it. */
export class Account {
  /** Those that are bound. */
  readonly sessions = new Set<Session>()
  readonly deliveries: Deliveries
  /** Messages without a response. */
  outstanding = 0
  #faults: Faults
  #own: FaultSettings
  /** When the latest messages came, monotonic: as many as `throttleRate` allows in a second. */
  #arrivals: number[] = []
  #arrived = 0
  #moReference = 0
  #moRunning = false
  #moOwed = 0
  /** Until when `#moOwed` counts, monotonic. */
  #moCounted = 0

  constructor(
    readonly systemId: string,
    /** Undefined: any will do. */
    readonly password: string | undefined,
    shared: FaultSettings,
    own: FaultSettings,
    private readonly clock: SmscClock,
    private readonly later: Later,
  ) {
    this.deliveries = new Deliveries(this.sessions, clock, later)
    this.#own = own
    this.#faults = readFaults({ ...shared, ...own })
  }

  get faults(): Faults {
    return this.#faults
  }

  /** Its own faults go before those of all accounts. Throws a FaultError and leaves them as they were. */
  set(shared: FaultSettings, own: FaultSettings = {}): void {
    const merged = { ...this.#own, ...own }
    this.#faults = readFaults({ ...shared, ...merged })
    this.#own = merged
    this.#arrivals = []
    this.#arrived = 0
    this.#startMo()
  }

  bound(session: Session): void {
    this.sessions.add(session)
    this.deliveries.schedule()
    this.#startMo()
  }

  /** True when one more message would be too many in the second that ends now; counts it otherwise. */
  isThrottled(): boolean {
    const { throttleRate, throttleWindow } = this.#faults
    if (throttleWindow > 0 && this.outstanding >= throttleWindow) return true
    if (throttleRate === 0) return false
    const now = this.clock.monotonic()
    const slot = this.#arrived % throttleRate
    const before = this.#arrivals[slot]
    if (before !== undefined && now - before < 1000) return true
    this.#arrivals[slot] = now
    this.#arrived++
    return false
  }

  /** Resolves with true when every part was taken by an ESME. Rejects with a TextError. */
  async deliver({ source, destination, text }: FromHandset): Promise<boolean> {
    const reference = (): number => (this.#moReference = (this.#moReference + 1) & 0xff)
    const { parts, udhi, dataCoding } = segment(text, {
      ...{ encoding: 'auto', flash: false, partsMax: PARTS_MAX, reference },
    })
    const taken = await Promise.all(
      parts.map(short_message =>
        this.#queued({
          ...{ source_addr_ton: TON_INTERNATIONAL, source_addr_npi: NPI_ISDN, source_addr: source },
          ...destinationOf(destination),
          ...{ esm_class: udhi ? ESM_UDHI : 0, data_coding: dataCoding, short_message },
        }),
      ),
    )
    return taken.every(Boolean)
  }

  #queued(body: Delivery['body']): Promise<boolean> {
    return new Promise(done => this.deliveries.push({ body, to: 'any', tries: 0, done }))
  }

  #startMo(): void {
    if (this.#moRunning || this.#faults.moRate === 0) return
    this.#moRunning = true
    this.#moOwed = 0
    this.#moCounted = this.clock.monotonic()
    this.#tickMo()
  }

  /** Ends with the rate or the last session. */
  #tickMo(): void {
    const { moRate, moText } = this.#faults
    if (moRate === 0 || this.sessions.size === 0) {
      this.#moRunning = false
      return
    }
    const delayMs = Math.max(MO_TICK_MS, 1000 / moRate)
    this.later.after(delayMs, () => {
      const now = this.clock.monotonic()
      this.#moOwed += (moRate * Math.min(now - this.#moCounted, delayMs + MO_LATE_MS_MAX)) / 1000
      this.#moCounted = now
      for (; this.#moOwed >= 1; this.#moOwed--)
        void this.deliver({ source: HANDSET, destination: SHORT_CODE, text: moText })
      this.#tickMo()
    })
  }
}

/** An ESME that is told a short code were an international number would make one of it. */
const destinationOf = (digits: string) =>
  digits.length > SHORT_CODE_DIGITS_MAX
    ? { dest_addr_ton: TON_INTERNATIONAL, dest_addr_npi: NPI_ISDN, destination_addr: digits }
    : { dest_addr_ton: TON_NETWORK_SPECIFIC, destination_addr: digits }

/** Who writes the messages that come at a rate, and to whom. */
const HANDSET = '491700000000'
const SHORT_CODE = '12345'
