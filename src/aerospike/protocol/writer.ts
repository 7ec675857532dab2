import { invalid } from '../errors.ts'

const TWO_TO_32 = 4294967296
const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

const SHORT_TEXT = 24

/** A buffer that grows as it is written; integers are big-endian, as everywhere in this protocol. */
export class Writer {
  bytes: Buffer
  /** Where the next octet goes. */
  at = 0

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(capacity)
  }

  /** Makes room for `count` more octets. */
  reserve(count: number): void {
    const needed = this.at + count
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(grown, 0, 0, this.at)
    this.bytes = grown
  }

  u8(value: number): void {
    if (this.at >= this.bytes.length) this.reserve(1)
    this.bytes[this.at++] = value
  }

  u16(value: number): void {
    this.reserve(2)
    const { bytes, at } = this
    bytes[at] = value >>> 8
    bytes[at + 1] = value
    this.at = at + 2
  }

  u32(value: number): void {
    this.reserve(4)
    this.setU32(this.at, value)
    this.at += 4
  }

  /** Overwrites an octet written before; the buffer may have grown meanwhile. */
  setU8(at: number, value: number): void {
    this.bytes[at] = value
  }

  /** Overwrites four octets written before. */
  setU32(at: number, value: number): void {
    const { bytes } = this
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
  }

  /** A safe integer as 64 bits in two's complement. */
  i64(value: number): void {
    this.u32(Math.floor(value / TWO_TO_32))
    this.u32(value)
  }

  bigint64(value: bigint): void {
    if (value < INT64_MIN || value > INT64_MAX) throw invalid(`The integer ${value} does not fit in 64 bits.`)
    this.reserve(8)
    this.bytes.writeBigInt64BE(value, this.at)
    this.at += 8
  }

  f64(value: number): void {
    this.reserve(8)
    this.bytes.writeDoubleBE(value, this.at)
    this.at += 8
  }

  octets(value: Uint8Array): void {
    this.reserve(value.length)
    this.bytes.set(value, this.at)
    this.at += value.length
  }

  /** UTF-8; answers how many octets it took. */
  text(value: string): number {
    const { length } = value
    // Three octets for each UTF-16 unit is the most that UTF-8 takes.
    this.reserve(length * 3)
    if (length > SHORT_TEXT) return this.#native(value)
    // A name of some letters is written before a call to native code has begun.
    const { bytes, at } = this
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index)
      if (unit > 0x7f) return this.#native(value)
      bytes[at + index] = unit
    }
    this.at = at + length
    return length
  }

  #native(value: string): number {
    const written = this.bytes.write(value, this.at, 'utf8')
    this.at += written
    return written
  }

  taken(): Buffer {
    return this.bytes.subarray(0, this.at)
  }
}
