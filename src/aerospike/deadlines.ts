import type { Clock } from './ports.ts'

export interface Timed {
  /** On the monotonic clock; `Infinity` for not now. It may become later; when it becomes earlier, `add` again. */
  readonly deadlineMs: number
  /** Where it stands among those that wait; -1, as at the beginning, when it does not. Written by {@link Deadlines}. */
  slot: number
  expire(nowMs: number): void
}

/** The longest that a timer takes; one for later runs in between. */
const DELAY_MS_MAX = 2 ** 31 - 1

/**
 * The deadlines of all that is under way, behind one timer in place of thousands. It is set for the nearest
 * and left standing when that is over in time, so that it runs once in the time of a timeout: a timer of a
 * few milliseconds makes every sleep of the loop dearer (5 µs, a seventh of a request that travels alone).
 */
export class Deadlines {
  /** In no order; each knows its place, which spares the hashing of a set at every request. */
  readonly #waiting: Timed[] = []
  /** When the timer runs; `Infinity` while none is set. */
  #plannedMs = Number.POSITIVE_INFINITY
  #cancel: () => void = () => {}

  constructor(
    private readonly clock: Clock,
    /** The timer runs no more often than this. */
    private readonly pauseMs: number,
  ) {}

  add(timed: Timed): void {
    if (timed.slot < 0) timed.slot = this.#waiting.push(timed) - 1
    if (timed.deadlineMs < this.#plannedMs) this.#plan(timed.deadlineMs)
  }

  delete(timed: Timed): void {
    const { slot } = timed
    if (slot < 0) return
    timed.slot = -1
    const last = this.#waiting.pop()
    if (last === undefined || last === timed) return
    this.#waiting[slot] = last
    last.slot = slot
  }

  /** Leaves no timer standing for what has ended: for who closes. */
  replan(): void {
    this.#cancel()
    this.#plannedMs = Number.POSITIVE_INFINITY
    this.#planNearest()
  }

  #plan(deadlineMs: number): void {
    this.#cancel()
    this.#plannedMs = deadlineMs
    const leftMs = Math.min(DELAY_MS_MAX, deadlineMs - this.clock.monotonic())
    const delayMs = Math.max(this.pauseMs, leftMs)
    this.#cancel = this.clock.after(delayMs, () => this.#look())
  }

  #look(): void {
    this.#plannedMs = Number.POSITIVE_INFINITY
    const nowMs = this.clock.monotonic()
    // The end of one may be the end of others, which then wait no more.
    for (const timed of this.#waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs))
      if (timed.slot >= 0) timed.expire(nowMs)
    this.#planNearest()
  }

  #planNearest(): void {
    const nearestMs = this.#waiting.reduce(
      (nearest, { deadlineMs }) => Math.min(nearest, deadlineMs),
      Number.POSITIVE_INFINITY,
    )
    if (nearestMs < this.#plannedMs) this.#plan(nearestMs)
  }
}
