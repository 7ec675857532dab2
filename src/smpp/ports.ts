/** What this folder asks of the program around it. */

/** What is used of a clock. */
export interface SessionClock {
  /** Milliseconds; never goes back. */
  monotonic(): number
  /** Runs `task` once after `delayMs`; the answer calls it off. */
  after(delayMs: number, task: () => void): () => void
  /** Runs `task` at the end of this turn of the loop. */
  soon(task: () => void): void
}

export interface Log {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}
