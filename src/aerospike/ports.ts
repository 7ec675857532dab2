/** What the client needs from outside, so that a test can turn the clock and cut the cable. */

export interface Clock {
  /** Unix milliseconds. */
  now(): number
  /** Milliseconds since some fixed moment; never goes back. */
  monotonic(): number
  /** Runs `task` once, `delayMs` from now or later; the answer calls it off. */
  after(delayMs: number, task: () => void): () => void
  /** Runs `task` once at the end of this turn of the loop. */
  soon(task: () => void): void
}

/** `count` random octets. */
export type Random = (count: number) => Uint8Array

/** pino's loggers fit. */
export interface Logger {
  info(detail: object, text: string): void
  warn(detail: object, text: string): void
}

export interface Host {
  readonly host: string
  readonly port: number
  /** The name that the certificate must carry, when it is not `host`. */
  readonly tlsName?: string
}

export interface SocketHandlers {
  /** The octets are the receiver's to keep. */
  data(chunk: Uint8Array): void
  /** There is room again after a `write` that took less than it was given. */
  drain(): void
  /** Called once, also after `close()`. */
  closed(cause: unknown): void
}

export interface Socket {
  /** Sends the first `count` of `octets`; answers how many were taken, fewer when the socket is full. */
  write(octets: Uint8Array, count: number): number
  pause(): void
  resume(): void
  /** Closes at once; what was not sent is dropped. */
  close(): void
}

/**
 * Connects; rejects when it cannot. The caller keeps the time: once `late` rejects, a handshake is waited for no longer,
 * and the caller closes what comes all the same.
 */
export type Connect = (to: Host, handlers: SocketHandlers, late: Promise<never>) => Promise<Socket>
