/** What this folder asks of the program around it. */

/** `count` random octets. */
export type Random = (count: number) => Uint8Array

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

/** The same log, with `fields` on every line. */
export const withFields = (log: Log, fields: object): Log => ({
  debug: (more, text) => log.debug({ ...fields, ...more }, text),
  info: (more, text) => log.info({ ...fields, ...more }, text),
  warn: (more, text) => log.warn({ ...fields, ...more }, text),
  error: (more, text) => log.error({ ...fields, ...more }, text),
})
