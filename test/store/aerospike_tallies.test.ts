import { afterEach, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AerospikeClient, bins } from '../../src/aerospike/index.ts'
import { Journal } from '../../src/store/aerospike_journal.ts'
import { Deadline, Records, recordOctetsMax } from '../../src/store/aerospike_records.ts'
import { largest, Tallies } from '../../src/store/aerospike_tallies.ts'
import { shardKey, shardOf } from '../../src/store/aerospike_tally_shard.ts'
import { OTHER_CAMPAIGNS } from '../../src/store/store.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { patientClock } from '../support/clock.ts'

const NAMESPACE = 'sms'
const MIB = 1024 ** 2

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

async function cluster(octetsMax?: number) {
  const server = new AerospikeServer({
    namespaces: [NAMESPACE],
    ...(octetsMax !== undefined && { recordOctetsMax: octetsMax }),
  })
  const client = new AerospikeClient({ hosts: server.hosts, clock: patientClock })
  await client.connect()
  ends.push(
    () => client.close(),
    () => server.stop(),
  )
  return { server, client }
}

class SlowRecords extends Records {
  /** What happens once, behind the next read of many. */
  behind: () => Promise<void> = async () => {}

  override async getAll(...asked: Parameters<Records['getAll']>): ReturnType<Records['getAll']> {
    const found = await super.getAll(...asked)
    const { behind } = this
    this.behind = async () => {}
    await behind()
    return found
  }
}

/** Rolls up, as one lane does, one after the other. */
async function talliesIn(octetsMax?: number) {
  const { client } = await cluster(octetsMax)
  const most = await recordOctetsMax(client, NAMESPACE)
  const records = new SlowRecords(client, NAMESPACE, 'sms-', patientClock, most)
  const tallies = new Tallies(records, patientClock)
  let number = 0
  const add = (sent: Record<string, number>, failed: Record<string, number> = {}) =>
    tallies.add({
      lane: '0/0',
      number: ++number,
      sent: new Map(Object.entries(sent)),
      failed: new Map(Object.entries(failed)),
    })
  return { records, tallies, add }
}

const many = (first: number, count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`1 campaign ${first + n}`, 1]))

test('a campaign for each message fills no record: new ones are counted together, each message once', async () => {
  const { tallies, add } = await talliesIn(1024)
  for (let first = 0; first < 2000; first += 200) await add(many(first, 200))
  const rows = await tallies.all()
  expect(rows.reduce((sum, { sent }) => sum + sent, 0)).toBe(2000)
  const apart = rows.filter(({ campaign }) => campaign !== OTHER_CAMPAIGNS)
  expect(apart.length).toBeGreaterThan(500)
  expect(apart.every(({ sent }) => sent === 1)).toBe(true)
  expect(rows.find(({ campaign }) => campaign === OTHER_CAMPAIGNS)).toEqual({
    campaign: OTHER_CAMPAIGNS,
    sme: 1,
    sent: 2000 - apart.length,
    failed: 0,
  })
})

test('with all room taken a campaign that has its row goes on in it, and what is counted together moves there', async () => {
  const { tallies, add } = await talliesIn(1024)
  await add({ '1 spring': 1 })
  for (let first = 0; first < 2000; first += 400) await add(many(first, 400))
  await add({ '1 spring': 2, '2 a campaign that comes late': 3 })
  expect(await tallies.total()).toBe(2006)
  await add(
    { '1 spring': -1, '2 a campaign that comes late': -1 },
    { '1 spring': 1, '2 a campaign that comes late': 1 },
  )
  const rows = await tallies.all()
  expect(rows.find(({ campaign }) => campaign === 'spring')).toMatchObject({ sme: 1, sent: 2, failed: 1 })
  expect(rows.find(({ campaign }) => campaign === 'a campaign that comes late')).toBeUndefined()
  expect(rows.find(({ campaign, sme }) => campaign === OTHER_CAMPAIGNS && sme === 2)).toMatchObject({
    sent: 2,
    failed: 1,
  })
})

test('a roll-up that is done again, after its names have filled the room, counts nothing twice', async () => {
  const { tallies } = await talliesIn(1024)
  const sent = new Map(Object.entries(many(0, 2000)))
  const roll = { lane: '3/1', number: 7, sent, failed: new Map() }
  await tallies.add(roll)
  const before = await tallies.all()
  await tallies.add(roll)
  expect(await tallies.all()).toEqual(before)
})

test('what a roll-up moves while the counts are read is counted once', async () => {
  const { records, tallies } = await talliesIn()
  const journal = new Journal(records, patientClock, 3, 'nonce', roll => tallies.add(roll))
  const ids = ['a', 'b', 'c', 'd', 'e', 'f']
  for (const id of ids) {
    const token = await journal.open(id)
    await journal.close(token, id, { campaign: `campaign ${id}`, sme: 1, sent: 1, failed: 0 })
  }
  records.behind = () => journal.roll()
  expect(await tallies.total()).toBe(6)
  const token = await journal.open('g')
  await journal.close(token, 'g', { campaign: 'campaign g', sme: 1, sent: 0, failed: 1 })
  records.behind = () => journal.roll()
  const rows = await tallies.all()
  expect(rows.map(({ campaign, sent, failed }) => `${campaign}: ${sent}, ${failed}`)).toEqual([
    ...ids.map(id => `campaign ${id}: 1, 0`),
    'campaign g: 0, 1',
  ])
  expect(await tallies.total()).toBe(7)
})

test('what the next roll-up moves while they are read again is not missed', async () => {
  const { records, tallies } = await talliesIn()
  const journal = new Journal(records, patientClock, 3, 'nonce', roll => tallies.add(roll))
  const count = async () => {
    const token = await journal.open('id')
    await journal.close(token, 'id', { campaign: 'spring', sme: 1, sent: 1, failed: 0 })
  }
  await count()
  // The first between lanes and counts; the second when the counts were read that show it.
  records.behind = async () => {
    await journal.roll()
    await count()
    records.behind = () => journal.roll()
  }
  expect(await tallies.total()).toBe(2)
})

test('a roll-up that came to an end in some records only is counted once, and so it is when it is done', async () => {
  const { records, tallies } = await talliesIn()
  let broken = true
  const journal = new Journal(records, patientClock, 3, 'nonce', async roll => {
    if (!broken) return tallies.add(roll)
    await tallies.add({ ...roll, sent: new Map([...roll.sent].slice(0, 2)) })
    throw new Error('the gateway is gone')
  })
  const names = ['a', 'b', 'c', 'd']
  // All in one lane.
  for (const campaign of names) {
    const token = await journal.open('id')
    await journal.close(token, 'id', { campaign, sme: 1, sent: 1, failed: 0 })
  }
  const counted = async () => (await tallies.all()).map(({ campaign, sent }) => `${campaign}${sent}`)
  await expect(journal.roll()).rejects.toThrow('gone')
  expect(await counted()).toEqual(['a1', 'b1', 'c1', 'd1'])
  expect(await tallies.total()).toBe(4)
  broken = false
  await journal.roll()
  expect(await counted()).toEqual(['a1', 'b1', 'c1', 'd1'])
  expect(await tallies.total()).toBe(4)
})

test('a record of an earlier version, without its size beside it, is measured', async () => {
  const { records, tallies, add } = await talliesIn(1024)
  await add(many(0, 2000))
  const before = await tallies.all()
  for (let shard = 0; shard < 64; shard++) {
    const key = shardKey(records, shard)
    await records.client.operate(key, [bins.write('octets', null), bins.write('messages', null)])
  }
  expect(await tallies.total()).toBe(2000)
  await add({ '1 a campaign that comes late': 1 })
  const shard = shardOf('1 a campaign that comes late')
  const measured = await records.get(shardKey(records, shard), new Deadline(patientClock, 1000))
  expect(measured?.bins.messages).toBeGreaterThan(1)
  expect(await tallies.total()).toBe(2001)
  const rows = await tallies.all()
  expect(rows.length).toBe(before.length)
  expect(rows.find(({ campaign }) => campaign === OTHER_CAMPAIGNS)?.sent).toBe(
    1 + (before.find(({ campaign }) => campaign === OTHER_CAMPAIGNS)?.sent ?? 0),
  )
})

test('campaigns come in order, whatever they are called; the largest over all smes first, equal ones by name', async () => {
  const name = fc.constantFrom('', 'a', 'B', 'b', 'ä', '😀', 'a b', '(other campaigns)', '1 a')
  const tally = fc.record({
    campaign: fc.oneof(name, fc.string({ maxLength: 4 })),
    sme: fc.constantFrom(0, 1, 2, 10),
    sent: fc.integer({ min: 0, max: 3 }),
    failed: fc.integer({ min: 1, max: 3 }),
  })
  const byNames = fc.uniqueArray(tally, {
    maxLength: 30,
    selector: ({ campaign, sme }) => `${sme} ${campaign}`,
  })
  await fc.assert(
    fc.asyncProperty(byNames, async given => {
      const { tallies, add } = await talliesIn()
      const counts = (kind: 'sent' | 'failed') =>
        Object.fromEntries(given.map(tally => [`${tally.sme} ${tally.campaign}`, tally[kind]]))
      await add(counts('sent'), counts('failed'))
      const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))
      const ordered = given.toSorted((a, b) => compare(a.campaign, b.campaign) || a.sme - b.sme)
      expect(await tallies.all()).toEqual(ordered)
      const totals = [...Map.groupBy(given, ({ campaign }) => campaign)].map(([campaign, some]) => ({
        campaign,
        messages: some.reduce((sum, { sent, failed }) => sum + sent + failed, 0),
      }))
      const top = totals.toSorted((a, b) => b.messages - a.messages || compare(a.campaign, b.campaign))
      for (const count of [0, 1, 3, 40]) expect(largest(ordered, count)).toEqual(top.slice(0, count))
    }),
    { numRuns: 30 },
  )
})

test('how large a record may be is what the strictest node says, else what Aerospike has by itself', async () => {
  expect(await recordOctetsMax((await cluster(4096)).client, NAMESPACE)).toBe(4096)
  expect(await recordOctetsMax((await cluster()).client, NAMESPACE)).toBe(MIB)
  const said = (...answers: string[]) => ({
    info: async () => new Map(answers.map((answer, node) => [`node ${node}`, answer])),
  })
  const sizeOf = (client: object) => recordOctetsMax(client as AerospikeClient, NAMESPACE)
  const OLD = 'max-record-size=0;storage-engine.write-block-size=131072'
  expect(await sizeOf(said(OLD, 'max-record-size=1048576'))).toBe(131_072)
  expect(await sizeOf(said('max-record-size=8388608', 'type=unknown', ''))).toBe(MIB)
  const silent = { info: () => Promise.reject(new Error('a node is away')) }
  expect(await sizeOf(silent)).toBe(MIB)
})
