import type { SessionClock } from './ports.ts'

export interface LinkStats {
  /** submit_sm without an answer. */
  readonly inFlight: number
  /** How many there may be now: the configured window, less while the SMSC throttles. */
  readonly window: number
  /** submit_sm of the last second. */
  readonly sentLastSecond: number
  /** Smoothed time to the answer of an accepted submit_sm; 0 before the first. */
  readonly rttMs: number
  readonly submitted: number
  readonly accepted: number
  /** Refusals by `command_status`, of the `CODES_MAX` that came first. */
  readonly refused: ReadonlyMap<number, number>
  /** Refusals by any other. */
  readonly refusedOtherwise: number
  /** Outcomes that are not known. */
  readonly unknown: number
  /** Handed to the link, and never to a socket. */
  readonly unwritten: number
  /** deliver_sm and data_sm that came in. */
  readonly delivered: number
}

/** As TCP smooths its round trip (RFC 6298). */
const RTT_GAIN = 1 / 8
const SLOT_MS = 50
const SLOTS = 20
/** An SMSC may answer with any of 2^32 codes. */
const CODES_MAX = 32

/** What a link counts, from its construction on. */
export class LinkCounters {
  #submitted = 0
  #accepted = 0
  #unknown = 0
  #unwritten = 0
  #delivered = 0
  #rttMs = 0
  readonly #refused = new Map<number, number>()
  #refusedOtherwise = 0
  /** Sends by the slot of time they fell in, `SLOTS` of them round and round. */
  readonly #slots = new Uint32Array(SLOTS)
  #slot = 0

  constructor(private readonly clock: Pick<SessionClock, 'monotonic'>) {}

  /** `now` in monotonic milliseconds. */
  sent(now: number): void {
    this.#submitted++
    this.#turn(now)
    const at = this.#slot % SLOTS
    this.#slots[at] = (this.#slots[at] as number) + 1
  }

  accepted(rttMs: number): void {
    this.#accepted++
    this.#rttMs = this.#rttMs === 0 ? rttMs : this.#rttMs + (rttMs - this.#rttMs) * RTT_GAIN
  }

  refused(status: number): void {
    const before = this.#refused.get(status) ?? 0
    if (before === 0 && this.#refused.size === CODES_MAX) this.#refusedOtherwise++
    else this.#refused.set(status, before + 1)
  }

  unanswered(kind: 'unknown' | 'unwritten'): void {
    if (kind === 'unknown') this.#unknown++
    else this.#unwritten++
  }

  delivered(): void {
    this.#delivered++
  }

  stats(inFlight: number, window: number): LinkStats {
    this.#turn(this.clock.monotonic())
    return {
      inFlight,
      window,
      sentLastSecond: this.#slots.reduce((sum, count) => sum + count, 0),
      rttMs: this.#rttMs,
      submitted: this.#submitted,
      accepted: this.#accepted,
      refused: new Map(this.#refused),
      refusedOtherwise: this.#refusedOtherwise,
      unknown: this.#unknown,
      unwritten: this.#unwritten,
      delivered: this.#delivered,
    }
  }

  /** Empties the slots whose second has passed. */
  #turn(now: number): void {
    const slot = Math.floor(now / SLOT_MS)
    if (slot === this.#slot) return
    const passed = Math.min(SLOTS, slot - this.#slot)
    for (let i = 1; i <= passed; i++) this.#slots[(slot - passed + i) % SLOTS] = 0
    this.#slot = slot
  }
}
