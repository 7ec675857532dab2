import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { startSmsc } from '../support/smsc.ts'
import { startGateway } from './gateway.ts'

/** As many as a cluster has at most: suites give each gateway one of its own. */
const NAMESPACES = Array.from({ length: 32 }, (_, index) => `sms${index}`)
const SUITE_MS = 240_000

let server: AerospikeServer
beforeEach(() => {
  server = new AerospikeServer({ nodes: 2, replicas: 2, namespaces: NAMESPACES })
})
afterEach(() => server.stop())

const hosts = (): string => server.hosts.map(({ host, port }) => `${host}:${port}`).join()
const shared = (): string => `aerospike: { hosts: "${hosts()}", namespace: sms0, sweep_time: 1s }`

async function expectPasses(suite: string, env: Record<string, string> = {}): Promise<void> {
  const child = Bun.spawn([process.execPath, 'test', `./test/e2e/${suite}.test.ts`], {
    env: { ...process.env, E2E_AEROSPIKE: `127.0.0.1:${server.nodes[0]?.port}`, ...env },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    timeout: SUITE_MS,
  })
  const said = await new Response(child.stderr).text()
  expect(said.match(/^\(fail\).*$/gm) ?? []).toEqual([])
  expect(await child.exited).toBe(0)
  // Else it would have passed on files.
  expect(server.records.all('sms0').length).toBeGreaterThan(0)
}

test.each(['message', 'crash', 'failover', 'smsc_faults', 'rest_dashboard'])(
  'on a cluster the suite %s passes as it does on files',
  suite => expectPasses(suite),
  SUITE_MS,
)

test(
  'behind a spool the suite crash passes too',
  () => expectPasses('crash', { E2E_SPOOL: 'true' }),
  SUITE_MS,
)

describe('two gateways that share a namespace', () => {
  test('know each other’s messages, keys and counts, and have numbers of their own', async () => {
    await using smsc = startSmsc()
    const options = { links: [{ port: smsc.port }], yaml: shared() }
    await using a = await startGateway(options)
    await using b = await startGateway(options)
    const key = { 'idempotency-key': 'order-4711' }
    const sent = await a.send({ campaign_uuid: 'spring' }, key)
    expect(sent.status).toBe(200)
    expect((await b.send({ campaign_uuid: 'spring' }, key)).body).toEqual(sent.body)
    expect((await b.send({ message: 'another' }, key)).status).toBe(409)
    expect((await b.send({ campaign_uuid: 'spring' })).status).toBe(200)
    expect(smsc.received).toHaveLength(2)
    for (const gateway of [a, b]) {
      await gateway.until(
        () => gateway.info(sent.body.message_id),
        ({ body }) => body.status === 'delivered',
      )
      const { body } = await gateway.admin('GET', '/api/v1/admin/metrics/campaigns')
      expect(body.data).toMatchObject([{ campaign_uuid: 'spring', sme: 1 }])
    }
    const numbers = [a, b].map(({ log }) =>
      log.flatMap(line => (line.includes('messages are in Aerospike') ? [JSON.parse(line).node] : [])),
    )
    expect(numbers).toEqual([[0], [1]])
    const { body } = await a.admin('GET', '/api/v1/admin/settings/server-config')
    expect(body.data.aerospike).toEqual({
      hosts: hosts(),
      port: 3000,
      namespace: 'sms0',
      sweep_time: '1s',
      ttl: '86400s',
    })
  })

  test('a receipt that reaches the one finds the message of the other, which was killed', async () => {
    await using smsc = startSmsc({ receiptDelay: '500ms' })
    const options = { links: [{ port: smsc.port }], yaml: shared() }
    await using a = await startGateway(options)
    await using b = await startGateway(options)
    const sent = await a.send()
    await a.kill()
    const info = await b.until(
      () => b.info(sent.body.message_id),
      ({ body }) => body.status === 'delivered',
    )
    expect(info.body.parts).toEqual({ '1': 'delivered' })
  })
})

test('with the cluster away sends fail at once and say why, receipts are asked for again, and all is well when it is back', async () => {
  const taken: string[] = []
  await using smsc = startSmsc(
    { receiptDelay: '300ms' },
    { onReceipt: (messageId, ok) => void (ok && taken.push(messageId)) },
  )
  await using gateway = await startGateway({ links: [{ port: smsc.port }], yaml: shared() })
  const before = await gateway.send({ message: 'before' })
  expect(before.status).toBe(200)
  for (const { number } of server.nodes) server.kill(number, false)

  const ready = await gateway.until(
    () => gateway.fetch('GET', '/ready'),
    ({ status }) => status === 503,
  )
  expect(ready.body).toEqual({ error: 'not ready: the Aerospike cluster does not answer' })
  const began = performance.now()
  const [plain, keyed] = await Promise.all([gateway.send(), gateway.send({}, { 'idempotency-key': 'k' })])
  expect(performance.now() - began).toBeLessThan(5000)
  expect(plain.body).toMatchObject({
    success: false,
    status: 'failed',
    error: 'not sent: the Aerospike cluster does not answer',
  })
  // Under this key a message may have left before: nobody can tell now.
  expect(keyed.body).toMatchObject({ success: false, status: 'unknown' })
  for (const { status, body } of [plain, keyed]) {
    expect(status).toBe(500)
    // No host, no port: callers are strangers.
    expect(body.error).not.toMatch(/\d/)
  }
  expect(smsc.received).toHaveLength(1)
  expect((await gateway.fetch('GET', '/healthy')).status).toBe(200)
  expect((await gateway.info(before.body.message_id)).status).toBe(500)
  await Bun.sleep(500)
  expect(taken).toEqual([])

  for (const { number } of server.nodes) server.revive(number)
  await gateway.until(
    () => gateway.fetch('GET', '/ready'),
    ({ status }) => status === 200,
  )
  await gateway.until(
    () => gateway.info(before.body.message_id),
    ({ body }) => body.status === 'delivered',
  )
  // The node of the message is back; that of the key may follow a moment later.
  await gateway.until(
    () => gateway.send({}, { 'idempotency-key': 'k' }),
    ({ status }) => status === 200,
  )
  expect(smsc.received).toHaveLength(2)
}, 240_000)
