import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import { resultCodes } from '../../src/aerospike/errors.ts'
import { AerospikeServer, type Fault } from '../support/aerospike_server.ts'
import { namespace } from '../support/aerospike_target.ts'
import { type Deed, rig } from './copy_rig.ts'

setDefaultTimeout(240_000)

const NOTHING = { messages: 0, claims: 0, inbound: 0, held: 0 }

let server: AerospikeServer
beforeEach(() => {
  server = new AerospikeServer({ nodes: 2, replicas: 2, namespaces: [namespace] })
})
afterEach(() => server.stop())
const rigged = rig(() => server.hosts)

const LIFE: readonly Deed[] = [
  ...Array.from(
    { length: 30 },
    (_, at): Deed => ({ do: 'save', parts: [`a${at}`], campaign: at % 3, esme: 1 }),
  ),
  ...Array.from({ length: 5 }, (_, key): Deed => ({ do: 'claim', key, saved: true, id: `c${key}` })),
  ...Array.from(
    { length: 5 },
    (_, at): Deed => ({ do: 'settle', ids: [`d${at}`], state: 'delivered', same: true }),
  ),
  { do: 'segment', text: 'one', reference: 1, part: 1 },
  { do: 'inbound', text: 'whole' },
]

async function lived(name: string) {
  const store = await rigged.gateway(name)
  const asked = await rigged.live(store, LIFE)
  await store.close()
  return asked
}
async function observed(name: string, asked: Awaited<ReturnType<typeof lived>>) {
  const store = await rigged.gateway(name)
  const seen = await rigged.observe(store, asked)
  await store.close()
  return seen
}

const FAULTS: readonly (readonly [string, Fault])[] = [
  ['closes connections before it did what was asked', { kind: 'close', when: 'before' }],
  ['closes connections after it did', { kind: 'close', when: 'after' }],
  ['cuts its answers', { kind: 'truncate' }],
  ['is overloaded', { kind: 'refuse', resultCode: resultCodes.DEVICE_OVERLOAD }],
  ['cuts what it reads out', { kind: 'cut', afterRecords: 1 }],
]
for (const [what, fault] of FAULTS) {
  test(`a cluster that ${what}, now and then, gets all of it once, and gives it back`, async () => {
    const asked = await lived('a.db')
    const stutter = () => {
      for (const node of server.nodes) if (node.faults.length === 0) node.fail(fault)
    }
    const tell = stutter
    stutter()
    const there = await rigged.copy(rigged.sqlite('a.db'), await rigged.cluster(), { tell })
    stutter()
    const back = await rigged.copy(await rigged.cluster(), rigged.sqlite('b.db'), { tell })
    expect([there.missing, back.missing]).toEqual([NOTHING, NOTHING])
    expect(await observed('b.db', asked)).toEqual(await observed('a.db', asked))
  })
}

test('a copy waits for a cluster that is away for a while, and goes on', async () => {
  const asked = await lived('a.db')
  let pieces = 0
  const waited: string[] = []
  const over = {
    tell: () => {
      if (++pieces % 60 === 5) for (const node of server.nodes) node.stop()
    },
    waits: (why: string) => {
      waited.push(why)
      for (const node of server.nodes) if (!node.up) node.start()
    },
  }
  await rigged.copy(rigged.sqlite('a.db'), await rigged.cluster(), over)
  await rigged.copy(await rigged.cluster(), rigged.sqlite('b.db'), over)
  expect(new Set(waited)).toEqual(new Set(['the Aerospike cluster does not answer']))
  expect(await observed('b.db', asked)).toEqual(await observed('a.db', asked))
})

test('a copy goes on at once where one of the same file was killed in its sweep, and waits for a gateway that was', async () => {
  await rigged.leaveSweep('file')
  const other = await rigged.cluster('another')
  await expect(other.prepare()).rejects.toThrow('somebody sweeps the cluster')
  const again = await rigged.cluster('file')
  await again.prepare()
  // It has let go of the sweep.
  await other.prepare()
})

test('what cannot pass ends the copy at once, in words for an operator', async () => {
  await lived('a.db')
  const cluster = await rigged.cluster()
  for (const node of server.nodes) node.fail({ kind: 'refuse', resultCode: resultCodes.FAIL_FORBIDDEN }, 10)
  await expect(rigged.copy(rigged.sqlite('a.db'), cluster)).rejects.toThrow(
    'the Aerospike namespace forbids the write: set nsup-period in it',
  )
})

test('what is copied lives in the cluster as long as if it had been there from its beginning', async () => {
  await lived('a.db')
  rigged.clock.skip(3 * 24 * 3600_000)
  await rigged.copy(rigged.sqlite('a.db'), await rigged.cluster())
  const seconds = new Map<string, number>()
  for (const { set, voidTime } of server.records.all(namespace)) {
    if (voidTime > 0) seconds.set(set.replace(/.*-/, ''), voidTime - Date.now() / 1000 + 1_262_304_000)
  }
  expect([...seconds.keys()].sort()).toEqual(['ids', 'inbound', 'messages'])
  for (const life of seconds.values()) expect(Math.abs(life - 4 * 24 * 3600)).toBeLessThan(60)
})
