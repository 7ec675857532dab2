import type { SessionClock } from './ports.ts'

/** Asks after a peer that has been silent for `idleMs`; 0 never asks. One timer, however much is heard. */
export class KeepAlive {
  #heardAt: number
  #asking = false
  #doubted = false
  #cancel: () => void = () => undefined

  constructor(
    private readonly idleMs: number,
    private readonly clock: SessionClock,
    private readonly ask: () => void,
  ) {
    this.#heardAt = clock.monotonic()
    this.watch()
  }

  /** True from a `doubt` until something is heard. */
  get doubted(): boolean {
    return this.#doubted
  }

  heard(): void {
    this.#heardAt = this.clock.monotonic()
    this.#doubted = false
  }

  /** An answer is overdue. Asks at once if nothing else was heard for `silentMs` either. */
  doubt(silentMs: number): void {
    if (this.idleMs === 0 || this.clock.monotonic() - this.#heardAt < silentMs) return
    this.#doubted = true
    if (!this.#asking) this.#ask()
  }

  /** Begins to wait anew: at first, and when an `ask` was answered. */
  watch(): void {
    this.#asking = false
    if (this.idleMs > 0) this.#wait(this.idleMs)
  }

  stop(): void {
    this.#cancel()
  }

  #wait(delayMs: number): void {
    this.#cancel = this.clock.after(delayMs, () => {
      const remainingMs = this.#heardAt + this.idleMs - this.clock.monotonic()
      if (remainingMs > 0) this.#wait(remainingMs)
      else this.#ask()
    })
  }

  #ask(): void {
    this.#cancel()
    this.#asking = true
    this.ask()
  }
}
