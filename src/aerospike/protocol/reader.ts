import { malformed } from '../errors.ts'

const TWO_TO_32 = 4294967296

/** Names that were read before, each at its hash: a later one of the same hash takes its place. */
const namesRead: string[] = new Array(256).fill('')

/** Reads one message; every read is checked against its end, since the peer's lengths are not to be trusted. */
export class Reader {
  readonly #bytes: Buffer

  constructor(
    bytes: Uint8Array,
    public at = 0,
    public end = bytes.length,
  ) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.end - this.at
  }

  /** Steps over `count` octets; answers where they began. */
  skip(count: number): number {
    const from = this.at
    if (count < 0 || from + count > this.end)
      throw malformed(`A message ends ${from + count - this.end} octets too early.`)
    this.at = from + count
    return from
  }

  u8(): number {
    return this.#bytes[this.skip(1)] ?? 0
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.skip(2))
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.skip(4))
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.skip(4))
  }

  /** A `number` when it is exact, else a `bigint`. */
  i64(): number | bigint {
    const at = this.skip(8)
    const value = this.#bytes.readInt32BE(at) * TWO_TO_32 + this.#bytes.readUInt32BE(at + 4)
    return Number.isSafeInteger(value) ? value : this.#bytes.readBigInt64BE(at)
  }

  u64(): number | bigint {
    const at = this.skip(8)
    const value = this.#bytes.readUInt32BE(at) * TWO_TO_32 + this.#bytes.readUInt32BE(at + 4)
    return Number.isSafeInteger(value) ? value : this.#bytes.readBigUInt64BE(at)
  }

  f32(): number {
    return this.#bytes.readFloatBE(this.skip(4))
  }

  f64(): number {
    return this.#bytes.readDoubleBE(this.skip(8))
  }

  /** A copy, so that a kept value does not keep the whole chunk. */
  octets(count: number): Uint8Array {
    const at = this.skip(count)
    return new Uint8Array(this.#bytes.subarray(at, at + count))
  }

  /**
   * The name of a bin. Programs have few and read them all the time: one read before comes as the same string,
   * which costs less than to make it, and much less when it becomes the name of a property.
   */
  name(count: number): string {
    const at = this.skip(count)
    const bytes = this.#bytes
    let hash = count
    for (let index = at; index < at + count; index++) hash = (hash * 31 + (bytes[index] ?? 0)) & 0xff
    const known = namesRead[hash] ?? ''
    if (known.length === count) {
      let index = 0
      while (index < count && known.charCodeAt(index) === bytes[at + index]) index++
      if (index === count) return known
    }
    const name = bytes.toString('utf8', at, at + count)
    // Of ASCII alone, so that to compare characters is to compare octets.
    if (name.length === count) namesRead[hash] = name
    return name
  }

  text(count: number): string {
    const at = this.skip(count)
    return this.#bytes.toString('utf8', at, at + count)
  }
}
