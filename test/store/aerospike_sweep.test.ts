import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { AerospikeClient, type ReadBins, type StoredRecord } from '../../src/aerospike/index.ts'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import type { Message } from '../../src/message.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import { Receipts } from '../../src/store/aerospike_receipts.ts'
import { Records, type SetName } from '../../src/store/aerospike_records.ts'
import type { AerospikeStore } from '../../src/store/aerospike_store.ts'
import { type Sweep, sweepRecords } from '../../src/store/aerospike_sweep.ts'
import { type InboundMessage, RECEIPT_HELD_MS, type StoredReceipt } from '../../src/store/store.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { patientClock, TurnedClock } from '../support/clock.ts'
import { messageOf } from '../support/message.ts'

const NAMESPACE = 'sms'
const ACCOUNT = 'a:1/x'
const RETENTION_MS = 3600_000

let server: AerospikeServer
let clock: TurnedClock
let client: AerospikeClient
let store: AerospikeStore

beforeEach(async () => {
  // Its own time stands still: nothing expires by itself.
  const startedAt = Date.now()
  server = new AerospikeServer({ namespaces: [NAMESPACE], now: () => startedAt })
  clock = new TurnedClock(startedAt)
  client = new AerospikeClient({ hosts: server.hosts, clock: patientClock })
  store = await openAerospikeStore({
    ...{ client, namespace: NAMESPACE, clock, random: systemRandom, retentionMs: RETENTION_MS },
    ...{ instance: 'a', name: 'a', node: 0, log: { warn: () => {} } },
  })
})
afterEach(async () => {
  await store.close()
  server.stop()
})

/** Another gateway on the same cluster. */
const another = (name: string, more: { heldMax?: number } = {}): Promise<AerospikeStore> =>
  openAerospikeStore({
    client: new AerospikeClient({ hosts: server.hosts, clock: patientClock }),
    ...{ namespace: NAMESPACE, clock, random: systemRandom, retentionMs: RETENTION_MS },
    ...{ instance: name, name, node: 1, log: { warn: () => {} }, ...more },
  })

/** Something happens between the reading of each record of a set and its removal. */
class Interrupted extends Records {
  constructor(
    private readonly among: SetName,
    private readonly between: () => Promise<unknown>,
  ) {
    super(client, NAMESPACE, 'sms-', systemClock)
  }

  override async *scan(set: SetName, bins: readonly string[]): AsyncGenerator<StoredRecord, void, void> {
    for await (const record of super.scan(set, bins)) {
      if (set === this.among) await this.between()
      yield record
    }
  }
}

/** Answers how many rows were removed. */
function sweepWith(among: SetName, between: () => Promise<unknown>): Promise<number> {
  const records = new Interrupted(among, between)
  const receipts = new Receipts(records, clock, RETENTION_MS, 'nonce')
  return sweepRecords({
    ...{ records, receipts, clock, now: clock.now(), heldMax: 100 },
    ...{ stopped: () => false, complete: async () => {} },
  })
}

const ids = () => createIds(clock, systemRandom)
const accepted = (): Message =>
  messageOf(clock.now(), {
    ...{ id: ids().messageId(), taskId: ids().taskId(), state: 'accepted' },
    parts: [{ state: 'accepted', smscId: '', account: '', error: 0 }],
  })
const claim = (lastsMs: number) => ({
  ...{ appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: clock.now() + lastsMs },
})
const segment = (part: number, text: string): InboundMessage => ({
  ...{ id: ids().messageId(), account: ACCOUNT, link: 1, source: '4477', destination: '123', text },
  ...{ segment: { reference: 7, total: 2, part }, receivedAt: clock.now() },
})

test('a key that is taken anew while the sweep is about to remove it stays taken', async () => {
  await store.claim(claim(2000), accepted())
  clock.skip(2500)
  const again = accepted()
  await sweepWith('claims', () => store.claim(claim(86_400_000), again))
  expect(await store.claim(claim(86_400_000), accepted())).toMatchObject({
    fresh: false,
    message: { id: again.id },
  })
})

test('a segment of an MO message that comes while the sweep is about to remove its record stays', async () => {
  await store.keepInbound(segment(1, 'a'))
  clock.skip(RETENTION_MS + 1000)
  await sweepWith('inbound', () => store.keepInbound(segment(2, 'b')))
  const { rows } = await store.inbox({ offset: 0, limit: 10 })
  expect(rows.flatMap(({ parts }) => parts)).toContain('b')
})

test('what is past its time and left alone is removed, and counted', async () => {
  await store.claim(claim(2000), accepted())
  await store.save({
    ...{ ...accepted(), state: 'submitted' },
    parts: [{ state: 'submitted', smscId: '77', account: ACCOUNT, error: 0 }],
  })
  clock.skip(RETENTION_MS + 1000)
  expect(await sweepWith('held', async () => {})).toBe(3)
  expect(server.records.all(NAMESPACE).filter(({ set }) => /claims|messages|ids/.test(set))).toEqual([])
})

const receipt = (ids: readonly string[]): StoredReceipt => ({
  ...{ account: ACCOUNT, ids, address: '447700900123', state: 'delivered', error: 0, at: clock.now() },
})
const inSet = (set: SetName) => server.records.all(NAMESPACE).filter(each => each.set === `sms-${set}`)

test('with a receipt that is past its time go its ids under which nothing else is', async () => {
  await store.settle(receipt(['1', '2', '3']))
  const sent = { parts: [{ state: 'submitted', smscId: '3', account: ACCOUNT, error: 0 }] } as const
  clock.skip(RECEIPT_HELD_MS)
  await store.settle(receipt(['2']))
  // It takes nothing: the receipt that waits under its id is past its time.
  await store.save(messageOf(clock.now(), { ...accepted(), state: 'submitted', ...sent }))
  clock.skip(1000)
  await sweepWith('claims', async () => {})
  expect([inSet('held').length, inSet('ids').length]).toEqual([1, 2])
  const second = { parts: [{ ...sent.parts[0], smscId: '2' }] } as const
  const saved = await store.save(messageOf(clock.now(), { ...accepted(), state: 'submitted', ...second }))
  expect(saved.state).toBe('delivered')
  expect((await store.settle(receipt(['3']))).matched).toBe(true)
})

test('a cluster that receipts have filled loses the oldest of them, though it takes no lease, and stays faulty until it has room', async () => {
  const small = await another('b', { heldMax: 3 })
  for (let n = 0; n < 10; n++) {
    await small.settle(receipt([`a${n}`, `b${n}`]))
    clock.skip(1000)
  }
  server.records.full = true
  await expect(small.settle(receipt(['c']))).rejects.toThrow('did not take it')
  await clock.advance(1000)
  while (inSet('ids').length > 6 || inSet('held').length > 3) await client.info('build')
  expect(small.fault()).toBe('the Aerospike namespace is full and takes no writes')
  server.records.full = false
  expect((await small.unmatched({ offset: 0, limit: 10 })).rows.map(({ ids }) => ids[0])).toEqual([
    'a9',
    'a8',
    'a7',
  ])
  await small.close()
})

test('of the gateways on a cluster one reads all of it once in the time between two sweeps, and another where that failed', async () => {
  let now = Date.now()
  const timed = new AerospikeServer({ namespaces: [NAMESPACE], now: () => now })
  const turned = new TurnedClock(now)
  class Counted extends AerospikeClient {
    reads = 0
    fails = false

    override query(...asked: Parameters<AerospikeClient['query']>): ReturnType<AerospikeClient['query']> {
      this.reads++
      if (this.fails) throw new Error('the cluster is away')
      return super.query(...asked)
    }
  }
  const gateway = async (name: string) => {
    const its = new Counted({ hosts: timed.hosts, clock: patientClock })
    const opened = await openAerospikeStore({
      ...{ client: its, namespace: NAMESPACE, clock: turned, random: systemRandom, sweepMs: 3600_000 },
      ...{ instance: name, name, node: 0, log: { warn: () => {} }, retentionMs: RETENTION_MS },
    })
    return {
      store: opened,
      client: its,
      /** Whether it read. */
      sweep: async () => {
        const before = its.reads
        await opened.sweep(turned.now()).catch(() => {})
        return its.reads > before
      },
    }
  }
  const [one, other] = [await gateway('one'), await gateway('other')]
  one.client.fails = true
  expect([await one.sweep(), await other.sweep()]).toEqual([true, true])
  one.client.fails = false
  expect([await one.sweep(), await other.sweep()]).toEqual([false, false])
  now += 0.8 * 3600_000
  expect([await one.sweep(), await other.sweep()]).toEqual([false, false])
  now += 0.2 * 3600_000
  expect([await one.sweep(), await other.sweep()]).toEqual([true, false])
  for (const { store: opened } of [one, other]) await opened.close()
  timed.stop()
})

test('a sweep that takes longer than its lease keeps it: no other gateway reads all of it meanwhile', async () => {
  const turned = new TurnedClock(Date.now())
  const timed = new AerospikeServer({ namespaces: [NAMESPACE], now: turned.now })
  const goesOn = Promise.withResolvers<void>()
  class Slow extends AerospikeClient {
    reads = 0

    override async *query(
      ...asked: Parameters<AerospikeClient['query']>
    ): ReturnType<AerospikeClient['query']> {
      this.reads++
      await goesOn.promise
      yield* super.query(...asked)
    }
  }
  const clients = [0, 1].map(() => new Slow({ hosts: timed.hosts, clock: patientClock }))
  const [first, second] = clients as [Slow, Slow]
  const open = (its: Slow, name: string) =>
    openAerospikeStore({
      ...{
        client: its,
        namespace: NAMESPACE,
        clock: turned,
        random: systemRandom,
        retentionMs: RETENTION_MS,
      },
      ...{ instance: name, name, node: 0, log: { warn: () => {} } },
    })
  const one = await open(first, 'one')
  const sweeping = one.sweep(turned.now())
  while (first.reads === 0) await first.info('build')
  for (let passed = 0; passed < 700; passed += 10) {
    await turned.advance(10_000)
    // As many answers as a renewal takes, and more.
    for (let n = 0; n < 12; n++) await first.info('build')
  }
  const other = await open(second, 'other')
  expect(await other.sweep(turned.now())).toBe(0)
  expect(second.reads).toBe(0)
  goesOn.resolve()
  await sweeping
  await other.sweep(turned.now())
  expect(second.reads).toBeGreaterThan(0)
  await other.close()
  await one.close()
  timed.stop()
}, 20_000)

describe('a sweep of many', () => {
  /** So many records of a set, all past their time; `removal` in place of each one's. */
  class Many extends Records {
    read = 0

    constructor(
      private readonly of: SetName,
      private readonly rows: readonly ReadBins[],
      private readonly removal: (n: number) => Promise<boolean>,
    ) {
      super(client, NAMESPACE, 'sms-', systemClock)
    }

    override async *scan(set: SetName): AsyncGenerator<StoredRecord, void, void> {
      if (set !== this.of) return
      for (const [n, bins] of this.rows.entries()) {
        this.read++
        yield { key: this.key(set, String(n)), bins, generation: n, ttlSeconds: undefined }
      }
    }

    override removeRead({ generation }: StoredRecord): Promise<boolean> {
      return this.removal(generation)
    }
  }
  const sweepOf = (records: Many, over: Partial<Sweep> = {}): Promise<number> =>
    sweepRecords({
      ...{ records, receipts: new Receipts(records, clock, RETENTION_MS, 'nonce'), clock, now: clock.now() },
      ...{ heldMax: 100, stopped: () => false, complete: async () => {}, ...over },
    })
  const past = (count: number): ReadBins[] => Array.from({ length: count }, () => ({ end: clock.now() }))

  test('removes 32 together at most, all but those that fail, and then tells of a failure', async () => {
    let [underWay, most, removed] = [0, 0, 0]
    const records = new Many('messages', past(200), async n => {
      most = Math.max(most, ++underWay)
      await clock.settle()
      underWay--
      if (n === 50) throw new Error('of the 50th')
      removed++
      return true
    })
    await expect(sweepOf(records)).rejects.toThrow('of the 50th')
    expect([most, removed, underWay]).toEqual([32, 199, 0])
  })

  test('counts what it removed alone: rows of an MO message each, and none that points to a message', async () => {
    const rows = [{ end: clock.now(), count: 3 }, ...past(2), { end: clock.now() + 1 }]
    const removed = async (n: number): Promise<boolean> => n !== 2
    expect(await sweepOf(new Many('inbound', rows, removed))).toBe(4)
    expect(await sweepOf(new Many('messages', rows, removed))).toBe(4)
    expect(await sweepOf(new Many('ids', rows, removed))).toBe(0)
  })

  test.each(['messages', 'held'] as const)('ends where it stands in %s when the store closes', async of => {
    const records = new Many(of, past(200), async () => true)
    const receipts = new Receipts(records, clock, RETENTION_MS, 'nonce')
    receipts.drop = async () => {}
    await sweepOf(records, { receipts, stopped: () => records.read > 10 })
    expect(records.read).toBe(11)
  })

  test('goes on with receipts alone that are reserved for longer than it takes, and lets go of old ones', async () => {
    const end = clock.now() + RETENTION_MS
    const taker = [['m', 0]]
    const rows = [
      { name: 'old', since: clock.now() - 60_001, end },
      { name: 'reserved long ago', since: clock.now() - 60_001, end, taker },
      { name: 'reserved now', since: clock.now() - 60_000, end, taker },
      { name: 'past its time', since: clock.now() - 60_001, end: clock.now(), taker },
    ]
    const records = new Many('held', rows, async () => true)
    const receipts = new Receipts(records, clock, RETENTION_MS, 'nonce')
    const [released, completed]: [string[], string[]] = [[], []]
    receipts.drop = async ({ name }) => void released.push(name)
    const complete = async (name: string): Promise<void> => void completed.push(name)
    expect(await sweepOf(records, { receipts, complete })).toBe(1)
    expect([released, completed]).toEqual([['past its time'], ['reserved long ago']])
  })
})
