import type { Clock } from '../clock.ts'

/** Less than this is no burden, and each who asks is told what is so now. */
const LONG_MS = 100
/** A twentieth of the time may go into reading. */
const HOLDS_TIMES = 20

/** Something that may take long to read, and be asked for all the time: then it holds for a while. */
export class Lasting<T> {
  #value: T | undefined
  #until = 0

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly read: () => Promise<T>,
  ) {}

  async get(): Promise<T> {
    const startedAt = this.clock.monotonic()
    if (this.#value !== undefined && startedAt < this.#until) return this.#value
    const value = await this.read()
    const endedAt = this.clock.monotonic()
    const tookMs = endedAt - startedAt
    this.#value = tookMs < LONG_MS ? undefined : value
    this.#until = endedAt + HOLDS_TIMES * tookMs
    return value
  }
}
