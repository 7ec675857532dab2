import { afterEach, beforeEach, expect, test } from 'bun:test'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { startSmsc } from '../support/smsc.ts'
import { type Reply, startGateway, type TestGateway } from './gateway.ts'

/** With the cluster away those that find out wait for two seconds: so many come in that time. */
const OPEN_MAX = 400

const AWAY = 'the Aerospike cluster does not answer'

let server: AerospikeServer
beforeEach(() => {
  server = new AerospikeServer({ nodes: 2, replicas: 2, namespaces: ['sms'] })
})
afterEach(() => server.stop())

const lose = (): void => server.nodes.forEach(({ number }) => void server.kill(number, false))
const bring = (): void => server.nodes.forEach(({ number }) => void server.revive(number))

const spooling = (more = ''): string => {
  const hosts = server.nodes.map(({ port }) => `127.0.0.1:${port}`).join()
  return `aerospike: { hosts: "${hosts}", namespace: sms, spool: true${more} }`
}
const ready = async (gateway: TestGateway, warning: RegExp | undefined): Promise<void> => {
  await gateway.until(
    () => gateway.fetch('GET', '/ready'),
    ({ status, body }) =>
      status === 200 && (warning ? warning.test(body.warning ?? '') : body.warning === undefined),
  )
}
interface Tally {
  readonly messages_sent: number
}
const campaigns = async (gateway: TestGateway): Promise<readonly Tally[]> =>
  (await gateway.admin('GET', '/api/v1/admin/metrics/campaigns')).body.data
/** What was in doubt when the cluster went is counted within half a minute. */
async function counted(gateway: TestGateway, sent: number): Promise<void> {
  const tallies = await gateway.until(
    () => campaigns(gateway),
    rows => Bun.deepEquals(sentOf(rows), [sent]),
  )
  expect(tallies).toMatchObject([{ sme: 1, messages_sent: sent, messages_failed: 0 }])
}
const sentOf = (rows: readonly Tally[]): readonly number[] => rows.map(row => row.messages_sent)
const delivered = (gateway: TestGateway, { body }: Reply): Promise<Reply> =>
  gateway.until(
    () => gateway.info(body.message_id),
    info => info.body.status === 'delivered',
  )

test('with the cluster away messages and receipts go on, /ready says how, and all is in the cluster when it is back', async () => {
  await using smsc = startSmsc({ receiptDelay: '300ms' })
  await using gateway = await startGateway({ links: [{ port: smsc.port }], yaml: spooling() })
  const before = await gateway.send({ campaign_uuid: 'spring' })
  expect(before.status).toBe(200)
  lose()
  const first = await gateway.send({ campaign_uuid: 'spring' })
  expect(first.status).toBe(200)
  await ready(
    gateway,
    /^the Aerospike cluster does not answer: messages are spooled \(\d+ of at most 1000000 /,
  )
  // Who finds out waits for two seconds, those after it do not. On a busy machine any may be held up, but not each.
  let quickestMs = Number.POSITIVE_INFINITY
  const later: Reply[] = []
  for (let tries = 0; tries < 3; tries++) {
    const began = performance.now()
    later.push(await gateway.send({ campaign_uuid: 'spring' }))
    quickestMs = Math.min(quickestMs, performance.now() - began)
  }
  expect(quickestMs).toBeLessThan(1500)
  for (const { status } of later) expect(status).toBe(200)
  for (const sent of [first, ...later]) await delivered(gateway, sent)
  const keyed = await gateway.send({}, { 'idempotency-key': 'k' })
  expect([keyed.status, keyed.body.error]).toEqual([
    500,
    `the first result of this Idempotency-Key cannot be read: ${AWAY}, and it alone knows the keys: ` +
      'meanwhile only messages without one are taken',
  ])
  expect((await gateway.info(before.body.message_id)).status).toBe(500)
  expect(smsc.received).toHaveLength(5)
  const scrape = (await gateway.fetch('GET', '/metrics')).body
  expect(scrape).toMatch(/^sms_proxy_spool_entries [1-9]/m)
  expect(scrape).toMatch(/^sms_proxy_store_faulty 0$/m)

  bring()
  await ready(gateway, undefined)
  for (const sent of [before, first, ...later]) await delivered(gateway, sent)
  await counted(gateway, 5)
  expect((await gateway.send({}, { 'idempotency-key': 'k' })).status).toBe(200)
  for (const words of ['the cluster does not take writes: they are spooled', 'all that was spooled is in'])
    expect(gateway.log.filter(line => line.includes(words))).toHaveLength(1)
  const { body } = await gateway.admin('GET', '/api/v1/admin/settings/server-config')
  expect(body.data.aerospike).toMatchObject({ namespace: 'sms', spool: true, spool_max: 1_000_000 })
}, 240_000)

test('what is spooled survives kill -9, is taken on by a life that starts with the cluster away, and counts once', async () => {
  await using smsc = startSmsc({ receiptDelay: '200ms' })
  await using gateway = await startGateway({ links: [{ port: smsc.port }], yaml: spooling() })
  const sent: Reply[] = []
  const send = async (count: number): Promise<void> => {
    const replies = await Promise.all(
      Array.from({ length: count }, () => gateway.send({ campaign_uuid: 'spring' })),
    )
    for (const { status } of replies) expect(status).toBe(200)
    sent.push(...replies)
  }
  await send(20)
  lose()
  await send(20)
  await gateway.kill()
  await gateway.start()
  await gateway.bound()
  await ready(gateway, /messages are spooled/)
  await send(20)
  for (const one of sent.slice(20)) await delivered(gateway, one)
  expect(await gateway.stop()).toBe(0)
  bring()
  await gateway.start()
  await gateway.bound()
  await ready(gateway, undefined)
  for (const one of sent) await delivered(gateway, one)
  const taskIds = new Set(sent.map(({ body }) => body.task_id))
  expect(taskIds.size).toBe(60)
  await counted(gateway, 60)
}, 240_000)

test('a cluster that comes and goes under traffic loses no message that was answered, and counts each once', async () => {
  await using smsc = startSmsc({ delay: '1ms-20ms', receiptDelay: '0ms-300ms' })
  await using gateway = await startGateway({
    links: [{ port: smsc.port, more: 'window: 1000, limit_tps: 0' }],
    yaml: spooling(),
  })
  await gateway.asApp()
  const sent: Promise<Reply>[] = []
  let open = 0
  const send = (): Promise<Reply> => {
    open++
    return gateway.send({ campaign_uuid: 'spring' }).finally(() => open--)
  }
  let going = true
  const traffic = (async () => {
    for (; going; await Bun.sleep(20))
      // No more than even a slow machine takes.
      for (let each = 0; each < 4 && open < OPEN_MAX; each++) sent.push(send())
  })()
  for (let outage = 0; outage < 3; outage++) {
    await Bun.sleep(700)
    lose()
    await Bun.sleep(1500)
    bring()
    await ready(gateway, undefined)
  }
  going = false
  await traffic
  const replies = await Promise.all(sent)
  expect(
    replies.map(({ status, body }) => `${status} ${body.error ?? ''}`).filter(told => told !== '200 '),
  ).toEqual([])
  await ready(gateway, undefined)
  for (const one of replies) await delivered(gateway, one)
  await counted(gateway, replies.length)
  expect(smsc.received).toHaveLength(replies.length)
  // What was kept by half when the cluster went is looked at again after a while.
  await gateway.until(
    async () => (await gateway.admin('GET', '/api/v1/admin/receipts/unmatched')).body.data,
    unmatched => unmatched.length === 0,
  )
}, 240_000)

test('a spool that is full stops sends with its reason before they leave, and mends by itself', async () => {
  await using smsc = startSmsc()
  await using gateway = await startGateway({
    links: [{ port: smsc.port, more: 'limit_tps: 0' }],
    yaml: spooling(', spool_max: 1000'),
  })
  await gateway.asApp()
  lose()
  const full = await gateway.until(
    async () => {
      const replies = await Promise.all(Array.from({ length: 50 }, () => gateway.send()))
      return replies.find(({ status }) => status !== 200)
    },
    refused => refused !== undefined,
  )
  expect(full?.body).toMatchObject({ status: 'failed', error: `not sent: ${AWAY}, and the spool is full` })
  const received = smsc.received.length
  expect((await gateway.send()).status).toBe(500)
  expect(smsc.received).toHaveLength(received)
  expect((await gateway.fetch('GET', '/ready')).body.error).toBe(`not ready: ${AWAY}, and the spool is full`)
  bring()
  await ready(gateway, undefined)
  expect((await gateway.send()).status).toBe(200)
  await counted(gateway, received + 1)
}, 240_000)
