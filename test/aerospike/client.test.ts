import { describe, expect, test } from 'bun:test'
import { AerospikeError, bins, Double, GeoJson, key, lists, maps } from '../../src/aerospike/index.ts'
import { connected, freshSet, namespace, target } from '../support/aerospike_target.ts'
import { patientClock } from '../support/clock.ts'
import { failure } from './rig.ts'

/** Runs on a real cluster too: AEROSPIKE_HOSTS. */
const client = await connected({ hosts: target().hosts, clock: patientClock })
const set = freshSet()
let names = 0
const fresh = () => key(namespace, set, `record-${names++}`)

describe('put and get', () => {
  test('every type comes back as it was written', async () => {
    const record = fresh()
    const bins = {
      zero: 0,
      integer: -42,
      large: 2n ** 62n,
      least: -(2n ** 63n),
      double: 0.1,
      text: 'Größe 🙂',
      empty: '',
      blob: Uint8Array.of(0, 255, 1),
      yes: true,
      no: false,
      list: [1, 'two', [3.5, null, true], Uint8Array.of(9)],
    }
    await client.put(record, bins)
    expect({ ...(await client.get(record))?.bins }).toEqual(bins)
  })

  test('maps come back as maps, whether written from a Map or an object', async () => {
    const record = fresh()
    const map = new Map<string | number, number | string>([
      [1, 'one'],
      ['two', 2],
    ])
    await client.put(record, { map, object: { a: { b: [1] } } })
    const read = await client.get(record)
    expect(read?.bins.map).toEqual(map)
    expect(read?.bins.object).toEqual(new Map([['a', new Map([['b', [1]]])]]))
  })

  test('GeoJSON keeps its text, and a whole number can be stored as a double', async () => {
    const record = fresh()
    const point = new GeoJson('{"type":"Point","coordinates":[103.9,1.3]}')
    await client.put(record, { point, double: new Double(1) })
    await client.operate(record, [bins.increment('double', 0.5)])
    const read = await client.get(record)
    expect(read?.bins.point).toEqual(point)
    expect(read?.bins.double).toBe(1.5)
  })

  test('only the bins asked for are read', async () => {
    const record = fresh()
    await client.put(record, { a: 1, b: 2, c: 3 })
    expect({ ...(await client.get(record, ['a', 'c', 'none']))?.bins }).toEqual({ a: 1, c: 3 })
  })

  test('a bin may have any name, also that of a property of objects', async () => {
    const record = fresh()
    await client.put(record, { constructor: 1, ['__proto__']: 2 })
    const read = await client.get(record)
    expect(Object.entries(read?.bins ?? {})).toContainEqual(['constructor', 1])
    expect(Object.entries(read?.bins ?? {})).toContainEqual(['__proto__', 2])
  })

  test('a record that is not there is undefined', async () => {
    expect(await client.get(fresh())).toBeUndefined()
    expect(await client.exists(fresh())).toBeUndefined()
  })

  test('null deletes a bin, and a record without bins is gone', async () => {
    const record = fresh()
    await client.put(record, { a: 1, b: 2 })
    await client.put(record, { a: null })
    expect({ ...(await client.get(record))?.bins }).toEqual({ b: 2 })
    await client.put(record, { b: null })
    expect(await client.get(record)).toBeUndefined()
  })

  test('keys can be integers and blobs, each another record than its text', async () => {
    const keys = [7, '7', Uint8Array.of(55), 2n ** 60n].map(value => key(namespace, set, value))
    for (const [at, record] of keys.entries()) await client.put(record, { at })
    const read = await Promise.all(keys.map(record => client.get(record)))
    expect(read.map(record => record?.bins.at)).toEqual([0, 1, 2, 3])
  })

  test('a record of a megabyte passes through', async () => {
    const record = fresh()
    const blob = new Uint8Array(900_000).map((_, at) => at * 7)
    await client.put(record, { blob }, { timeoutMs: 5000 })
    expect((await client.get(record, undefined, { timeoutMs: 5000 }))?.bins.blob).toEqual(blob)
  })

  test('a thousand at once all find their answer', async () => {
    const records = Array.from({ length: 1000 }, fresh)
    await Promise.all(records.map((record, at) => client.put(record, { at }, { timeoutMs: 5000 })))
    const read = await Promise.all(records.map(record => client.get(record, undefined, { timeoutMs: 5000 })))
    expect(read.map(record => record?.bins.at)).toEqual(records.map((_, at) => at))
  })
})

describe('policies', () => {
  test('generation: a write of another generation is refused, and changes nothing', async () => {
    const record = fresh()
    const { generation } = await client.put(record, { a: 1 })
    await client.put(record, { a: 2 }, { generation })
    expect((await failure(client.put(record, { a: 3 }, { generation }))).code).toBe('GENERATION_ERROR')
    const read = await client.get(record)
    expect([read?.bins.a, read?.generation]).toEqual([2, generation + 1])
    expect((await failure(client.remove(record, { generation }))).code).toBe('GENERATION_ERROR')
    expect(await client.remove(record, { generation: generation + 1 })).toBe(true)
  })

  test('exists create: the first wins', async () => {
    const record = fresh()
    await client.put(record, { by: 'first' }, { exists: 'create' })
    const error = await failure(client.put(record, { by: 'second' }, { exists: 'create' }))
    expect([error.code, error.resultCode, error.inDoubt]).toEqual(['RECORD_EXISTS', 5, false])
    expect((await client.get(record))?.bins.by).toBe('first')
  })

  test('exists create: of fifty at once one wins', async () => {
    const record = fresh()
    const claims = Array.from({ length: 50 }, (_, by) =>
      client.put(record, { by }, { exists: 'create', timeoutMs: 5000 }),
    )
    const won = (await Promise.allSettled(claims)).filter(({ status }) => status === 'fulfilled')
    expect(won).toHaveLength(1)
  })

  test('exists update and replace want a record; replace drops other bins', async () => {
    const record = fresh()
    expect((await failure(client.put(record, { a: 1 }, { exists: 'update' }))).code).toBe('RECORD_NOT_FOUND')
    expect((await failure(client.put(record, { a: 1 }, { exists: 'replace' }))).code).toBe('RECORD_NOT_FOUND')
    await client.put(record, { a: 1, b: 1 }, { exists: 'create-or-replace' })
    await client.put(record, { b: 2 }, { exists: 'update' })
    expect({ ...(await client.get(record))?.bins }).toEqual({ a: 1, b: 2 })
    await client.put(record, { c: 3 }, { exists: 'replace' })
    expect({ ...(await client.get(record))?.bins }).toEqual({ c: 3 })
  })

  test('time to live: told back in seconds, kept by unchanged, ended by never', async () => {
    const record = fresh()
    await client.put(record, { a: 1 }, { ttlSeconds: 500 })
    const first = await client.exists(record)
    expect(first?.ttlSeconds).toBeGreaterThan(490)
    expect(first?.ttlSeconds).toBeLessThanOrEqual(501)
    await client.put(record, { a: 2 }, { ttlSeconds: 'unchanged' })
    expect((await client.exists(record))?.ttlSeconds).toBeGreaterThan(490)
    await client.touch(record, { ttlSeconds: 'never' })
    expect((await client.exists(record))?.ttlSeconds).toBeUndefined()
  })

  test('what cannot be sent is refused before it is', async () => {
    const record = fresh()
    const wrong = [
      client.put(record, { 'a-name-of-16-octe': 1 }),
      client.put(record, { a: 2n ** 63n }),
      client.put(record, {}),
      client.put(record, { a: 1 }, { ttlSeconds: 0 }),
      client.put(record, { a: 1 }, { generation: -1 }),
      client.operate(record, []),
    ]
    for (const promise of wrong) expect((await failure(promise)).code).toBe('INVALID_ARGUMENT')
    expect(() => key(namespace, set, 0.5)).toThrow(AerospikeError)
    expect(() => key('', set, 'a')).toThrow(AerospikeError)
    expect(await client.get(record)).toBeUndefined()
  })

  test('a namespace that is not there is named', async () => {
    const error = await failure(client.get(key('nowhere', set, 'a'), undefined, { attemptsMax: 1 }))
    expect([error.code, error.message]).toEqual([
      'INVALID_NAMESPACE',
      'The cluster has no namespace "nowhere"',
    ])
  })
})

describe('operate', () => {
  test('steps are done in order, and each has its answer', async () => {
    const record = fresh()
    await client.put(record, { count: 5, text: 'b' })
    const { results, generation } = await client.operate(record, [
      bins.increment('count', 3),
      bins.read('count'),
      bins.append('text', 'c'),
      bins.prepend('text', 'a'),
      bins.touch(),
      bins.read('text'),
      bins.write('new', true),
      bins.read('new'),
      bins.read('none'),
    ])
    expect(results).toEqual([null, 8, null, null, null, 'abc', null, true, null])
    expect(generation).toBe(2)
  })

  test('a step that fails undoes those before it', async () => {
    const record = fresh()
    await client.put(record, { text: 'x', count: 1 })
    const error = await failure(
      client.operate(record, [bins.increment('count', 1), bins.increment('text', 1)]),
    )
    expect(error.code).toBe('BIN_TYPE_ERROR')
    expect((await client.get(record))?.bins.count).toBe(1)
  })

  test('a hundred increments at once are all counted', async () => {
    const record = fresh()
    await Promise.all(
      Array.from({ length: 100 }, () =>
        client.operate(record, [bins.increment('n', 1)], { timeoutMs: 5000 }),
      ),
    )
    expect((await client.get(record))?.bins.n).toBe(100)
  })

  test('only reading a record that is not there is RECORD_NOT_FOUND', async () => {
    expect((await failure(client.operate(fresh(), [bins.read('a')]))).code).toBe('RECORD_NOT_FOUND')
  })

  test('lists', async () => {
    const record = fresh()
    const { results } = await client.operate(record, [
      lists.append('l', 'a'),
      lists.appendItems('l', ['b', 'c', 'd', 'e']),
      lists.insert('l', 0, 'z'),
      lists.get('l', -1),
      lists.getRange('l', 1, 2),
      lists.getRange('l', 4),
      lists.pop('l', 0),
      lists.popRange('l', 3),
      lists.set('l', 0, 'A'),
      lists.removeByValue('l', 'b'),
      lists.size('l'),
      lists.appendItems('l', [1, 2, 3, 4]),
      lists.trim('l', 1, 3),
      lists.removeRange('l', 2),
      lists.getRange('l', 0),
      lists.clear('l'),
      lists.size('l'),
    ])
    expect(results).toEqual([
      1,
      5,
      6,
      'e',
      ['a', 'b'],
      ['d', 'e'],
      'z',
      ['d', 'e'],
      null,
      1,
      2,
      6,
      3,
      1,
      ['c', 1],
      null,
      0,
    ])
  })

  test('maps', async () => {
    const record = fresh()
    const { results } = await client.operate(record, [
      maps.put('m', 'b', 2, { order: 'key' }),
      maps.putItems(
        'm',
        new Map([
          ['c', 3],
          ['a', 1],
        ]),
      ),
      maps.increment('m', 'a', 10),
      maps.increment('m', 'd', 4),
      maps.getByKey('m', 'a'),
      maps.getByKey('m', 'none'),
      maps.hasKey('m', 'c'),
      maps.getByKeys('m', ['a', 'c', 'none']),
      maps.getByKeyRange('m', 'b', 'd'),
      maps.getByIndexRange('m', -1),
      maps.size('m'),
      maps.removeByKey('m', 'b'),
      maps.removeByKeys('m', ['c', 'none']),
      maps.removeByKeyRange('m', 'd'),
      bins.read('m'),
      maps.clear('m'),
      maps.size('m'),
    ])
    expect(results).toEqual([
      1,
      3,
      11,
      4,
      11,
      null,
      true,
      new Map([
        ['a', 11],
        ['c', 3],
      ]),
      new Map([
        ['b', 2],
        ['c', 3],
      ]),
      new Map([['d', 4]]),
      4,
      2,
      1,
      1,
      new Map([['a', 11]]),
      null,
      0,
    ])
  })

  test('a put into a map can be held to creating, or to updating, loudly or quietly', async () => {
    const record = fresh()
    await client.operate(record, [maps.put('m', 'a', 1, { only: 'create' })])
    expect((await failure(client.operate(record, [maps.put('m', 'a', 2, { only: 'create' })]))).code).toBe(
      'ELEMENT_EXISTS',
    )
    expect((await failure(client.operate(record, [maps.put('m', 'b', 2, { only: 'update' })]))).code).toBe(
      'ELEMENT_NOT_FOUND',
    )
    await client.operate(record, [
      maps.put('m', 'a', 3, { only: 'create', quiet: true }),
      maps.put('m', 'b', 3, { only: 'update', quiet: true }),
    ])
    expect((await client.get(record))?.bins.m).toEqual(new Map([['a', 1]]))
  })
})

describe('batch', () => {
  test('each entry is answered in its place, whatever the others did', async () => {
    const [one, two, gone, none] = [fresh(), fresh(), fresh(), fresh()]
    await client.put(one, { a: 1, b: 2 })
    await client.put(gone, { a: 1 })
    const rows = await client.batch([
      { kind: 'get', key: one, bins: ['b'] },
      { kind: 'get', key: none },
      { kind: 'put', key: two, bins: { x: 'y' }, policy: { exists: 'create', ttlSeconds: 1000 } },
      { kind: 'operate', key: one, operations: [bins.increment('a', 5), bins.read('a')] },
      { kind: 'operate', key: one, operations: [bins.read('b'), lists.size('none')] },
      { kind: 'remove', key: gone },
      { kind: 'put', key: one, bins: { a: 0 }, policy: { exists: 'create' } },
      { kind: 'get', key: one, bins: [] },
    ])
    expect(rows.map(({ error }) => error?.code)).toEqual([
      undefined,
      'RECORD_NOT_FOUND',
      undefined,
      undefined,
      undefined,
      undefined,
      'RECORD_EXISTS',
      undefined,
    ])
    expect({ ...rows[0]?.bins }).toEqual({ b: 2 })
    expect(rows[3]?.results).toEqual([null, 6])
    expect(rows[4]?.results).toEqual([2, null])
    expect(rows[7]?.facts?.generation).toBe(2)
    expect({ ...(await client.get(two))?.bins }).toEqual({ x: 'y' })
    expect(await client.exists(gone)).toBeUndefined()
  })

  test('a thousand writes and reads over all partitions', async () => {
    const records = Array.from({ length: 1000 }, fresh)
    const writes = records.map((record, at) => ({ kind: 'put', key: record, bins: { at } }) as const)
    const written = await client.batch(writes, { timeoutMs: 10_000 })
    expect(written.filter(({ error }) => error)).toEqual([])
    const reads = records.map(record => ({ kind: 'get', key: record }) as const)
    const read = await client.batch(reads, { timeoutMs: 10_000 })
    expect(read.map(row => row.bins.at)).toEqual(records.map((_, at) => at))
  })

  test('an empty batch is answered at once, one over the limit is refused', async () => {
    expect(await client.batch([])).toEqual([])
    const entries = Array.from({ length: 5001 }, () => ({ kind: 'get', key: fresh() }) as const)
    expect((await failure(client.batch(entries))).code).toBe('INVALID_ARGUMENT')
  })
})

describe('query', () => {
  const many = freshSet()
  const filled = client.batch(
    Array.from({ length: 2500 }, (_, n) => ({
      kind: 'put' as const,
      key: key(namespace, many, n),
      bins: { n, text: `record ${n}` },
      policy: { sendKey: true },
    })),
    { timeoutMs: 20_000 },
  )

  test('every record of a set comes once, with its key', async () => {
    await filled
    const seen: unknown[] = []
    for await (const record of client.query({ namespace, set: many })) {
      expect(record.bins.text).toBe(`record ${record.key.value}`)
      seen.push(record.key.value)
    }
    expect(seen.map(Number).sort((one, other) => one - other)).toEqual(
      Array.from({ length: 2500 }, (_, n) => n),
    )
  })

  test('parts of the partitions add up to the whole', async () => {
    await filled
    const counts = await Promise.all(
      [0, 1024, 2048, 3072].map(async first => {
        let count = 0
        for await (const _ of client.query({
          namespace,
          set: many,
          bins: [],
          partitions: { first, count: 1024 },
        }))
          count++
        return count
      }),
    )
    expect(counts.reduce((sum, count) => sum + count)).toBe(2500)
    expect(Math.min(...counts)).toBeGreaterThan(0)
  })

  test('only the bins asked for come', async () => {
    await filled
    for (const bins of [['n'], []]) {
      let count = 0
      const partitions = { first: 0, count: 64 }
      for await (const record of client.query({ namespace, set: many, bins, partitions })) {
        expect(Object.keys(record.bins)).toEqual(bins)
        count++
      }
      expect(count).toBeGreaterThan(0)
    }
  })

  test('the loop may be left, and the client goes on', async () => {
    await filled
    for await (const _ of client.query({ namespace, set: many })) break
    expect(await client.exists(key(namespace, many, 1))).toBeDefined()
  })

  test('a set that is not there has no records', async () => {
    for await (const _ of client.query({ namespace, set: freshSet() })) throw new Error('a record came')
  })

  test('an index finds a range, and what equals', async () => {
    await filled
    const name = `i${many}`.slice(0, 60)
    const index = { namespace, set: many, bin: 'n', type: 'numeric', name } as const
    await client.createIndex(index)
    await client.createIndex(index)
    const read = async (
      where: { bin: string; from: number; to: number } | { bin: string; equals: number },
    ) => {
      const found: number[] = []
      for await (const record of client.query({ namespace, set: many, where, attemptsMax: 20 }))
        found.push(Number(record.bins.n))
      return found.sort((one, other) => one - other)
    }
    let range = await read({ bin: 'n', from: 100, to: 104 }).catch(() => [])
    for (let attempt = 0; range.length < 5 && attempt < 50; attempt++) {
      // A new index is filled in the background.
      await Bun.sleep(50)
      range = await read({ bin: 'n', from: 100, to: 104 }).catch(() => [])
    }
    expect(range).toEqual([100, 101, 102, 103, 104])
    expect(await read({ bin: 'n', equals: 7 })).toEqual([7])
  })

  test('a query on a bin that has no index says so', async () => {
    const query = client.query({ namespace, set: many, where: { bin: 'text', equals: 'x' } })
    expect((await failure(query.next())).code).toBe('INDEX_NOT_FOUND')
  })
})
