import { gsmLength, gsmMisfit, gsmWidth, putGsm } from './gsm0338.ts'

/** Text to the octets of one or more `short_message`s (3GPP TS 23.040 §9.2.3.24.1 for the long ones). */

export const ENCODINGS = ['gsm7', 'latin1', 'ucs2'] as const
export type Encoding = (typeof ENCODINGS)[number]

export interface SegmentOptions {
  /** `auto`: GSM 03.38 where every character fits, UCS-2 otherwise. */
  readonly encoding: 'auto' | Encoding
  /** Shown at once and not kept (message class 0). */
  readonly flash: boolean
  /** 1 to 255. */
  readonly partsMax: number
  /** The number that joins the parts, 0 to 255; called once for a text of several parts. */
  readonly reference: () => number
}

export interface Segmented {
  readonly encoding: Encoding
  readonly dataCoding: number
  /** True when each part begins with a User Data Header (`ESM_UDHI`). */
  readonly udhi: boolean
  /** At least one; an empty text is one empty part. */
  readonly parts: readonly Uint8Array[]
}

/** Why a text cannot be sent; the message is for its author. */
export class TextError extends Error {
  override readonly name = 'TextError'
}

interface Alphabet {
  readonly name: string
  /** SMPP 3.4 §5.2.19. */
  readonly dataCoding: number
  /** The same as message class 0 (3GPP TS 23.038 §4); undefined where there is none. */
  readonly flashCoding: number | undefined
  /** Units of a single part and of each of several. */
  readonly single: number
  readonly each: number
  /** Units of the whole text; -1 when something in it does not fit. */
  readonly length: (text: string) => number
  /** The index of the first code unit that does not fit. */
  readonly misfit: (text: string) => number
  /** The largest index up to which the text from `from` on fits into `units`. */
  readonly reach: (text: string, from: number, units: number) => number
  /** Writes `text` from `from` to `to` at `at`, and answers where the next octet goes. */
  readonly put: (out: Uint8Array, at: number, text: string, from: number, to: number) => number
}

const ALPHABETS: Readonly<Record<Encoding, Alphabet>> = {
  gsm7: {
    ...{ name: 'GSM 03.38', dataCoding: 0x00, flashCoding: 0x10, single: 160, each: 153 },
    length: gsmLength,
    misfit: gsmMisfit,
    reach: gsmReach,
    put: putGsm,
  },
  latin1: {
    ...{ name: 'Latin-1', dataCoding: 0x03, flashCoding: undefined, single: 140, each: 134 },
    length: text => (latin1Misfit(text) === -1 ? text.length : -1),
    misfit: latin1Misfit,
    reach: (text, from, units) => Math.min(text.length, from + units),
    put: putLatin1,
  },
  ucs2: {
    ...{ name: 'UCS-2', dataCoding: 0x08, flashCoding: 0x18, single: 70, each: 67 },
    length: text => (text.isWellFormed() ? text.length : -1),
    misfit: loneSurrogate,
    reach: (text, from, units) => Math.min(text.length, from + units),
    put: putUcs2,
  },
}

/** The total is one octet of the header. */
const PARTS_MAX = 255
const UDH_OCTETS = 6
/** Holds the longest part, 160 septets, while it is written. */
const scratch = new Uint8Array(160)

/** Throws a TextError that says which character does not fit (index in UTF-16 code units), or how many parts there were. */
export function segment(text: string, options: SegmentOptions): Segmented {
  const isAuto = options.encoding === 'auto'
  const gsmUnits = isAuto ? gsmLength(text) : 0
  const encoding = isAuto ? (gsmUnits === -1 ? 'ucs2' : 'gsm7') : options.encoding
  const alphabet = ALPHABETS[encoding]
  const dataCoding = options.flash ? alphabet.flashCoding : alphabet.dataCoding
  if (dataCoding === undefined)
    throw new TextError(
      `a flash message cannot be ${alphabet.name}: no data_coding names both; use gsm7, ucs2 or auto`,
    )
  const units = isAuto && gsmUnits !== -1 ? gsmUnits : alphabet.length(text)
  if (units === -1) throw unfit(text, alphabet)
  if (units <= alphabet.single) {
    const end = alphabet.put(scratch, 0, text, 0, text.length)
    return { encoding, dataCoding, udhi: false, parts: [scratch.slice(0, end)] }
  }
  const cuts = cutsOf(text, alphabet)
  const partsMax = Math.min(options.partsMax, PARTS_MAX)
  if (cuts.length > partsMax)
    throw new TextError(
      `needs ${cuts.length} parts in ${alphabet.name}, ${partsMax} at most: shorten it` +
        (encoding === 'ucs2' && options.encoding === 'auto' ? ` or leave out ${misfits(text)}` : ''),
    )
  const reference = options.reference()
  const parts = cuts.map((to, index) => {
    // Five octets follow: element 0x00, concatenation with an 8-bit reference, of three.
    scratch[0] = UDH_OCTETS - 1
    scratch[1] = 0x00
    scratch[2] = 3
    scratch[3] = reference
    scratch[4] = cuts.length
    scratch[5] = index + 1
    return scratch.slice(0, alphabet.put(scratch, UDH_OCTETS, text, cuts[index - 1] ?? 0, to))
  })
  return { encoding, dataCoding, udhi: true, parts }
}

/** Where each part ends. */
function cutsOf(text: string, { each, reach }: Alphabet): number[] {
  const cuts: number[] = []
  for (let from = 0; from < text.length; ) {
    const limit = reach(text, from, each)
    from = limit === text.length ? limit : boundary(text, from, limit)
    cuts.push(from)
  }
  return cuts
}

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

/**
 * The last place to cut at or before `limit` that is in no grapheme cluster; inside one that is longer than
 * a part, the last that is in no surrogate pair.
 */
function boundary(text: string, from: number, limit: number): number {
  if (text.charCodeAt(limit - 1) < FIRST_COMBINING && text.charCodeAt(limit) < FIRST_COMBINING)
    return text[limit - 1] === '\r' && text[limit] === '\n' ? limit - 1 : limit
  const cluster = graphemes.segment(text.slice(from, limit + CLUSTER_CONTEXT)).containing(limit - from)
  if (cluster && cluster.index > 0) return from + cluster.index
  return isHighSurrogate(text.charCodeAt(limit - 1)) ? limit - 1 : limit
}

/** Between two code units below this, a cluster goes on only from CR to LF (UAX #29, GB3). */
const FIRST_COMBINING = 0x300
/** What follows tells the segmenter at most about the character at the cut itself, two code units long. */
const CLUSTER_CONTEXT = 2

function gsmReach(text: string, from: number, units: number): number {
  let left = units
  let at = from
  for (; at < text.length; at++) {
    left -= gsmWidth(text.charCodeAt(at))
    if (left < 0) break
  }
  return at
}

function latin1Misfit(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return i
  return -1
}

const isHighSurrogate = (codeUnit: number): boolean => (codeUnit & 0xfc00) === 0xd800
const isLowSurrogate = (codeUnit: number): boolean => (codeUnit & 0xfc00) === 0xdc00

function loneSurrogate(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const codeUnit = text.charCodeAt(i)
    if (isLowSurrogate(codeUnit)) return i
    if (!isHighSurrogate(codeUnit)) continue
    if (!isLowSurrogate(text.charCodeAt(i + 1))) return i
    i++
  }
  return -1
}

function putLatin1(out: Uint8Array, at: number, text: string, from: number, to: number): number {
  let next = at
  for (let i = from; i < to; i++) out[next++] = text.charCodeAt(i)
  return next
}

function putUcs2(out: Uint8Array, at: number, text: string, from: number, to: number): number {
  let next = at
  for (let i = from; i < to; i++) {
    const codeUnit = text.charCodeAt(i)
    out[next++] = codeUnit >>> 8
    out[next++] = codeUnit
  }
  return next
}

function unfit(text: string, alphabet: Alphabet): TextError {
  const position = alphabet.misfit(text)
  const codePoint = text.codePointAt(position) ?? 0
  const what = describe(codePoint)
  if (codePoint >= 0xd800 && codePoint <= 0xdfff)
    return new TextError(`half a surrogate pair, ${what}, at index ${position}`)
  const advice = 'leave it out, or let encoding be auto'
  return new TextError(`${what} at index ${position} is not in ${alphabet.name}: ${advice}`)
}

/** The character that made it UCS-2, since without it the text may well fit. */
function misfits(text: string): string {
  const position = gsmMisfit(text)
  return `${describe(text.codePointAt(position) ?? 0)} at index ${position}, which is not in GSM 03.38`
}

function describe(codePoint: number): string {
  const number = `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`
  const character = String.fromCodePoint(codePoint)
  return /[\p{C}\p{M}\p{Z}]/u.test(character) ? number : `${character} (${number})`
}
