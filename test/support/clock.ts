import { type Cancel, type Clock, systemClock } from '../../src/clock.ts'

interface Timer {
  readonly at: number
  readonly order: number
  readonly task: () => void
}

/**
 * A clock that stands still until it is turned. `soon` runs on the real loop (so that sockets and promises
 * keep their order), `after` only as `advance` passes its moment, in the order of their moments.
 */
export class TurnedClock implements Clock {
  #elapsedMs = 0
  #order = 0
  #pendingSoon = 0
  readonly #timers = new Set<Timer>()

  /** `startedAt`: the wall clock at the beginning, Unix milliseconds. */
  constructor(private readonly startedAt = Date.UTC(2026, 0, 1)) {}

  now = (): number => this.startedAt + Math.floor(this.#elapsedMs)

  monotonic = (): number => this.#elapsedMs

  after = (delayMs: number, task: () => void): Cancel => {
    const timer = { at: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, task }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  soon = (task: () => void): void => {
    this.#pendingSoon++
    setImmediate(() => {
      this.#pendingSoon--
      task()
    })
  }

  /** Timers that are set and have not run: what a closed thing has to bring back to 0. */
  get timers(): number {
    return this.#timers.size
  }

  /** Lets promises, `soon` tasks and what they cause run, without time passing. */
  async settle(): Promise<void> {
    do await new Promise<void>(resolve => setImmediate(resolve))
    while (this.#pendingSoon > 0)
  }

  /** Time passes: each timer runs at its own moment, and what it causes settles before the next. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsedMs + ms
    await this.settle()
    for (let next = this.#next(until); next; next = this.#next(until)) {
      this.#timers.delete(next)
      this.#elapsedMs = Math.max(this.#elapsedMs, next.at)
      next.task()
      await this.settle()
    }
    this.#elapsedMs = until
    await this.settle()
  }

  /** Time passes at once, with nothing run in between: for synchronous tests of pure state machines. */
  skip(ms: number): void {
    this.#elapsedMs += ms
  }

  #next(until: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at > until) continue
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer
    }
    return first
  }
}

/** Time goes at a tenth of its pace, so that every deadline is ten times as far: a busy machine fails no test. */
export const patientClock: Clock = {
  ...systemClock,
  monotonic: () => systemClock.monotonic() / 10,
  after: (delayMs, task) => systemClock.after(delayMs * 10, task),
}
