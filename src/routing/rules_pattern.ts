import { messageOf } from '../errors.ts'

/** Addresses are at most this long: 15 digits, or 11 characters. */
const SUBJECT_CHARACTERS_MAX = 16
const PATTERN_CHARACTERS_MAX = 500
/** How many ways there may be to match one address: some microseconds' worth. */
const WAYS_MAX = 10_000

/**
 * Reads `/source/` or `/source/i` into a RegExp that cannot stall the gateway; answers a text that says why
 * not. The engine backtracks, so the ways in which a pattern could fit an address are counted beforehand:
 * `^44(70|71)\d{8}$` has 2, `(\d+)+x` more than there is time for.
 */
export function readPattern(text: string): RegExp | string {
  const [, source, flags] = /^\/(.+)\/(i?)$/s.exec(text) ?? []
  if (source === undefined) return 'is no pattern: write /…/ or /…/i'
  if (source.length > PATTERN_CHARACTERS_MAX) return `is longer than ${PATTERN_CHARACTERS_MAX} characters`
  let pattern: RegExp
  try {
    pattern = new RegExp(source, flags)
  } catch (error) {
    return `is no regular expression: ${messageOf(error)}`
  }
  if (/\(\?(<?[=!])|\\[1-9]|\\k/.test(source))
    return 'uses look-around or a back reference, which rules do not allow'
  const ways = new WayCounter(source).alternatives()
  if (ways > WAYS_MAX) {
    return `could be tried in more than ${WAYS_MAX} ways on one address, which would stall the gateway: repeat less, or write a list of prefixes`
  }
  return pattern
}

/** Counts, over a source that RegExp has taken, the paths of a backtracking matcher: never too few. */
class WayCounter {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  /** `a|b`: the sum of its sides, up to the end or the closing bracket. */
  alternatives(): number {
    let ways = this.#sequence()
    while (this.#take('|')) ways += this.#sequence()
    return ways
  }

  #sequence(): number {
    let ways = 1
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at] ?? '')) {
      const isGroup = this.#source[this.#at] === '('
      ways *= this.#repeated(this.#atom(), isGroup)
    }
    return ways
  }

  #atom(): number {
    if (this.#take('(')) {
      this.#match(/\?(?::|<[^>]*>)/y)
      const ways = this.alternatives()
      this.#take(')')
      return ways
    }
    if (!this.#match(/\[(?:\\.|[^\]\\])*\]|\\./sy)) this.#at++
    return 1
  }

  /**
   * Of `ways` ways each, repeated as the quantifier here says: one set of ways for every count. A group that matches
   * nothing is repeated as often as that wants at least, which no length of an address ends.
   */
  #repeated(ways: number, isGroup: boolean): number {
    const quantifier = this.#match(/(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/y)
    if (!quantifier) return ways
    const [, sign, low, comma, high] = quantifier
    const least = sign === undefined ? Number(low) : sign === '+' ? 1 : 0
    const most = sign === '?' ? 1 : sign !== undefined || (comma && !high) ? Infinity : Number(high ?? low)
    let total = 0
    for (let count = clamp(least); count <= clamp(most); count++) total += ways ** count
    return isGroup ? Math.max(total, least) : total
  }

  #take(character: string): boolean {
    if (this.#source[this.#at] !== character) return false
    this.#at++
    return true
  }

  #match(sticky: RegExp): RegExpExecArray | undefined {
    sticky.lastIndex = this.#at
    const match = sticky.exec(this.#source)
    if (!match) return undefined
    this.#at += match[0].length
    return match
  }
}

const clamp = (count: number): number => Math.min(count, SUBJECT_CHARACTERS_MAX)
