/**
 * Time and randomness, handed in from outside so that a test can turn them.
 * `smpp/` and `aerospike/` import nothing of ours: they declare the part they use, and this fits it.
 */

/** Calls off what was scheduled; calling it late or twice does no harm. */
export type Cancel = () => void

export interface Clock {
  /** Wall clock, Unix milliseconds. May jump. */
  now(): number
  /** Milliseconds since some fixed moment, with a fraction; never goes back. */
  monotonic(): number
  /** Runs `task` once, `delayMs` from now or later. */
  after(delayMs: number, task: () => void): Cancel
  /** Runs `task` once at the end of this turn of the loop: the place where batches leave. */
  soon(task: () => void): void
}

/** Resolves when the loop has turned: what takes long gives way to others. */
export const nextTurn = (clock: Pick<Clock, 'soon'>): Promise<void> =>
  new Promise(resolve => clock.soon(resolve))

/** `count` random octets. */
export type Random = (count: number) => Uint8Array

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
  soon: task => void setImmediate(task),
}

export const systemRandom: Random = count => crypto.getRandomValues(new Uint8Array(count))
