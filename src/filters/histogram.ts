/** Buckets an octave: a percentile is right to within 9 %. */
const STEPS = 8
/** From 1/8 µs up to 2^21 µs, which is two seconds. */
const OCTAVES_BELOW_ONE = 3
const BUCKETS = (21 + OCTAVES_BELOW_ONE) * STEPS

/** How long answers took, in buckets that grow by a constant factor: bounded, whatever is put in. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #total = 0

  add(micros: number): void {
    const bucket = Math.floor((Math.log2(micros) + OCTAVES_BELOW_ONE) * STEPS)
    const at = bucket > 0 ? Math.min(bucket, BUCKETS - 1) : 0
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    // Halving what is old before a counter can run over also lets the figures follow the present.
    if (++this.#total >= 2 ** 24) this.#halve()
  }

  /** The time, in µs, that `share` (0 to 1) of the answers did not pass; 0 when there was none. */
  percentile(share: number): number {
    let rest = share * this.#total
    for (const [bucket, count] of this.#counts.entries()) {
      rest -= count
      if (count > 0 && rest <= 0) return 2 ** ((bucket + 0.5) / STEPS - OCTAVES_BELOW_ONE)
    }
    return 0
  }

  #halve(): void {
    this.#total = 0
    for (const [bucket, count] of this.#counts.entries()) {
      this.#counts[bucket] = count >> 1
      this.#total += count >> 1
    }
  }
}
