/**
 * A second, and what the loop and the network may add to the gap between two writes: a message that is
 * held up on its way must not arrive in one second with the `limit` behind it.
 */
export const SLIDING_MS = 1005

/** At most `limit` sends in any sliding second, exactly: it remembers when each of the last ones left. */
export class Pacer {
  #times: Float64Array
  /** Index of the oldest send that still counts. */
  #oldest = 0
  #counted = 0
  /** Sends of this turn, whose octets have not left yet. */
  #unstamped = 0

  /** `limit`: sends a second; 0 is no limit. */
  constructor(private limit: number) {
    this.#times = new Float64Array(limit)
  }

  /** False: there is no limit, and no need to ask for the time. */
  get limited(): boolean {
    return this.limit > 0
  }

  /** Sends that may follow at `now` (monotonic milliseconds). */
  tokens(now: number): number {
    if (this.limit === 0) return Number.POSITIVE_INFINITY
    this.#forget(now)
    return this.limit - this.#counted
  }

  /** Counts a send, which needs a token. */
  take(now: number): void {
    if (this.limit === 0) return
    this.#times[(this.#oldest + this.#counted) % this.limit] = now
    this.#counted++
    this.#unstamped++
  }

  /** The sends since the last call left only now: at the end of the turn, or once their socket took them. */
  stamp(now: number): void {
    const left = Math.min(this.#unstamped, this.limit)
    // A socket that was full for longer than a second let them be forgotten.
    this.#counted = Math.max(this.#counted, left)
    for (let back = left; back > 0; back--)
      this.#times[(this.#oldest + this.#counted - back) % this.limit] = now
    this.#unstamped = 0
  }

  /** Milliseconds until there is a token; 0 when there is one. */
  waitMs(now: number): number {
    if (this.tokens(now) > 0) return 0
    return Math.max(0, (this.#times[this.#oldest] as number) + SLIDING_MS - now)
  }

  /** The new limit holds at once, also over what was sent under the old one. */
  setLimit(limit: number, now: number): void {
    // Nothing is known of what was sent without a limit: count as though all of it left now.
    const times = this.limit === 0 ? Array<number>(limit).fill(now) : this.#recent().slice(-limit)
    this.#times = new Float64Array(limit)
    this.#times.set(limit === 0 ? [] : times)
    this.#counted = limit === 0 ? 0 : times.length
    this.#oldest = 0
    this.limit = limit
  }

  #recent(): number[] {
    return Array.from(
      { length: this.#counted },
      (_, i) => this.#times[(this.#oldest + i) % this.limit] as number,
    )
  }

  #forget(now: number): void {
    while (this.#counted > 0 && now - (this.#times[this.#oldest] as number) >= SLIDING_MS) {
      this.#oldest = (this.#oldest + 1) % this.limit
      this.#counted--
    }
  }
}
