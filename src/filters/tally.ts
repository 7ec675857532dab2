import { Histogram } from './histogram.ts'
import type { FilterFault } from './sandbox.ts'

/** So many faults that cost a machine or a deadline, within `TRIP_WINDOW_MS`, and the filter is out of use for an app. */
export const TRIP_FAULTS = 5
const TRIP_WINDOW_MS = 10_000
/** So many apps that it is out of use for, and it is so for all: it is the filter then, and not what one of them sends. */
export const TRIP_APPS = 5
/** How long it stays out; the first fault after it puts it out again. */
export const TRIPPED_MS = 10_000

interface Trip {
  /** When the app's last faults were, monotonic milliseconds. */
  costly: readonly number[]
  until: number
}

/**
 * What became of one filter's questions. It counts on when the filter's file changes; only the faults that trip
 * are forgotten then. A plain exception costs a message some microseconds and never trips: a filter that throws
 * on one message in a hundred would otherwise be out of use for all of them. Faults that trip are counted for each app:
 * a text that a pattern takes too long for would else, once in ten seconds, have the messages of all refused.
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
  /** Of apps whose messages it failed on of late. */
  readonly #trips = new Map<number, Trip>()
  /** When the last of them is over: each message asks for that alone. */
  #lastUntil = Number.NEGATIVE_INFINITY

  answered(ms: number): void {
    this.took.add(ms * 1000)
    this.tookSeconds += ms / 1000
  }

  /** `app`: whose message it was. `monotonic` and `now`: the same moment on both clocks, in milliseconds. */
  fault(fault: FilterFault, app: number, monotonic: number, now: number): void {
    this.errors++
    if (fault.kind === 'timeout') this.timeouts++
    this.lastError = fault.message
    this.lastErrorAt = now
    if (fault.kind === 'error') return
    for (const [each, { costly }] of this.#trips)
      if (monotonic - (costly.at(-1) ?? monotonic) > TRIP_WINDOW_MS) this.#trips.delete(each)
    const trip = this.#trips.get(app) ?? { costly: [], until: Number.NEGATIVE_INFINITY }
    this.#trips.set(app, trip)
    trip.costly = [...trip.costly, monotonic].slice(-TRIP_FAULTS)
    const [oldest = monotonic] = trip.costly
    if (trip.costly.length < TRIP_FAULTS || monotonic - oldest > TRIP_WINDOW_MS) return
    trip.until = monotonic + TRIPPED_MS
    this.#lastUntil = trip.until
    // All but one are as good as new at its end: one more fault then is one too many.
    trip.costly = trip.costly.slice(1).map(() => trip.until)
  }

  /** Whether it is out of use for the messages of an app. */
  trippedAt(monotonic: number, app: number): boolean {
    if (monotonic >= this.#lastUntil) return false
    const apps = this.trippedApps(monotonic)
    return apps.includes(app) || apps.length >= TRIP_APPS
  }

  /** The apps that it is out of use for; {@link TRIP_APPS} of them, and it is so for all. */
  trippedApps(monotonic: number): readonly number[] {
    return [...this.#trips].flatMap(([app, { until }]) => (monotonic < until ? [app] : []))
  }

  /** A new version deserves a new trial. */
  absolve(): void {
    this.#trips.clear()
  }
}
