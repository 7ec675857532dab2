import type { SessionClock } from '../smpp/ports.ts'

/** What is used of a clock; src/clock.ts fits. */
export interface SmscClock extends SessionClock {
  /** Unix milliseconds. */
  now(): number
}

/** Many delays on few timers: tasks of one millisecond share one, and all end with `clear`. */
export class Later {
  readonly #due = new Map<number, (() => void)[]>()
  readonly #cancels = new Map<number, () => void>()

  constructor(private readonly clock: SmscClock) {}

  after(delayMs: number, task: () => void): void {
    const now = this.clock.monotonic()
    const at = Math.ceil(now + delayMs)
    const tasks = this.#due.get(at)
    if (tasks) {
      tasks.push(task)
      return
    }
    this.#due.set(at, [task])
    this.#cancels.set(
      at,
      this.clock.after(at - now, () => {
        const tasks = this.#due.get(at) ?? []
        this.#due.delete(at)
        this.#cancels.delete(at)
        for (const run of tasks) run()
      }),
    )
  }

  clear(): void {
    for (const cancel of this.#cancels.values()) cancel()
    this.#cancels.clear()
    this.#due.clear()
  }
}
