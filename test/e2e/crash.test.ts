import { expect, test } from 'bun:test'
import { systemClock } from '../../src/clock.ts'
import { seededDraw } from '../../src/smsc/smsc.ts'
import type { MessageStore } from '../../src/store/store.ts'
import { startSmsc, type TestSmsc } from '../support/smsc.ts'
import { type Reply, startGateway, type TestGateway } from './gateway.ts'

/** More kills and longer loads: `CRASH_KILLS=50 bun test test/e2e/crash.test.ts`. */
const KILLS = Number(process.env.CRASH_KILLS ?? 3)
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 100_000)
const SENDS_PER_SECOND = 500
const TICK_MS = 10

/** One send, as its caller knows it; `tag` is its text. */
interface Sent {
  readonly tag: string
  /** Undefined when the connection ended without an answer. */
  reply: Reply | undefined
}

/**
 * Sends at a steady pace for `forMs`, and waits until one of them is answered; every second one is under an
 * Idempotency-Key of its own.
 */
async function load(gateway: TestGateway, life: number, forMs: number): Promise<Sent[]> {
  const sent: Sent[] = []
  const answers: Promise<unknown>[] = []
  const began = performance.now()
  for (let elapsed = 0; elapsed < forMs || !sent.some(isAnswered); elapsed = performance.now() - began) {
    while (sent.length < (Math.min(elapsed, forMs) * SENDS_PER_SECOND) / 1000) {
      const one: Sent = { tag: `${life}-${sent.length}`, reply: undefined }
      sent.push(one)
      answers.push(
        sendTagged(gateway, one).then(
          reply => (one.reply = reply),
          () => undefined,
        ),
      )
    }
    await Bun.sleep(TICK_MS)
  }
  await gateway.kill()
  await Promise.all(answers)
  return sent
}

const isAnswered = ({ reply }: Sent): boolean => reply?.status === 200

const isKeyed = ({ tag }: Sent): boolean => Number(tag.split('-')[1]) % 2 === 0

function sendTagged(gateway: TestGateway, one: Sent): Promise<Reply> {
  const destination = `+4917${Bun.hash.crc32(one.tag).toString().padStart(10, '0').slice(-8)}`
  return gateway.send({ message: one.tag, destination }, isKeyed(one) ? { 'idempotency-key': one.tag } : {})
}

/** How often each text reached the SMSC. */
function arrivals(smsc: TestSmsc): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { pdu } of smsc.received) {
    const tag = pdu.command === 'submit_sm' ? Buffer.from(pdu.short_message).toString('latin1') : ''
    counts.set(tag, (counts.get(tag) ?? 0) + 1)
  }
  return counts
}

test(
  `what was answered or acknowledged survives kill -9 under ${SENDS_PER_SECOND} sends a second, and nothing is sent twice (seed ${SEED})`,
  async () => {
    const draw = seededDraw(SEED)
    /** Ids whose receipt was answered with ESME_ROK. */
    const acknowledged = new Set<string>()
    const faults = { delay: '1ms-40ms', receiptDelay: '0ms-300ms' }
    await using smsc = startSmsc(faults, {
      onReceipt: (messageId, taken) => void (taken && acknowledged.add(messageId)),
    })
    await using gateway = await startGateway({
      links: [{ port: smsc.port, more: 'window: 1000, limit_tps: 0' }],
      yaml: 'storage: { db_path: sms.db }',
    })
    await gateway.app('POST', '/api/v1/sms/check-esme', { esme: 1 })

    const all: Sent[] = []
    for (let life = 0; life < KILLS; life++) {
      const sent = await load(gateway, life, 600 + draw() * 900)
      all.push(...sent)
      await gateway.start()
      await gateway.bound()
      // A caller whose connection broke asks again under its key.
      for (const one of sent.filter(one => isKeyed(one) && !one.reply)) {
        one.reply = await sendTagged(gateway, one)
        // Either it had never left, or nobody knows: then the SMSC may have it, and it stays so.
        expect([200, 500]).toContain(one.reply.status)
        if (one.reply.status === 500) {
          expect(one.reply.body).toMatchObject({
            status: 'unknown',
            error: expect.stringContaining('not sent again'),
          })
        }
      }
    }

    // Each receipt is acknowledged in the end, this life's and those that a crash left at the SMSC.
    await gateway.until(
      () => acknowledged.size,
      count => count === smsc.received.length,
    )
    const answered = all.filter(isAnswered)
    for (const one of answered) {
      const { status, body } = await gateway.info(one.reply?.body.message_id)
      expect([one.tag, status, body.status]).toEqual([one.tag, 200, 'delivered'])
    }
    for (const [tag, count] of arrivals(smsc)) expect([tag, count]).toEqual([tag, 1])
    expect(await gateway.stop()).toBe(0)
    await expectStored(await gateway.messages('sms-messages.db'), smsc, acknowledged)
    console.log(
      `${KILLS} kills: ${all.length} sends, ${answered.length} answered 200, ${smsc.received.length} reached the SMSC`,
    )
  },
  240_000 + KILLS * 10_000,
)

/** Every acknowledged receipt lies in the store: with its message, or held for one that was never stored. */
async function expectStored(
  store: MessageStore,
  smsc: TestSmsc,
  acknowledged: ReadonlySet<string>,
): Promise<void> {
  const { rows } = await store.unmatched({ offset: 0, limit: 100_000 })
  const held = new Set(rows.flatMap(({ ids }) => ids))
  const account = `127.0.0.1:${smsc.port}/tester`
  for (const { messageId, pdu } of smsc.received) {
    if (!acknowledged.has(messageId) || held.has(messageId)) continue
    // Another word on a part that is delivered changes nothing; on one that is not, it would show.
    const settled = await store.settle({
      ...{ account, ids: [messageId], address: pdu.destination_addr },
      ...{ state: 'undeliverable', error: 0, at: systemClock.now() },
    })
    expect(settled.matched && settled.message.state).toBe('delivered')
  }
  await store.close()
}
