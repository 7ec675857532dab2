import { afterEach, beforeEach, expect, test } from 'bun:test'
import { AerospikeClient } from '../../src/aerospike/index.ts'
import { fieldTypes } from '../../src/aerospike/protocol/fields.ts'
import { systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import { Journal, type LaneView, type RollUp, readLanes } from '../../src/store/aerospike_journal.ts'
import { Lease, NODES, nodeLease } from '../../src/store/aerospike_lease.ts'
import { Receipts } from '../../src/store/aerospike_receipts.ts'
import { Deadline, Records } from '../../src/store/aerospike_records.ts'
import { Recovery } from '../../src/store/aerospike_recovery.ts'
import { Writer } from '../../src/store/aerospike_writer.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { textOf } from '../support/aerospike_wire.ts'
import { patientClock, TurnedClock } from '../support/clock.ts'
import { messageOf } from '../support/message.ts'

const NAMESPACE = 'sms'
const ACCOUNT = 'a:1/x'
/** SERVER_MEM_ERROR: final at once. */
const FULL = 8
/** The gateway that is gone, and the one that looks. */
const DEAD = 5
const OWN = 0
const nobody = new Set<string>()

let server: AerospikeServer
let clock: TurnedClock
let client: AerospikeClient
let records: Records
let idsAreFull: boolean

beforeEach(async () => {
  server = new AerospikeServer({ namespaces: [NAMESPACE] })
  idsAreFull = false
  const apply = server.records.apply.bind(server.records)
  server.records.apply = (request, digest) =>
    idsAreFull && textOf(request, fieldTypes.set) === 'sms-ids'
      ? { resultCode: FULL }
      : apply(request, digest)
  clock = new TurnedClock()
  client = new AerospikeClient({ hosts: server.hosts, clock: patientClock })
  await client.connect()
  records = new Records(client, NAMESPACE, 'sms-', clock)
})
afterEach(() => {
  client.close()
  server.stop()
})

const deadline = () => new Deadline(clock, 10_000)
const lanesOf = async (node: number): Promise<readonly LaneView[]> =>
  (await readLanes(records, NODES, deadline())).filter(({ lane }) => lane.startsWith(`${node}/`))
const openOf = async (node: number): Promise<string[]> =>
  (await lanesOf(node)).flatMap(({ open }) => [...open.values()])
const journalOf = (node: number, nonce: string, rollUp: RollUp = async () => {}) =>
  new Journal(records, clock, node, nonce, rollUp)
function partsOn(on: Records) {
  const receipts = new Receipts(on, clock, 3600_000, 'nonce')
  const writer = new Writer(on, receipts, clock, 3600_000)
  return { receipts, writer, recovery: new Recovery(on, writer, clock) }
}
const ids = () => createIds(clock, systemRandom)
const accepted = () =>
  messageOf(clock.now(), {
    ...{ id: ids().messageId(), taskId: ids().taskId(), state: 'accepted' },
    parts: [{ state: 'accepted', smscId: '', account: '', error: 0 }],
  })

test('of entries without a message those under way stay, and the newest 400 others for a day', async () => {
  const dead = journalOf(DEAD, 'dead')
  const begun: string[] = []
  for (let n = 0; n < 450; n++) {
    clock.skip(1)
    begun.push(ids().messageId())
  }
  const [oldest = ''] = await Promise.all(begun.map(id => dead.open(id)))
  const { recovery } = partsOn(records)
  const journal = journalOf(DEAD, 'other')
  expect(await recovery.settle(journal, Number.POSITIVE_INFINITY, new Set([oldest]))).toBe(0)
  expect((await openOf(DEAD)).sort()).toEqual([...begun.slice(0, 1), ...begun.slice(50)].sort())
  clock.skip(86_400_000)
  await recovery.settle(journal, Number.POSITIVE_INFINITY, nobody)
  expect(await openOf(DEAD)).toEqual([])
})

test('the entry of a claim stays open until it has its outcome, however old it is', async () => {
  const { writer, recovery } = partsOn(records)
  const begun = accepted()
  await journalOf(DEAD, 'dead').open(begun.id)
  await writer.begin(begun, deadline())
  clock.skip(86_400_001)
  const journal = journalOf(DEAD, 'other')
  expect(await recovery.settle(journal, begun.sentAt, nobody)).toBe(0)
  expect(await openOf(DEAD)).toEqual([begun.id])
  expect(await recovery.settle(journal, begun.sentAt + 1, nobody)).toBe(1)
  expect(await openOf(DEAD)).toEqual([])
  expect((await writer.find(begun.id, deadline()))?.message.state).toBe('unknown')
})

test('an entry is closed only when its message stands under its ids', async () => {
  const { writer, receipts, recovery } = partsOn(records)
  const message = messageOf(clock.now(), {
    ...{ id: ids().messageId(), taskId: ids().taskId() },
    parts: [{ state: 'submitted', smscId: '77', account: ACCOUNT, error: 0 }],
  })
  const token = await journalOf(DEAD, 'dead').open(message.id)
  idsAreFull = true
  const saving = writer.save(message, { token, mayBeDone: false }, deadline())
  await expect(saving).rejects.toMatchObject({ code: 'SERVER_MEM_ERROR' })
  const journal = journalOf(DEAD, 'other')
  const settle = () => recovery.settle(journal, Number.POSITIVE_INFINITY, nobody)
  await expect(settle()).rejects.toMatchObject({ code: 'SERVER_MEM_ERROR' })
  expect(await openOf(DEAD)).toEqual([message.id])
  idsAreFull = false
  expect(await settle()).toBe(0)
  expect(await openOf(DEAD)).toEqual([])
  const receipt = { account: ACCOUNT, ids: ['77'], address: '', error: 0, at: clock.now() }
  expect(await receipts.candidates({ ...receipt, state: 'delivered' }, deadline())).toMatchObject([
    { id: message.id },
  ])
})

test('a gateway that starts while dead ones are looked for is not taken for one', async () => {
  const begun = accepted()
  const holder = { nonce: 'n', instance: 'i', name: 'g' }
  const starts = async (): Promise<void> => {
    await new Lease(records, nodeLease(DEAD), holder, 30).hold(deadline(), true)
    await journalOf(DEAD, 'alive').open(begun.id)
    await partsOn(records).writer.begin(begun, deadline())
  }
  let reads = 0
  class Interrupted extends Records {
    override async getAll(...how: Parameters<Records['getAll']>) {
      const found = await super.getAll(...how)
      if (reads++ === 0) await starts()
      return found
    }
  }
  const { recovery, writer } = partsOn(new Interrupted(client, NAMESPACE, 'sms-', clock))
  await recovery.settleDead(OWN, node => journalOf(node, 'sweeper'))
  expect(reads).toBe(2)
  expect((await writer.find(begun.id, deadline()))?.message.state).toBe('accepted')
})

test('what a gateway was rolling up when it died is rolled up by another', async () => {
  const id = ids().messageId()
  const dead = journalOf(DEAD, 'dead', () => Promise.reject(new Error('dies')))
  const token = await dead.open(id)
  await dead.close(token, id, { campaign: 'spring', sme: 1, sent: 1, failed: 0 })
  await expect(dead.roll()).rejects.toThrow()
  const rolled: [string, number][] = []
  const rollUp: RollUp = async ({ sent }) => void rolled.push(...sent)
  await partsOn(records).recovery.settleDead(OWN, node => journalOf(node, 'sweeper', rollUp))
  expect(rolled).toEqual([['1 spring', 1]])
  expect((await lanesOf(DEAD)).filter(({ rolling }) => rolling)).toEqual([])
})
