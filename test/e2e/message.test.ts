import { describe, expect, test } from 'bun:test'
import { decodeText } from '../../src/smpp/text/inbound.ts'
import { readUserDataHeader } from '../../src/smpp/text/udh.ts'
import { startSmsc, type TestSmsc } from '../support/smsc.ts'
import { startGateway } from './gateway.ts'

/** What a handset would show of the parts that reached the SMSC. */
function shown(smsc: TestSmsc): string {
  return smsc.received
    .map(({ pdu }) => {
      if (pdu.command !== 'submit_sm') throw new Error(pdu.command)
      const header = (pdu.esm_class & 0x40) === 0 ? undefined : readUserDataHeader(pdu.short_message)
      return {
        part: header?.concatenation?.part ?? 1,
        text: decodeText(pdu.short_message.subarray(header?.octets ?? 0), pdu.data_coding),
      }
    })
    .sort((a, b) => a.part - b.part)
    .map(({ text }) => text)
    .join('')
}

const FAMILY = '👨‍👩‍👧‍👦'
const FLAG = '🇩🇪'

describe('the binary', () => {
  test('sends the example of the reference, and reads delivered once its receipt is there', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const sent = await gateway.send({ transaction_id: 'tx-001' })
    expect(sent.status).toBe(200)
    expect(sent.body).toMatchObject({
      success: true,
      error: '',
      esme: 1,
      transaction_id: 'tx-001',
      status: 'submitted',
    })
    expect(sent.body.sms_ids).toEqual([smsc.received[0]?.messageId])
    const info = await gateway.until(
      () => gateway.info(sent.body.message_id),
      ({ body }) => body.status === 'delivered',
    )
    expect(info.body).toMatchObject({
      message_id: sent.body.message_id,
      mode: 'submit_sm',
      parts: { '1': 'delivered' },
      delivered_count: 1,
      transaction_id: 'tx-001',
      task_id: sent.body.task_id,
      error: '',
    })
  })

  test('has no text of a message in its log, whatever becomes of it and whichever way it goes', async () => {
    const text = 'your PIN is 8103'
    await using smsc = startSmsc({ error: '0x0b=4917*' })
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    expect((await gateway.send({ message: text })).status).toBe(200)
    expect((await gateway.send({ message: text, destination: '+491701234567' })).status).toBe(500)
    expect((await gateway.send({ message: text, encoding: 'none' })).status).toBe(400)
    expect(await smsc.smsc.deliver({ source: '447700900123', destination: '12345', text })).toBe(true)
    expect(await gateway.stop()).toBe(0)
    expect(gateway.log.length).toBeGreaterThan(0)
    expect(gateway.log.join('')).not.toContain(text)
  })

  test.each([
    ['160 GSM characters', 'x'.repeat(160), 1, 0],
    ['161 GSM characters', 'x'.repeat(161), 2, 0],
    ['306 GSM characters', 'x'.repeat(306), 2, 0],
    ['307 GSM characters', 'x'.repeat(307), 3, 0],
    ['70 UCS-2 units', 'ж'.repeat(70), 1, 8],
    ['71 UCS-2 units', 'ж'.repeat(71), 2, 8],
    ['a euro sign on a boundary', `${'x'.repeat(152)}€${'x'.repeat(20)}`, 2, 0],
    ['an emoji on a boundary', `${'ж'.repeat(66)}😀${'ж'.repeat(10)}`, 2, 8],
    ['a flag on a boundary', `${'ж'.repeat(65)}${FLAG}${'ж'.repeat(10)}`, 2, 8],
    ['a family on a boundary', `${'ж'.repeat(60)}${FAMILY}${'ж'.repeat(10)}`, 2, 8],
    ['a line feed', 'one\ntwo', 1, 0],
    ['a NUL', 'one\0two', 1, 8],
    ['ten parts', 'x'.repeat(1530), 10, 0],
  ])('delivers %s as it was sent', async (_, message, parts, dataCoding) => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const sent = await gateway.send({ message })
    expect(sent.body).toMatchObject({ success: true, status: 'submitted' })
    expect(sent.body.sms_ids).toHaveLength(parts)
    expect(shown(smsc)).toBe(message)
    expect(smsc.received.map(({ pdu }) => pdu.data_coding)).toEqual(new Array(parts).fill(dataCoding))
    // No part may end inside what a reader sees as one character.
    for (const { pdu } of smsc.received) {
      if (pdu.command !== 'submit_sm') continue
      const text = decodeText(pdu.short_message, pdu.data_coding)
      expect(text.isWellFormed()).toBe(true)
    }
  })

  test.each([
    [
      'eleven parts',
      { message: 'x'.repeat(1531) },
      'message: needs 11 parts in GSM 03.38, 10 at most: shorten it',
    ],
    ['half an emoji', { message: 'a\ud83d' }, 'message:'],
    ['Cyrillic as gsm7', { message: 'ж', encoding: 'gsm7' }, 'message:'],
    ['a name as destination', { destination: 'SHOP' }, 'destination must be'],
    ['an unknown field', { mesage: 'x' }, 'mesage'],
  ])('refuses %s with its reason, and sends nothing', async (_, fields, reason) => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const sent = await gateway.send(fields)
    expect(sent.status).toBe(400)
    expect(sent.body.success).toBe(false)
    expect(sent.body.error).toContain(reason)
    expect(smsc.received).toEqual([])
  })

  test('stops at SIGTERM after the requests in flight, unbinds, and exits with 0', async () => {
    await using smsc = startSmsc({ delay: '300ms' })
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    await gateway.app('POST', '/api/v1/sms/check-esme', { esme: 1 })
    const sending = gateway.send()
    await smsc.arrived(1)
    const stopped = gateway.stop()
    expect((await sending).body.status).toBe('submitted')
    expect(await stopped).toBe(0)
    expect(smsc.smsc.sessions).toEqual([])
  })

  test('answers one Idempotency-Key with one message, over a restart too', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const key = { 'idempotency-key': 'order-4711' }
    const first = await gateway.send({}, key)
    expect((await gateway.send({}, key)).body).toEqual(first.body)
    expect((await gateway.send({ message: 'another' }, key)).status).toBe(409)
    await gateway.kill()
    await gateway.start()
    await gateway.bound()
    expect((await gateway.send({}, key)).body).toEqual(first.body)
    expect(smsc.received).toHaveLength(1)
  })
})
