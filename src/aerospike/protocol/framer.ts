import { frameSize, PROTO_HEADER_BYTES } from './header.ts'

/** Called with each whole frame: its type, and where its body stands. The octets are not to be kept. */
export type OnFrame = (type: number, bytes: Buffer, at: number, end: number) => void

/** Cuts the stream of octets into frames; throws a PROTOCOL_ERROR at what is no frame, or one too large. */
export class Framer {
  /** The beginning of a frame whose rest has not come. */
  #held: Buffer = Buffer.alloc(0)
  #heldBytes = 0

  constructor(
    private readonly frameBytesMax: number,
    private readonly onFrame: OnFrame,
  ) {}

  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let at = 0
    while (this.#heldBytes > 0) {
      const needed = this.#frameEnd(this.#held, 0, this.#heldBytes) - this.#heldBytes
      if (needed > 0) {
        const taken = Math.min(needed, bytes.length - at)
        if (taken === 0) return
        this.#hold(bytes, at, at + taken)
        at += taken
        continue
      }
      const end = this.#heldBytes
      this.#heldBytes = 0
      this.onFrame(this.#held[1] ?? 0, this.#held, PROTO_HEADER_BYTES, end)
    }
    while (bytes.length - at >= PROTO_HEADER_BYTES) {
      const end = this.#frameEnd(bytes, at, bytes.length)
      if (end > bytes.length) break
      this.onFrame(bytes[at + 1] ?? 0, bytes, at + PROTO_HEADER_BYTES, end)
      at = end
    }
    if (at < bytes.length) this.#hold(bytes, at, bytes.length)
  }

  /** Where the frame at `at` ends, or its header while that is not whole. */
  #frameEnd(bytes: Buffer, at: number, end: number): number {
    const bodyAt = at + PROTO_HEADER_BYTES
    return end < bodyAt ? bodyAt : bodyAt + frameSize(bytes, at, this.frameBytesMax)
  }

  /** Grows with what has come, not with what a header claims. */
  #hold(bytes: Buffer, from: number, to: number): void {
    const size = this.#heldBytes + to - from
    if (this.#heldBytes === 0 || size > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(size * 2, 256))
      this.#held.copy(grown, 0, 0, this.#heldBytes)
      this.#held = grown
    }
    bytes.copy(this.#held, this.#heldBytes, from, to)
    this.#heldBytes = size
  }
}
