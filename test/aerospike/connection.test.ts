import { afterEach, describe, expect, test } from 'bun:test'
import { Deadlines } from '../../src/aerospike/deadlines.ts'
import { Dialer } from '../../src/aerospike/dialer.ts'
import {
  AerospikeClient,
  bins,
  type ClientOptions,
  type Connect,
  key,
  resultCodes,
} from '../../src/aerospike/index.ts'
import { settingsOf } from '../../src/aerospike/options.ts'
import { info3 } from '../../src/aerospike/protocol/header.ts'
import { socketConnector } from '../../src/aerospike/socket.ts'
import type { ServerOptions } from '../support/aerospike_server.ts'
import { answerFrame } from '../support/aerospike_wire.ts'
import { TurnedClock } from '../support/clock.ts'
import { closeAll, closing, connectedTo, failure, until } from './rig.ts'

afterEach(closeAll)

/** The time is the test's, and no tend comes by itself: what is asked is what the test asks. */
async function start(options: Partial<ClientOptions> = {}, server: ServerOptions = {}) {
  const clock = new TurnedClock(Date.now())
  const limits = { tendIntervalMs: 3600_000, ...options.limits }
  return { clock, ...(await connectedTo(server, { clock, ...options, limits })) }
}

/** Pauses between attempts go by. */
async function inTime(promise: Promise<unknown>, clock: TurnedClock): Promise<void> {
  for (let over = false; !over; await clock.advance(10))
    over = await Promise.race([promise.then(() => true), Bun.sleep(1).then(() => false)])
}

const [one, two] = [key('test', 'connection', 1), key('test', 'connection', 2)]
const patient = { timeoutMs: 60_000 }
const increment = [bins.increment('n', 1)]

describe('what was not sent', () => {
  test('leaves nothing on its connection when it cannot be written, and is not in doubt', async () => {
    const { client, node } = await start()
    await client.put(one, { a: 1 })
    const { connections } = node
    const refused = await failure(client.put(one, { a: 2, 'a-name-of-16-octe': 1 }))
    expect([refused.code, refused.inDoubt]).toEqual(['INVALID_ARGUMENT', false])
    await client.put(two, { a: 1 })
    expect([node.requests, node.connections]).toEqual([2, connections])
  })

  test('goes over another connection when the socket that should have taken it is lost', async () => {
    let armed = false
    let cut: () => void = () => {}
    const tcp = socketConnector(undefined)
    const connect: Connect = async (to, handlers, late) => {
      const socket = await tcp(to, handlers, late)
      const write = (octets: Uint8Array, count: number): number => {
        if (!armed) return socket.write(octets, count)
        armed = false
        cut = () => socket.close()
        return 0
      }
      return { ...socket, write }
    }
    const { client, clock, node } = await start({ connect })
    await client.put(one, { a: 1 })
    armed = true
    const writing = client.operate(one, increment, patient)
    await until(() => !armed)
    cut()
    await inTime(writing, clock)
    expect((await client.get(one))?.bins.n).toBe(1)
    expect(node.requests).toBe(3)
  })

  test('goes over another connection when the first is lost before it could be used', async () => {
    let lost = 0
    const tcp = socketConnector(undefined)
    const connect: Connect = async (to, handlers, late) => {
      const socket = await tcp(to, handlers, late)
      if (lost-- > 0) socket.close()
      return socket
    }
    const { client, clock, node } = await start({ connect })
    lost = 1
    const writing = client.put(one, { a: 1 }, patient)
    await until(() => lost < 1)
    await inTime(writing, clock)
    expect(clock.monotonic()).toBeLessThan(patient.timeoutMs / 10)
    expect(node.requests).toBe(1)
  })

  test('is never sent once its caller was told that its time is over', async () => {
    const { client, clock, node } = await start({ limits: { connectionsPerNodeMax: 1, pipelineMax: 1 } })
    await client.put(one, { a: 1 })
    node.fail({ kind: 'slow', delayMs: 200 })
    const first = client.put(one, { a: 2 }, patient)
    const second = failure(client.put(two, { a: 1 }, { timeoutMs: 100 }))
    await clock.advance(200)
    expect(await second).toMatchObject({ code: 'CLIENT_TIMEOUT', inDoubt: false })
    await first
    expect(await client.get(two)).toBeUndefined()
    expect(node.requests).toBe(3)
  })

  test('gets another connection when the one that it waits for is lost', async () => {
    const { client, node } = await start({ limits: { connectionsPerNodeMax: 1, pipelineMax: 1 } })
    await client.put(one, { a: 1 })
    node.fail({ kind: 'close', when: 'after' })
    const first = failure(client.put(one, { a: 2 }, patient))
    await client.put(two, { a: 1 }, patient)
    expect((await first).inDoubt).toBe(true)
  })
})

test('a client that is closed ends what is under way, waits, is read or is being connected, and keeps no socket', async () => {
  let gate: Promise<void> | undefined
  let open = 0
  const tcp = socketConnector(undefined)
  const connect: Connect = async (to, handlers, late) => {
    await gate
    open++
    const closed = (cause: unknown): void => {
      open--
      handlers.closed(cause)
    }
    return tcp(to, { ...handlers, closed }, late)
  }
  const { client, node } = await start({ connect, limits: { connectionsPerNodeMax: 3, pipelineMax: 1 } })
  const query = () => failure(client.query({ namespace: 'test', set: 'connection' }).next())
  node.fail({ kind: 'slow', delayMs: 5000 }, 3)
  const writes = [one, two].map(each => failure(client.put(each, { a: 1 }, patient)))
  await until(() => node.requests === 2)
  const reading = query()
  await until(() => node.requests === 3)
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  const waiting = failure(client.put(one, { a: 2 }, patient))
  const connecting = query()
  await Bun.sleep(1)
  client.close()
  resolve()
  const errors = await Promise.all([...writes, waiting, reading, connecting])
  expect(errors.map(({ code }) => code)).toEqual(Array(5).fill('CLIENT_CLOSED'))
  await until(() => open === 0)
})

test('what waits for a node that takes no connection fails with it, and what comes later is sent', async () => {
  let refused = false
  const tcp = socketConnector(undefined)
  const connect: Connect = (to, handlers, late) =>
    refused ? Promise.reject(new Error('refused')) : tcp(to, handlers, late)
  const limits = { connectionsPerNodeMax: 1, pipelineMax: 1 }
  const { client, clock, node } = await start({ connect, limits })
  await client.put(one, { a: 0 })
  refused = true
  // The second is lost with the connection, when the others wait behind it.
  node.fail({ kind: 'slow', delayMs: 20 })
  node.fail({ kind: 'close', when: 'before' })
  const once = { ...patient, attemptsMax: 1 }
  const writes = Array.from({ length: 5 }, (_, a) => client.put(one, { a }, once))
  const ends = (await Promise.allSettled(writes)).map(({ status }) => status)
  expect(ends).toEqual(['fulfilled', ...Array(4).fill('rejected')])
  refused = false
  await clock.advance(1000)
  await client.put(two, { a: 1 }, once)
})

describe('a connection', () => {
  test('that nobody used for long has all its time for the next answer', async () => {
    const { client, clock, node } = await start()
    await client.put(one, { a: 1 })
    clock.skip(10_000)
    node.fail({ kind: 'slow', delayMs: 100 })
    const writing = client.put(one, { a: 2 }, patient)
    await until(() => node.requests === 2)
    await clock.advance(1000)
    await writing
  })

  test('that answers is not silent, however long it has not been idle', async () => {
    const tcp = socketConnector(undefined)
    const answers: (() => void)[] = []
    let armed = false
    const connect: Connect = (to, handlers, late) => {
      const data = (chunk: Uint8Array): void => {
        const kept = new Uint8Array(chunk)
        if (armed) answers.push(() => handlers.data(kept))
        else handlers.data(chunk)
      }
      return tcp(to, { ...handlers, data }, late)
    }
    const { client, clock } = await start({ connect })
    await client.put(one, { a: 1 })
    armed = true
    const first = client.put(one, { a: 2 }, patient)
    await until(() => answers.length === 1)
    const second = client.put(two, { a: 2 }, patient)
    await until(() => answers.length === 2)
    await clock.advance(4000)
    answers[0]?.()
    await first
    await clock.advance(4000)
    answers[1]?.()
    await second
  })

  test('that comes after its time is closed', async () => {
    const clock = new TurnedClock()
    const { promise: connecting, resolve: connected } = Promise.withResolvers<void>()
    let closed = 0
    const connect: Connect = async () => {
      await connecting
      return { write: (_, count) => count, pause() {}, resume() {}, close: () => void closed++ }
    }
    const client = new AerospikeClient({ hosts: [{ host: 'a', port: 1 }], clock, connect })
    closing(() => client.close())
    const late = failure(client.connect())
    await clock.advance(1000)
    expect((await late).code).toBe('CLIENT_TIMEOUT')
    connected()
    await clock.settle()
    expect(closed).toBe(1)
  })

  test.each([
    ['internal', false],
    ['external', true],
  ] as const)(
    'whose login (%s) is not answered in the time to connect is closed, the password itself sent: %p',
    async (mode, clear) => {
      const clock = new TurnedClock()
      let sent = ''
      let closed = 0
      const write = (octets: Uint8Array, count: number): number => {
        sent += Buffer.from(octets.subarray(0, count)).toString('latin1')
        return count
      }
      const connect: Connect = async () => ({ write, pause() {}, resume() {}, close: () => void closed++ })
      const host = { host: 'a', port: 1 }
      const credentials = { user: 'gateway', password: 'sesame', mode }
      const settings = settingsOf({ hosts: [host], clock, connect, tls: {}, credentials })
      const dialer = new Dialer(settings, new Deadlines(clock, 5))
      const late = failure(dialer.dial(host, { session: undefined }, { room() {}, closed() {} }))
      await clock.advance(1000)
      expect((await late).message).toBe('a:1 did not take a connection within 1000 ms')
      expect(closed).toBe(1)
      expect(sent).toContain('gateway')
      expect(sent.includes('sesame')).toBe(clear)
    },
  )

  test('is admitted with a session of its own when the last is about to end', async () => {
    const sessions = new Set<string>()
    const users = { passwords: new Map([['gateway', 'sesame']]), sessionSeconds: 3600, sessions }
    const { client, clock, node } = await start(
      { credentials: { user: 'gateway', password: 'sesame' }, limits: { connectTimeoutMs: 600_000 } },
      { users },
    )
    await client.put(one, { a: 1 }, patient)
    const before = sessions.size
    clock.skip(3_550_000)
    node.dropConnections()
    await until(() => node.connections === 0)
    await inTime(client.put(one, { a: 2 }, patient), clock)
    expect(sessions.size).toBeGreaterThan(before)
  })
})

test('a batch that ends without an answer to a write leaves that in doubt', async () => {
  const { client, node } = await start()
  const octets = answerFrame([{ resultCode: resultCodes.OK, info3: info3.last }])
  node.fail({ kind: 'garbage', octets })
  const [row] = await client.batch([{ kind: 'put', key: one, bins: { a: 1 } }])
  expect(row?.error).toMatchObject({ code: 'PROTOCOL_ERROR', inDoubt: true })
})

describe('a query', () => {
  const query = { namespace: 'test', set: 'connection' }

  test('whose reader takes minutes is not given up', async () => {
    const { client, clock, node } = await start({ limits: { queryRecordsBufferedMax: 50 } })
    const pad = 'x'.repeat(2000)
    const entries = Array.from(
      { length: 1000 },
      (_, n) => ({ kind: 'put', key: key('test', 'connection', n), bins: { n, pad } }) as const,
    )
    await client.batch(entries, patient)
    const before = node.requests
    const records = client.query(query)
    await records.next()
    for (let turn = 0; turn < 20; turn++) await clock.settle()
    await clock.advance(300_000)
    let count = 1
    for await (const _ of records) count++
    expect([count, node.requests]).toEqual([1000, before + 1])
  })

  test('takes no connection on which another waits for its answer', async () => {
    const { client, node } = await start()
    await client.put(one, { a: 1 })
    const { connections } = node
    node.fail({ kind: 'slow', delayMs: 200 })
    const writing = client.put(one, { a: 2 }, patient)
    const reading = client.query(query).next()
    await until(() => node.requests === 3)
    expect(node.connections).toBe(connections + 1)
    await Promise.all([writing, reading])
  })

  test('that the cluster refuses for good is asked once', async () => {
    const { client, node } = await start()
    const refused = client.query({ ...query, where: { bin: 'a', equals: 1 } })
    expect((await failure(refused.next())).code).toBe('INDEX_NOT_FOUND')
    expect(node.requests).toBe(1)
  })

  test('gives its connection back, to others without end; where there are as many as may be by then it is closed', async () => {
    const { client, node } = await start({ limits: { connectionsPerNodeMax: 1 } })
    // The one to ask how the cluster is.
    const { connections } = node
    for (let at = 0; at < 3; at++) await client.query(query).next()
    await client.put(one, { a: 1 })
    expect(node.connections).toBe(connections + 1)
    node.fail({ kind: 'slow', delayMs: 100 })
    const reading = client.query(query).next()
    await until(() => node.requests === 5)
    await client.put(one, { a: 2 })
    expect(node.connections).toBe(connections + 2)
    await reading
    await until(() => node.connections === connections + 1)
  })

  test('whose connection is lost gives back none', async () => {
    const { client, clock, node } = await start({ limits: { connectionsPerNodeMax: 1 } })
    node.fail({ kind: 'close', when: 'before' })
    await inTime(client.query(query).next(), clock)
    await client.put(one, { a: 1 }, { attemptsMax: 1 })
  })

  test('past the connections that a node may have is refused', async () => {
    const { client, node } = await start({ limits: { connectionsPerNodeMax: 1 } })
    node.fail({ kind: 'slow', delayMs: 200 })
    const first = client.query(query).next()
    await until(() => node.requests === 1)
    const second = client.query({ ...query, attemptsMax: 1 })
    expect((await failure(second.next())).code).toBe('CLIENT_OVERLOADED')
    await first
  })

  test('past them is refused also when all begin at once', async () => {
    const { client, node } = await start({ limits: { connectionsPerNodeMax: 2 } })
    node.fail({ kind: 'slow', delayMs: 200 }, 5)
    const asked = Array.from({ length: 5 }, () => client.query({ ...query, attemptsMax: 1 }).next())
    const refused = (await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected')
    expect(refused).toMatchObject(Array(3).fill({ reason: { code: 'CLIENT_OVERLOADED' } }))
    expect(node.requests).toBe(2)
  })
})
