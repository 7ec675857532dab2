/** 256 characters of up to 3 octets; the one letter that grows in lower case, U+0130, does not grow past that. */
const TEXT_BYTES_MAX = 768

/** An entry begins with two octets: its length in 15 bits, and whether it is listed. */
const HEADER_BYTES = 2
const LISTED = 0x8000
const FNV_BASIS = 0x811c9dc5
const FNV_PRIME = 0x01000193

const encoder = new TextEncoder()

/** A text as tables look it up: in UTF-8, and with the FNV-1a hash of each of its beginnings. */
export class TextKey {
  readonly octets = new Uint8Array(TEXT_BYTES_MAX)
  readonly hashes = new Uint32Array(TEXT_BYTES_MAX + 1).fill(FNV_BASIS, 0, 1)
  bytes = 0
  /** False when the text is longer than this holds, which is longer than any entry. */
  whole = true

  of(text: string): this {
    const { read, written } = encoder.encodeInto(text, this.octets)
    this.whole = read === text.length
    this.bytes = written
    let hash = FNV_BASIS
    for (let i = 0; i < written; i++) {
      hash = Math.imul(hash ^ (this.octets[i] ?? 0), FNV_PRIME)
      this.hashes[i + 1] = hash
    }
    return this
  }
}

/**
 * Texts that are listed or excepted, in two flat arrays: the entries one after another, and an open-addressing table
 * of where they begin. A Map of strings takes four to five times the memory.
 */
export class TextTable {
  /** Where an entry begins, plus one; 0 when the slot is free. */
  #slots = new Uint32Array(16)
  #octets = new Uint8Array(256)
  #used = 0
  #longestBytes = 0
  count = 0

  /** A later entry replaces an earlier one. */
  set(key: TextKey, listed: boolean): void {
    if (this.count * 4 >= this.#slots.length * 3) this.#widen()
    const slot = this.#slot(key.octets, 0, key.bytes, key.hashes[key.bytes] ?? 0)
    let at = (this.#slots[slot] ?? 0) - 1
    if (at < 0) {
      at = this.#append(key)
      this.#slots[slot] = at + 1
      this.count++
    }
    const header = key.bytes | (listed ? LISTED : 0)
    this.#octets[at] = header >> 8
    this.#octets[at + 1] = header & 0xff
  }

  /** Of the whole key or the first `bytes` of it; undefined when it is not there. */
  get(key: TextKey, bytes = key.bytes): boolean | undefined {
    const at = (this.#slots[this.#slot(key.octets, 0, bytes, key.hashes[bytes] ?? 0)] ?? 0) - 1
    return at < 0 ? undefined : (this.#header(at) & LISTED) !== 0
  }

  /** Of the longest entry that the key begins with. A cut through a character is no entry: those are whole. */
  longest(key: TextKey): boolean | undefined {
    for (let bytes = Math.min(key.bytes, this.#longestBytes); bytes > 0; bytes--) {
      const found = this.get(key, bytes)
      if (found !== undefined) return found
    }
    return undefined
  }

  #append({ octets, bytes }: TextKey): number {
    const at = this.#used
    this.#used += HEADER_BYTES + bytes
    this.#longestBytes = Math.max(this.#longestBytes, bytes)
    if (this.#used > this.#octets.length) {
      const before = this.#octets
      this.#octets = new Uint8Array(Math.max(this.#used, before.length * 1.5))
      this.#octets.set(before)
    }
    this.#octets.set(octets.subarray(0, bytes), at + HEADER_BYTES)
    return at
  }

  #widen(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let at = 0; at < this.#used; ) {
      const from = at + HEADER_BYTES
      const bytes = this.#header(at) & ~LISTED
      let hash = FNV_BASIS
      for (let i = from; i < from + bytes; i++) hash = Math.imul(hash ^ (this.#octets[i] ?? 0), FNV_PRIME)
      this.#slots[this.#slot(this.#octets, from, bytes, hash)] = at + 1
      at = from + bytes
    }
  }

  /** Where the text of `octets` is, or where it would go. */
  #slot(octets: Uint8Array, from: number, bytes: number, hash: number): number {
    const mask = this.#slots.length - 1
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const at = (this.#slots[slot] ?? 0) - 1
      if (at < 0 || ((this.#header(at) & ~LISTED) === bytes && this.#holds(at, octets, from, bytes)))
        return slot
    }
  }

  #header(at: number): number {
    return ((this.#octets[at] ?? 0) << 8) | (this.#octets[at + 1] ?? 0)
  }

  #holds(at: number, octets: Uint8Array, from: number, bytes: number): boolean {
    const text = at + HEADER_BYTES
    for (let i = 0; i < bytes; i++) if (this.#octets[text + i] !== octets[from + i]) return false
    return true
  }
}
