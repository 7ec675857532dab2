import { describe, expect, test } from 'bun:test'
import { decodeText } from '../../../src/smpp/text/inbound.ts'
import { type Segmented, type SegmentOptions, segment, TextError } from '../../../src/smpp/text/segment.ts'
import { readUserDataHeader } from '../../../src/smpp/text/udh.ts'

const cut = (text: string, options: Partial<SegmentOptions> = {}): Segmented =>
  segment(text, { encoding: 'auto', flash: false, partsMax: 10, reference: () => 0xab, ...options })

/** The text of each part, as a handset reads it. */
const texts = ({ parts, udhi, dataCoding }: Segmented): string[] =>
  parts.map(part => decodeText(udhi ? part.subarray(readUserDataHeader(part)?.octets) : part, dataCoding))

const refusal = (text: string, options: Partial<SegmentOptions> = {}): TextError => {
  try {
    cut(text, options)
  } catch (error) {
    if (error instanceof TextError) return error
  }
  throw new Error('not refused')
}

describe('lengths', () => {
  const cases: readonly (readonly [string, string, string, readonly number[]])[] = [
    ['160 GSM characters', 'a'.repeat(160), 'gsm7', [160]],
    ['161 GSM characters', 'a'.repeat(161), 'gsm7', [153, 8]],
    ['306 GSM characters', 'a'.repeat(306), 'gsm7', [153, 153]],
    ['307 GSM characters', 'a'.repeat(307), 'gsm7', [153, 153, 1]],
    ['80 euro signs', '€'.repeat(80), 'gsm7', [80]],
    ['81 euro signs', '€'.repeat(81), 'gsm7', [76, 5]],
    ['70 Cyrillic letters', 'ж'.repeat(70), 'ucs2', [70]],
    ['71 Cyrillic letters', 'ж'.repeat(71), 'ucs2', [67, 4]],
    ['134 Cyrillic letters', 'ж'.repeat(134), 'ucs2', [67, 67]],
    ['135 Cyrillic letters', 'ж'.repeat(135), 'ucs2', [67, 67, 1]],
  ]
  for (const [name, text, encoding, lengths] of cases)
    test(`${name}: parts of ${lengths.join(', ')}`, () => {
      const segmented = cut(text)
      expect(segmented.encoding).toBe(encoding as Segmented['encoding'])
      expect(texts(segmented).map(part => part.length)).toEqual([...lengths])
      expect(texts(segmented).join('')).toBe(text)
      expect(segmented.udhi).toBe(lengths.length > 1)
    })

  test('140 Latin-1 characters are one part, 141 are 134 and 7', () => {
    expect(texts(cut('ç'.repeat(140), { encoding: 'latin1' }))).toEqual(['ç'.repeat(140)])
    expect(texts(cut('ç'.repeat(141), { encoding: 'latin1' }))).toEqual(['ç'.repeat(134), 'ç'.repeat(7)])
  })

  test('an empty text is one empty part', () => {
    expect(cut('')).toEqual({ encoding: 'gsm7', dataCoding: 0, udhi: false, parts: [new Uint8Array()] })
  })

  test('10 parts go and 11 are refused, with both numbers in the words', () => {
    expect(cut('a'.repeat(1530)).parts.length).toBe(10)
    const error = refusal('a'.repeat(1531))
    expect(error.message).toBe('needs 11 parts in GSM 03.38, 10 at most: shorten it')
  })

  test('a long text that one character makes UCS-2 is told which', () => {
    expect(refusal(`${'a'.repeat(700)}ç`).message).toBe(
      'needs 11 parts in UCS-2, 10 at most: shorten it or leave out ç (U+00E7) at index 700, which is not in GSM 03.38',
    )
  })

  test('the header counts no more than 255 parts, whatever is allowed', () => {
    expect(cut('a'.repeat(255 * 153), { partsMax: 1000 }).parts.length).toBe(255)
    expect(refusal('a'.repeat(255 * 153 + 1), { partsMax: 1000 }).message).toContain('255 at most')
  })
})

describe('the header of each part', () => {
  test('has the 8-bit reference, the total and the number of the part', () => {
    const { parts } = cut('a'.repeat(400))
    expect(parts.map(part => [...part.subarray(0, 6)])).toEqual([
      [5, 0, 3, 0xab, 3, 1],
      [5, 0, 3, 0xab, 3, 2],
      [5, 0, 3, 0xab, 3, 3],
    ])
  })

  test('a reference is taken once for a long text and never for a short one', () => {
    let taken = 0
    const reference = (): number => ++taken
    cut('a', { reference })
    expect(taken).toBe(0)
    cut('a'.repeat(500), { reference })
    expect(taken).toBe(1)
  })
})

describe('no part ends inside', () => {
  test('an escape pair', () => {
    expect(texts(cut(`${'a'.repeat(152)}€${'b'.repeat(20)}`))).toEqual([
      'a'.repeat(152),
      `€${'b'.repeat(20)}`,
    ])
  })

  const clusters: readonly (readonly [string, string])[] = [
    ['an emoji', '😀'],
    ['a flag', '🇩🇪'],
    ['a family', '👨‍👩‍👧‍👦'],
    ['a letter and its combining mark', 'e\u0301'],
    ['a skin tone', '👍🏽'],
    ['a keycap', '1\ufe0f\u20e3'],
    ['a Devanagari syllable', 'स्ते'],
    ['a Hangul syllable in jamo', '\u1112\u1161\u11ab'],
  ]
  for (const [name, cluster] of clusters)
    for (let inside = 1; inside < cluster.length; inside++)
      test(`${name}, ${inside} units before the boundary`, () => {
        const full = 'ж'.repeat(67)
        const before = 'ж'.repeat(67 - inside)
        const rest = cluster + 'ж'.repeat(40)
        expect(texts(cut(before + rest))).toEqual([before, rest])
        expect(texts(cut(full + before + rest))).toEqual([full, before, rest])
      })

  test('the middle one of several flags', () => {
    const parts = texts(cut(`ж${'🇩🇪'.repeat(30)}`))
    expect(parts).toEqual([`ж${'🇩🇪'.repeat(16)}`, '🇩🇪'.repeat(14)])
  })

  for (const [encoding, limit] of [
    ['gsm7', 153],
    ['latin1', 134],
    ['ucs2', 67],
  ] as const)
    test(`CR LF in ${encoding}`, () => {
      const before = 'a'.repeat(limit - 1)
      expect(texts(cut(`${before}\r\n${'b'.repeat(60)}`, { encoding }))).toEqual([
        before,
        `\r\n${'b'.repeat(60)}`,
      ])
    })

  test('a surrogate pair, when a cluster is longer than a whole part', () => {
    for (const behind of ['\u{1d165}'.repeat(9), '\u0301'.repeat(18)]) {
      const cluster = `ж${'\u0301'.repeat(65)}\u{1d165}${behind}`
      const parts = texts(cut(cluster))
      expect(parts.map(part => part.length)).toEqual([66, 20])
      expect(parts.join('')).toBe(cluster)
    }
  })
})

describe('characters', () => {
  test('a line feed arrives as it was sent', () => {
    expect(texts(cut('a\nb'))).toEqual(['a\nb'])
    expect(cut('a\nb').encoding).toBe('gsm7')
  })

  test('NUL is not in GSM 03.38: it goes as UCS-2 and arrives', () => {
    expect(cut('a\0b').encoding).toBe('ucs2')
    expect(texts(cut('a\0b'))).toEqual(['a\0b'])
    expect(refusal('a\0b', { encoding: 'gsm7' }).message).toBe(
      'U+0000 at index 1 is not in GSM 03.38: leave it out, or let encoding be auto',
    )
  })

  test('what the asked encoding lacks is refused with its character and position', () => {
    const error = refusal('Grüße 😀', { encoding: 'latin1' })
    expect(error.message).toBe(
      '😀 (U+1F600) at index 6 is not in Latin-1: leave it out, or let encoding be auto',
    )
  })

  test('of Latin-1 are those up to ÿ, and the first of a text that is none is told as any other', () => {
    expect(texts(cut('\0ÿ', { encoding: 'latin1' }))).toEqual(['\0ÿ'])
    expect(refusal('Ā', { encoding: 'latin1' }).message).toStartWith(
      'Ā (U+0100) at index 0 is not in Latin-1',
    )
    expect(refusal('ç', { encoding: 'gsm7' }).message).toStartWith(
      'ç (U+00E7) at index 0 is not in GSM 03.38',
    )
  })

  for (const [name, text, position] of [
    ['a high surrogate at the end', '😀ж\ud83d', 3],
    ['a high surrogate before a letter', '\ud83dж', 0],
    ['a low surrogate', 'ж\ude00', 1],
  ] as const)
    test(`${name} is refused with its position`, () => {
      const error = refusal(text)
      expect(error.message).toMatch(new RegExp(`^half a surrogate pair, .*, at index ${position}$`))
    })
})

describe('data_coding', () => {
  test('is 0 for GSM, 3 for Latin-1, 8 for UCS-2', () => {
    expect(cut('a').dataCoding).toBe(0x00)
    expect(cut('a', { encoding: 'latin1' }).dataCoding).toBe(0x03)
    expect(cut('a', { encoding: 'ucs2' }).dataCoding).toBe(0x08)
  })

  test('is class 0 for a flash message: 0x10 and 0x18', () => {
    expect(cut('a', { flash: true }).dataCoding).toBe(0x10)
    expect(cut('ж', { flash: true }).dataCoding).toBe(0x18)
  })

  test('has no flash form in Latin-1, and the refusal says so', () => {
    const error = refusal('a', { encoding: 'latin1', flash: true })
    expect(error.message).toBe(
      'a flash message cannot be Latin-1: no data_coding names both; use gsm7, ucs2 or auto',
    )
  })
})
