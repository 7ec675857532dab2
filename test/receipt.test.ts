import { describe, expect, test } from 'bun:test'
import { systemRandom } from '../src/clock.ts'
import { createIds } from '../src/ids.ts'
import type { Log } from '../src/log.ts'
import { createReceive } from '../src/receipt.ts'
import type { DeliverSm } from '../src/smpp/pdu.ts'
import { STATUS } from '../src/smpp/status.ts'
import { type InboundMessage, type Settled, type StoredReceipt, StoreError } from '../src/store/store.ts'
import { TurnedClock } from './support/clock.ts'

const link = { id: 1, name: 'one', account: 'smsc:2775/me' }
const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const octets = (text: string): Uint8Array => new TextEncoder().encode(text)

const deliverSm = (fields: Partial<DeliverSm>): DeliverSm => ({
  command: 'deliver_sm',
  command_status: 0,
  sequence_number: 1,
  service_type: '',
  source_addr_ton: 1,
  source_addr_npi: 1,
  source_addr: '+49 151-12345678',
  dest_addr_ton: 0,
  dest_addr_npi: 0,
  destination_addr: 'SHOP',
  esm_class: 0,
  protocol_id: 0,
  priority_flag: 0,
  schedule_delivery_time: '',
  validity_period: '',
  registered_delivery: 0,
  replace_if_present_flag: 0,
  data_coding: 0,
  sm_default_msg_id: 0,
  short_message: new Uint8Array(),
  tlvs: {},
  ...fields,
})

const receiptOf = (id: string, stat = 'DELIVRD'): DeliverSm =>
  deliverSm({
    esm_class: 0x04,
    short_message: octets(
      `id:${id} sub:001 dlvrd:001 stat:${stat} err:${stat === 'DELIVRD' ? '000' : '011'} text:`,
    ),
  })

function setUp(answer: (receipt: StoredReceipt) => Settled = () => ({ matched: false })) {
  const settled: StoredReceipt[] = []
  const inbound: InboundMessage[] = []
  let failing = false
  const clock = new TurnedClock()
  const { receive, counts } = createReceive({
    store: {
      settle: async receipt => {
        if (failing) throw new StoreError('the disk is full')
        settled.push(receipt)
        return answer(receipt)
      },
      keepInbound: async message => {
        if (failing) throw new StoreError('the disk is full')
        inbound.push(message)
      },
    },
    ids: createIds(clock, systemRandom),
    clock,
    log: silent,
  })
  return { receive, counts, settled, inbound, clock, fail: () => (failing = true) }
}

describe('a receipt', () => {
  test('goes to the store at the end of its turn, behind what the response in the same read sets off', async () => {
    const { receive, settled, clock } = setUp()
    for (const before of [0, 1]) {
      void receive(receiptOf('a'), link)
      for (let microtask = 0; microtask < 5; microtask++) await Promise.resolve()
      expect(settled).toHaveLength(before)
      await clock.settle()
      expect(settled).toHaveLength(before + 1)
    }
  })

  test('is settled under the account of its link, with its state, its handset and the time', async () => {
    const { receive, settled, clock, counts } = setUp()
    expect(await receive(receiptOf('0A1B', 'EXPIRED'), link)).toBe(STATUS.ESME_ROK)
    expect(settled[0]).toMatchObject({
      account: 'smsc:2775/me',
      address: '4915112345678',
      state: 'expired',
      error: 11,
      at: clock.now(),
    })
    expect(settled[0]?.ids[0]).toBe('a1b')
    expect(counts).toEqual({ matched: 0, held: 1, inbound: 0, failed: 0 })
  })

  test('on the way is no final word: an attempt that failed leaves the message submitted', async () => {
    const { receive, settled } = setUp()
    for (const stat of ['UNDELIV', 'EXPIRED', 'REJECTD', 'UNKNOWN', 'ENROUTE', 'ACCEPTD', 'DELIVRD'])
      await receive({ ...receiptOf('1', stat), esm_class: 0x20 }, link)
    expect(settled.map(({ state }) => state)).toEqual([
      ...Array<'submitted'>(5).fill('submitted'),
      'accepted',
      'delivered',
    ])
  })

  test('is looked for in the number base that its account was seen to use', async () => {
    const known = { matched: true, message: {} as never, part: 0 } as const
    const { receive, settled } = setUp(receipt => ({ ...known, form: receipt.ids.indexOf('1a') }))
    await receive(receiptOf('26'), link)
    await receive(receiptOf('26'), link)
    expect(settled.map(receipt => receipt.ids)).toEqual([
      ['26', '1a', '38'],
      ['1a', '26', '38'],
    ])
  })

  test('that cannot be stored is asked for again', async () => {
    const { receive, counts, fail } = setUp()
    fail()
    expect(await receive(receiptOf('1'), link)).toBe(STATUS.ESME_RX_T_APPN)
    expect(counts.failed).toBe(1)
  })
})

describe('a message from a handset', () => {
  test('is kept before it is acknowledged, even when it reads like a receipt', async () => {
    const { receive, inbound, settled } = setUp()
    const text = 'id:1 sub:001 dlvrd:001 stat:DELIVRD err:000 text:'
    expect(await receive(deliverSm({ short_message: octets(text) }), link)).toBe(STATUS.ESME_ROK)
    expect(inbound[0]).toMatchObject({ source: '+49 151-12345678', destination: 'SHOP', text, link: 1 })
    expect(settled).toEqual([])
  })

  const udh = (...header: number[]) => Buffer.from([header.length, ...header, ...octets('hi')])
  test.each<[string, Partial<DeliverSm>, object]>([
    [
      'an 8-bit header',
      { esm_class: 0x40, short_message: udh(0, 3, 200, 3, 2) },
      { reference: 200, total: 3, part: 2 },
    ],
    [
      'the header of one of two',
      { esm_class: 0x40, short_message: udh(0, 3, 200, 2, 1) },
      { reference: 200, total: 2, part: 1 },
    ],
    [
      'a 16-bit header',
      { esm_class: 0x40, short_message: udh(8, 4, 2, 1, 3, 2) },
      { reference: 513, total: 3, part: 2 },
    ],
    [
      'a header in message_payload',
      { esm_class: 0x40, tlvs: { message_payload: udh(0, 3, 200, 3, 2) } },
      { reference: 200, total: 3, part: 2 },
    ],
    [
      'SAR TLVs',
      {
        short_message: octets('hi'),
        tlvs: { sar_msg_ref_num: 513, sar_total_segments: 3, sar_segment_seqnum: 2 },
      },
      { reference: 513, total: 3, part: 2 },
    ],
  ])('that is a segment by %s is kept as one', async (_, fields, segment) => {
    const { receive, inbound } = setUp()
    expect(await receive(deliverSm(fields), link)).toBe(STATUS.ESME_ROK)
    expect(inbound).toMatchObject([{ text: 'hi', segment }])
  })

  test('with two of the SAR TLVs, which name no place, is whole', async () => {
    const { receive, inbound } = setUp()
    for (const tlvs of [{ sar_total_segments: 3 }, { sar_segment_seqnum: 1 }])
      await receive(deliverSm({ short_message: octets('hi'), tlvs: { sar_msg_ref_num: 513, ...tlvs } }), link)
    expect(inbound.map(({ segment }) => segment)).toEqual([undefined, undefined])
  })

  test('that is its own and only segment is whole', async () => {
    const { receive, inbound } = setUp()
    await receive(deliverSm({ esm_class: 0x40, short_message: udh(0, 3, 200, 1, 1) }), link)
    expect(inbound).toMatchObject([{ text: 'hi', segment: undefined }])
  })

  test('that cannot be stored is asked for again', async () => {
    const { receive, fail } = setUp()
    fail()
    expect(await receive(deliverSm({ short_message: octets('hi') }), link)).toBe(STATUS.ESME_RX_T_APPN)
  })
})
