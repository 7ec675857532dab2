import type { Random } from '../ports.ts'

/** Counters; destinations that share one only use it up faster. */
const COUNTERS = 65_536

/**
 * References that join the parts of long texts, 8 bits as handsets want them. A handset tells long texts of
 * one sender apart by their reference alone, so two to one destination must differ for as long as possible:
 * each destination counts on by itself, from a random start, and meets a reference again after 256 texts.
 */
export class References {
  readonly #counters: Uint8Array

  constructor(random: Random) {
    this.#counters = random(COUNTERS)
  }

  /** 0 to 255. */
  next(destination: string): number {
    const at = fnv1a(destination) % COUNTERS
    const reference = this.#counters[at] as number
    this.#counters[at] = reference + 1
    return reference
  }
}

/** 32-bit FNV-1a over the code units' low octets: destinations are digits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ (text.charCodeAt(i) & 0xff), 0x01000193)
  return hash >>> 0
}
