/**
 * A second, and what the loop may add between a part's taking and its writing: taken a second apart, two
 * must not leave within one.
 */
export const SLIDING_MS = 1005

/**
 * At most `limit` in any sliding second, exactly: it remembers when each of the last `limit` was taken and
 * lets the next go once the oldest of them is out of the second. Buckets and averages would let twice as
 * many through at a boundary.
 */
export class SlidingSecond {
  /** When each was taken, in monotonic milliseconds, as a ring: `next` holds the oldest. */
  #takenAt: Float64Array
  #next = 0
  readonly #clock: { monotonic(): number }

  /** `limit` 0: no limit. */
  constructor(clock: { monotonic(): number }, limit: number) {
    this.#clock = clock
    this.#takenAt = new Float64Array(limit).fill(Number.NEGATIVE_INFINITY)
  }

  /** Milliseconds until one more may go; 0: now. */
  waitMs(): number {
    if (this.#takenAt.length === 0) return 0
    const oldest = this.#takenAt[this.#next] ?? 0
    return Math.max(oldest + SLIDING_MS - this.#clock.monotonic(), 0)
  }

  /** Takes one if it may go now. */
  take(): boolean {
    if (this.#takenAt.length === 0) return true
    if (this.waitMs() > 0) return false
    this.#takenAt[this.#next] = this.#clock.monotonic()
    this.#next = (this.#next + 1) % this.#takenAt.length
    return true
  }

  /**
   * Effective at once; what was taken within the last second counts against the new limit. Nothing is known
   * of what went without a limit: that counts as though all of it went now.
   */
  setLimit(limit: number): void {
    const before = [...this.#takenAt.subarray(this.#next), ...this.#takenAt.subarray(0, this.#next)]
    const kept = before.slice(Math.max(before.length - limit, 0))
    const others = before.length === 0 ? this.#clock.monotonic() : Number.NEGATIVE_INFINITY
    this.#takenAt = new Float64Array(limit).fill(others)
    this.#takenAt.set(kept, limit - kept.length)
    this.#next = 0
  }
}
