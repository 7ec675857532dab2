import type { Cancel, Clock } from '../clock.ts'

/** A task that comes again and again, once at a time. It answers when the next is due. */
export class Beat {
  #at = Number.POSITIVE_INFINITY
  #stopped = false
  #cancel: Cancel = () => {}

  constructor(
    private readonly clock: Pick<Clock, 'monotonic' | 'after'>,
    private readonly task: () => Promise<number>,
  ) {}

  /** The next comes within this time: who asks for it brings it forward, and never puts it off. */
  within(delayMs: number): void {
    const at = this.clock.monotonic() + delayMs
    if (this.#stopped || at >= this.#at) return
    this.#cancel()
    this.#at = at
    this.#cancel = this.clock.after(delayMs, () => void this.#beat())
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #beat(): Promise<void> {
    // Until it is over none is due.
    this.#at = Number.NEGATIVE_INFINITY
    const delayMs = await this.task()
    this.#at = Number.POSITIVE_INFINITY
    this.within(delayMs)
  }
}
