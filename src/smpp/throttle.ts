/**
 * How an SMSC that answers "too much" (0x58, 0x14) is slowed down to, by additive increase and
 * multiplicative decrease of the window, as TCP does it. A pause comes with each decrease: SMSCs that limit
 * the outstanding requests still have work for so long, and those that limit the rate need it. The pause
 * doubles while decreases follow each other and melts away with what is accepted.
 */

const DECREASE = 0.7
const PAUSE_MS_MIN = 10
const PAUSE_MS_MAX = 5000
/** A pause is halved by some 34 accepted messages. */
const PAUSE_DECAY = 0.98

export class Throttle {
  #window: number
  #pauseMs = PAUSE_MS_MIN
  #pausedUntil = Number.NEGATIVE_INFINITY
  #epoch = 0

  constructor(private windowMax: number) {
    this.#window = windowMax
  }

  /** Of a send, to be given back with its outcome: one decrease answers for all that were sent before it. */
  get epoch(): number {
    return this.#epoch
  }

  get window(): number {
    return Math.floor(this.#window)
  }

  accepted(epoch: number): void {
    if (epoch !== this.#epoch) return
    this.#window = Math.min(this.windowMax, this.#window + 1 / this.#window)
    this.#pauseMs = Math.max(PAUSE_MS_MIN, this.#pauseMs * PAUSE_DECAY)
  }

  /** True when this refusal is news and slowed the link down; `now` in monotonic milliseconds. */
  refused(epoch: number, now: number): boolean {
    if (epoch !== this.#epoch) return false
    this.#epoch++
    this.#window = Math.max(1, this.#window * DECREASE)
    this.#pausedUntil = now + this.#pauseMs
    this.#pauseMs = Math.min(PAUSE_MS_MAX, this.#pauseMs * 2)
    return true
  }

  /** False: no pause is on, and there is no need to ask for the time. */
  get paused(): boolean {
    return this.#pausedUntil !== Number.NEGATIVE_INFINITY
  }

  /** Sends that may join those in flight. */
  room(inFlight: number, now: number): number {
    if (now < this.#pausedUntil) return 0
    // Over: nobody needs to ask for the time any more.
    this.#pausedUntil = Number.NEGATIVE_INFINITY
    return Math.max(0, this.window - inFlight)
  }

  waitMs(now: number): number {
    return Math.max(0, this.#pausedUntil - now)
  }

  /** Another window is tried at once; the same leaves the link as slow as its SMSC asked it to be. */
  setMax(windowMax: number): void {
    if (windowMax === this.windowMax) return
    this.windowMax = windowMax
    this.#window = windowMax
  }
}
