import type { Clock } from './ports.ts'

export interface Timed {
  /** On the monotonic clock. May change while it waits; `Infinity` for not now. */
  readonly deadlineMs: number
  expire(nowMs: number): void
}

/**
 * The deadlines of all that is under way, looked at together every few milliseconds: one timer in place of
 * thousands, and none while nothing is under way.
 */
export class Deadlines {
  readonly #waiting = new Set<Timed>()
  #ticking = false

  constructor(
    private readonly clock: Clock,
    private readonly tickMs: number,
  ) {}

  add(timed: Timed): void {
    this.#waiting.add(timed)
    if (!this.#ticking) this.#tickLater()
  }

  delete(timed: Timed): void {
    this.#waiting.delete(timed)
  }

  #tickLater(): void {
    this.#ticking = true
    this.clock.after(this.tickMs, () => {
      this.#ticking = false
      const nowMs = this.clock.monotonic()
      for (const timed of this.#waiting) if (timed.deadlineMs <= nowMs) timed.expire(nowMs)
      if (this.#waiting.size > 0) this.#tickLater()
    })
  }
}
