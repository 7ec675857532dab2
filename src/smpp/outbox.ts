import { ByteWriter } from './writer.ts'

/** The octet stream under a session: a TCP or TLS socket, or a test's fake. */
export interface Transport {
  /** Hands octets over; answers how many were taken. The rest is offered again after `drained`. */
  write(bytes: Uint8Array): number
  /** Ends the stream once what was taken is sent. */
  close(): void
}

/**
 * A long turn's octets leave before its end, so that the peer reads the first PDUs while we encode the last:
 * at window 100 a fifth more PDUs a second than one write a turn, at 1,000 half as many again.
 */
const FLUSH_OCTETS = 4096

/** Collects the PDUs of a turn of the loop and writes them at its end in one piece. */
export class Outbox {
  readonly writer = new ByteWriter(4096)
  /** Octets of `writer` that the transport has taken. */
  #sent = 0
  #takenBefore = 0
  #scheduled = false
  #blocked = false

  constructor(
    private readonly transport: Transport,
    private readonly soon: (task: () => void) => void,
    private readonly emptied: () => void,
  ) {}

  /** Octets of the whole stream that the transport took. */
  get taken(): number {
    return this.#takenBefore + this.#sent
  }

  /** Where the next PDU's first octet will stand in the stream. */
  get position(): number {
    return this.#takenBefore + this.writer.length
  }

  /** Octets that wait. */
  get waiting(): number {
    return this.writer.length - this.#sent
  }

  /** True while the transport takes no more. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Nothing more leaves: what was not taken is told to its sender as unwritten, and has to stay so. */
  end(): void {
    this.#blocked = true
  }

  /** To be called after a PDU was appended to `writer`. */
  appended(): void {
    if (this.#blocked) return
    if (this.waiting >= FLUSH_OCTETS) this.flush()
    else if (!this.#scheduled) {
      this.#scheduled = true
      this.soon(this.#endOfTurn)
    }
  }

  readonly #endOfTurn = (): void => {
    this.#scheduled = false
    this.flush()
  }

  /** The transport takes octets again. */
  drained(): void {
    this.#blocked = false
    this.flush()
  }

  flush(): void {
    if (this.#blocked || this.waiting === 0) return
    const { bytes, length } = this.writer
    const offered = length - this.#sent
    const took = this.transport.write(bytes.subarray(this.#sent, length))
    this.#sent += Math.min(offered, Math.max(0, took))
    if (this.#sent === length) this.#restart(0)
    else {
      this.#blocked = true
      bytes.copyWithin(0, this.#sent, length)
      this.#restart(length - this.#sent)
    }
    if (this.waiting === 0) this.emptied()
  }

  #restart(length: number): void {
    this.#takenBefore += this.#sent
    this.#sent = 0
    this.writer.length = length
  }
}
