import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { decodeGsm } from '../../src/smpp/text/gsm0338.ts'
import { decodeText } from '../../src/smpp/text/inbound.ts'
import { type Segmented, segment } from '../../src/smpp/text/segment.ts'
import { readUserDataHeader } from '../../src/smpp/text/udh.ts'
import { encodeGsm } from '../smpp/wire.ts'

const bodies = ({ parts, udhi }: Segmented): Uint8Array[] =>
  parts.map(part => (udhi ? part.subarray(readUserDataHeader(part)?.octets) : part))
const all = (text: string, encoding: 'auto' | 'gsm7' | 'latin1' | 'ucs2'): Segmented =>
  segment(text, { encoding, flash: false, partsMax: 255, reference: () => 1 })

const LIMITS = { gsm7: [160, 153], latin1: [140, 134], ucs2: [140, 134] } as const
/** Pieces that are likely to sit on a boundary the wrong way. */
const piece = fc.oneof(
  fc.constantFrom(
    '€',
    '[',
    '\r\n',
    '😀',
    '🇩🇪',
    '👨‍👩‍👧',
    'e\u0301',
    '\u200d',
    '\u0301',
    '\0',
    '\n',
    'ж',
    '1\ufe0f\u20e3',
  ),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.integer({ min: 1, max: 80 }).map(count => 'a'.repeat(count)),
)
const text = fc.array(piece, { maxLength: 40 }).map(pieces => pieces.join(''))
const gsmText = fc
  .array(fc.constantFrom(...'abc €[]^\n\r@Ω', '\r\n', 'a'.repeat(50)), { maxLength: 60 })
  .map(pieces => pieces.join(''))

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

describe('any text', () => {
  test('arrives whole, in parts that are within their limits and numbered in order', () => {
    fc.assert(
      fc.property(text, sent => {
        const segmented = all(sent, 'auto')
        const [single, each] = LIMITS[segmented.encoding]
        const parts = bodies(segmented)
        expect(parts.map(part => decodeText(part, segmented.dataCoding)).join('')).toBe(sent)
        for (const part of parts) expect(part.length).toBeLessThanOrEqual(parts.length === 1 ? single : each)
        if (segmented.udhi)
          expect(segmented.parts.map(part => readUserDataHeader(part)?.concatenation)).toEqual(
            parts.map((_, index) => ({ reference: 1, total: parts.length, part: index + 1 })),
          )
      }),
    )
  })

  test('is cut between graphemes, unless one alone is longer than a part', () => {
    fc.assert(
      fc.property(text, sent => {
        const clusters = [...graphemes.segment(sent)]
        fc.pre(clusters.every(cluster => cluster.segment.length <= 67))
        const starts = new Set(clusters.map(cluster => cluster.index))
        let at = 0
        for (const part of bodies(all(sent, 'ucs2'))) {
          expect(at === 0 || starts.has(at)).toBe(true)
          at += part.length / 2
        }
      }),
    )
  })

  test('in UCS-2 is never cut inside a surrogate pair, however long its clusters are', () => {
    const marks = fc.array(fc.constantFrom('\u0301', '\u{1d165}', '\u200d', '😀'), {
      minLength: 60,
      maxLength: 200,
    })
    fc.assert(
      fc.property(marks, pieces => {
        const sent = pieces.join('')
        const parts = bodies(all(sent, 'ucs2')).map(part => decodeText(part, 8))
        expect(parts.every(part => part.isWellFormed())).toBe(true)
        expect(parts.join('')).toBe(sent)
      }),
    )
  })

  test('of the GSM alphabet is never cut inside an escape pair or a CR LF', () => {
    fc.assert(
      fc.property(gsmText, sent => {
        const parts = bodies(all(sent, 'gsm7'))
        for (const [index, part] of parts.entries()) {
          expect(part.at(-1)).not.toBe(0x1b)
          if (index < parts.length - 1 && part.at(-1) === 0x0d) expect(parts[index + 1]?.[0]).not.toBe(0x0a)
        }
        expect(parts.map(decodeGsm).join('')).toBe(sent)
      }),
    )
  })

  test('fills its parts: none could take the first character of the next', () => {
    const long = fc.integer({ min: 161, max: 1500 }).map(length => 'a'.repeat(length))
    fc.assert(
      fc.property(fc.oneof(text, gsmText, long), sent => {
        const segmented = all(sent, 'auto')
        const { encoding, dataCoding } = segmented
        const parts = bodies(segmented)
        for (const [index, part] of parts.slice(0, -1).entries()) {
          const [first] = graphemes.segment(decodeText(parts[index + 1] ?? new Uint8Array(), dataCoding))
          const { segment: next } = first ?? { segment: '' }
          const octets = encoding === 'gsm7' ? (encodeGsm(next)?.length ?? 0) : 2 * next.length
          expect(part.length + octets).toBeGreaterThan(LIMITS[encoding][1])
        }
      }),
    )
  })
})

test('what encodeGsm writes, decodeGsm reads', () => {
  fc.assert(
    fc.property(gsmText, sent => {
      expect(decodeGsm(encodeGsm(sent) ?? new Uint8Array())).toBe(sent)
    }),
  )
})
