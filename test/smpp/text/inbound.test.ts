import { describe, expect, test } from 'bun:test'
import { type Carried, decodeText, readText } from '../../../src/smpp/text/inbound.ts'
import { readUserDataHeader } from '../../../src/smpp/text/udh.ts'

const octets = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits.replaceAll(' ', ''), 'hex'))
const carried = (fields: Partial<Carried>): Carried => ({ esm_class: 0, data_coding: 0, tlvs: {}, ...fields })

describe('the User Data Header', () => {
  test('gives an 8-bit and a 16-bit concatenation', () => {
    expect(readUserDataHeader(octets('050003ab0302 61'))).toMatchObject({
      concatenation: { reference: 0xab, total: 3, part: 2 },
      octets: 6,
    })
    expect(readUserDataHeader(octets('06080412340201 61'))).toMatchObject({
      concatenation: { reference: 0x1234, total: 2, part: 1 },
      octets: 7,
    })
  })

  test('has a concatenation beside application ports', () => {
    const header = readUserDataHeader(octets('0b 05040b8423f0 0003010201 61'))
    expect(header).toEqual({ concatenation: { reference: 1, total: 2, part: 1 }, octets: 12 })
    const behind = readUserDataHeader(octets('0b 0003010201 05040b8423f0 61'))
    expect(behind).toEqual({ concatenation: { reference: 1, total: 2, part: 1 }, octets: 12 })
  })

  test('may be all that there is', () => {
    expect(readUserDataHeader(octets('050003ab0302'))?.octets).toBe(6)
  })

  test('ignores a part of 0, a part past the total and an element of the wrong length', () => {
    const misshapen = ['040002ab03', '050803ab0302', '0600040b840302', '0605040b840302']
    for (const digits of ['050003ab0300', '050003ab0304', '050003ab0000', ...misshapen])
      expect(readUserDataHeader(octets(digits))?.concatenation).toBeUndefined()
  })

  test('is none when it reaches past the message or an element past the header', () => {
    for (const digits of ['', '05', '0500', '02 0003', '0500 04ab0302 61', '0100'])
      expect(readUserDataHeader(octets(digits))).toBeUndefined()
  })
})

describe('text of a deliver_sm', () => {
  test('is read by its data_coding', () => {
    const cases: readonly (readonly [number, string, string])[] = [
      [0x00, '00611b65', '@a€'],
      [0x01, '4061', '@a'],
      [0x03, 'e4', 'ä'],
      [0x08, '04160061', 'Жa'],
      [0x08, 'd83dde00', '😀'],
      [0x10, '00', '@'],
      [0x14, '00ff', '00ff'],
      [0x18, '0416', 'Ж'],
      [0x20, 'cafe', 'cafe'],
      [0x38, '0416', '0416'],
      [0x40, '00', '@'],
      [0x44, '00ff', '00ff'],
      [0x48, '0416', 'Ж'],
      [0x51, '00', '@'],
      [0x68, '0416', '0416'],
      [0x80, 'cafe', 'cafe'],
      [0x98, '0416', '0416'],
      [0x02, 'cafe', 'cafe'],
      [0x04, 'cafe', 'cafe'],
      [0xc8, '00', '@'],
      [0xd8, '00', '@'],
      [0xe0, '0416', 'Ж'],
      [0xf0, '00', '@'],
      [0xf5, '00ff', '00ff'],
    ]
    for (const [dataCoding, digits, text] of cases) expect(decodeText(octets(digits), dataCoding)).toBe(text)
  })

  test('half a UTF-16 code unit at the end is left out', () => {
    expect(decodeText(octets('041600'), 8)).toBe('Ж')
  })

  test('stands behind the header when esm_class has UDHI, and only then', () => {
    const short_message = octets('050003ab0201 6162')
    expect(readText(carried({ esm_class: 0x40, short_message }))).toEqual({
      text: 'ab',
      concatenation: { reference: 0xab, total: 2, part: 1 },
    })
    expect(readText(carried({ short_message })).text).toHaveLength(8)
  })

  test('may be in message_payload, and its parts be told by SAR TLVs', () => {
    const tlvs = {
      message_payload: octets('6162'),
      sar_msg_ref_num: 300,
      sar_total_segments: 2,
      sar_segment_seqnum: 2,
    }
    expect(readText(carried({ short_message: new Uint8Array(), tlvs }))).toEqual({
      text: 'ab',
      concatenation: { reference: 300, total: 2, part: 2 },
    })
  })
})
