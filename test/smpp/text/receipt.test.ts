import { describe, expect, test } from 'bun:test'
import type { Carried } from '../../../src/smpp/text/inbound.ts'
import {
  messageStateOf,
  type Receipt,
  type ReceiptState,
  readReceipt,
  statOf,
  writeReceipt,
} from '../../../src/smpp/text/receipt.ts'
import { quickestMs } from '../../support/quickest.ts'

const carried = (text: string, fields: Partial<Carried> = {}): Carried => ({
  esm_class: 0x04,
  data_coding: 0,
  short_message: new Uint8Array(Buffer.from(text, 'latin1')),
  tlvs: {},
  ...fields,
})
const read = (text: string, fields: Partial<Carried> = {}): Receipt => {
  const receipt = readReceipt(carried(text, fields))
  if (!receipt) throw new Error('no receipt')
  return receipt
}

describe('the text of a receipt', () => {
  /** As SMSCs in the field write them. */
  const vectors: readonly (readonly [string, string, ReceiptState, number])[] = [
    [
      'id:IIIIIIIIII sub:001 dlvrd:001 submit date:1504211508 done date:1504211509 stat:DELIVRD err:000 text:Hi',
      'IIIIIIIIII',
      'delivered',
      0,
    ],
    [
      'id:117062714244798261 submit date:1706271624 done date:1706271624 stat:DELIVRD err:0000 text:Hllo',
      '117062714244798261',
      'delivered',
      0,
    ],
    [
      'id:a29f6845555647139e5c8f3b817f2c9a sub:001 dlvrd:001 submit date:141023215253 done date:141023215259 stat:DELIVRD err:000 text:',
      'a29f6845555647139e5c8f3b817f2c9a',
      'delivered',
      0,
    ],
    [
      'id:rdwjwxns18krxr9936ey96ymcw sub:000 dlvrd:000 submit date:180711070003912+ done date:180711070000012+ stat:UNDELIV err:000',
      'rdwjwxns18krxr9936ey96ymcw',
      'undeliverable',
      0,
    ],
    ['stat:EXPIRED id:7 err:27', '7', 'expired', 27],
    ['ID:7 STAT:Rejectd ERR:00D', '7', 'rejected', 13],
    ['id: 7 stat: ACCEPTED err: 0x45', '7', 'accepted', 0x45],
    ['id:7\nstat:DELETED\nerr:ABSENT', '7', 'deleted', 0],
    ['id:7 stat:FAILED err:69', '7', 'undeliverable', 69],
    ['id:7 stat:UNDELIVERABLE', '7', 'undeliverable', 0],
    ['id:7 stat:UNDEL', '7', 'undeliverable', 0],
    ['id:7 stat:DELIVERED', '7', 'delivered', 0],
    ['id:7 stat:EN_ROUTE', '7', 'submitted', 0],
    ['id:7 stat:2', '7', 'delivered', 0],
    ['id:7 stat:WHATEVER', '7', 'unknown', 0],
    ['id:7', '7', 'unknown', 0],
    ['id:7 stat:DELIVERYFAILED', '7', 'unknown', 0],
    ['id:<a:b/c=d>#4 sub:001 stat:DELIVRD', '<a:b/c=d>#4', 'delivered', 0],
    ['id:0000436949 stat:DELIVRD err:000\0', '0000436949', 'delivered', 0],
    ['id:a_b@c$ stat:DELIVRD', 'a_b@c$', 'delivered', 0],
    ['stat:DELIVRD id:12 34  sub:001', '12 34', 'delivered', 0],
    ['id:7 stat:DELIVRD err:000 text:id:8 stat:UNDELIV err:9', '7', 'delivered', 0],
    ['text:id:8 stat:UNDELIV err:9 id:7 stat:DELIVRD err:000', '7', 'delivered', 0],
    ['', '', 'unknown', 0],
    ['hello', '', 'unknown', 0],
  ]
  for (const [text, id, state, error] of vectors)
    test(`${JSON.stringify(text)} is ${state} of ${JSON.stringify(id)}`, () => {
      expect(read(text)).toMatchObject({ id, state, error, intermediate: false })
    })

  test('each word of Appendix B, cut to five letters or written out, is its state', () => {
    const words: readonly (readonly [string, ReceiptState])[] = [
      ['DELIVRD', 'delivered'],
      ['EXPIRED', 'expired'],
      ['DELETED', 'deleted'],
      ['UNDELIV', 'undeliverable'],
      ['ACCEPTD', 'accepted'],
      ['UNKNOWN', 'unknown'],
      ['REJECTD', 'rejected'],
      ['ENROUTE', 'submitted'],
    ]
    for (const [word, state] of words)
      for (const length of [5, 6, 7]) expect(read(`id:7 stat:${word.slice(0, length)}`).state).toBe(state)
  })

  test('dates of any form, and counts that are left empty, hide nothing behind them', () => {
    for (const date of [
      '2601021530',
      '260102153045',
      '20260102153045',
      '260102153045012+',
      '',
      '26-01-02 15:30',
    ])
      for (const name of ['done date', 'donedate', 'done_date'])
        expect(read(`id:7 sub: dlvrd: ${name}:${date} stat:EXPIRED err:5`)).toMatchObject({
          id: '7',
          state: 'expired',
          error: 5,
        })
  })

  test('ends before the NUL and the white space behind it', () => {
    expect(read('stat:DELIVRD id:7 \0\0').id).toBe('7')
  })

  test('is read in UCS-2, behind a header, and from message_payload', () => {
    const text = 'id:7 stat:DELIVRD'
    const ucs2 = new Uint8Array(Buffer.from(text, 'utf16le').swap16())
    expect(read('', { data_coding: 8, short_message: ucs2 }).id).toBe('7')
    expect(read(`\x05\x00\x03\x01\x01\x01${text}`, { esm_class: 0x44 }).id).toBe('7')
    const message_payload = new Uint8Array(Buffer.from(text))
    expect(read('', { tlvs: { message_payload } })).toMatchObject({ id: '7', state: 'delivered' })
  })

  test.each([
    'id:7 sub:001 dlvrd:001 submit date:2611271200 done date:2611271201 stat:DELIVRD err:000 text:Hi',
    'stat:DELIVRD id:7',
    'stat:DELIVRD id:7\0',
  ])('is read as ASCII under any data_coding, that of a message in UCS-2 among them: %j', text => {
    for (const data_coding of [0, 1, 3, 4, 8, 0x18, 0xf5])
      expect(read(text, { data_coding })).toMatchObject({ id: '7', state: 'delivered' })
  })

  test.each(['id:7 stat:DELIVRD text:', 'id:7 stat:'])(
    'of spaces by the thousand behind %j is read at once',
    begin => {
      const message_payload = new Uint8Array(Buffer.from(`${begin}${' '.repeat(64_000)}x`))
      expect(read('', { tlvs: { message_payload } }).id).toBe('7')
      expect(quickestMs(() => void read('', { tlvs: { message_payload } }))).toBeLessThan(500)
    },
  )
})

describe('the TLVs of a receipt', () => {
  test('come before the text', () => {
    const tlvs = {
      receipted_message_id: '6aad5',
      message_state: 2,
      network_error_code: Uint8Array.of(3, 1, 2),
    }
    expect(read('id:0000436949 stat:UNDELIV err:001', { tlvs })).toMatchObject({
      id: '6aad5',
      state: 'delivered',
      error: 0x102,
    })
  })

  test('are enough without a text', () => {
    const tlvs = { receipted_message_id: '7', message_state: 5 }
    expect(read('', { tlvs })).toMatchObject({ id: '7', state: 'undeliverable', error: 0 })
  })

  test('leave to the text what they do not say', () => {
    const tlvs = { receipted_message_id: '', message_state: 99, network_error_code: Uint8Array.of(3, 0, 0) }
    expect(read('id:7 stat:EXPIRED err:12', { tlvs })).toMatchObject({ id: '7', state: 'expired', error: 12 })
  })
})

describe('what is a receipt', () => {
  test('text of a handset that looks like one is a message', () => {
    expect(readReceipt(carried('id:7 stat:DELIVRD err:000', { esm_class: 0 }))).toBeUndefined()
  })

  test('both TLVs make it one whatever esm_class says', () => {
    const tlvs = { receipted_message_id: '7', message_state: 2 }
    expect(readReceipt(carried('', { esm_class: 0, tlvs }))?.state).toBe('delivered')
  })

  test('one of the TLVs makes it one when the text says the rest, and not else', () => {
    const byId = carried('id:9 stat:DELIVRD', { esm_class: 0, tlvs: { receipted_message_id: '7' } })
    expect(readReceipt(byId)).toMatchObject({ id: '7', state: 'delivered' })
    const byState = carried('id:9 stat:UNDELIV', { esm_class: 0, tlvs: { message_state: 2 } })
    expect(readReceipt(byState)).toMatchObject({ id: '9', state: 'delivered' })
    for (const tlvs of [{ receipted_message_id: '7' }, { message_state: 2 }])
      expect(readReceipt(carried('hello', { esm_class: 0, tlvs }))).toBeUndefined()
  })

  test('an intermediate notification is marked, and on its way when it names no state', () => {
    expect(read('id:7 stat:DELIVRD', { esm_class: 0x20 })).toMatchObject({
      state: 'delivered',
      intermediate: true,
    })
    expect(read('id:7', { esm_class: 0x20 })).toMatchObject({ state: 'submitted', intermediate: true })
  })

  test('the user’s own acknowledgements are messages', () => {
    for (const esm_class of [0x08, 0x10]) expect(readReceipt(carried('id:7', { esm_class }))).toBeUndefined()
  })
})

test('what is written is Appendix B’s, and reads back', () => {
  const text = writeReceipt({
    id: '12',
    state: 'undeliverable',
    error: 5,
    submitDate: Date.UTC(2026, 0, 2, 3, 4, 59),
    doneDate: Date.UTC(2026, 0, 2, 3, 5),
    text: 'a text of more than twenty characters',
  })
  expect(text).toBe(
    'id:12 sub:001 dlvrd:000 submit date:2601020304 done date:2601020305 stat:UNDELIV err:005 text:a text of more than ',
  )
  expect(read(text)).toMatchObject({ id: '12', state: 'undeliverable', error: 5 })
})

test('every state has seven letters and a message_state that read back', () => {
  const states = [
    'submitted',
    'delivered',
    'expired',
    'deleted',
    'undeliverable',
    'accepted',
    'unknown',
    'rejected',
  ] as const
  for (const [index, state] of states.entries()) {
    expect(statOf(state)).toHaveLength(7)
    expect(messageStateOf(state)).toBe(index + 1)
    expect(read(`id:7 stat:${statOf(state)}`).state).toBe(state)
  }
})
