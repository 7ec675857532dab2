/** One growing buffer into which PDUs are encoded one behind the other, to leave in one write. */
export class ByteWriter {
  bytes: Uint8Array
  /** Octets written. */
  length = 0

  constructor(octets = 1024) {
    this.bytes = new Uint8Array(octets)
  }

  /** Makes room for `octets` more; `bytes` may be another array afterwards. */
  reserve(octets: number): void {
    const needed = this.length + octets
    if (needed <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }

  /** What was written, without a copy: valid until the next write. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }
}
