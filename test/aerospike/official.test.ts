import { afterAll, describe, expect, test } from 'bun:test'
import {
  type Bins,
  bins,
  Double,
  GeoJson,
  key,
  lists,
  maps,
  type UserKey,
} from '../../src/aerospike/index.ts'
import { OfficialClient, type Tagged, tag, tagBins } from '../support/aerospike_official.ts'
import { connected, freshSet, isReal, namespace, target } from '../support/aerospike_target.ts'

/**
 * The official client is the oracle: what it writes ours reads, what ours writes it reads. On the fake cluster
 * it also holds the fake to the truth; with AEROSPIKE_HOSTS both clients speak to the real one.
 */
const { hosts } = target()
const client = await connected({ hosts })
const official = new OfficialClient(hosts, namespace)
afterAll(() => official.close())

const set = freshSet()

const samples: [string, Bins][] = [
  [
    'integers',
    { zero: 0, one: 1, less: -1, byte: 255, word: 65536, long: 2 ** 40, safe: Number.MAX_SAFE_INTEGER },
  ],
  ['integers past 2^53', { most: 2n ** 63n - 1n, least: -(2n ** 63n), above: 2n ** 53n + 1n }],
  ['doubles', { half: 0.5, tiny: 5e-324, huge: 1.7976931348623157e308, less: -1234.5678 }],
  ['strings', { empty: '', plain: 'abc', wide: 'Größe 🙂 ελ', long: 'x'.repeat(70_000) }],
  [
    'blobs',
    { empty: new Uint8Array(), some: Uint8Array.of(0, 1, 2, 255), long: new Uint8Array(70_000).fill(7) },
  ],
  ['booleans', { yes: true, no: false }],
  ['GeoJSON', { point: new GeoJson('{"type":"Point","coordinates":[103.913,1.308]}') }],
  [
    'lists',
    { empty: [], flat: [1, -200, 2 ** 40, 0.5, 'a', true, null], deep: [[['x']], [Uint8Array.of(1, 2)]] },
  ],
  [
    'long lists',
    { list: Array.from({ length: 70_000 }, (_, n) => n), texts: ['x'.repeat(300), 'y'.repeat(70_000)] },
  ],
  [
    'maps',
    {
      empty: new Map(),
      map: new Map([
        ['a', 1],
        ['b', 2],
      ]),
      deep: new Map([['m', new Map([['l', [1, new Map([['z', 'z']])]]])]]),
    },
  ],
  [
    'integers of each width in a list',
    {
      list: [
        -1,
        -32,
        -33,
        -128,
        -129,
        -32768,
        -32769,
        -(2 ** 31),
        -(2 ** 31) - 1,
        127,
        128,
        255,
        256,
        65535,
        65536,
        2 ** 32 - 1,
        2 ** 32,
      ],
    },
  ],
]

/** The official client reads GeoJSON as its text. */
function asOfficial(bins: Record<string, Tagged>): Record<string, Tagged> {
  return Object.fromEntries(
    Object.entries(bins).map(([name, value]) => [
      name,
      value[0] === 'geojson' ? ['string', value[1]] : value,
    ]),
  )
}

describe.each(samples)('%s', (name, sample) => {
  test('written by ours, read by the official client', async () => {
    const record = key(namespace, set, `ours ${name}`)
    await client.put(record, sample, { timeoutMs: 5000 })
    const read = await official.ask('get', { set, key: tag(`ours ${name}`) })
    expect(read).toMatchObject({ bins: asOfficial(tagBins(sample)) })
  })

  test('written by the official client, read by ours', async () => {
    const record = key(namespace, set, `theirs ${name}`)
    await official.ask('put', { set, key: tag(`theirs ${name}`), bins: tagBins(sample) })
    const read = await client.get(record, undefined, { timeoutMs: 5000 })
    expect(tagBins(read?.bins ?? {})).toEqual(tagBins(sample))
  })
})

test('a whole number stored as a double is one to both', async () => {
  const record = key(namespace, set, 'double')
  await client.put(record, { d: new Double(2) })
  await official.ask('put', { set, key: tag('double'), bins: { e: ['double', 3] } })
  await client.operate(record, [bins.increment('d', 0.5), bins.increment('e', 0.5)])
  expect(await official.ask('get', { set, key: tag('double') })).toMatchObject({
    bins: { d: ['double', 2.5], e: ['double', 3.5] },
  })
})

test('both compute the same digest for every kind of key', async () => {
  const keys: UserKey[] = [
    'text',
    'Größe 🙂',
    0,
    1,
    -1,
    2 ** 40,
    -(2n ** 63n),
    Uint8Array.of(0),
    new Uint8Array(300).fill(9),
  ]
  for (const value of keys) {
    const record = key(namespace, set, value)
    await client.put(record, { a: 1 })
    expect(await official.ask('digest', { set, key: tag(value) })).toBe(
      Buffer.from(record.digest).toString('hex'),
    )
  }
})

test('both work on one record: counters, texts, lists, maps', async () => {
  const record = key(namespace, set, 'shared')
  await client.operate(record, [
    bins.write('text', 'ours'),
    bins.increment('count', 40),
    lists.append('list', 'ours'),
    maps.put('map', 'ours', 2, { order: 'key' }),
  ])
  const theirs = await official.ask('operate', { set, key: tag('shared') })
  expect(theirs).toMatchObject({ count: ['integer', '42'], text: ['string', 'ours+'] })
  const read = await client.get(record)
  expect({ ...read?.bins }).toEqual({
    text: 'ours+',
    count: 42,
    list: ['ours', 'official'],
    map: new Map([
      ['official', 1],
      ['ours', 2],
    ]),
  })
})

test('time to live and generation mean the same to both', async () => {
  const record = key(namespace, set, 'ttl')
  await official.ask('put', { set, key: tag('ttl'), bins: { a: tag(1) }, ttl: 1000 })
  const facts = await client.exists(record)
  expect(facts?.generation).toBe(1)
  expect(Math.abs((facts?.ttlSeconds ?? 0) - 1000)).toBeLessThanOrEqual(2)
  await client.put(record, { a: 2 }, { ttlSeconds: 2000, generation: 1 })
  expect(await official.ask('get', { set, key: tag('ttl') })).toMatchObject({ gen: 2 })
})

test('batches of one are seen by the other', async () => {
  const keys = ['b1', 'b2', 'b3']
  await client.batch(keys.map(name => ({ kind: 'put', key: key(namespace, set, name), bins: { name } })))
  const rows = await official.ask('batch', { set, keys: [...keys, 'none'].map(tag) })
  expect(rows).toEqual([...keys.map(name => ({ name: tag(name) })), 2])
  expect(await official.ask('batchWrite', { set, keys: keys.map(tag), bins: { more: tag(1) } })).toEqual([
    0, 0, 0,
  ])
  const read = await client.batch(keys.map(name => ({ kind: 'get', key: key(namespace, set, name) })))
  expect(read.map(row => ({ ...row.bins }))).toEqual(keys.map(name => ({ name, more: 1 })))
})

test('a scan by the official client finds what ours wrote', async () => {
  const scanned = freshSet()
  await client.batch(
    Array.from({ length: 300 }, (_, n) => ({ kind: 'put', key: key(namespace, scanned, n), bins: { n } })),
  )
  const found = await official.ask('scan', { set: scanned })
  expect(Array.isArray(found) && found.length).toBe(300)
})

test('what one removes is gone for the other', async () => {
  const record = key(namespace, set, 'gone')
  await client.put(record, { a: 1 })
  await official.ask('remove', { set, key: tag('gone') })
  expect(await client.exists(record)).toBeUndefined()
})

if (isReal) {
  test('the real cluster says which version it is', async () => {
    const [build] = [...(await client.info('build')).values()]
    expect(build).toMatch(/^\d+\.\d+/)
    console.log(`aerospike: ran on a real cluster, build ${build}`)
  })
}
