import { describe, expect, test } from 'bun:test'
import { readText } from '../../src/smpp/text/inbound.ts'
import { readReceipt } from '../../src/smpp/text/receipt.ts'
import { startSmsc } from '../support/smsc.ts'
import { Esme, told } from './esme.ts'

describe('binds', () => {
  const accounts = [{ systemId: 'esme', password: 'secret' }]
  const bind = async (port: number, system_id: string, password: string): Promise<string> => {
    using esme = new Esme()
    await esme.open(port)
    return told(await esme.request('bind_transceiver', { system_id, password }))
  }

  test('anyone may bind when no accounts are configured', async () => {
    await using smsc = startSmsc()
    expect(await bind(smsc.port, 'anyone', 'anything')).toBe('0x0')
  })

  test('an account needs its password, and nobody else is known', async () => {
    await using smsc = startSmsc({}, { accounts })
    expect(await bind(smsc.port, 'esme', 'secret')).toBe('0x0')
    expect(await bind(smsc.port, 'esme', 'wrong')).toBe('0xe')
    expect(await bind(smsc.port, 'other', 'secret')).toBe('0xf')
  })

  test('are refused with the status that is set, until it is taken away', async () => {
    await using smsc = startSmsc({ bindStatus: 'ESME_RBINDFAIL' })
    expect(await bind(smsc.port, 'esme', 'secret')).toBe('0xd')
    smsc.smsc.set({ bindStatus: '0x00' })
    expect(await bind(smsc.port, 'esme', 'secret')).toBe('0x0')
  })

  test('the sessions show who is bound, and an unbind ends them', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    expect(smsc.smsc.sessions).toMatchObject([{ systemId: 'esme', state: 'bound_trx', inFlight: 0 }])
    expect(told(await esme.request('unbind', {}))).toBe('0x0')
    await esme.closed
    expect(smsc.smsc.sessions).toEqual([])
  })

  test('closing politely unbinds the sessions', async () => {
    const smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    await smsc.smsc.close(1000)
    expect(await esme.closed).toBe('unbound by the peer')
  })
})

describe('without faults', () => {
  test('ids are decimal and count on, and every message is kept as it came', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    expect(await esme.submits(3)).toEqual(['0x0 1000000', '0x0 1000001', '0x0 1000002'])
    expect(await smsc.arrived(3)).toMatchObject([
      { systemId: 'esme', status: 0, messageId: '1000000', pdu: { destination_addr: '4917012345' } },
      { messageId: '1000001' },
      { messageId: '1000002' },
    ])
    expect(smsc.smsc.counts).toEqual({ messages: 3, taken: 3, refused: 0 })
  })

  test('data_sm is taken like submit_sm', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    const tlvs = { message_payload: new Uint8Array(Buffer.from('Hello')) }
    const body = { destination_addr: '4917012345', registered_delivery: 1, tlvs }
    expect(told(await esme.request('data_sm', body))).toBe('0x0 1000000')
    const [receipt] = await esme.deliveries(1)
    expect(readText(receipt as NonNullable<typeof receipt>).text).toEndWith('text:Hello')
  })

  test('the receipt comes after the response, from the handset to the sender, as Appendix B has it', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    await esme.submit()
    const [receipt] = await esme.deliveries(1)
    expect(esme.order).toEqual(['response 1000000', 'deliver_sm'])
    expect(receipt).toMatchObject({
      ...{ esm_class: 4, source_addr: '4917012345', destination_addr: 'Sender', dest_addr_ton: 5 },
      tlvs: { receipted_message_id: '1000000', message_state: 2 },
    })
    expect(Buffer.from(receipt?.short_message ?? []).toString()).toMatch(
      /^id:1000000 sub:001 dlvrd:001 submit date:\d{10} done date:\d{10} stat:DELIVRD err:000 text:Hello$/,
    )
  })

  test('a receipt comes only when it was asked for', async () => {
    await using smsc = startSmsc({ receiptState: 'undeliverable=*9' })
    using esme = await Esme.bound(smsc.port)
    await esme.submit('491701', { registered_delivery: 0 })
    await esme.submit('491702', { registered_delivery: 2 })
    await esme.submit('491709', { registered_delivery: 2 })
    await esme.submit('491703', { registered_delivery: 1 })
    const receipts = await esme.deliveries(2)
    expect(receipts.map(receipt => receipt.source_addr)).toEqual(['491709', '491703'])
  })

  test('query_sm tells the state of the account’s own messages, and of no others', async () => {
    await using smsc = startSmsc({ receiptDelay: '1m', receiptState: 'expired=*9' })
    using esme = await Esme.bound(smsc.port)
    using other = await Esme.bound(smsc.port, 'bind_transceiver', 'other')
    await esme.submit()
    const query = { message_id: '1000000' }
    expect(await esme.request('query_sm', query)).toMatchObject({ pdu: { message_state: 1, final_date: '' } })
    expect(told(await other.request('query_sm', query))).toBe('0x67')
    expect(told(await esme.request('query_sm', { message_id: '5' }))).toBe('0x67')
    smsc.smsc.set({ receiptDelay: '0ms' })
    await esme.submit('491709')
    expect(await esme.request('query_sm', { message_id: '1000001' })).toMatchObject({
      pdu: { message_state: 3, error_code: 1 },
    })
  })

  test('what it does not know is answered as an unknown command', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    expect(told(await esme.request('cancel_sm', { message_id: '1' }))).toBe('0x3')
  })
})

describe('messages from handsets', () => {
  test('reach a receiver, and resolve when it has taken every part', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port, 'bind_receiver')
    const text = 'ж'.repeat(100)
    expect(await smsc.smsc.deliver({ source: '491701', destination: '12345', text })).toBe(true)
    expect(esme.delivered.map(pdu => readText(pdu))).toMatchObject([
      { text: 'ж'.repeat(67), concatenation: { total: 2, part: 1 } },
      { text: 'ж'.repeat(33), concatenation: { total: 2, part: 2 } },
    ])
    expect(esme.delivered.every(pdu => readReceipt(pdu) === undefined)).toBe(true)
  })

  test('to a short code do not call it an international number', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    for (const destination of ['12345', '4917012345'])
      await smsc.smsc.deliver({ source: '4917012345', destination, text: 'a' })
    expect(esme.delivered).toMatchObject([
      { destination_addr: '12345', dest_addr_ton: 3, dest_addr_npi: 0 },
      { destination_addr: '4917012345', dest_addr_ton: 1, dest_addr_npi: 1 },
    ])
  })

  test('of several parts have a reference of their own, for 256 of them', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    for (let message = 0; message < 257; message++)
      await smsc.smsc.deliver({ source: '4917012345', destination: '12345', text: 'x'.repeat(161) })
    const references = esme.delivered.map(({ short_message }) => short_message[3])
    expect(references).toHaveLength(514)
    expect(new Set(references.slice(0, 512)).size).toBe(256)
    expect(references.slice(512)).toEqual(references.slice(0, 2))
  })

  test('wait for a receiver to bind', async () => {
    await using smsc = startSmsc({}, { accounts: [{ systemId: 'esme', password: 'secret' }] })
    const taken = smsc.smsc.deliver({ source: '491701', destination: '12345', text: 'a' })
    expect(smsc.smsc.waiting).toBe(1)
    using transmitter = await Esme.bound(smsc.port, 'bind_transmitter')
    using receiver = await Esme.bound(smsc.port, 'bind_receiver')
    expect(await taken).toBe(true)
    expect([transmitter.delivered.length, receiver.delivered.length]).toEqual([0, 1])
  })

  test('that are refused for good are given up', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    esme.answer = 0x65
    expect(await smsc.smsc.deliver({ source: '491701', destination: '12345', text: 'a' })).toBe(false)
    expect(esme.delivered.length).toBe(1)
  })

  test('need the account’s name when there are several', async () => {
    await using smsc = startSmsc()
    using one = await Esme.bound(smsc.port, 'bind_transceiver', 'one')
    using two = await Esme.bound(smsc.port, 'bind_transceiver', 'two')
    const message = { source: '491701', destination: '12345', text: 'a' }
    expect(() => smsc.smsc.deliver(message)).toThrow('name the account: there are 2')
    expect(await smsc.smsc.deliver(message, 'two')).toBe(true)
    expect([one.delivered.length, two.delivered.length]).toEqual([0, 1])
  })
})
