import type { SessionClock } from './ports.ts'

/** Asks after a peer that has been silent for `idleMs`; 0 never asks. One timer, however much is heard. */
export class KeepAlive {
  #heardAt: number
  #cancel: () => void = () => undefined

  constructor(
    private readonly idleMs: number,
    private readonly clock: SessionClock,
    private readonly ask: () => void,
  ) {
    this.#heardAt = clock.monotonic()
    this.watch()
  }

  heard(): void {
    this.#heardAt = this.clock.monotonic()
  }

  /** Begins to wait anew: at first, and when an `ask` was answered. */
  watch(): void {
    if (this.idleMs > 0) this.#wait(this.idleMs)
  }

  stop(): void {
    this.#cancel()
  }

  #wait(delayMs: number): void {
    this.#cancel = this.clock.after(delayMs, () => {
      const remainingMs = this.#heardAt + this.idleMs - this.clock.monotonic()
      if (remainingMs > 0) this.#wait(remainingMs)
      else this.ask()
    })
  }
}
