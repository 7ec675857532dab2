import { afterEach, describe, expect, test } from 'bun:test'
import { resultCodes } from '../../src/aerospike/errors.ts'
import { AerospikeClient, bins, type ClientOptions, key } from '../../src/aerospike/index.ts'
import type { Connect } from '../../src/aerospike/ports.ts'
import { socketConnector } from '../../src/aerospike/socket.ts'
import { certPem, keyPem } from '../smpp/certificate.ts'
import { AerospikeServer, type ServerOptions } from '../support/aerospike_server.ts'
import { TurnedClock } from '../support/clock.ts'
import { clientOf, closeAll, closing, failure, until } from './rig.ts'

afterEach(closeAll)

const make = (server: ServerOptions, options: Partial<ClientOptions> = {}) =>
  clientOf(server, { limits: { tendIntervalMs: 50 }, ...options }, 1)

const records = Array.from({ length: 100 }, (_, n) => key('test', 'cluster', n))
const addresses = (cluster: AerospikeServer) => cluster.hosts.map(({ port }) => `127.0.0.1:${port}`).sort()

test('from one seed all nodes are found, and each gets what is its own', async () => {
  const { cluster, client } = make({ nodes: 3 })
  await client.connect()
  expect([...client.nodes()].sort()).toEqual(addresses(cluster))
  await Promise.all(records.map((record, n) => client.put(record, { n })))
  for (const node of cluster.nodes) expect(node.requests).toBeGreaterThan(10)
  expect(cluster.nodes.reduce((sum, node) => sum + node.requests, 0)).toBe(100)
})

test('a node that has not told yet what it holds makes no namespace unknown: it is waited for', async () => {
  const tcp = socketConnector(undefined)
  let mute = true
  const connect: Connect = async (to, handlers, late) => {
    const socket = await tcp(to, handlers, late)
    const write: typeof socket.write = (octets, count) => {
      if (!mute || !Buffer.from(octets.subarray(0, count)).includes('replicas'))
        return socket.write(octets, count)
      socket.close()
      return count
    }
    return { ...socket, write }
  }
  const { client } = make({}, { connect })
  await client.connect()
  const [record] = records
  if (!record) throw new Error('no record')
  expect((await failure(client.put(record, { n: 1 }, { attemptsMax: 2 }))).code).toBe('NO_NODE')
  mute = false
  await client.put(record, { n: 1 }, { timeoutMs: 10_000, attemptsMax: 100 })
})

test('a seed that is not there is passed over', async () => {
  const { cluster } = make({})
  const client = new AerospikeClient({ hosts: [{ host: '127.0.0.1', port: 1 }, ...cluster.hosts] })
  closing(() => client.close())
  await client.connect()
  expect(client.fault()).toBeUndefined()
})

test('a node that has not joined its cluster yet is waited for', async () => {
  const { cluster, client } = make({})
  cluster.generation = -1
  const error = await failure(client.connect())
  expect(error).toMatchObject({ code: 'NO_NODE' })
  expect(error.message).toContain('has not joined its cluster yet')
  expect(client.nodes()).toEqual([])
  cluster.generation = 1
  await until(() => client.fault() === undefined)
})

describe('a seed that is a balancer before the nodes', () => {
  const balancer = { host: 'balancer.example', port: 3000 }
  /** `route`: where a connection to a port of 127.0.0.1 ends, if anywhere; the balancer's end at the first node. */
  function behind(route: (port: number, nodes: readonly number[]) => number | undefined) {
    const cluster = new AerospikeServer({})
    const tcp = socketConnector(undefined)
    const others = new AerospikeServer({ nodes: 2 })
    const nodes = [cluster.nodes[0]?.port ?? 0, others.nodes[1]?.port ?? 0]
    const connect: Connect = async (to, ...how) => {
      const port = to.host === balancer.host ? nodes[0] : route(to.port, nodes)
      if (port === undefined) throw new Error('no route')
      return tcp({ host: '127.0.0.1', port }, ...how)
    }
    const client = new AerospikeClient({ hosts: [balancer], connect })
    closing(
      () => client.close(),
      () => cluster.stop(),
      () => others.stop(),
    )
    return { client, node: `127.0.0.1:${nodes[0]}` }
  }

  test('is left for the node itself, where that answers', async () => {
    const { client, node } = behind(port => port)
    await client.connect()
    expect(client.nodes()).toEqual([node])
  })

  test.each([
    ['does not answer', () => undefined],
    ['is that of another node from here', (_: number, nodes: readonly number[]) => nodes[1]],
  ])('is used where the address of the node %s', async (_, route) => {
    const { client } = behind(route)
    await client.connect()
    expect(client.nodes()).toEqual(['balancer.example:3000'])
    await client.put(key('test', 'cluster', 1), { n: 1 })
  })
})

test('when a node is lost its partitions are read and written at the others', async () => {
  const { cluster, client } = make({ nodes: 3, replicas: 2 })
  await client.connect()
  await Promise.all(records.map((record, n) => client.put(record, { n })))
  cluster.kill(1)
  const read = await Promise.all(
    records.map(record =>
      client.get(record, undefined, { replica: 'sequence', timeoutMs: 3000, attemptsMax: 20 }),
    ),
  )
  expect(read.map(record => record?.bins.n)).toEqual(records.map((_, n) => n))
  await until(() => client.nodes().length === 2)
  await Promise.all(records.map((record, n) => client.put(record, { n: n + 1 })))
  cluster.revive(1)
  await until(() => client.nodes().length === 3)
  await Promise.all(records.map(record => client.get(record)))
})

describe('a node that hangs does not keep from the client what the others have taken over', () => {
  const patient = { tendIntervalMs: 20, socketTimeoutMs: 3_600_000 }
  const written = (client: AerospikeClient) => async () => {
    const puts = records.map((record, n) => client.put(record, { n }, { timeoutMs: 50 }))
    return (await Promise.allSettled(puts)).every(({ status }) => status === 'fulfilled')
  }

  test('when they did so before it is noticed', async () => {
    const limits = { ...patient, connectTimeoutMs: 3_600_000 }
    const { cluster, client } = make({ nodes: 2, replicas: 2 }, { limits })
    await client.connect()
    cluster.nodes[1]?.hang()
    cluster.rebalance()
    await until(written(client))
  })

  test('when they did so while it is waited for', async () => {
    const { cluster, client } = make(
      { nodes: 2, replicas: 2 },
      { limits: { ...patient, connectTimeoutMs: 200 } },
    )
    await client.connect()
    cluster.nodes[1]?.hang()
    expect(await written(client)()).toBe(false)
    cluster.rebalance()
    await until(written(client))
    await until(() => client.nodes().length === 1)
  })
})

test('a replica answers reads while nobody has said that the master is gone', async () => {
  const { cluster, client } = make({ nodes: 2, replicas: 2 }, { limits: { tendIntervalMs: 60_000 } })
  await client.connect()
  await Promise.all(records.map((record, n) => client.put(record, { n })))
  cluster.nodes[0]?.dropConnections()
  cluster.nodes[0]?.fail({ kind: 'close', when: 'before' }, 1000)
  const read = await Promise.all(
    records.map(record => client.get(record, undefined, { replica: 'sequence' })),
  )
  expect(read.map(record => record?.bins.n)).toEqual(records.map((_, n) => n))
})

test('a replica answers reads while the master hangs, and nobody has said so', async () => {
  const { cluster, client } = make({ nodes: 2, replicas: 2 }, { limits: { tendIntervalMs: 60_000 } })
  await client.connect()
  await Promise.all(records.map((record, n) => client.put(record, { n })))
  cluster.nodes[0]?.fail({ kind: 'silent' }, 1000)
  const read = await Promise.all(
    records.map(record => client.get(record, undefined, { replica: 'sequence', timeoutMs: 2000 })),
  )
  expect(read.map(record => record?.bins.n)).toEqual(records.map((_, n) => n))
})

test('replica any spreads reads over master and replicas', async () => {
  const { cluster, client } = make({ nodes: 2, replicas: 2 })
  await client.connect()
  const [record] = records
  if (!record) throw new Error('no record')
  await client.put(record, { a: 1 })
  const before = cluster.nodes.map(node => node.requests)
  for (let n = 0; n < 20; n++) await client.get(record, undefined, { replica: 'any' })
  expect(cluster.nodes.map((node, at) => node.requests - (before[at] ?? 0))).toEqual([10, 10])
})

test('what was written is read also while its partition migrates, unless less is asked for', async () => {
  const { cluster, client } = make({ nodes: 2, replicas: 2 })
  await client.connect()
  const [record] = records
  if (!record) throw new Error('no record')
  await client.put(record, { n: 1 })
  cluster.migrating = true
  expect((await client.get(record))?.bins.n).toBe(1)
  expect((await client.get(record, ['n'], { replica: 'any' }))?.bins.n).toBe(1)
  expect(await client.exists(record)).toBeDefined()
  expect((await client.operate(record, [bins.read('n')])).results).toEqual([1])
  const entries = [
    { kind: 'get', key: record },
    { kind: 'operate', key: record, operations: [bins.read('n')] },
  ] as const
  expect((await client.batch(entries)).map(({ error }) => error)).toEqual([undefined, undefined])
  const one = { consistency: 'one' } as const
  expect(await client.get(record, undefined, one)).toBeUndefined()
  expect((await client.batch(entries, one)).map(({ error }) => error?.code)).toEqual([
    'RECORD_NOT_FOUND',
    'RECORD_NOT_FOUND',
  ])
})

test('a partition that moved is found where it went, and nothing is in doubt meanwhile', async () => {
  const { cluster, client } = make({ nodes: 2 }, { limits: { tendIntervalMs: 60_000 } })
  await client.connect()
  cluster.owners = cluster.owners.map(owner => 1 - owner)
  cluster.generation++
  await Promise.all(records.map((record, n) => client.put(record, { n }, { timeoutMs: 3000 })))
})

test('of two nodes that claim a partition the one that has it is found, though the other told last', async () => {
  const clock = new TurnedClock()
  const tcp = socketConnector(undefined)
  let armed = false
  let secondTold = false
  /** What the first node told, and what the second is asked: on their way until the test lets them go. */
  const held: { tell?: () => void; ask?: () => void } = {}
  const connect: Connect = async (to, handlers, late) => {
    const [first, second] = cluster.nodes.map(({ port }) => port === to.port)
    const data = (chunk: Uint8Array): void => {
      const kept = Buffer.from(chunk)
      const tells = kept.includes('replicas\t')
      if (armed && first && tells) held.tell = () => handlers.data(kept)
      else handlers.data(chunk)
      if (second && tells) secondTold = true
    }
    const socket = await tcp(to, { ...handlers, data }, late)
    const write: typeof socket.write = (octets, count) => {
      const kept = Buffer.from(octets.subarray(0, count))
      if (!armed || !second || !kept.includes('replicas')) return socket.write(octets, count)
      held.ask = () => void socket.write(kept, count)
      return count
    }
    return { ...socket, write }
  }
  const { cluster, client } = make({ nodes: 2 }, { clock, connect, limits: { tendIntervalMs: 1000 } })
  await client.connect()
  cluster.owners = cluster.owners.map(() => 0)
  cluster.generation++
  armed = true
  secondTold = false
  await clock.advance(1000)
  await until(() => held.tell !== undefined && held.ask !== undefined)
  armed = false
  cluster.owners = cluster.owners.map(() => 1)
  held.ask?.()
  await until(() => secondTold)
  held.tell?.()
  await clock.settle()
  let written = false
  const writing = client
    .put(key('test', 'cluster', 1), { n: 1 }, { timeoutMs: 600_000, attemptsMax: 30 })
    .finally(() => {
      written = true
    })
  await until(async () => {
    await clock.advance(50)
    return written
  })
  await writing
})

test('with the cluster away calls fail in their time with a clear error; when it is back they succeed', async () => {
  const { cluster, client } = make({})
  await client.connect()
  const [record] = records
  if (!record) throw new Error('no record')
  await client.put(record, { a: 1 })
  cluster.kill(0)
  await until(() => client.fault() !== undefined)
  const began = performance.now()
  const error = await failure(client.put(record, { a: 2 }, { timeoutMs: 300 }))
  expect(performance.now() - began).toBeLessThan(5000)
  expect(error.inDoubt).toBe(false)
  expect(error.message).toContain(`127.0.0.1:${cluster.nodes[0]?.port}`)
  cluster.revive(0)
  await until(() => client.fault() === undefined)
  await client.put(record, { a: 2 })
})

test('a cluster that comes up later is found without a new client', async () => {
  const { cluster, client } = make({})
  cluster.kill(0)
  expect((await failure(client.connect())).code).toBe('CONNECTION_ERROR')
  cluster.revive(0)
  await until(() => client.fault() === undefined)
})

test('close ends what is under way, and what comes later', async () => {
  const { cluster, client } = make({})
  await client.connect()
  const [record] = records
  if (!record) throw new Error('no record')
  cluster.nodes[0]?.fail({ kind: 'silent' })
  const pending = failure(client.get(record))
  await until(() => cluster.nodes[0]?.requests === 1)
  client.close()
  expect((await pending).code).toBe('CLIENT_CLOSED')
  expect((await failure(client.get(record))).code).toBe('CLIENT_CLOSED')
  await until(() => cluster.nodes[0]?.connections === 0)
})

test('close while a tend waits for a node that hangs leaves no socket and no timer behind', async () => {
  const clock = new TurnedClock()
  const { cluster, client } = make({}, { clock, limits: { connectTimeoutMs: 1000 } })
  const [node] = cluster.nodes
  node?.hang()
  const connected = failure(client.connect())
  await until(() => node?.connections === 1)
  // The socket is open on its other side too, and asked.
  for (let turn = 0; turn < 20; turn++) await clock.settle()
  client.close()
  await clock.advance(1000)
  expect((await connected).code).toBe('CLIENT_CLOSED')
  await until(() => node?.connections === 0)
  expect(clock.timers).toBe(0)
})

test('close between two looks at the cluster leaves no timer behind', async () => {
  const clock = new TurnedClock()
  const { client } = make({}, { clock })
  await client.connect()
  client.close()
  expect(clock.timers).toBe(0)
})

test('however many calls find that the map is old, one look follows, and not at once after another', async () => {
  const clock = new TurnedClock()
  const { cluster, client } = make({}, { clock, limits: { tendIntervalMs: 1000 } })
  await client.connect()
  const [node] = cluster.nodes
  const [record] = records
  if (!node || !record) throw new Error('no record')
  const before = clock.timers
  for (let times = 0; times < 5; times++) {
    node.fail({ kind: 'refuse', resultCode: resultCodes.PARTITION_UNAVAILABLE })
    await failure(client.get(record, undefined, { attemptsMax: 1 }))
  }
  expect(clock.timers).toBe(before)
  const asked = node.infos
  await clock.advance(40)
  expect(node.infos).toBe(asked)
  await clock.advance(10)
  await until(() => node.infos > asked)
})

test('connections that are not used are closed', async () => {
  const { cluster, client } = make({}, { limits: { tendIntervalMs: 20, idleMsMax: 60 } })
  await client.connect()
  const [record] = records
  if (!record) throw new Error('no record')
  await client.put(record, { a: 1 })
  expect(cluster.nodes[0]?.connections).toBe(2)
  await until(() => cluster.nodes[0]?.connections === 1)
  await client.put(record, { a: 2 })
})

describe('TLS', () => {
  const tls = { cert: certPem, key: keyPem }

  test('a cluster whose certificate is trusted is spoken to', async () => {
    const { cluster } = make({ tls })
    const hosts = cluster.hosts.map(({ port }) => ({ host: '127.0.0.1', port, tlsName: 'localhost' }))
    const client = new AerospikeClient({ hosts, tls: { ca: certPem } })
    closing(() => client.close())
    await client.connect()
    await Promise.all(records.map((record, n) => client.put(record, { n, blob: new Uint8Array(10_000) })))
    const read = await Promise.all(records.map(record => client.get(record)))
    expect(read.map(record => record?.bins.n)).toEqual(records.map((_, n) => n))
  })

  test('one whose certificate is not trusted is not', async () => {
    const { cluster } = make({ tls })
    const hosts = cluster.hosts.map(({ port }) => ({ host: '127.0.0.1', port, tlsName: 'localhost' }))
    const client = new AerospikeClient({ hosts, tls: {} })
    closing(() => client.close())
    const error = await failure(client.connect())
    expect(error.code).toBe('CONNECTION_ERROR')
    expect(cluster.nodes[0]?.requests).toBe(0)
  })

  test('one whose certificate is for another name is not', async () => {
    const { cluster } = make({ tls })
    const hosts = cluster.hosts.map(({ port }) => ({ host: '127.0.0.1', port, tlsName: 'elsewhere.example' }))
    const client = new AerospikeClient({ hosts, tls: { ca: certPem } })
    closing(() => client.close())
    expect((await failure(client.connect())).code).toBe('CONNECTION_ERROR')
  })

  test('a node that takes connections and does nothing more is left with none of them', async () => {
    const seen = { opened: 0, closed: 0 }
    const mute = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data() {}, open: () => void seen.opened++, close: () => void seen.closed++ },
    })
    const hosts = [{ host: '127.0.0.1', port: mute.port }]
    const client = new AerospikeClient({
      hosts,
      tls: {},
      limits: { connectTimeoutMs: 20, tendIntervalMs: 20 },
    })
    closing(
      () => client.close(),
      () => mute.stop(true),
    )
    expect((await failure(client.connect())).code).toBe('CLIENT_TIMEOUT')
    await until(() => seen.opened >= 3)
    client.close()
    await until(() => seen.closed === seen.opened)
  })
})

describe('logging in', () => {
  const users = () => ({
    passwords: new Map([['gateway', 'sesame']]),
    sessionSeconds: 3600,
    sessions: new Set<string>(),
  })

  test('the right password is let in, on every connection', async () => {
    const { client } = make(
      { users: users() },
      {
        credentials: { user: 'gateway', password: 'sesame' },
        limits: { pipelineMax: 2, connectTimeoutMs: 5000 },
      },
    )
    await client.connect()
    await Promise.all(records.map((record, n) => client.put(record, { n }, { timeoutMs: 10_000 })))
  }, 240_000)

  test('a wrong password is told as such, and leaves no connection', async () => {
    const { cluster, client } = make(
      { users: users() },
      { credentials: { user: 'gateway', password: 'wrong' }, limits: { connectTimeoutMs: 5000 } },
    )
    expect((await failure(client.connect())).code).toBe('INVALID_CREDENTIAL')
    await until(() => cluster.nodes[0]?.connections === 0)
  }, 240_000)

  test('a session that the server has forgotten is renewed', async () => {
    const known = users()
    const told: string[] = []
    const logger = { info() {}, warn: (_: object, text: string) => void told.push(text) }
    const credentials = { user: 'gateway', password: 'sesame' }
    const limits = { connectTimeoutMs: 5000 }
    const { cluster, client } = make({ users: known }, { credentials, limits, logger })
    await client.connect()
    known.sessions.clear()
    cluster.nodes[0]?.dropConnections()
    const [record] = records
    if (!record) throw new Error('no record')
    await client.put(record, { a: 1 }, { timeoutMs: 10_000, attemptsMax: 20 })
    expect(told).not.toContain('aerospike: a node is lost')
  }, 240_000)

  test('a server without security takes a client that has a password', async () => {
    const { client } = make(
      {},
      { credentials: { user: 'gateway', password: 'sesame' }, limits: { connectTimeoutMs: 5000 } },
    )
    await client.connect()
  }, 240_000)

  test('a password is not sent in the clear', () => {
    const credentials = { user: 'gateway', password: 'sesame', mode: 'external' } as const
    expect(() => new AerospikeClient({ hosts: [{ host: '127.0.0.1', port: 3000 }], credentials })).toThrow(
      'it needs TLS',
    )
  })
})

test('a connection that is lost makes no node lost', async () => {
  const told: string[] = []
  const logger = { info() {}, warn: (_: object, text: string) => void told.push(text) }
  const { cluster, client } = make({}, { logger, limits: { tendIntervalMs: 10 } })
  await client.connect()
  const [node] = cluster.nodes
  for (let times = 0; times < 5; times++) {
    node?.dropConnections()
    await until(() => node?.connections === 0)
    await until(() => node?.connections === 1)
    // Over the same connection: what was asked before is answered.
    await client.info('node')
    expect(client.fault()).toBeUndefined()
  }
  expect(told).toEqual([])
})

test('a node that comes back at another address is found there, and has not to be lost first', async () => {
  const told: string[] = []
  const logger = { info() {}, warn: (_: object, text: string) => void told.push(text) }
  const { cluster, client } = make({ nodes: 2, replicas: 2 }, { logger })
  await client.connect()
  const [, moving] = cluster.nodes
  if (!moving) throw new Error('no second node')
  const before = moving.port
  moving.stop()
  moving.port = 0
  moving.start()
  expect(moving.port).not.toBe(before)
  await until(() => [...client.nodes()].sort().join() === addresses(cluster).join())
  await Promise.all(records.map((record, n) => client.put(record, { n }, { timeoutMs: 3000 })))
  expect(told).toContain('aerospike: a node has another address now')
  expect(told).not.toContain('aerospike: a node is lost')
})

test('a node that answers where another is listed is not taken for it, and stays where it is', async () => {
  const told: string[] = []
  const logger = { info() {}, warn: (_: object, text: string) => void told.push(text) }
  const tcp = socketConnector(undefined)
  let misled = 0
  const connect: Connect = (to, ...how) => {
    const [first, second] = cluster.nodes
    if (!first || to.port !== second?.port) return tcp(to, ...how)
    misled++
    return tcp({ ...to, port: first.port }, ...how)
  }
  const { cluster, client } = make({ nodes: 2 }, { logger, connect })
  await client.connect()
  await until(() => misled > 3)
  expect(client.nodes()).toEqual([`127.0.0.1:${cluster.nodes[0]?.port}`])
  expect(told).toEqual([])
})

test('a node whose address another has taken is known by the name of the other', async () => {
  const joined: unknown[] = []
  const logger = { info: ({ name }: { name?: string }) => void joined.push(name), warn() {} }
  const { cluster, client } = make({}, { logger })
  await client.connect()
  const [node] = cluster.nodes
  if (!node) throw new Error('no node')
  const { name } = node
  Object.assign(node, { name: 'ANOTHER' })
  await until(() => joined.length > 1)
  expect(joined).toEqual([name, 'ANOTHER'])
  await client.put(key('test', 'cluster', 1), { n: 1 }, { timeoutMs: 3000, attemptsMax: 20 })
})

test('a node that misses a look now and then is not lost, and each time is told of', async () => {
  const told: string[] = []
  const logger = { info() {}, warn: (_: object, text: string) => void told.push(text) }
  const clock = new TurnedClock()
  const limits = { tendIntervalMs: 1000, connectTimeoutMs: 1e6 }
  const { cluster, client } = make({}, { logger, clock, limits })
  await client.connect()
  const faulty = (is: boolean) =>
    until(async () => {
      await clock.advance(100)
      return (client.fault() !== undefined) === is
    })
  for (let times = 0; times < 4; times++) {
    cluster.kill(0)
    await faulty(true)
    cluster.revive(0)
    await faulty(false)
  }
  expect(told).toEqual(Array(4).fill('aerospike: a node did not answer'))
})

test('a node that stays silent is told of once, and is no fault of the cluster', async () => {
  const warned: string[] = []
  const faults: unknown[] = []
  const warn = (detail: object, text: string): void => {
    warned.push(`${text} ${JSON.stringify(detail)}`)
    faults.push(client.fault())
  }
  const clock = new TurnedClock()
  const tcp = socketConnector(undefined)
  let dials = 0
  const connect: Connect = (to, ...how) => {
    if (to.port === second?.port) dials++
    return tcp(to, ...how)
  }
  const limits = { tendIntervalMs: 10, connectTimeoutMs: 1e6, socketTimeoutMs: 1e6 }
  const { cluster, client } = make({ nodes: 2 }, { logger: { info() {}, warn }, clock, connect, limits })
  const [, second] = cluster.nodes
  const dialled = (times: number) =>
    until(async () => {
      await clock.advance(10)
      return dials >= times
    })
  const connected = client.connect()
  await dialled(1)
  await connected
  // The others go on listing it, as they do until their heartbeats time out.
  second?.pretendUp()
  await dialled(30)
  const about = warned.filter(line => line.includes('did not answer') && line.includes(`:${second?.port}`))
  expect(about.length).toBeGreaterThan(0)
  expect(about).toEqual([...new Set(about)])
  expect(faults).toEqual(warned.map(() => undefined))
})
