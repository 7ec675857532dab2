/** A Prometheus histogram as plain numbers, for hot paths: observing takes some nanoseconds. */
export interface HistogramData {
  /** Upper bounds, inclusive, ascending. */
  readonly bounds: readonly number[]
  /** Observations of each bound, not cumulated; one more than `bounds`: those above the last. */
  readonly counts: ArrayLike<number>
  readonly sum: number
}

/** From a loop's turn to a response timeout, in seconds. */
const SECONDS_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Histogram implements HistogramData {
  readonly counts: Float64Array
  sum = 0

  constructor(readonly bounds: readonly number[] = SECONDS_BOUNDS) {
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let slot = 0
    while (slot < this.bounds.length && value > (this.bounds[slot] ?? 0)) slot++
    this.counts[slot] = (this.counts[slot] ?? 0) + 1
    this.sum += value
  }
}
