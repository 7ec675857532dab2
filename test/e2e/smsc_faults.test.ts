import { describe, expect, test } from 'bun:test'
import type { FaultSettings } from '../../src/smsc/faults.ts'
import { TurnedClock } from '../support/clock.ts'
import { startSmsc } from '../support/smsc.ts'
import { type Reply, startGateway } from './gateway.ts'

const LINK = 'response_timeout: 300ms'

describe('a message', () => {
  test.each<[string, FaultSettings]>([
    ['its response', { delay: '800ms', receipts: 'off' }],
    ['its response and its receipt', { delay: '800ms' }],
    ['its receipt, and the response only then', { delay: '800ms', receiptEarly: 'always' }],
  ])('whose response did not come in time is unknown, until %s comes late', async (_, faults) => {
    const clock = new TurnedClock()
    await using smsc = startSmsc(faults, { clock })
    await using gateway = await startGateway({ links: [{ port: smsc.port, more: LINK }] })
    const sent = await gateway.send()
    expect(sent.status).toBe(500)
    expect(sent.body).toMatchObject({ success: false, status: 'unknown', sms_ids: [] })
    expect(sent.body.error).toBe(
      'no submit_sm_resp in time: the SMSC may have the message, so it is not sent again',
    )
    expect((await gateway.info(sent.body.message_id)).body.status).toBe('unknown')
    const end = faults.receipts === 'off' ? 'submitted' : 'delivered'
    const info = await gateway.until(
      async () => {
        await clock.advance(100)
        return gateway.info(sent.body.message_id)
      },
      ({ body }) => body.status === end,
    )
    expect(info.body).toMatchObject({ error: '', parts: { '1': end } })
    expect(smsc.received).toHaveLength(1)
  })

  test.each<[string, FaultSettings]>([
    ['comes before its response', { receiptEarly: 'always', delay: '100ms' }],
    ['comes twice', { receiptTwice: 'always' }],
    ['is in TLVs alone', { receiptIn: 'tlv' }],
    ['is in its text alone', { receiptIn: 'text' }],
    ['is in message_payload', { receiptIn: 'payload' }],
    ['has its id in decimal, and the response in hexadecimal', { idResponse: 'hex' }],
    ['has its id in hexadecimal, and the response in decimal', { idReceipt: 'upper' }],
    ['has its id with leading zeros', { idReceipt: 'padded' }],
    ['has its id in upper case with leading zeros', { idResponse: 'upper', idReceipt: 'padded-hex' }],
  ])('is delivered when its receipt %s', async (_, faults) => {
    await using smsc = startSmsc(faults)
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const sent = await gateway.send({ message: 'x'.repeat(200) })
    expect(sent.body).toMatchObject({ success: true, status: 'submitted' })
    const info = await gateway.until(
      () => gateway.info(sent.body.message_id),
      ({ body }) => body.status === 'delivered',
    )
    expect(info.body).toMatchObject({ parts: { '1': 'delivered', '2': 'delivered' }, delivered_count: 2 })
  })

  test('is delivered when its receipt comes after a restart', async () => {
    await using smsc = startSmsc({ receiptDelay: '500ms' })
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const sent = await gateway.send()
    expect(await gateway.stop()).toBe(0)
    await gateway.start()
    await gateway.until(
      () => gateway.info(sent.body.message_id),
      ({ body }) => body.status === 'delivered',
    )
  })

  test('is delivered when its receipt comes on another link of the account', async () => {
    await using smsc = startSmsc({ receiptBind: 'other' })
    await using gateway = await startGateway({ links: [{ port: smsc.port }, { port: smsc.port }] })
    const sent = await gateway.send()
    await gateway.until(
      () => gateway.info(sent.body.message_id),
      ({ body }) => body.status === 'delivered',
    )
  })

  test.each([
    ['undeliverable', 'failed'],
    ['expired', 'expired'],
    ['rejected', 'rejected'],
  ])('whose receipt says %s is %s', async (said, status) => {
    await using smsc = startSmsc({ receiptState: said })
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const sent = await gateway.send()
    const info = await gateway.until(
      () => gateway.info(sent.body.message_id),
      ({ body }) => body.status === status,
    )
    expect(info.body.parts).toEqual({ '1': said })
  })

  test('that the SMSC throttles is tried again, and goes out once', async () => {
    await using smsc = startSmsc({ error: '0x58=1/2' })
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, each) =>
        gateway.send({ message: `m${each}`, destination: `+4917000000${each}` }),
      ),
    )
    expect(all.map(({ status }) => status)).toEqual(new Array(10).fill(200))
    expect(smsc.smsc.counts.taken).toBe(10)
    expect(smsc.smsc.counts.refused).toBeGreaterThan(0)
  }, 240_000)

  test('that the SMSC refuses for good fails at once with the name and the code', async () => {
    await using smsc = startSmsc({ error: '0x0b' })
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const sent = await gateway.send()
    expect(sent.status).toBe(500)
    expect(sent.body).toMatchObject({ success: false, status: 'failed', sms_ids: [] })
    expect(sent.body.error).toMatch(/^SMSC refused with ESME_RINVDSTADR \(0x0*b\)$/i)
    expect(smsc.received).toHaveLength(1)
    expect((await gateway.info(sent.body.message_id)).body).toMatchObject({
      status: 'failed',
      error: sent.body.error,
    })
  })

  test('that finds no room in time is not sent, and its caller is told so', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({
      links: [{ port: smsc.port, more: 'limit_tps: 1' }],
      smpp: '  queue_timeout: 300ms',
    })
    const replies: Reply[] = []
    const late = await gateway.until(
      async () => {
        const reply = await gateway.send()
        replies.push(reply)
        return reply
      },
      ({ status }) => status !== 200,
    )
    expect(late.status).toBe(500)
    expect(late.body).toMatchObject({
      status: 'failed',
      error: 'not sent: no link had room within smpp.queue_timeout',
    })
    expect(replies.length).toBeGreaterThan(1)
    expect(smsc.received).toHaveLength(replies.length - 1)
  })

  test('that finds the queue full is refused at once', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({
      links: [{ port: smsc.port, more: 'limit_tps: 1' }],
      smpp: '  queue_timeout: 5s\n  queue_max: 1',
    })
    expect((await gateway.send()).status).toBe(200)
    const waiting = gateway.send()
    const refused = await gateway.until(
      () => gateway.send(),
      ({ body }) => body.error === 'not sent: the queue of the pool is full',
    )
    expect([refused.status, refused.body.status]).toEqual([500, 'failed'])
    expect((await waiting).status).toBe(200)
  })

  test('in flight on a link that is switched off still gets its answer; the next is not sent', async () => {
    await using smsc = startSmsc({ delay: '300ms' })
    await using gateway = await startGateway({
      links: [{ port: smsc.port }],
      smpp: '  queue_timeout: 200ms',
    })
    await gateway.app('POST', '/api/v1/sms/check-esme', { esme: 1 })
    const flying = gateway.send()
    await smsc.arrived(1)
    const off = await gateway.app('PUT', '/api/v1/smpp/1/toggle', { enabled: false, reason: 'test' })
    expect(off.body).toEqual({ success: true, data: { id: 1, name: 'link-1', enabled: false } })
    expect((await flying).body).toMatchObject({ success: true, status: 'submitted' })
    const next = await gateway.send()
    expect(next.body).toMatchObject({
      status: 'failed',
      error: 'not sent: no link of the pool was bound within smpp.queue_timeout',
    })
    expect(smsc.received).toHaveLength(1)
    await gateway.app('PUT', '/api/v1/smpp/1/toggle', { enabled: true, reason: 'test' })
    await gateway.bound()
    expect((await gateway.send()).status).toBe(200)
  })
})
