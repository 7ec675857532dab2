import type { Clock } from '../clock.ts'

/** Less than this is no burden, and each who asks is told what is so now. */
const LONG_MS = 100
/** A twentieth of the time may go into reading. */
const HOLDS_TIMES = 20

/**
 * Something that may take long to read, and be asked for all the time: then it holds for a while, and is never read twice
 * at once, for it may be large too.
 */
export class Lasting<T> {
  #value: T | undefined
  #until = 0
  #running: Promise<T> | undefined
  #next: Promise<T> | undefined

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly read: () => Promise<T>,
  ) {}

  get(): Promise<T> {
    if (this.#value !== undefined && this.clock.monotonic() < this.#until) return Promise.resolve(this.#value)
    if (!this.#running) {
      this.#running = this.#read().finally(() => {
        this.#running = undefined
      })
      return this.#running
    }
    // It began before this was asked, and may miss what is news since.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        return this.get()
      })
    return this.#next
  }

  async #read(): Promise<T> {
    const startedAt = this.clock.monotonic()
    const value = await this.read()
    const endedAt = this.clock.monotonic()
    const tookMs = endedAt - startedAt
    this.#value = tookMs < LONG_MS ? undefined : value
    this.#until = endedAt + HOLDS_TIMES * tookMs
    return value
  }
}
