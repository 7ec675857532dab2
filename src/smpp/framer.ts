import { FramingError } from './error.ts'
import { u32At } from './octets.ts'
import { HEADER_OCTETS } from './pdu.ts'

export const PDU_OCTETS_MAX = 64 * 1024
const LENGTH_OCTETS = 4

/** The PDU that lies in `bytes` from `from` to `to`. */
export type Take = (bytes: Uint8Array, from: number, to: number) => void

/**
 * Cuts a stream of octets into PDUs, wherever the reads split it. Frames that lie whole in a read are told by their
 * place in it, since a view of each took half a microsecond of a send; only what a read leaves unfinished is copied, at
 * most one PDU.
 */
export class Framer {
  #rest: Uint8Array = new Uint8Array()
  /** Octets of the unfinished PDU in `#rest`. */
  #held = 0

  /** `pduOctetsMax`: the longest PDU, header included. */
  constructor(private readonly pduOctetsMax = PDU_OCTETS_MAX) {}

  /**
   * Calls `take` with each PDU that `chunk` completes, in order. A frame is valid only during its call.
   * Throws a FramingError at a `command_length` that cannot be; the PDUs before it were taken, and nothing
   * after it can be read any more.
   */
  push(chunk: Uint8Array, take: Take): void {
    let at = this.#held === 0 ? 0 : this.#finish(chunk, take)
    while (at + LENGTH_OCTETS <= chunk.length) {
      const end = at + this.#checked(u32At(chunk, at))
      if (end > chunk.length) break
      take(chunk, at, end)
      at = end
    }
    if (at < chunk.length) this.#hold(chunk, at, chunk.length)
  }

  /** Octets of a PDU that has begun and not ended. */
  get held(): number {
    return this.#held
  }

  /** Completes the unfinished PDU as far as `chunk` goes; answers where the next begins. */
  #finish(chunk: Uint8Array, take: Take): number {
    let at = 0
    if (this.#held < LENGTH_OCTETS) {
      at = Math.min(LENGTH_OCTETS - this.#held, chunk.length)
      this.#hold(chunk, 0, at)
      if (this.#held < LENGTH_OCTETS) return at
    }
    const length = this.#checked(u32At(this.#rest, 0))
    const end = Math.min(at + length - this.#held, chunk.length)
    this.#hold(chunk, at, end)
    if (this.#held === length) {
      this.#held = 0
      take(this.#rest, 0, length)
    }
    return end
  }

  #hold(chunk: Uint8Array, from: number, to: number): void {
    const needed = this.#held + to - from
    if (needed > this.#rest.length) {
      const grown = new Uint8Array(Math.min(this.pduOctetsMax, Math.max(needed, 2 * this.#rest.length, 256)))
      grown.set(this.#rest.subarray(0, this.#held))
      this.#rest = grown
    }
    this.#rest.set(chunk.subarray(from, to), this.#held)
    this.#held = needed
  }

  #checked(length: number): number {
    if (length < HEADER_OCTETS || length > this.pduOctetsMax)
      throw new FramingError(`command_length ${length} is not ${HEADER_OCTETS} to ${this.pduOctetsMax}`)
    return length
  }
}
