import { international, internationalPrefix } from '../addresses.ts'
import { messageOf } from '../errors.ts'
import { TextKey, TextTable } from './text_table.ts'

/**
 * A large static list, `filters/<name>.txt`: one entry a line, UTF-8.
 *
 *     447700900123      exactly this number (`+`, spaces and dashes do not count)
 *     4477009*          every number that begins with it
 *     !44770090012*     but not these: the longest entry that fits decides, an exact one before any prefix
 *     MyBank            a text; letters' case does not count
 *     # a comment       to the end of the line
 *
 * Numbers of up to 15 digits, which is what E.164 allows, lie in an open-addressing table of doubles, 16 octets
 * an entry or less at a million; anything else lies in a `TextTable`.
 */

export interface ListLimits {
  readonly entriesMax: number
  /** Called now and then while a list is read, so that a large one does not hold up the traffic. */
  readonly pause: () => Promise<void>
}

/** Lines between two pauses: a millisecond or two. */
const BATCH = 5_000
const DIGITS_MAX = 15
const DIGITS = /^\d+$/
const LINE_CHARACTERS_MAX = 256
/** A number as tables and address books write it, which as a text no message would have: in quotes, `(0)`, `,John`, 4.47701E+11. */
const NUMBER_OF_OTHERS = /^["'(+]*(?:\d[\s()-]*){7,}(?:$|["'|,;\t])|^(["'])\+?\d+\1$|^\d[.,]\d+e\+?\d+$/

const HASH = 0x9e3779b1
const NEWLINE = 10
const ZERO = 48
const CARRIAGE_RETURN = 13
/** The table is made for as many entries as the file's size lets expect, and grows when that was too few. */
const LINE_BYTES_TYPICAL = 14

/** Numbers as doubles: a 1 before the digits keeps their leading zeros, a minus marks an exception. */
class NumberTable {
  #slots: Float64Array
  #mask: number
  count = 0

  constructor(expected: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 1.5)))
    this.#slots = new Float64Array(slots)
    this.#mask = slots - 1
  }

  /** A later entry replaces an earlier one. */
  set(key: number, listed: boolean): void {
    if (this.count * 4 >= this.#slots.length * 3) this.#grow()
    const slot = this.#slot(key)
    if (this.#slots[slot] === 0) this.count++
    this.#slots[slot] = listed ? key : -key
  }

  /** Undefined when the key is not there. */
  get(key: number): boolean | undefined {
    const found = this.#slots[this.#slot(key)] ?? 0
    return found === 0 ? undefined : found > 0
  }

  #grow(): void {
    const before = this.#slots
    this.#slots = new Float64Array(before.length * 2)
    this.#mask = this.#slots.length - 1
    for (const held of before) if (held !== 0) this.#slots[this.#slot(Math.abs(held))] = held
  }

  #slot(key: number): number {
    const high = Math.floor(key / 0x1_0000_0000)
    let slot = (Math.imul((key >>> 0) ^ Math.imul(high, HASH), HASH) >>> 7) & this.#mask
    for (;;) {
      const held = this.#slots[slot] ?? 0
      if (held === 0 || held === key || held === -key) return slot
      slot = (slot + 1) & this.#mask
    }
  }
}

export class List {
  readonly #texts = new TextTable()
  readonly #textPrefixes = new TextTable()
  readonly #key = new TextKey()
  readonly #numbers: NumberTable
  readonly #prefixes = new NumberTable(0)
  /** Bit n: there is a prefix of n digits. */
  #prefixLengths = 0

  private constructor(expected: number) {
    this.#numbers = new NumberTable(expected)
  }

  /** Throws an Error that names the line when there are too many entries or one is no entry. */
  static async read(octets: Uint8Array, { entriesMax, pause }: ListLimits): Promise<List> {
    const list = new List(octets.length / LINE_BYTES_TYPICAL)
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let start = 0
    for (let line = 1; start < octets.length; line++) {
      let end = octets.indexOf(NEWLINE, start)
      if (end < 0) end = octets.length
      const last = octets[end - 1] === CARRIAGE_RETURN ? end - 1 : end
      if (!list.#addDigits(octets, start, last)) {
        try {
          list.#addText(decoder.decode(octets.subarray(start, last)))
        } catch (error) {
          throw new Error(
            `line ${line}: ${error instanceof TypeError ? 'it is not UTF-8' : messageOf(error)}`,
          )
        }
      }
      start = end + 1
      if (list.entries > entriesMax) throw new Error(`there are more than ${entriesMax} entries`)
      if (line % BATCH === 0) await pause()
    }
    return list
  }

  get entries(): number {
    return this.#numbers.count + this.#prefixes.count + this.#texts.count + this.#textPrefixes.count
  }

  /** True when the longest entry that fits the value lists it. */
  has(value: string): boolean {
    const key = value.startsWith('00') ? undefined : numberOf(value)
    return key === undefined ? this.#hasText(value) : this.#hasNumber(key, value.length)
  }

  #hasNumber(key: number, digits: number): boolean {
    return this.#numbers.get(key) ?? this.#hasPrefix(key, digits)
  }

  #hasPrefix(key: number, digits: number): boolean {
    let rest = key
    for (let length = digits; length > 0; length--) {
      if ((this.#prefixLengths >> length) & 1) {
        const found = this.#prefixes.get(rest)
        if (found !== undefined) return found
      }
      rest = Math.floor(rest / 10)
    }
    return false
  }

  #hasText(value: string): boolean {
    const text = normal(value)
    const key = numberOf(text)
    if (key !== undefined) return this.#hasNumber(key, text.length)
    const held = this.#key.of(text)
    const exact = held.whole ? this.#texts.get(held) : undefined
    const found = exact ?? this.#textPrefixes.longest(held)
    if (found !== undefined || !DIGITS.test(text)) return found ?? false
    // A number too long for the table may begin with one that is in it.
    return this.#hasPrefix(numberOf(text.slice(0, DIGITS_MAX)) ?? 0, DIGITS_MAX)
  }

  /** The common line, digits and perhaps a star, without making a string of it; false when it is another. */
  #addDigits(octets: Uint8Array, start: number, end: number): boolean {
    if (octets[start] === ZERO && octets[start + 1] === ZERO) return false
    let key = 1
    let at = start
    for (; at < end; at++) {
      const digit = (octets[at] ?? 0) - ZERO
      if (digit < 0 || digit > 9) break
      key = key * 10 + digit
    }
    const digits = at - start
    if (digits === 0 || digits > DIGITS_MAX) return false
    if (at === end) this.#numbers.set(key, true)
    else if (octets[at] === 42 && at + 1 === end) this.#addPrefix(key, digits, true)
    else return false
    return true
  }

  #addText(line: string): void {
    const entry = line.replace(/#.*/, '').trim()
    if (entry === '') return
    if (entry.length > LINE_CHARACTERS_MAX)
      throw new Error(`it is longer than ${LINE_CHARACTERS_MAX} characters`)
    // Numbers of several lines would be one long number that nobody has.
    if (entry.includes('\r')) throw new Error('a carriage return ends no line: write a line feed')
    const listed = !entry.startsWith('!')
    const prefix = entry.endsWith('*')
    const written = entry.slice(listed ? 0 : 1, prefix ? -1 : undefined)
    const text = normal(written, prefix ? internationalPrefix : international)
    if (text === '' || text.includes('*'))
      throw new Error('"*" stands at the end of a prefix and nowhere else')
    const key = numberOf(text)
    if (!DIGITS.test(text) && NUMBER_OF_OTHERS.test(text))
      throw new Error(
        'a number is digits, with +, spaces or - between: no quotes, brackets or further columns',
      )
    if (key !== undefined) {
      if (prefix) this.#addPrefix(key, text.length, listed)
      else this.#numbers.set(key, listed)
    } else {
      const held = prefix ? this.#textPrefixes : this.#texts
      held.set(this.#key.of(text), listed)
    }
  }

  #addPrefix(key: number, digits: number, listed: boolean): void {
    this.#prefixes.set(key, listed)
    this.#prefixLengths |= 1 << digits
  }
}

/** A number of up to 15 digits with a 1 before it; undefined for anything else. */
function numberOf(text: string): number | undefined {
  if (text.length === 0 || text.length > DIGITS_MAX) return undefined
  let key = 1
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (digit < 0 || digit > 9) return undefined
    key = key * 10 + digit
  }
  return key
}

/** One spelling for what counts as the same: numbers as messages have them. */
function normal(text: string, asMessagesHave = international): string {
  const bare = text.replace(/[+\s-]/g, '')
  return DIGITS.test(bare) ? asMessagesHave(bare) : text.trim().toLowerCase()
}
