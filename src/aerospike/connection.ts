import type { Deadlines, Timed } from './deadlines.ts'
import { AerospikeError, malformed } from './errors.ts'
import type { Clock, Socket } from './ports.ts'
import { Framer } from './protocol/framer.ts'
import { Writer } from './protocol/writer.ts'

/** A request and the reading of its answer. */
export interface Exchange {
  /** The type of the frames that answer it. */
  readonly frameType: number
  /** Where its request ends in the stream of the connection that carries it; written by the connection. */
  streamEnd: number
  /** Its caller has been told that its time is over; the answer, if it comes, is for nobody. */
  readonly abandoned: boolean
  /** Writes the request's frame; throws INVALID_ARGUMENT when it cannot be written. `nowMs`: monotonic. */
  encode(writer: Writer, nowMs: number): void
  /** Reads a frame's body; answers whether it was the last. A PROTOCOL_ERROR thrown closes the connection. */
  message(bytes: Buffer, at: number, end: number): boolean
  /** No answer will come. `applied`: 'no' when the request did not leave whole, so that nothing came of it. */
  failed(error: AerospikeError, applied: 'no' | 'maybe'): void
}

export interface ConnectionLimits {
  readonly frameBytesMax: number
  /** How long a connection may be silent while it owes an answer. */
  readonly socketTimeoutMs: number
}

export interface ConnectionEvents {
  /** An exchange is over: there is room for another. */
  room(connection: Connection): void
  closed(connection: Connection): void
}

const WRITER_BYTES = 16 * 1024
/** A buffer that a large record has grown past this is let go when it is empty. */
const WRITER_BYTES_KEPT_MAX = 1024 * 1024

/**
 * One socket. Requests are pipelined: the server answers those of a connection one after the other, in order
 * (it takes the next off the socket when it has answered the one before). What is sent in one turn of the
 * loop leaves in one write.
 */
export class Connection implements Timed {
  slot = -1
  /** How long it may be silent while it owes an answer. */
  silentMsMax: number
  readonly #pending: Exchange[] = []
  #first = 0
  #writer = new Writer(WRITER_BYTES)
  /** Octets given to the writer, and taken by the socket, since the beginning. */
  #streamQueued = 0
  #streamSent = 0
  #flushing = false
  #full = false
  #closed = false
  #paused = false
  #heardMs = 0
  readonly #framer: Framer

  constructor(
    /** `host:port`, for errors. */
    readonly peer: string,
    private readonly socket: Socket,
    private readonly clock: Clock,
    private readonly deadlines: Deadlines,
    private readonly limits: ConnectionLimits,
    private readonly events: ConnectionEvents,
  ) {
    this.#framer = new Framer(limits.frameBytesMax, (type, bytes, at, end) =>
      this.#frame(type, bytes, at, end),
    )
    this.#heardMs = clock.monotonic()
    this.silentMsMax = limits.socketTimeoutMs
  }

  get inFlight(): number {
    return this.#pending.length - this.#first
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * The answer that comes next was given up already: what was sent now would wait behind it. It may still
   * come; if the connection stays silent its own deadline ends it.
   */
  get late(): boolean {
    return this.#pending[this.#first]?.abandoned ?? false
  }

  get idleMs(): number {
    return this.inFlight > 0 ? 0 : this.clock.monotonic() - this.#heardMs
  }

  get deadlineMs(): number {
    return this.#paused ? Number.POSITIVE_INFINITY : this.#heardMs + this.silentMsMax
  }

  send(exchange: Exchange): void {
    if (this.#closed) {
      exchange.failed(this.#lost('is closed'), 'no')
      return
    }
    const writer = this.#writer
    const from = writer.at
    const nowMs = this.clock.monotonic()
    try {
      exchange.encode(writer, nowMs)
      if (writer.at - from > this.limits.frameBytesMax) {
        throw new AerospikeError(
          'INVALID_ARGUMENT',
          `A request of ${writer.at - from} octets is over the limit of ${this.limits.frameBytesMax}.`,
        )
      }
    } catch (error) {
      writer.at = from
      exchange.failed(asAerospikeError(error), 'no')
      return
    }
    this.#streamQueued += writer.at - from
    exchange.streamEnd = this.#streamQueued
    const idle = this.inFlight === 0
    this.#pending.push(exchange)
    if (idle) {
      this.#heardMs = nowMs
      this.deadlines.add(this)
    }
    if (!this.#flushing) this.#flushLater(idle)
  }

  /** What came from the socket. */
  received(chunk: Uint8Array): void {
    if (this.#closed) return
    this.#heardMs = this.clock.monotonic()
    try {
      this.#framer.push(chunk)
    } catch (error) {
      this.close(asAerospikeError(error))
    }
  }

  drained(): void {
    this.#full = false
    this.#flush()
  }

  /** Stops reading; the server waits, and so does the deadline. */
  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.socket.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#heardMs = this.clock.monotonic()
    if (this.inFlight > 0) this.deadlines.add(this)
    this.socket.resume()
  }

  expire(): void {
    this.close(
      new AerospikeError('CLIENT_TIMEOUT', `${this.peer} was silent for ${this.silentMsMax} ms`, {
        node: this.peer,
      }),
    )
  }

  /** Closes at once; what is in flight fails with `error`. */
  close(error: AerospikeError = this.#lost('was lost')): void {
    if (this.#closed) return
    this.#closed = true
    this.deadlines.delete(this)
    this.socket.close()
    const orphans = this.#pending.splice(this.#first)
    this.#pending.length = 0
    this.#first = 0
    this.events.closed(this)
    for (const exchange of orphans)
      exchange.failed(error, exchange.streamEnd <= this.#streamSent ? 'maybe' : 'no')
  }

  #lost(what: string): AerospikeError {
    return new AerospikeError('CONNECTION_ERROR', `The connection to ${this.peer} ${what}`, {
      node: this.peer,
    })
  }

  #frame(type: number, bytes: Buffer, at: number, end: number): void {
    const exchange = this.#pending[this.#first]
    if (!exchange) throw malformed(`${this.peer} sent what nobody asked for.`)
    if (type !== exchange.frameType)
      throw malformed(`${this.peer} answered with a frame of type ${type}, not ${exchange.frameType}.`)
    if (!exchange.message(bytes, at, end)) return
    if (this.#closed) return
    this.#first++
    // The answered half is cut off in one piece, so that taking from the front costs nothing.
    if (this.#first === this.#pending.length) {
      this.#pending.length = 0
      this.#first = 0
      this.deadlines.delete(this)
    } else if (this.#first >= 64 && this.#first * 2 > this.#pending.length) {
      this.#pending.splice(0, this.#first)
      this.#first = 0
    }
    this.events.room(this)
  }

  /**
   * On a connection that waits for nothing the request leaves at once (with those of the same microtask):
   * there is nothing to gather it with. On a busy one it leaves with all others of this turn of the loop.
   */
  #flushLater(atOnce: boolean): void {
    this.#flushing = true
    if (atOnce) queueMicrotask(this.#flushNow)
    else this.clock.soon(this.#flushNow)
  }

  readonly #flushNow = (): void => {
    this.#flushing = false
    if (!this.#full) this.#flush()
  }

  #flush(): void {
    if (this.#closed || this.#writer.at === 0) return
    const writer = this.#writer
    const sent = this.socket.write(writer.bytes, writer.at)
    this.#streamSent += sent
    if (sent < writer.at) {
      this.#full = true
      writer.bytes.copyWithin(0, sent, writer.at)
      writer.at -= sent
      return
    }
    writer.at = 0
    if (writer.bytes.length > WRITER_BYTES_KEPT_MAX) this.#writer = new Writer(WRITER_BYTES)
  }
}

export function asAerospikeError(error: unknown): AerospikeError {
  if (error instanceof AerospikeError) return error
  return new AerospikeError('PROTOCOL_ERROR', 'A message could not be read', { cause: error })
}
