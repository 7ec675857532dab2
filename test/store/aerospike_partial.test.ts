import { afterEach, beforeEach, expect, test } from 'bun:test'
import { AerospikeClient, key } from '../../src/aerospike/index.ts'
import { fieldTypes } from '../../src/aerospike/protocol/fields.ts'
import { info2 } from '../../src/aerospike/protocol/header.ts'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import type { Message, Part } from '../../src/message.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import { Claims } from '../../src/store/aerospike_claims.ts'
import { readLanes } from '../../src/store/aerospike_journal.ts'
import { Lease, nodesAlive } from '../../src/store/aerospike_lease.ts'
import { Receipts } from '../../src/store/aerospike_receipts.ts'
import { Deadline, Records } from '../../src/store/aerospike_records.ts'
import type { AerospikeStore } from '../../src/store/aerospike_store.ts'
import { Writer } from '../../src/store/aerospike_writer.ts'
import type { StoredReceipt } from '../../src/store/store.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { type Request, textOf } from '../support/aerospike_wire.ts'
import { patientClock, TurnedClock } from '../support/clock.ts'
import { messageOf } from '../support/message.ts'

const NAMESPACE = 'sms'
const ACCOUNT = 'a:1/x'
const ALL = { offset: 0, limit: 1000 }
/** SERVER_MEM_ERROR: final at once. */
const FULL = 8
const TOO_BIG = 13
/** KEY_BUSY: tried again for a while. */
const BUSY = 14

let server: AerospikeServer
let clock: TurnedClock
let client: AerospikeClient
let store: AerospikeStore
/** The result code with which the cluster refuses a request, if it does. */
let refusal: (request: Request) => number | undefined
let warned: string[]
let made = 0

beforeEach(async () => {
  server = new AerospikeServer({ namespaces: [NAMESPACE] })
  refusal = () => undefined
  const apply = server.records.apply.bind(server.records)
  server.records.apply = (request, digest) => {
    const resultCode = refusal(request)
    return resultCode === undefined ? apply(request, digest) : { resultCode }
  }
  clock = new TurnedClock()
  warned = []
  client = new AerospikeClient({ hosts: server.hosts, clock: patientClock })
  store = await openAerospikeStore({
    ...{ client, namespace: NAMESPACE, clock, random: systemRandom, retentionMs: 3600_000 },
    ...{ instance: 'a', name: 'a', node: 0 },
    log: { warn: (_: object, text: string) => void warned.push(text) },
  })
})
afterEach(async () => {
  refusal = () => undefined
  await store.close()
  server.stop()
})

const setOf = (request: Request): string => textOf(request, fieldTypes.set)
const writes = ({ info2: flags }: Request): boolean => (flags & info2.write) !== 0

const isOfLane = ({ operations }: Request): boolean => operations.some(({ bin }) => bin === 'seq')
const isOf = ({ id }: Message, request: Request): boolean =>
  Buffer.compare(
    request.fields.get(fieldTypes.digest) ?? Buffer.of(),
    key(NAMESPACE, 'sms-messages', id).digest,
  ) === 0

const ids = createIds(systemClock, systemRandom)
const partOf = (smscId: string): Part => ({ state: 'submitted', smscId, account: ACCOUNT, error: 0 })
const message = (over: Partial<Message> = {}): Message => {
  const parts = [partOf(String(++made))]
  return messageOf(clock.now(), { id: ids.messageId(), taskId: ids.taskId(), parts }, over)
}
const failsToSave = async (one: Message): Promise<void> => {
  await expect(store.save(one)).rejects.toThrow('the store did not take it')
}
const receiptFor = ({ parts }: Message): StoredReceipt => ({
  ...{ account: ACCOUNT, ids: [parts[0]?.smscId ?? ''], address: '', state: 'delivered', error: 0 },
  at: clock.now(),
})
const counted = async () => (await store.campaigns(ALL)).rows.map(({ sent, failed }) => [sent, failed])

const later = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
/** Time passes no faster than the wire can follow. */
async function pass(seconds: number): Promise<void> {
  for (let half = 0; half < 2 * seconds; half++) {
    await clock.advance(500)
    for (let turn = 0; turn < 10; turn++) await later()
  }
}

async function until(reached: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !reached(); await later()) {
    if (Date.now() > end) throw new Error('not within 60 s')
  }
}

async function openEntries(): Promise<number> {
  const records = new Records(client, NAMESPACE, 'sms-', clock)
  const lanes = await readLanes(records, 32, new Deadline(clock, 10_000))
  return lanes.reduce((sum, { open }) => sum + open.size, 0)
}

test('a message that fails time and again leaves one entry open, and counts once when it gets through', async () => {
  const one = message()
  refusal = request => (setOf(request) === 'sms-ids' ? FULL : undefined)
  for (let attempt = 0; attempt < 5; attempt++) await failsToSave(one)
  expect(await openEntries()).toBe(1)
  refusal = () => undefined
  await store.save(one)
  expect(await openEntries()).toBe(0)
  expect(await counted()).toEqual([[1, 0]])
})

test('messages that surely were not written leave no entry open, however many fail', async () => {
  refusal = request => (setOf(request) === 'sms-messages' ? FULL : undefined)
  for (let failed = 0; failed < 20; failed++) await failsToSave(message())
  await pass(1)
  expect(await openEntries()).toBe(0)
  expect(await counted()).toEqual([])
})

test('an attempt that goes on under the entry of an earlier one counts how the message stands at the end', async () => {
  const sent = message({ parts: ['1', '2'].map(smscId => partOf(smscId)) })
  const unsure: Message = {
    ...sent,
    state: 'unknown',
    parts: [partOf('1'), { ...partOf(''), state: 'unknown' }],
  }
  refusal = request => (setOf(request) === 'sms-ids' ? FULL : undefined)
  await failsToSave(unsure)
  await failsToSave(sent)
  expect(await openEntries()).toBe(1)
  refusal = () => undefined
  await store.save(sent)
  expect(await openEntries()).toBe(0)
  expect(await counted()).toEqual([[1, 0]])
})

test('what can be ended is ended though another entry, left open before it, fails', async () => {
  const [first, second] = [message(), message()]
  refusal = request => (setOf(request) === 'sms-ids' ? FULL : undefined)
  await failsToSave(first)
  await failsToSave(second)
  expect(await openEntries()).toBe(2)
  refusal = request => (isOf(first, request) ? FULL : undefined)
  await pass(60)
  expect(await openEntries()).toBe(1)
  // What it left is still one entry.
  await failsToSave(first)
  expect(await openEntries()).toBe(1)
  refusal = () => undefined
  await store.save(first)
  await store.save(second)
  expect(await openEntries()).toBe(0)
  expect(await counted()).toEqual([[2, 0]])
})

test('a message that a call wrote and put under no id is found by its receipt once the cluster is well', async () => {
  const one = message()
  refusal = request => (setOf(request) === 'sms-ids' ? FULL : undefined)
  await failsToSave(one)
  refusal = () => undefined
  await pass(60)
  expect(await store.settle(receiptFor(one))).toMatchObject({ matched: true, message: { id: one.id } })
})

test('a late answer that fails once it is written is counted all the same', async () => {
  const one = await store.save(message({ state: 'unknown', parts: [{ ...partOf(''), state: 'unknown' }] }))
  const late = {
    messageId: one.id,
    part: 0,
    state: 'submitted',
    smscId: '77',
    error: 0,
    at: clock.now(),
  } as const
  refusal = request => (setOf(request) === 'sms-ids' ? FULL : undefined)
  await expect(store.resolve(late)).rejects.toThrow('the store did not take it')
  refusal = () => undefined
  await pass(60)
  expect(await counted()).toEqual([[1, 0]])
})

test('what ends a claim takes neither another’s key nor a message that has its outcome by now', async () => {
  const deadline = new Deadline(clock, 10_000)
  const records = new Records(client, NAMESPACE, 'sms-', clock)
  const claims = new Claims(records, clock)
  const claim = { appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: clock.now() + 3600_000 }
  const [first, second] = [await store.save(message()), message()]
  expect(await claims.take(claim, first.id, deadline)).toBeUndefined()
  await claims.release(claim, second.id, deadline)
  expect(await claims.read(claim, deadline)).toMatchObject({ messageId: first.id })
  const receipts = new Receipts(records, clock, 3600_000, 'nonce')
  const writer = new Writer(records, receipts, clock, 3600_000)
  await writer.forget(first.id, deadline)
  expect(await writer.giveUp(first.id, Number.POSITIVE_INFINITY, 'token', deadline)).toBeUndefined()
  expect(await store.find(first.id)).toEqual(first)
})

test('a journal that is full is a fault of the store, and none of the message that finds it so', async () => {
  refusal = request => (isOfLane(request) ? TOO_BIG : undefined)
  const refused = await store.save(message()).catch((error: unknown) => error)
  expect(refused).toMatchObject({ message: 'the store did not take it', ofRecord: false })
  expect(store.fault()).toBe('the journal of this gateway in the Aerospike cluster is full')
  refusal = () => undefined
  await store.save(message())
  expect(store.fault()).toBeUndefined()
})

test('a message whose own record is too big is refused to its caller, and the store is well', async () => {
  refusal = request => (setOf(request) === 'sms-messages' && writes(request) ? TOO_BIG : undefined)
  const refused = await store.save(message()).catch((error: unknown) => error)
  expect(refused).toMatchObject({ message: 'the store cannot take this record', ofRecord: true })
  expect(store.fault()).toBeUndefined()
})

test('what a call left open is ended though other calls go on to fail, more than once a second', async () => {
  const [first, second] = [message(), message()]
  refusal = request => (setOf(request) === 'sms-ids' ? FULL : undefined)
  await failsToSave(first)
  refusal = request => (isOf(second, request) ? FULL : undefined)
  for (let half = 0; half < 60; half++) {
    await failsToSave(second)
    await pass(0.5)
  }
  expect(await openEntries()).toBe(0)
})

test('a sweep goes on though counts cannot be rolled up, and says so', async () => {
  await store.save(message())
  clock.skip(Date.now() + 86_400_000 - clock.now())
  refusal = ({ operations }) => (operations.some(({ bin }) => bin === 'rolled') ? TOO_BIG : undefined)
  expect(await store.sweep(clock.now())).toBe(1)
  expect(warned).toContain('what a journal counted could not be rolled up')
  expect(await counted()).toEqual([[1, 0]])
})

test('a record that everybody wants is no fault of the store: the others are well', async () => {
  refusal = request => (setOf(request) === 'sms-messages' && writes(request) ? BUSY : undefined)
  await failsToSave(message())
  expect(store.fault()).toBeUndefined()
})

test('one that closes while it renews its lease lets go of it, and tells of no fault', async () => {
  refusal = request => (setOf(request) === 'sms-ids' ? FULL : undefined)
  await failsToSave(message())
  refusal = () => undefined
  await pass(18)
  warned = []
  // From now on it ends what it left, too.
  clock.skip(20_000)
  const [node] = server.nodes
  node?.fail({ kind: 'slow', delayMs: 50 }, 20)
  const before = node?.requests ?? 0
  await clock.advance(5000)
  await until(() => node?.requests === before + 1)
  await store.close()
  client = new AerospikeClient({ hosts: server.hosts, clock: patientClock })
  await client.connect()
  const records = new Records(client, NAMESPACE, 'sms-', clock)
  expect(await nodesAlive(records, new Deadline(clock, 10_000))).toEqual(new Map())
  expect(warned).toEqual([])
  client.close()
})

test('a lease that somebody else has by now is not let go of', async () => {
  const records = new Records(client, NAMESPACE, 'sms-', clock)
  const leaseOf = (nonce: string) => new Lease(records, 'node/7', { nonce, instance: 'i', name: 'g' }, 30)
  const deadline = new Deadline(clock, 10_000)
  await leaseOf('before').hold(deadline, true)
  await leaseOf('now').hold(deadline, true)
  await leaseOf('before').release(deadline)
  expect(await leaseOf('other').owner(deadline)).toBe('i')
  await leaseOf('now').release(deadline)
  expect(await leaseOf('other').owner(deadline)).toBeUndefined()
})

test('what is taken by another between the look at it and its removal stays taken', async () => {
  let between = async (): Promise<unknown> => undefined
  class Interrupted extends Records {
    override async get(...how: Parameters<Records['get']>) {
      const record = await super.get(...how)
      await between()
      return record
    }
  }
  const deadline = new Deadline(clock, 10_000)
  const [slow, quick] = [Interrupted, Records].map(Of => new Of(client, NAMESPACE, 'sms-', clock))
  if (!slow || !quick) throw new Error('no records')

  const leaseOf = (records: Records, nonce: string) =>
    new Lease(records, 'node/7', { nonce, instance: 'i', name: 'g' }, 30)
  await leaseOf(quick, 'before').hold(deadline, true)
  between = () => leaseOf(quick, 'now').hold(deadline, true)
  await leaseOf(slow, 'before')
    .release(deadline)
    .catch(() => {})
  expect(await leaseOf(quick, 'now').owner(deadline)).toBe('i')

  const [first, second] = [ids.messageId(), ids.messageId()]
  const claim = { appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: clock.now() + 3600_000 }
  const anew = { ...claim, expiresAt: claim.expiresAt + 3600_000 }
  await new Claims(quick, clock).take(claim, first, deadline)
  between = async () => {
    clock.skip(3600_000)
    await new Claims(quick, clock).take(anew, second, new Deadline(clock, 10_000))
  }
  const release = new Claims(slow, clock).release(claim, first, new Deadline(clock, 3610_000))
  await release.catch(() => {})
  expect(await new Claims(quick, clock).read(anew, new Deadline(clock, 10_000))).toMatchObject({
    messageId: second,
  })
})

test('a receipt that a dead gateway reserved for its message, and did not come to apply, is applied by a sweep', async () => {
  const one = await store.save(message())
  const records = new Records(client, NAMESPACE, 'sms-', clock)
  const receipts = new Receipts(records, clock, 3600_000, 'dead')
  const deadline = new Deadline(clock, 10_000)
  const naming = receipts.naming()
  const { name } = naming
  await receipts.hold(receiptFor(one), naming, deadline)
  expect(await receipts.reserve(name, { id: one.id, part: 0 }, deadline)).toBe(true)
  clock.skip(60_001)
  await store.sweep(clock.now())
  expect((await store.find(one.id))?.state).toBe('delivered')
  expect((await store.unmatched(ALL)).total).toBe(0)
  expect(await receipts.read(name, new Deadline(clock, 10_000))).toBeUndefined()
})

test('past its limit a write is refused at once, and those under way are kept', async () => {
  await store.close()
  client = new AerospikeClient({ hosts: server.hosts, clock: patientClock })
  store = await openAerospikeStore({
    ...{ client, namespace: NAMESPACE, clock, random: systemRandom, retentionMs: 3600_000 },
    ...{ instance: 'a', name: 'a', node: 0, log: { warn: () => {} }, pendingMax: 2 },
  })
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => store.save(message())))
  expect(outcomes).toMatchObject([
    { status: 'fulfilled' },
    { status: 'fulfilled' },
    { status: 'rejected', reason: { message: 'too many writes wait for the store' } },
  ])
})

test('a lease that nobody had, taken by a write whose answer is lost, is taken and not renewed', async () => {
  const holder = { nonce: 'n', instance: 'i', name: 'g' }
  const lease = new Lease(new Records(client, NAMESPACE, 'sms-', clock), 'node/7', holder, 30)
  const [node] = server.nodes
  // The read, and the write.
  node?.faults.push({ kind: 'slow', delayMs: 0 }, { kind: 'close', when: 'after' })
  expect(await lease.hold(new Deadline(clock, 10_000), false)).toBe('taken')
  expect(await lease.hold(new Deadline(clock, 10_000), false)).toBe('renewed')
})

test('a key that is free, taken by a write whose answer is lost, is the message’s own', async () => {
  const claims = new Claims(new Records(client, NAMESPACE, 'sms-', clock), clock)
  const claim = { appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: clock.now() + 3600_000 }
  // The read, and the write.
  server.nodes[0]?.faults.push({ kind: 'slow', delayMs: 0 }, { kind: 'close', when: 'after' })
  expect(await claims.take(claim, ids.messageId(), new Deadline(clock, 10_000))).toBeUndefined()
  const holder = await claims.take(claim, ids.messageId(), new Deadline(clock, 10_000))
  expect(holder).toMatchObject({ sameBody: true })
})

/** Its record is written; what points to it is not. */
async function keepByHalf(one: Message): Promise<void> {
  refusal = request => (setOf(request) === 'sms-ids' && writes(request) ? FULL : undefined)
  await expect(store.settle(receiptFor(one))).rejects.toThrow('the store did not take it')
  refusal = () => undefined
}

test('a receipt that was kept by half and told again is not listed as one without a message', async () => {
  const one = message()
  await keepByHalf(one)
  await store.save(one)
  expect(await store.settle(receiptFor(one))).toMatchObject({ matched: true })
  await pass(30)
  expect((await store.unmatched(ALL)).rows).toEqual([])
  expect(await store.find(one.id)).toMatchObject({ state: 'delivered' })
})

test('a receipt that was kept by half waits for its message as any other', async () => {
  const one = message()
  await keepByHalf(one)
  await pass(30)
  expect((await store.unmatched(ALL)).rows).toHaveLength(1)
  expect(await store.save(one)).toMatchObject({ state: 'delivered' })
  expect((await store.unmatched(ALL)).rows).toEqual([])
})
