import { Histogram } from './histogram.ts'
import type { FilterFault } from './sandbox.ts'

/** So many faults that cost a machine or a deadline, within `TRIP_WINDOW_MS`, and the filter is out of use. */
export const TRIP_FAULTS = 5
const TRIP_WINDOW_MS = 10_000
/** How long it stays out; the first fault after it puts it out again. */
export const TRIPPED_MS = 10_000

/**
 * What became of one filter's questions. It counts on when the filter's file changes; only the faults that trip
 * are forgotten then. A plain exception costs a message some microseconds and never trips: a filter that throws
 * on one message in a hundred would otherwise be out of use for all of them.
 */
export class Tally {
  /** Messages it was asked about, or would have been but for being tripped. */
  hits = 0
  matches = 0
  /** Messages its answer refused or, in shadow mode, would have; `on_error` refuses others. */
  refusals = 0
  /** Faults of every kind, timeouts among them. */
  errors = 0
  timeouts = 0
  lastError = ''
  /** Unix milliseconds; 0 when there was none. */
  lastErrorAt = 0
  /** When a fault was last logged, monotonic milliseconds. */
  loggedAt = Number.NEGATIVE_INFINITY
  /** Microseconds an answer. */
  readonly took = new Histogram()
  tookSeconds = 0
  #costly: number[] = []
  #trippedUntil = Number.NEGATIVE_INFINITY

  answered(ms: number): void {
    this.took.add(ms * 1000)
    this.tookSeconds += ms / 1000
  }

  /** `monotonic` and `now`: the same moment on both clocks, in milliseconds. */
  fault(fault: FilterFault, monotonic: number, now: number): void {
    this.errors++
    if (fault.kind === 'timeout') this.timeouts++
    this.lastError = fault.message
    this.lastErrorAt = now
    if (fault.kind === 'error') return
    this.#costly = [...this.#costly, monotonic].slice(-TRIP_FAULTS)
    const [oldest = monotonic] = this.#costly
    if (this.#costly.length < TRIP_FAULTS || monotonic - oldest > TRIP_WINDOW_MS) return
    this.#trippedUntil = monotonic + TRIPPED_MS
    // All but one are as good as new at its end: one more fault then is one too many.
    this.#costly = this.#costly.slice(1).map(() => this.#trippedUntil)
  }

  trippedAt(monotonic: number): boolean {
    return monotonic < this.#trippedUntil
  }

  /** A new version deserves a new trial. */
  absolve(): void {
    this.#costly = []
    this.#trippedUntil = Number.NEGATIVE_INFINITY
  }
}
