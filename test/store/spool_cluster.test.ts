import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AerospikeClient } from '../../src/aerospike/index.ts'
import { type Clock, systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import type { Message } from '../../src/message.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import type { AerospikeStore } from '../../src/store/aerospike_store.ts'
import { openSpooledStore } from '../../src/store/spooled.ts'
import type { SpooledStore } from '../../src/store/spooled_store.ts'
import { openSpool } from '../../src/store/sqlite_spool.ts'
import type { InboundMessage, StoredReceipt } from '../../src/store/store.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { patientClock } from '../support/clock.ts'
import { FlakyCluster } from '../support/flaky_cluster.ts'
import { messageOf } from '../support/message.ts'
import { silent } from '../support/simulation_quiet.ts'

const NAMESPACE = 'sms'
const ACCOUNT = 'a:1/x'
const ALL = { offset: 0, limit: 1000 }

/** How far all clocks are ahead of the world's. */
let aheadMs: number
const clock: Clock = {
  ...systemClock,
  now: () => Date.now() + aheadMs,
  monotonic: () => performance.now() + aheadMs,
}
let server: AerospikeServer
let folder: string
let opened: { close(): Promise<void> }[]
let made = 0

beforeEach(() => {
  aheadMs = 0
  folder = mkdtempSync(join(tmpdir(), 'spool-'))
  server = new AerospikeServer({
    ...{ nodes: 2, replicas: 2, namespaces: [NAMESPACE] },
    now: clock.now,
  })
  opened = []
})
afterEach(async () => {
  for (const each of opened) await each.close()
  server.stop()
  rmSync(folder, { recursive: true })
})

const direct = async (instance: string, keepsNumber = false): Promise<AerospikeStore> => {
  const store = await openAerospikeStore({
    client: new AerospikeClient({ hosts: server.hosts, clock: patientClock }),
    ...{ namespace: NAMESPACE, clock, random: systemRandom, log: silent, retentionMs: 3600_000 },
    ...{ instance, name: instance, node: 0, keepsNumber },
  })
  opened.push(store)
  return store
}

/** A gateway with a spool, and the switch that takes the cluster away from it alone. */
async function spooling(instance: string): Promise<{ store: SpooledStore; cluster: FlakyCluster }> {
  const inner = await direct(instance, true)
  const cluster = new FlakyCluster(inner, inner.node)
  const store = await openSpooledStore({
    spool: openSpool(join(folder, `${instance}.db`), clock),
    open: async () => cluster,
    ...{ instance, entriesMax: 1000, clock, log: silent },
  })
  opened.unshift(store)
  return { store, cluster }
}

async function drained(store: SpooledStore): Promise<void> {
  for (const end = Date.now() + 200_000; store.spoolCounts().entries > 0; await Bun.sleep(5))
    if (Date.now() > end) throw new Error('not within 200 s')
}

const ids = createIds(systemClock, systemRandom)
const message = (over: Partial<Message> = {}): Message => {
  const parts = [{ state: 'submitted', smscId: String(++made), account: ACCOUNT, error: 0 }] as const
  return messageOf(clock.now(), { id: ids.messageId(), taskId: ids.taskId(), parts }, over)
}
const receipt = ({ parts }: Message): StoredReceipt => ({
  ...{ account: ACCOUNT, ids: [parts[0]?.smscId ?? ''], address: '', state: 'delivered', error: 0 },
  at: clock.now(),
})
const inbound = (id: string): InboundMessage => ({
  ...{ id, account: ACCOUNT, link: 1, source: '4477', destination: '123', text: 'hi' },
  ...{ segment: undefined, receivedAt: clock.now() },
})

test('a receipt that reaches another gateway first meets its message when that is replayed', async () => {
  const { store, cluster } = await spooling('a')
  const other = await direct('b')
  cluster.away = true
  const sent = Array.from({ length: 50 }, () => message())
  await Promise.all(sent.map(one => store.save(one)))
  for (const one of sent) expect(await other.settle(receipt(one))).toEqual({ matched: false })
  cluster.away = false
  await drained(store)
  for (const { id } of sent) expect((await other.find(id))?.state).toBe('delivered')
  expect((await other.unmatched(ALL)).total).toBe(0)
  expect((await other.campaigns(ALL)).rows).toEqual([{ campaign: 'spring', sme: 1, sent: 50, failed: 0 }])
})

test('one that was away for longer than its lease counts what another gave up as it turned out', async () => {
  const { store, cluster } = await spooling('a')
  const other = await direct('b')
  const begun = message({
    state: 'accepted',
    parts: [{ state: 'accepted', smscId: '', account: '', error: 0 }],
  })
  const key = { appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: clock.now() + 3600_000 }
  expect(await store.claim(key, begun)).toEqual({ fresh: true })
  cluster.away = true
  const outcome = message({ id: begun.id, taskId: begun.taskId })
  await store.save(outcome)
  aheadMs += 31_000
  await other.sweep(clock.now())
  expect(await other.recall(key)).toMatchObject({ message: { state: 'unknown' } })
  expect((await other.campaigns(ALL)).rows).toMatchObject([{ sent: 0, failed: 1 }])
  cluster.away = false
  await drained(store)
  expect(await other.recall(key)).toMatchObject({ message: { state: 'submitted' } })
  expect((await other.campaigns(ALL)).rows).toMatchObject([{ sent: 1, failed: 0 }])
  expect(await other.settle(receipt(outcome))).toMatchObject({ matched: true })
})

test('the number of one that may go on while it is away is given to no other, unless there is no other number', async () => {
  const { store } = await spooling('a')
  expect(store.node).toBe(0)
  aheadMs += 31_000
  const others = await Promise.all(Array.from({ length: 31 }, (_, at) => direct(`other-${at}`)))
  expect(others.map(({ node }) => node)).not.toContain(0)
  expect((await direct('last')).node).toBe(0)
})

test('answers that are lost at random, with the cluster away now and then, lose nothing and count nothing twice', async () => {
  const { store, cluster } = await spooling('a')
  const other = await direct('b')
  const faults = [
    { kind: 'close', when: 'after' },
    { kind: 'close', when: 'before' },
    { kind: 'truncate' },
    { kind: 'refuse', resultCode: 18 },
  ] as const
  let broken = 0
  let going = true
  const breaking = (async () => {
    for (let turn = 0; going; turn++) {
      cluster.away = turn % 20 > 12
      for (const node of server.nodes) {
        const fault = faults[broken % faults.length]
        if (fault && node.faults.length === 0 && turn % 3 === 0) node.faults.push(fault)
        broken++
      }
      await Bun.sleep(5)
    }
  })()
  const sent = Array.from({ length: 300 }, () => message({ campaign: `c${made % 3}` }))
  for (let at = 0; at < sent.length; at += 10) {
    await Promise.all(
      sent.slice(at, at + 10).map(async one => {
        await store.save(one)
        await store.settle(receipt(one))
        await store.keepInbound(inbound(one.id))
      }),
    )
    await Bun.sleep(5)
  }
  going = false
  await breaking
  for (const node of server.nodes) node.faults.length = 0
  cluster.away = false
  await drained(store)
  for (const { id } of sent) expect((await other.find(id))?.state).toBe('delivered')
  for (const end = Date.now() + 300_000; ; await Bun.sleep(100)) {
    const { rows } = await other.campaigns(ALL)
    const counts = rows.map(({ sent, failed }) => [sent, failed])
    // What closes an entry may fail, and goes with a later write, or the next beat.
    if (
      Bun.deepEquals(counts, [
        [100, 0],
        [100, 0],
        [100, 0],
      ])
    )
      break
    if (Date.now() > end) throw new Error(JSON.stringify(counts))
  }
  expect((await other.inbox({ offset: 0, limit: 1000 })).rows.map(({ id }) => id)).toEqual(
    sent.map(({ id }) => id).reverse(),
  )
  expect(store.spoolCounts().replayed).toBeGreaterThan(20)
}, 240_000)
