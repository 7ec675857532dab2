import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import { type MessageStore, OTHER_CAMPAIGNS } from '../../src/store/store.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { namespace } from '../support/aerospike_target.ts'
import { type Deed, RETENTION_MS, rig } from './copy_rig.ts'

setDefaultTimeout(240_000)

let server: AerospikeServer
beforeEach(() => {
  server = new AerospikeServer({ namespaces: [namespace], recordOctetsMax: 1024 })
})
afterEach(() => server.stop())
const rigged = rig(() => server.hosts)

const CAMPAIGNS = 1300

/** One message for each of these campaigns, and none that is kept. */
async function counts(opening: Promise<MessageStore>, first: number, count: number, part: string) {
  const store = await opening
  for (let at = first; at < first + count; at += 50) {
    const life = Array.from(
      { length: Math.min(50, first + count - at) },
      (_, n): Deed => ({ do: 'save', parts: [part], campaign: at + n, esme: 1 }),
    )
    await rigged.live(store, life)
    // Rolls up what the journal has.
    await store.sweep(rigged.clock.now())
  }
  rigged.clock.skip(RETENTION_MS)
  while ((await store.sweep(rigged.clock.now())) > 0);
  await store.close()
}

async function tallies(opening: Promise<MessageStore>) {
  const store = await opening
  const { rows, total } = await store.campaigns({ offset: 0, limit: 10_000 })
  const { messages } = await store.totals()
  await store.close()
  const sum = rows.reduce((all, { sent, failed }) => all + sent + failed, 0)
  const others = rows.find(({ campaign }) => campaign === OTHER_CAMPAIGNS)
  return { rows: total, messages, sum, others: (others?.sent ?? 0) + (others?.failed ?? 0) }
}

const toCluster = async () => rigged.copy(rigged.sqlite('a.db'), await rigged.cluster())
const toFile = async () => rigged.copy(await rigged.cluster(), rigged.sqlite('a.db'))

test('more campaigns than a cluster has room for are copied there and back, and leave its gateways room to count', async () => {
  await counts(rigged.gateway('a.db'), 0, CAMPAIGNS, 'x')
  expect((await toCluster()).tallies).toEqual({ copied: CAMPAIGNS, wrong: 0 })
  const copied = await tallies(rigged.clusterGateway())
  expect(copied).toMatchObject({ messages: CAMPAIGNS, sum: CAMPAIGNS })
  expect(copied.rows).toBeGreaterThan(200)
  expect(copied.others).toBe(CAMPAIGNS + 1 - copied.rows)
  // What failed of them needs as much room again, and the journals have none for long.
  await counts(rigged.clusterGateway(), 0, CAMPAIGNS, '')
  expect(await tallies(rigged.clusterGateway())).toMatchObject({
    messages: 2 * CAMPAIGNS,
    sum: 2 * CAMPAIGNS,
  })

  await toCluster()
  expect(await tallies(rigged.clusterGateway())).toMatchObject({ messages: 2 * CAMPAIGNS })
  expect((await toFile()).tallies.wrong).toBe(0)
  expect(await tallies(rigged.gateway('a.db'))).toMatchObject({
    messages: 2 * CAMPAIGNS,
    rows: CAMPAIGNS + 1,
  })

  await counts(rigged.gateway('a.db'), CAMPAIGNS - 10, 20, 'x')
  for (let again = 0; again < 2; again++) {
    expect((await toCluster()).tallies.wrong).toBe(0)
    expect((await toFile()).tallies.wrong).toBe(0)
  }
  const both = { messages: 2 * CAMPAIGNS + 20, sum: 2 * CAMPAIGNS + 20 }
  expect(await tallies(rigged.clusterGateway())).toMatchObject(both)
  expect(await tallies(rigged.gateway('a.db'))).toMatchObject(both)
})

test('copies there and back take room for what they bring alone', async () => {
  const room = (): number =>
    server.records
      .all(namespace)
      .flatMap(({ bins }) => bins.get('octets') ?? [])
      .reduce((sum, { octets }) => sum + Number(Buffer.from(octets).readBigInt64BE()), 0)
  await counts(rigged.clusterGateway(), 0, 100, 'x')
  const before = room()
  for (let at = 0; at < 8; at++) {
    await toFile()
    await counts(rigged.gateway('a.db'), 100 + at, 1, 'x')
    await toCluster()
  }
  expect(await tallies(rigged.clusterGateway())).toMatchObject({ messages: 108, rows: 108 })
  expect(room() - before).toBeLessThan(8 * 120)
})
