import { describe, expect, test } from 'bun:test'
import { decodeGsm, gsmLength, gsmMisfit, gsmWidth } from '../../../src/smpp/text/gsm0338.ts'
import { encodeGsm } from '../wire.ts'

const hex = (octets: Uint8Array | undefined): string => Buffer.from(octets ?? []).toString('hex')
const octets = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'))

describe('GSM 03.38', () => {
  /** Rows of 3GPP TS 23.038 §6.2.1 and §6.2.1.1, written out. */
  const vectors: readonly (readonly [string, string])[] = [
    ['@£$¥èéùìòÇ\nØø\rÅå', '000102030405060708090a0b0c0d0e0f'],
    ['Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ', '101112131415161718191a1c1d1e1f'],
    [' !"#¤%&\'()*+,-./', '202122232425262728292a2b2c2d2e2f'],
    ['09:;<=>?', '30393a3b3c3d3e3f'],
    ['¡AZÄÖÑÜ§', '40415a5b5c5d5e5f'],
    ['¿azäöñüà', '60617a7b7c7d7e7f'],
    ['\f^{}\\[~]|€', '1b0a1b141b281b291b2f1b3c1b3d1b3e1b401b65'],
  ]
  for (const [text, digits] of vectors)
    test(`writes and reads ${JSON.stringify(text)}`, () => {
      expect(hex(encodeGsm(text))).toBe(digits)
      expect(decodeGsm(octets(digits))).toBe(text)
      expect(gsmLength(text)).toBe(digits.length / 2)
      expect(gsmMisfit(text)).toBe(-1)
    })

  test('holds 127 characters and 10 of the extension table, and nothing else of Unicode', () => {
    const widths = Array.from({ length: 0x10000 }, (_, codeUnit) => gsmWidth(codeUnit))
    expect(widths.filter(width => width === 1).length).toBe(127)
    expect(widths.filter(width => width === 2).length).toBe(10)
  })

  test('every octet of the alphabet reads as a character that writes the same octet', () => {
    for (let septet = 0; septet < 0x80; septet++)
      if (septet !== 0x1b) expect(encodeGsm(decodeGsm(Uint8Array.of(septet)))).toEqual(Uint8Array.of(septet))
  })

  test('NUL, the escape, the back-tick and ç are not in it', () => {
    for (const character of ['\0', '\x1b', '`', 'ç', '\t', '\u00a0']) {
      expect(encodeGsm(`ab${character}`)).toBeUndefined()
      expect(gsmLength(`ab${character}`)).toBe(-1)
      expect(gsmMisfit(`ab${character}`)).toBe(2)
    }
  })

  test('an escape before an unknown septet shows the basic character', () => {
    expect(decodeGsm(octets('611b4162'))).toBe('aAb')
  })

  test('a second escape and a last escape show a space', () => {
    expect(decodeGsm(octets('611b1b62'))).toBe('a b')
    expect(decodeGsm(octets('611b'))).toBe('a ')
  })

  test('octets past 0x7F are read as Latin-1', () => {
    expect(decodeGsm(octets('61e962'))).toBe('aéb')
  })
})
