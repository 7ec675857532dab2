import type { Clock } from '../clock.ts'
import { Pacer } from '../smpp/pacer.ts'

/** At most `limit` in any sliding second over all links, exactly: a pacer as each link has one, with the clock in it. */
export class SlidingSecond {
  readonly #pacer: Pacer
  readonly #clock: Pick<Clock, 'monotonic' | 'soon'>
  #stampScheduled = false

  /** `limit` 0: no limit. */
  constructor(clock: Pick<Clock, 'monotonic' | 'soon'>, limit: number) {
    this.#clock = clock
    this.#pacer = new Pacer(limit)
  }

  /** Milliseconds until one more may go; 0: now. */
  waitMs(): number {
    return this.#pacer.limited ? this.#pacer.waitMs(this.#clock.monotonic()) : 0
  }

  /** Takes one if it may go now. */
  take(): boolean {
    if (!this.#pacer.limited) return true
    const now = this.#clock.monotonic()
    if (this.#pacer.tokens(now) === 0) return false
    this.#pacer.take(now)
    if (!this.#stampScheduled) {
      this.#stampScheduled = true
      this.#clock.soon(this.#stamp)
    }
    return true
  }

  /** The octets of this turn leave at its end: that moment counts. */
  readonly #stamp = (): void => {
    this.#stampScheduled = false
    this.#pacer.stamp(this.#clock.monotonic())
  }

  /**
   * Effective at once; what was taken within the last second counts against the new limit. Nothing is known
   * of what went without a limit: that counts as though all of it went now.
   */
  setLimit(limit: number): void {
    this.#pacer.setLimit(limit, this.#clock.monotonic())
  }
}
