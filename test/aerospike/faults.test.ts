import { afterEach, describe, expect, test } from 'bun:test'
import { bins, type ClientOptions, key, resultCodes } from '../../src/aerospike/index.ts'
import type { Fault, ServerOptions } from '../support/aerospike_server.ts'
import { TurnedClock } from '../support/clock.ts'
import { closeAll, connectedTo, failure } from './rig.ts'

afterEach(closeAll)

/** A frame whose header says OK, and announces an operation that is not there. */
function unread(): Uint8Array {
  const body = Buffer.alloc(22)
  body[0] = body.length
  body.writeUInt16BE(1, 20)
  return Buffer.concat([Buffer.of(2, 3, 0, 0, 0, 0, 0, body.length), body])
}

const record = key('test', 'faults', 'one')
const increment = [bins.increment('n', 1)]

describe('a write that may have been applied is not repeated', () => {
  const lost: [string, Fault][] = [
    ['the connection closes after it was done', { kind: 'close', when: 'after' }],
    ['the connection closes before it was done', { kind: 'close', when: 'before' }],
    ['the answer is cut short', { kind: 'truncate' }],
    ['the answer is garbage', { kind: 'garbage', octets: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') }],
    [
      'the answer says that it was done, and its results cannot be read',
      { kind: 'garbage', octets: unread() },
    ],
    ['the answer never comes', { kind: 'silent' }],
    ['the server gave up waiting for a replica', { kind: 'refuse', resultCode: resultCodes.SERVER_TIMEOUT }],
  ]
  test.each(lost)('%s', async (_what, fault) => {
    const { client, node } = await connectedTo()
    node.fail(fault)
    const error = await failure(client.operate(record, increment, { timeoutMs: 150 }))
    expect(error.inDoubt).toBe(true)
    expect(node.requests).toBe(1)
    expect((await client.operate(record, [...increment, bins.read('n')])).results[1]).toBeLessThanOrEqual(2)
  })

  test('in a batch, neither', async () => {
    const { client, node } = await connectedTo()
    node.fail({ kind: 'close', when: 'after' })
    const [row] = await client.batch([{ kind: 'operate', key: record, operations: increment }])
    expect(row?.error?.inDoubt).toBe(true)
    expect((await client.get(record))?.bins.n).toBe(1)
  })

  test('in a batch, neither when its answer never comes', async () => {
    const { client, node } = await connectedTo()
    node.fail({ kind: 'silent' })
    const entries = [
      { kind: 'operate', key: record, operations: increment },
      { kind: 'get', key: record },
    ] as const
    const rows = await client.batch(entries, { timeoutMs: 150 })
    expect(rows.map(({ error }) => [error?.code, error?.inDoubt])).toEqual([
      ['CLIENT_TIMEOUT', true],
      ['CLIENT_TIMEOUT', false],
    ])
    expect(node.requests).toBe(1)
  })
})

describe('what surely did nothing is tried again', () => {
  const refused = [
    resultCodes.KEY_BUSY,
    resultCodes.XDR_KEY_BUSY,
    resultCodes.DEVICE_OVERLOAD,
    resultCodes.PARTITION_UNAVAILABLE,
  ]
  test.each(refused)('a write refused with %i', async resultCode => {
    const { client, node } = await connectedTo()
    node.fail({ kind: 'refuse', resultCode }, 3)
    await client.operate(record, increment)
    expect(node.requests).toBe(4)
    expect((await client.get(record))?.bins.n).toBe(1)
  })

  test('a busy key in a batch: only its entry', async () => {
    const { client, node } = await connectedTo()
    node.fail({ kind: 'refuse', resultCode: resultCodes.KEY_BUSY })
    const rows = await client.batch([
      { kind: 'operate', key: record, operations: increment },
      { kind: 'put', key: key('test', 'faults', 'two'), bins: { a: 1 } },
    ])
    expect(rows.map(({ error }) => error)).toEqual([undefined, undefined])
    expect((await client.get(record))?.bins.n).toBe(1)
  })

  test('a key that stays busy fails with its name, not in doubt, after the attempts allowed', async () => {
    const { client, node } = await connectedTo()
    node.fail({ kind: 'refuse', resultCode: resultCodes.KEY_BUSY }, 10)
    const error = await failure(client.put(record, { a: 1 }, { attemptsMax: 3 }))
    expect([error.code, error.resultCode, error.inDoubt, error.node]).toEqual([
      'KEY_BUSY',
      14,
      false,
      `127.0.0.1:${node.port}`,
    ])
    expect(node.requests).toBe(3)
  })

  test('a read that got no answer', async () => {
    const { client, node } = await connectedTo()
    await client.put(record, { a: 1 })
    for (const fault of [{ kind: 'close', when: 'after' }, { kind: 'truncate' }] as const) {
      node.fail(fault)
      expect((await client.get(record))?.bins.a).toBe(1)
    }
  })

  test('an error that no repetition mends is told at once', async () => {
    const { client, node } = await connectedTo()
    node.fail({ kind: 'refuse', resultCode: resultCodes.RECORD_TOO_BIG })
    expect((await failure(client.put(record, { a: 1 }))).code).toBe('RECORD_TOO_BIG')
    expect(node.requests).toBe(1)
  })
})

describe('time', () => {
  test('a slow answer is waited for within the deadline, and no longer', async () => {
    const { client, node } = await connectedTo()
    await client.put(record, { a: 1 })
    node.fail({ kind: 'slow', delayMs: 30 })
    expect(await client.get(record, undefined, { timeoutMs: 1000 })).toBeDefined()
    node.fail({ kind: 'slow', delayMs: 3000 })
    const began = performance.now()
    const late = await failure(client.get(record, undefined, { timeoutMs: 50 }))
    expect([late.code, late.inDoubt]).toEqual(['CLIENT_TIMEOUT', false])
    // Long before the answer would come.
    expect(performance.now() - began).toBeLessThan(2500)
  })

  test('an answer that comes after its deadline is not taken for that of another', async () => {
    const { client, node } = await connectedTo({}, { limits: { connectionsPerNodeMax: 1 } })
    const other = key('test', 'faults', 'other')
    await client.put(record, { a: 'late' })
    await client.put(other, { a: 'right' })
    node.fail({ kind: 'slow', delayMs: 80 })
    const late = failure(client.get(record, undefined, { timeoutMs: 20 }))
    const right = client.get(other)
    expect((await late).code).toBe('CLIENT_TIMEOUT')
    expect((await right)?.bins.a).toBe('right')
    expect(node.connections).toBe(2)
  })

  test('a connection that owes an answer for too long is given up, and reads go on with another', async () => {
    const { client, node } = await connectedTo({}, { limits: { socketTimeoutMs: 60 } })
    await client.put(record, { a: 1 })
    node.fail({ kind: 'silent' })
    expect((await client.get(record))?.bins.a).toBe(1)
    expect(node.requests).toBe(3)
  })
})

describe('limits', () => {
  test('past the queue nothing is taken, and what is under way goes on', async () => {
    const limits = { connectionsPerNodeMax: 1, pipelineMax: 2, queuePerNodeMax: 3 }
    const { client } = await connectedTo({}, { limits })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => client.put(key('test', 'limits', n), { n })),
    )
    const codes = outcomes.map(outcome => (outcome.status === 'fulfilled' ? 'OK' : outcome.reason.code))
    expect(codes.filter(code => code === 'CLIENT_OVERLOADED').length).toBeGreaterThan(0)
    expect(codes.filter(code => code === 'OK').length).toBeGreaterThanOrEqual(3)
  })

  test('no more connections than allowed', async () => {
    const { client, node } = await connectedTo({}, { limits: { connectionsPerNodeMax: 3, pipelineMax: 2 } })
    await Promise.all(
      Array.from({ length: 200 }, (_, n) => client.put(key('test', 'limits', n), { n }, { timeoutMs: 5000 })),
    )
    // And one to ask how the cluster is.
    expect(node.connections).toBeLessThanOrEqual(4)
  })

  test('a frame that claims more than the limit closes its connection', async () => {
    const { client, node } = await connectedTo({}, { limits: { frameBytesMax: 100_000 } })
    node.fail({ kind: 'garbage', octets: Uint8Array.of(2, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) })
    const error = await failure(client.get(record, undefined, { attemptsMax: 1 }))
    expect([error.code, error.message]).toEqual([
      'PROTOCOL_ERROR',
      'A frame of 281474976710655 octets is over the limit of 100000.',
    ])
    expect((await failure(client.put(record, { blob: new Uint8Array(200_000) }))).code).toBe(
      'INVALID_ARGUMENT',
    )
  })
})

describe('queries', () => {
  async function filled(
    server: ServerOptions,
    options: Partial<ClientOptions> = {},
    count = 1200,
    pad = 500,
  ) {
    const started = await connectedTo(server, options)
    for (let first = 0; first < count; first += 1000) {
      const entries = Array.from(
        { length: Math.min(1000, count - first) },
        (_, at) =>
          ({
            kind: 'put',
            key: key('test', 'many', first + at),
            bins: { n: first + at, pad: 'x'.repeat(pad) },
          }) as const,
      )
      const rows = await started.client.batch(entries, { timeoutMs: 20_000 })
      expect(rows.filter(({ error }) => error)).toEqual([])
    }
    return started
  }

  test('a node that cuts a query off is asked for the rest, and no record comes twice', async () => {
    const { client, cluster } = await filled({ nodes: 2 })
    for (const node of cluster.nodes) node.fail({ kind: 'cut', afterRecords: 100 }, 2)
    const seen: number[] = []
    for await (const {
      bins: { n },
    } of client.query({ namespace: 'test', set: 'many' }))
      seen.push(Number(n))
    expect(seen.sort((one, other) => one - other)).toEqual(Array.from({ length: 1200 }, (_, n) => n))
  })

  test('partitions that have moved are asked of their new node', async () => {
    const { client, cluster } = await filled({ nodes: 2 })
    cluster.owners = cluster.owners.map(owner => 1 - owner)
    cluster.generation++
    let count = 0
    for await (const _ of client.query({ namespace: 'test', set: 'many' })) count++
    expect(count).toBe(1200)
  })

  test('the servers are read no faster than the loop takes', async () => {
    const { client, node } = await filled({}, { limits: { queryRecordsBufferedMax: 50 } }, 4000, 5000)
    const query = client.query({ namespace: 'test', set: 'many' })
    await query.next()
    // The rest stands in the buffers of two sockets, which hold some megabytes at the most.
    for (let before = -1; before !== node.recordsSent; await Bun.sleep(200)) before = node.recordsSent
    expect(node.recordsSent).toBeLessThan(4000)
    let count = 1
    for await (const _ of query) count++
    expect(count).toBe(4000)
  }, 240_000)

  test('a query waits for a node that finds nothing for half a minute, as it has told it', async () => {
    const clock = new TurnedClock()
    // Nothing but the query happens: no tend comes.
    const { client, node } = await filled({}, { clock, limits: { tendIntervalMs: 3600_000 } }, 3)
    const before = node.requests
    node.fail({ kind: 'slow', delayMs: 100 })
    const query = client.query({ namespace: 'test', set: 'many' })
    const first = query.next()
    while (node.requests === before) await clock.settle()
    await clock.advance(29_000)
    expect((await first).done).toBe(false)
    let more = 0
    for await (const _ of query) more++
    expect(more).toBe(2)
    expect(node.requests).toBe(before + 1)
  })

  test('a query that gets nowhere ends with its reason', async () => {
    const { client, node } = await filled({})
    node.fail({ kind: 'close', when: 'before' }, 10)
    const query = client.query({ namespace: 'test', set: 'many', attemptsMax: 2 })
    expect((await failure(query.next())).code).toBe('CONNECTION_ERROR')
  })
})
