import { describe, expect, test } from 'bun:test'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import type { Clock } from '../../src/clock.ts'
import { type Receipt, readReceipt } from '../../src/smpp/text/receipt.ts'
import { absoluteTime } from '../../src/smpp/time.ts'
import { TurnedClock } from '../support/clock.ts'
import { startSmsc } from '../support/smsc.ts'
import { Esme, told } from './esme.ts'

const receipts = async (esme: Esme, count: number): Promise<(Receipt | undefined)[]> =>
  (await esme.deliveries(count)).map(readReceipt)

/** Turns of the loop enough for what is on its way through the sockets to arrive. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
}

describe('responses', () => {
  test('are delayed by the time that is set', async () => {
    const clock = new TurnedClock()
    await using smsc = startSmsc({ delay: '20ms' }, { clock })
    const binding = Esme.bound(smsc.port)
    using esme = await binding
    const answer = esme.submit()
    await smsc.arrived(1)
    await clock.advance(19)
    await quiet()
    expect(esme.order).toEqual([])
    await clock.advance(1)
    expect(told(await answer)).toBe('0x0 1000000')
  })

  test('are delayed by a time drawn from a range', async () => {
    const clock = new TurnedClock()
    await using smsc = startSmsc({ delay: '10ms-50ms', receipts: 'off' }, { clock })
    using esme = await Esme.bound(smsc.port)
    const answers = esme.submits(100)
    await smsc.arrived(100)
    await clock.advance(9)
    await quiet()
    expect(esme.order.length).toBe(0)
    await clock.advance(21)
    await quiet()
    expect(esme.order.length).toBeWithin(20, 80)
    await clock.advance(20)
    expect((await answers).length).toBe(100)
  })

  test('are lost, every third, though the message was taken and its receipt comes', async () => {
    await using smsc = startSmsc({ lose: '1/3' })
    using esme = await Esme.bound(smsc.port)
    void esme.submits(6)
    expect((await receipts(esme, 6)).map(receipt => receipt?.id)).toContain('1000002')
    const answered = esme.order.filter(one => one.startsWith('response'))
    expect(answered).toEqual(['response 1000000', 'response 1000001', 'response 1000003', 'response 1000004'])
  })

  test('are reordered in groups, and an incomplete group leaves after a while', async () => {
    const clock = new TurnedClock()
    await using smsc = startSmsc({ reorder: '3', receipts: 'off' }, { clock })
    using esme = await Esme.bound(smsc.port)
    const answers = esme.submits(5)
    await smsc.arrived(5)
    await clock.advance(50)
    expect(await answers).toEqual(['0x0 1000000', '0x0 1000001', '0x0 1000002', '0x0 1000003', '0x0 1000004'])
    expect(esme.order.map(one => Number(one.slice(-1)))).toEqual([2, 1, 0, 4, 3])
  })

  test('are errors for a share, a beginning and an end of destinations', async () => {
    await using smsc = startSmsc({ error: '0x45=1/2,ESME_RINVDSTADR=4999*,0x401=*7' })
    using esme = await Esme.bound(smsc.port)
    const statuses = ['491701', '491701', '499901', '491701', '491707', '491702'].map(to => esme.submit(to))
    expect((await Promise.all(statuses)).map(told).map(one => one.split(' ')[0])).toEqual([
      ...['0x0', '0x45', '0xb', '0x45', '0x401', '0x45'],
    ])
    expect(smsc.smsc.counts).toEqual({ messages: 6, taken: 1, refused: 5 })
  })

  test('an error at random is the same series for the same seed', async () => {
    const series = async (): Promise<string[]> => {
      await using smsc = startSmsc({ error: '0x08=0.3', receipts: 'off' })
      using esme = await Esme.bound(smsc.port)
      return await esme.submits(100)
    }
    const first = await series()
    expect(first.filter(one => one === '0x8').length).toBeWithin(15, 45)
    expect(await series()).toEqual(first)
  })
})

describe('throttling', () => {
  test('refuses what exceeds the rate in any second', async () => {
    const clock = new TurnedClock()
    await using smsc = startSmsc({ throttleRate: '3', receipts: 'off' }, { clock })
    using esme = await Esme.bound(smsc.port)
    const throttled = async (count: number): Promise<number> =>
      (await esme.submits(count)).filter(one => one === '0x58').length
    expect(await throttled(2)).toBe(0)
    await clock.advance(600)
    expect(await throttled(2)).toBe(1)
    await clock.advance(400)
    expect(await throttled(3)).toBe(1)
  })

  test('refuses what exceeds the window', async () => {
    await using smsc = startSmsc({ throttleWindow: '2', delay: '5ms', receipts: 'off' })
    using esme = await Esme.bound(smsc.port)
    expect(await esme.submits(4)).toEqual(['0x0 1000000', '0x0 1000001', '0x58', '0x58'])
    expect(await esme.submits(1)).toEqual(['0x0 1000002'])
  })
})

describe('connections', () => {
  test('are cut at a message, which was taken', async () => {
    await using smsc = startSmsc({ dropAfter: '2' })
    using esme = await Esme.bound(smsc.port)
    expect(told(await esme.submit())).toBe('0x0 1000000')
    expect(told(await esme.submit())).toBe('unknown closed')
    expect(await esme.closed).toBe('connection closed')
    expect(smsc.smsc.counts.taken).toBe(2)
    using again = await Esme.bound(smsc.port)
    expect((await receipts(again, 1)).map(receipt => receipt?.id)).toContain('1000001')
  })

  test('are cut at the N-th message that is taken: one that is refused does not count', async () => {
    await using smsc = startSmsc({ dropAfter: '2', error: '0x45=1/2' })
    using esme = await Esme.bound(smsc.port)
    expect([told(await esme.submit()), told(await esme.submit())]).toEqual(['0x0 1000000', '0x45'])
    expect(told(await esme.submit())).toBe('unknown closed')
  })

  test('are cut on demand, of one account or of all', async () => {
    await using smsc = startSmsc()
    using one = await Esme.bound(smsc.port, 'bind_transceiver', 'one')
    using two = await Esme.bound(smsc.port, 'bind_transceiver', 'two')
    smsc.smsc.drop({ systemId: 'one' })
    expect(await one.closed).toBe('connection closed')
    expect(smsc.smsc.sessions.map(row => row.systemId)).toEqual(['two'])
    smsc.smsc.drop()
    expect(await two.closed).toBe('connection closed')
  })

  test('are cut with an end, or with a reset', async () => {
    await using smsc = startSmsc()
    const ending = async (reset: boolean): Promise<string> => {
      const socket = createConnection(smsc.port, '127.0.0.1')
      const ended = new Promise<string>(resolve => {
        socket.once('end', () => resolve('end'))
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      })
      await once(socket, 'connect')
      while (smsc.smsc.sessions.length === 0) await quiet()
      smsc.smsc.drop({ reset })
      socket.resume()
      return await ended
    }
    expect(await ending(false)).toBe('end')
    expect(await ending(true)).toBe('ECONNRESET')
  })

  test('are mute to a bind, a message and an enquire_link, and speak again when told', async () => {
    await using smsc = startSmsc({ receipts: 'off' })
    using esme = await Esme.bound(smsc.port)
    smsc.smsc.set({ mute: 'on' })
    const submitted = esme.submit()
    const enquired = esme.request('enquire_link', {})
    using other = new Esme()
    await other.open(smsc.port)
    const binding = other.request('bind_transceiver', { system_id: 'esme', password: 'secret' })
    await smsc.arrived(1)
    await quiet()
    smsc.smsc.set({ mute: 'off' })
    expect(told(await esme.submit())).toBe('0x0 1000001')
    for (const unanswered of [submitted, enquired, binding])
      expect(await Promise.race([unanswered, quiet().then(() => 'silence')])).toBe('silence')
  })

  test('get octets that are no PDU, and the ESME says so', async () => {
    await using smsc = startSmsc()
    using esme = await Esme.bound(smsc.port)
    smsc.smsc.sendRaw(Uint8Array.of(0, 0, 0, 8, 0, 0, 0, 5))
    expect(await esme.closed).toContain('command_length 8')
  })
})

describe('receipts', () => {
  test('are off when they are switched off', async () => {
    await using smsc = startSmsc({ receipts: 'off' })
    using esme = await Esme.bound(smsc.port)
    await esme.submits(3)
    smsc.smsc.set({ receipts: 'on' })
    await esme.submit()
    expect((await receipts(esme, 1))[0]?.id).toBe('1000003')
  })

  test('come when their delay has passed', async () => {
    const clock = new TurnedClock()
    await using smsc = startSmsc({ receiptDelay: '10s' }, { clock })
    using esme = await Esme.bound(smsc.port)
    await esme.submit()
    await clock.advance(9999)
    await quiet()
    expect(esme.delivered.length).toBe(0)
    await clock.advance(1)
    await receipts(esme, 1)
    const text = Buffer.from(esme.delivered[0]?.short_message ?? []).toString('latin1')
    expect(text).toContain(`done date:${absoluteTime(clock.now()).slice(0, 10)} `)
  })

  test('come before the response', async () => {
    await using smsc = startSmsc({ receiptEarly: 'always' })
    using esme = await Esme.bound(smsc.port)
    await esme.submit()
    expect(esme.order).toEqual(['deliver_sm', 'response 1000000'])
  })

  test('come twice', async () => {
    await using smsc = startSmsc({ receiptTwice: '*5' })
    using esme = await Esme.bound(smsc.port)
    await esme.submit('491705')
    await esme.submit('491706')
    expect((await receipts(esme, 3)).map(receipt => receipt?.id)).toEqual(['1000000', '1000000', '1000001'])
  })

  const forms: readonly (readonly [string, string, string, string])[] = [
    ['hex', 'decimal', 'f4240', '1000000'],
    ['decimal', 'hex', '1000000', 'f4240'],
    ['upper', 'padded', 'F4240', '00000000000001000000'],
    ['padded', 'padded-hex', '00000000000001000000', '00000000000f4240'],
  ]
  for (const [idResponse, idReceipt, inResponse, inReceipt] of forms)
    test(`name a message in ${idReceipt} whose response was ${idResponse}`, async () => {
      await using smsc = startSmsc({ idResponse, idReceipt })
      using esme = await Esme.bound(smsc.port)
      expect(told(await esme.submit())).toBe(`0x0 ${inResponse}`)
      expect((await receipts(esme, 1))[0]?.id).toBe(inReceipt)
      const query = await esme.request('query_sm', { message_id: inResponse })
      expect(query).toMatchObject({ pdu: { command_status: 0, message_id: inResponse } })
    })

  const places: readonly (readonly [string, boolean, boolean, boolean])[] = [
    ['both', true, true, false],
    ['text', true, false, false],
    ['tlv', false, true, false],
    ['payload', false, true, true],
  ]
  for (const [receiptIn, inText, inTlvs, inPayload] of places)
    test(`tell it in: ${receiptIn}`, async () => {
      await using smsc = startSmsc({ receiptIn, receiptState: 'rejected', receiptError: '300' })
      using esme = await Esme.bound(smsc.port)
      await esme.submit()
      const [pdu] = await esme.deliveries(1)
      expect((pdu?.short_message.length ?? 0) > 0).toBe(inText)
      expect(pdu?.tlvs.receipted_message_id !== undefined).toBe(inTlvs)
      expect(pdu?.tlvs.message_payload !== undefined).toBe(inPayload)
      expect(pdu && readReceipt(pdu)).toMatchObject({ id: '1000000', state: 'rejected', error: 300 })
    })

  test('have the text of a template', async () => {
    await using smsc = startSmsc({
      receiptIn: 'text',
      receiptText: 'STAT:{stat} ID:{id} ERR:{err} TEXT:{text} {done}',
    })
    using esme = await Esme.bound(smsc.port)
    await esme.submit()
    const [pdu] = await esme.deliveries(1)
    expect(Buffer.from(pdu?.short_message ?? []).toString()).toMatch(
      /^STAT:DELIVRD ID:1000000 ERR:0 TEXT:Hello \d{12}$/,
    )
  })

  test('tell the state that the destination stands for', async () => {
    await using smsc = startSmsc({ receiptState: 'undeliverable=*1,expired=*2,accepted=*3' })
    using esme = await Esme.bound(smsc.port)
    for (const digit of ['1', '2', '3', '4']) await esme.submit(`49170${digit}`)
    expect((await receipts(esme, 4)).map(receipt => receipt?.state)).toEqual([
      ...(['undeliverable', 'expired', 'accepted', 'delivered'] as const),
    ])
  })

  test('come on another bind, or on the same one alone', async () => {
    await using smsc = startSmsc({ receiptBind: 'other' })
    using one = await Esme.bound(smsc.port)
    using two = await Esme.bound(smsc.port)
    await one.submit()
    await two.deliveries(1)
    smsc.smsc.set({ receiptBind: 'same' })
    await one.submit()
    await one.deliveries(1)
    expect([one.delivered.length, two.delivered.length]).toEqual([1, 1])
  })

  test('that one session alone may have are given up where it receives nothing, and hold up nothing', async () => {
    const taken: boolean[] = []
    const onReceipt = (_: string, wasTaken: boolean): void => void taken.push(wasTaken)
    await using smsc = startSmsc({ receiptBind: 'same' }, { onReceipt })
    using transmitter = await Esme.bound(smsc.port, 'bind_transmitter')
    using receiver = await Esme.bound(smsc.port, 'bind_receiver')
    await transmitter.submits(3)
    const message = { source: '4917012345', destination: '12345', text: 'Hi' }
    expect(await smsc.smsc.deliver(message)).toBe(true)
    expect(taken).toEqual([false, false, false])
    expect([receiver.delivered.length, smsc.smsc.waiting]).toEqual([1, 0])
  })

  test('of a transmitter reach its receiver', async () => {
    await using smsc = startSmsc()
    using transmitter = await Esme.bound(smsc.port, 'bind_transmitter')
    await transmitter.submit()
    expect(smsc.smsc.waiting).toBe(1)
    using receiver = await Esme.bound(smsc.port, 'bind_receiver')
    expect((await receipts(receiver, 1))[0]?.id).toBe('1000000')
  })

  test('that are refused for now are tried again after a second', async () => {
    const clock = new TurnedClock()
    await using smsc = startSmsc({}, { clock })
    using esme = await Esme.bound(smsc.port)
    esme.answer = 0x64
    await esme.submit()
    await esme.deliveries(1)
    await quiet()
    esme.answer = 0
    await clock.advance(1000)
    expect((await receipts(esme, 2)).map(receipt => receipt?.id)).toEqual(['1000000', '1000000'])
  })
})

describe('faults of one account', () => {
  test('go before those of all, and leave the others alone', async () => {
    const accounts = [
      { systemId: 'good', password: 'secret' },
      { systemId: 'bad', password: 'secret', faults: { error: '0x45' } },
    ]
    await using smsc = startSmsc({ receipts: 'off' }, { accounts })
    using good = await Esme.bound(smsc.port, 'bind_transceiver', 'good')
    using bad = await Esme.bound(smsc.port, 'bind_transceiver', 'bad')
    expect([told(await good.submit()), told(await bad.submit())]).toEqual(['0x0 1000000', '0x45'])
    smsc.smsc.set({ error: '0x08' })
    expect([told(await good.submit()), told(await bad.submit())]).toEqual(['0x8', '0x45'])
    smsc.smsc.set({ error: '' }, 'bad')
    expect([told(await good.submit()), told(await bad.submit())]).toEqual(['0x8', '0x0 1000001'])
  })
})

test('messages from handsets come at the rate that is set, until it is 0', async () => {
  const clock = new TurnedClock()
  await using smsc = startSmsc({ moRate: '50', moText: 'Hi' }, { clock })
  using esme = await Esme.bound(smsc.port)
  await clock.settle()
  await clock.advance(1000)
  const delivered = await esme.deliveries(49)
  await quiet()
  expect(delivered.length).toBeWithin(49, 52)
  expect(Buffer.from(delivered[0]?.short_message ?? []).toString()).toBe('Hi')
  smsc.smsc.set({ moRate: '0' })
  await clock.advance(1000)
  await quiet()
  expect(esme.delivered.length).toBeWithin(49, 53)
})

test('messages from handsets come at the rate that is set where timers are late, and a pause is not made up for', async () => {
  const clock = new TurnedClock()
  const late: Clock = { ...clock, after: (delayMs, task) => clock.after(delayMs + 30, task) }
  await using smsc = startSmsc({ moRate: '50' }, { clock: late })
  using esme = await Esme.bound(smsc.port)
  await clock.settle()
  await clock.advance(1000)
  expect((await esme.deliveries(48)).length).toBeWithin(48, 51)
  const before = esme.delivered.length
  clock.skip(3_600_000)
  await clock.advance(100)
  await quiet()
  expect(esme.delivered.length - before).toBeWithin(1, 100)
})

test('a closed SMSC leaves no timer behind', async () => {
  const clock = new TurnedClock()
  const smsc = startSmsc({ delay: '1s', receiptDelay: '1s', moRate: '1', reorder: '9' }, { clock })
  using esme = await Esme.bound(smsc.port)
  void esme.submits(5)
  await smsc.arrived(5)
  await smsc.close()
  await esme.closed
  await quiet()
  expect(clock.timers).toBe(0)
})
