import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { AerospikeClient, type Connect } from '../../src/aerospike/index.ts'
import { socketConnector } from '../../src/aerospike/socket.ts'
import { type Clock, systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import type { Message } from '../../src/message.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import { readLanes } from '../../src/store/aerospike_journal.ts'
import { Deadline, Records } from '../../src/store/aerospike_records.ts'
import type { AerospikeStore } from '../../src/store/aerospike_store.ts'
import { type StoredReceipt, StoreError } from '../../src/store/store.ts'
import { AerospikeServer, type Fault } from '../support/aerospike_server.ts'
import { patientClock, TurnedClock } from '../support/clock.ts'
import { messageOf } from '../support/message.ts'

const NAMESPACE = 'sms'
const ACCOUNT = 'a:1/x'
const ALL = { offset: 0, limit: 1000 }

let server: AerospikeServer
/** Of the servers, ahead of the world's. */
let aheadMs: number
let clock: TurnedClock
let opened: AerospikeStore[]
let clients: AerospikeClient[]
/** By which the clients wait for their servers. */
let wire: Clock
let made = 0

beforeEach(() => {
  aheadMs = 0
  server = new AerospikeServer({
    nodes: 2,
    replicas: 2,
    namespaces: [NAMESPACE],
    now: () => Date.now() + aheadMs,
  })
  clock = new TurnedClock()
  opened = []
  clients = []
  wire = patientClock
})
afterEach(async () => {
  for (const store of opened) await store.close()
  for (const client of clients) client.close()
  server.stop()
})

const connect = (hosts = server.hosts, by?: Connect): AerospikeClient => {
  const client = new AerospikeClient({ hosts, clock: wire, ...(by && { connect: by }) })
  clients.push(client)
  return client
}
const open = async (
  instance: string,
  {
    hosts,
    by,
    ...over
  }: { hosts?: typeof server.hosts; by?: Connect; heldMax?: number; namespace?: string } = {},
) => {
  const client = connect(hosts, by)
  const store = await openAerospikeStore({
    client,
    namespace: NAMESPACE,
    clock,
    random: systemRandom,
    log: { warn: () => {} },
    retentionMs: 3600_000,
    instance,
    name: instance,
    node: 0,
    ...over,
  })
  opened.push(store)
  /** The process dies: nothing more reaches the cluster. */
  const die = (): void => client.close()
  return { store, die }
}
const ids = createIds(systemClock, systemRandom)
const message = (over: Partial<Message> = {}): Message => {
  const parts = [{ state: 'submitted', smscId: String(++made), account: ACCOUNT, error: 0 }] as const
  return messageOf(clock.now(), { id: ids.messageId(), taskId: ids.taskId(), parts }, over)
}
const accepted = (): Message =>
  message({ state: 'accepted', parts: [{ state: 'accepted', smscId: '', account: '', error: 0 }] })
const claim = (key: string) => ({
  appId: 1,
  key,
  bodyHash: new Uint8Array(32),
  expiresAt: clock.now() + 86_400_000,
})
const receipt = (id: string, over: Partial<StoredReceipt> = {}): StoredReceipt => ({
  account: ACCOUNT,
  ids: [id],
  address: '',
  state: 'delivered',
  error: 0,
  at: clock.now(),
  ...over,
})
/** Sockets that hold back what is written, from the first request that names `set` until it is let go. */
function holding(set: string) {
  const held: (() => void)[] = []
  let state: 'open' | 'armed' | 'holding' = 'open'
  const tcp = socketConnector(undefined)
  const by: Connect = async (to, handlers, late) => {
    const socket = await tcp(to, handlers, late)
    return {
      ...socket,
      write(octets, count) {
        const written = Buffer.from(octets.subarray(0, count))
        if (state === 'armed' && written.includes(set)) state = 'holding'
        if (state !== 'holding') return socket.write(octets, count)
        held.push(() => void socket.write(written, count))
        return count
      },
    }
  }
  const letGo = (): void => {
    state = 'open'
    for (const write of held.splice(0)) write()
  }
  const arm = (): void => {
    state = 'armed'
  }
  return { by, arm, isHolding: () => state === 'holding', letGo }
}
const smscId = ({ parts }: Message): string => parts[0]?.smscId ?? ''
const later = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
async function until(reached: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 200_000; !(await reached()); await later()) {
    if (Date.now() > end) throw new Error('not within 200 s')
  }
}
/** Time passes no faster than the wire can follow: what is asked has its own time to be answered in. */
async function pass(): Promise<void> {
  await clock.advance(1000)
  for (let turn = 0; turn < 10; turn++) await later()
}
/** A day after the messages of today; until then entries without a message wait for it. */
async function sweepOfTheDayAfter(store: AerospikeStore): Promise<void> {
  clock.skip(Date.now() + 86_400_000 - clock.now())
  await store.sweep(clock.now())
}

/** Entries that the journals of all nodes hold. */
async function openEntries(): Promise<number> {
  const client = connect()
  await client.connect()
  const lanes = await readLanes(
    new Records(client, NAMESPACE, 'sms-', clock),
    32,
    new Deadline(clock, 10_000),
  )
  client.close()
  return lanes.reduce((sum, { open: entries }) => sum + entries.size, 0)
}

describe('several gateways', () => {
  test('have numbers of their own, and the same after a restart; the 33rd is refused with its reason', async () => {
    const stores = await Promise.all(Array.from({ length: 32 }, (_, index) => open(`gateway-${index}`)))
    const numbers = stores.map(({ store }) => store.node)
    expect(new Set(numbers).size).toBe(32)
    await expect(open('one-more')).rejects.toThrow('32 gateways share this namespace already')
    stores[7]?.die()
    expect((await open('gateway-7')).store.node).toBe(numbers[7] ?? -1)
  })

  test('a claim of one, its outcome and its receipt on others are one message, counted once', async () => {
    const [a, b, c] = await Promise.all([open('a'), open('b'), open('c')])
    const begun = accepted()
    await a.store.claim(claim('k'), begun)
    const outcome = message({ id: begun.id, taskId: begun.taskId })
    await b.store.save(outcome)
    expect(await c.store.settle(receipt(smscId(outcome)))).toMatchObject({ matched: true })
    expect(await a.store.recall(claim('k'))).toMatchObject({ message: { state: 'delivered' } })
    expect(await c.store.totals()).toEqual({ messages: 1 })
  })

  test('receipts and saves of the same messages, raced over three of them, all meet', async () => {
    const stores = (await Promise.all([open('a'), open('b'), open('c')])).map(each => each.store)
    const at = (index: number): AerospikeStore => stores[index % 3] as AerospikeStore
    const sent = Array.from({ length: 300 }, () => message())
    await Promise.all(
      sent.flatMap((one, index) => [
        at(index).save(one),
        at(index + 1).settle(receipt(smscId(one), { ids: ['none', smscId(one)] })),
      ]),
    )
    for (const { id } of sent) expect((await at(0).find(id))?.state).toBe('delivered')
    expect((await at(0).unmatched(ALL)).total).toBe(0)
    expect(await at(1).totals()).toEqual({ messages: 300 })
  })

  test('a receipt whose forms fit two messages that come at once goes to one of them', async () => {
    const [a, b, c] = await Promise.all([open('a'), open('b'), open('c')])
    for (let round = 0; round < 20; round++) {
      const both = [message(), message()]
      const forms = both.map(smscId)
      await Promise.all([
        a.store.save(both[0] as Message),
        b.store.save(both[1] as Message),
        c.store.settle(receipt('', { ids: forms })),
      ])
      const states = await Promise.all(both.map(async ({ id }) => (await a.store.find(id))?.state))
      expect(states.sort()).toEqual(['delivered', 'submitted'])
    }
    expect((await a.store.unmatched(ALL)).total).toBe(0)
  })

  test('counts are exact while they are rolled up, by whoever sweeps, under traffic on both', async () => {
    const [a, b] = await Promise.all([open('a'), open('b')])
    let sending = true
    const sweeping = (async () => {
      while (sending) await Promise.all([a.store.sweep(clock.now()), b.store.sweep(clock.now())])
    })()
    const seen: number[] = []
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          (index % 2 ? a : b).store.save(message({ campaign: `c${(round * 100 + index) % 700}` })),
        ),
      )
      seen.push((await b.store.totals()).messages)
    }
    sending = false
    await sweeping
    expect(seen).toEqual(Array.from({ length: 10 }, (_, round) => 100 * (round + 1)))
    await a.store.sweep(clock.now())
    const { rows, total } = await a.store.campaigns(ALL)
    expect(total).toBe(700)
    expect(rows.reduce((sum, { sent }) => sum + sent, 0)).toBe(1000)
  }, 240_000)

  test('what a dead one left open is ended by the sweep of another, and what it counted stays', async () => {
    const [a, b] = await Promise.all([open('a'), open('b')])
    const begun = accepted()
    await a.store.save(message())
    await a.store.claim(claim('k'), begun)
    a.die()
    await b.store.sweep(clock.now())
    expect((await b.store.find(begun.id))?.state).toBe('accepted')
    aheadMs += 31_000
    await b.store.sweep(clock.now())
    expect((await b.store.find(begun.id))?.state).toBe('unknown')
    expect((await b.store.campaigns(ALL)).rows).toEqual([{ campaign: 'spring', sme: 1, sent: 1, failed: 1 }])
    await sweepOfTheDayAfter(b.store)
    expect(await openEntries()).toBe(0)
  })

  test('one that stood still and was taken for dead counts what another gave up as it turned out', async () => {
    const [a, b] = await Promise.all([open('a'), open('b')])
    const begun = accepted()
    await a.store.claim(claim('k'), begun)
    aheadMs += 31_000
    await b.store.sweep(clock.now())
    expect((await b.store.campaigns(ALL)).rows).toMatchObject([{ sent: 0, failed: 1 }])
    clock.skip(20_000)
    const outcome = message({ id: begun.id, taskId: begun.taskId })
    expect(await a.store.save(outcome)).toMatchObject({ state: 'submitted' })
    expect((await b.store.campaigns(ALL)).rows).toMatchObject([{ sent: 1, failed: 0 }])
    expect(await b.store.settle(receipt(smscId(outcome)))).toMatchObject({ matched: true })
  })

  test('one that stood still with a message on its way, and was taken for dead meanwhile, counts it once', async () => {
    const cable = holding('sms-messages')
    const [a, b] = await Promise.all([open('a', { by: cable.by }), open('b')])
    cable.arm()
    const saved = a.store.save(message({ id: createIds(clock, systemRandom).messageId() }))
    await until(cable.isHolding)
    aheadMs += 31_000
    await b.store.sweep(clock.now())
    expect(await b.store.totals()).toEqual({ messages: 0 })
    cable.letGo()
    await saved
    expect((await b.store.campaigns(ALL)).rows).toMatchObject([{ sent: 1, failed: 0 }])
    expect(await openEntries()).toBe(0)
    await b.store.sweep(clock.now())
    expect(await b.store.totals()).toEqual({ messages: 1 })
  })

  test('one that stood still with an outcome on its way, and another gave the message up, counts the outcome', async () => {
    const cable = holding('sms-messages')
    const [a, b] = await Promise.all([open('a', { by: cable.by }), open('b')])
    const begun = message({ ...accepted(), id: createIds(clock, systemRandom).messageId() })
    await a.store.claim(claim('k'), begun)
    cable.arm()
    const saved = a.store.save(message({ id: begun.id, taskId: begun.taskId }))
    await until(cable.isHolding)
    aheadMs += 31_000
    await b.store.sweep(clock.now())
    expect((await b.store.campaigns(ALL)).rows).toMatchObject([{ sent: 0, failed: 1 }])
    cable.letGo()
    expect(await saved).toMatchObject({ state: 'submitted' })
    expect((await b.store.campaigns(ALL)).rows).toMatchObject([{ sent: 1, failed: 0 }])
    expect(await openEntries()).toBe(0)
  })

  test('what a dead one wrote after another had looked is counted by a later sweep, and waited for a day', async () => {
    const cable = holding('sms-messages')
    const [a, b] = await Promise.all([open('a', { by: cable.by }), open('b')])
    const born = createIds(clock, systemRandom)
    cable.arm()
    a.store.save(message({ id: born.messageId() })).catch(() => {})
    await until(cable.isHolding)
    a.die()
    aheadMs += 31_000
    await b.store.sweep(clock.now())
    expect(await openEntries()).toBe(1)
    clock.skip(23 * 3_600_000)
    await b.store.sweep(clock.now())
    expect(await openEntries()).toBe(1)
    clock.skip(2 * 3_600_000)
    await b.store.sweep(clock.now())
    expect(await openEntries()).toBe(0)
    expect(await b.store.totals()).toEqual({ messages: 0 })
  })

  test('a count that one could not write, and another wrote in its place, counts once', async () => {
    const [a, b] = await Promise.all([open('a'), open('b')])
    // Entry (a read, a write), message, id; what closes the entry is refused.
    let left = 4
    for (const node of server.nodes) {
      node.faults.shift = () => (left-- > 0 ? undefined : { kind: 'refuse', resultCode: 18 })
    }
    await a.store.save(message())
    for (const node of server.nodes) node.faults.shift = () => undefined
    expect(await b.store.totals()).toEqual({ messages: 0 })
    aheadMs += 31_000
    await b.store.sweep(clock.now())
    expect(await b.store.totals()).toEqual({ messages: 1 })
    for (let seconds = 0; seconds < 12; seconds++) await pass()
    await a.store.save(message())
    expect(await b.store.totals()).toEqual({ messages: 2 })
  })

  test('one that was taken for dead, and whose number another has, writes no more and says why', async () => {
    const a = await open('a')
    aheadMs += 31_000
    const b = await open('b')
    expect(b.store.node).toBe(a.store.node)
    clock.skip(20_000)
    await expect(a.store.save(message())).rejects.toThrow('another gateway has taken the place')
    expect(a.store.fault()).toContain('another gateway has taken the place')
    await b.store.save(message())
    // Until it is restarted, though the other has gone.
    await b.store.close()
    for (let seconds = 0; seconds < 12; seconds++) await pass()
    expect(a.store.fault()).toContain('another gateway has taken the place')
  })

  test('one whose installation runs a second time gives way to it, and takes nothing back', async () => {
    const [first, second] = [await open('a'), await open('a')]
    expect(second.store.node).toBe(first.store.node)
    await until(async () => {
      await pass()
      return first.store.displaced
    })
    await second.store.save(message())
    expect(second.store.displaced).toBe(false)
  })

  test('one whose lease ran out unnoticed does not take itself for dead when it sweeps', async () => {
    const { store } = await open('a')
    const begun = accepted()
    await store.claim(claim('k'), begun)
    aheadMs += 31_000
    await store.sweep(clock.now())
    expect((await store.find(begun.id))?.state).toBe('accepted')
  })

  test('a gateway whose clock is ahead removes nothing of the others', async () => {
    const a = await open('a')
    const kept = await a.store.save(message())
    const ahead = Date.now() + 7200_000
    wire = { ...patientClock, now: () => ahead }
    const b = await open('b')
    expect(await b.store.sweep(ahead)).toBe(0)
    expect(await a.store.find(kept.id)).toEqual(kept)
    expect(await a.store.sweep(ahead)).toBe(1)
  })

  test('a flood of receipts without a message is cut to the newest by the sweep', async () => {
    const { store } = await open('a', { heldMax: 3 })
    for (const key of ['1', '2', '3', '4', '5']) {
      clock.skip(1000)
      await store.settle(receipt(key))
    }
    expect(await store.sweep(clock.now())).toBe(2)
    const { rows } = await store.unmatched(ALL)
    expect(rows.map(row => row.ids[0])).toEqual(['5', '4', '3'])
  })
})

describe('a cluster that fails', () => {
  beforeEach(() => {
    // Who waits for one that is gone need not be patient.
    wire = systemClock
  })

  test('answers that are lost lose no message, count none twice, and leave nothing open', async () => {
    const stores = (await Promise.all([open('a'), open('b')])).map(each => each.store)
    const faults: Fault[] = [
      { kind: 'close', when: 'after' },
      { kind: 'close', when: 'before' },
      { kind: 'truncate' },
      { kind: 'refuse', resultCode: 14 },
      { kind: 'refuse', resultCode: 9 },
    ]
    let broken = 0
    let going = true
    const breaking = (async () => {
      const asked = new Map<number, number>()
      for (; going; await later()) {
        for (const { number, requests, faults: next } of server.nodes) {
          // One request in ten at most: what is left at the end has to get through.
          if (next.length > 0 || requests < (asked.get(number) ?? 0) + 10) continue
          asked.set(number, requests)
          next.push(faults[broken++ % faults.length] as Fault)
        }
      }
    })()
    /** As an SMSC does with a receipt, and a caller with a send. */
    const insist = async <T>(ask: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          return await ask()
        } catch (error) {
          if (!(error instanceof StoreError)) throw error
          await later()
        }
      }
    }
    const sent = Array.from({ length: 200 }, () => message())
    await Promise.all(
      sent.map(async (one, index) => {
        const [store, other] = index % 2 ? stores : stores.toReversed()
        await Promise.all([
          insist(() => (store as AerospikeStore).save(one)),
          insist(() => (other as AerospikeStore).settle(receipt(smscId(one)))),
        ])
      }),
    )
    going = false
    await breaking
    for (const node of server.nodes) node.faults.length = 0
    const [store] = stores as [AerospikeStore]
    // Calls that failed in the middle are looked at again once nothing of them can be under way.
    await until(async () => {
      await pass()
      return (await openEntries()) === 0
    })
    for (const { id } of sent) expect((await store.find(id))?.state).toBe('delivered')
    expect((await store.campaigns(ALL)).rows).toEqual([{ campaign: 'spring', sme: 1, sent: 200, failed: 0 }])
    expect(broken).toBeGreaterThan(20)
  }, 240_000)

  test('kill -9 in mid-traffic loses nothing that resolved, and counts what is there', async () => {
    const script = join(import.meta.dir, 'aerospike_traffic.ts')
    const child = Bun.spawn([process.execPath, script, String(server.nodes[0]?.port), NAMESPACE], {
      stdout: 'pipe',
      stderr: 'inherit',
    })
    let heard = ''
    const decoder = new TextDecoder()
    for await (const octets of child.stdout) {
      heard += decoder.decode(octets, { stream: true })
      if (!child.killed && heard.length > 100_000) child.kill('SIGKILL')
    }
    await child.exited
    const lines = heard.slice(0, heard.lastIndexOf('\n')).split('\n')
    expect(lines.length).toBeGreaterThan(500)

    const { store } = await open('traffic')
    await store.recover(clock.now())
    for (const line of lines) {
      const [what, id = ''] = line.split(' ')
      const found = await store.find(id)
      expect(found?.id).toBe(id)
      if (what === 'settled') expect(found?.state).toBe('delivered')
    }
    const client = connect()
    await client.connect()
    let stored = 0
    for await (const _ of client.query({ namespace: NAMESPACE, set: 'sms-messages', bins: [] })) stored++
    expect((await store.campaigns(ALL)).rows).toEqual([
      { campaign: 'spring', sme: 1, sent: stored, failed: 0 },
    ])
    await sweepOfTheDayAfter(store)
    expect(await openEntries()).toBe(0)
  }, 240_000)

  test('while it is away writes fail at once and say why; when it is back they succeed, without a restart', async () => {
    const { store } = await open('a')
    await store.save(message())
    server.kill(0, false)
    server.kill(1, false)
    await until(() => store.fault() !== undefined)
    expect(store.fault()).toBe('the Aerospike cluster does not answer')
    const before = performance.now()
    await expect(store.save(message())).rejects.toBeInstanceOf(StoreError)
    await expect(store.find(ids.messageId())).rejects.toThrow('the store cannot be read')
    expect(performance.now() - before).toBeLessThan(20_000)
    server.revive(0)
    server.revive(1)
    await until(async () => {
      await pass()
      return store.fault() === undefined
    })
    await store.save(message())
    expect(await store.totals()).toEqual({ messages: 2 })
  }, 240_000)

  test('a key whose claim failed in the middle is free again once the cluster is back', async () => {
    const { store } = await open('a')
    for (let requests = 0; requests < 12; requests++) {
      const key = `k${requests}`
      const begun = accepted()
      // The claim gets through this many requests, on either node, and no further.
      let left = requests
      for (const node of server.nodes) {
        node.faults.shift = () => (left-- > 0 ? undefined : { kind: 'refuse', resultCode: 18 })
      }
      const claimed = await store.claim(claim(key), begun).catch(() => undefined)
      for (const node of server.nodes) node.faults.shift = () => undefined
      await until(async () => {
        await pass()
        return store.fault() === undefined
      })
      if (claimed) break
      await until(async () => {
        await pass()
        return (await store.recall(claim(key))) === undefined
      })
      expect(await store.claim(claim(key), accepted())).toEqual({ fresh: true })
    }
    expect(await store.totals()).toEqual({ messages: 0 })
  }, 240_000)

  test('a namespace that lets no record expire is refused, with what to set', async () => {
    // All leases and numbers are read first; the lease is the first write.
    let reads = 0
    for (const node of server.nodes) {
      node.faults.shift = () => (reads++ < 65 ? undefined : { kind: 'refuse', resultCode: 22 })
    }
    await expect(open('a')).rejects.toThrow('set nsup-period')
  })

  test('a set that takes no more is named as what may forbid a write', async () => {
    const { store } = await open('a')
    // The server's one code for it, for clocks that differ, and for records that may not expire.
    for (const node of server.nodes) node.fail({ kind: 'refuse', resultCode: 22 }, 10)
    await expect(store.save(message())).rejects.toThrow('the store did not take it')
    expect(store.fault()).toContain('stop-writes-count')
  })

  test('a namespace that is not there, and a cluster that is not, are named', async () => {
    await expect(open('a', { namespace: 'absent' })).rejects.toThrow('no namespace "absent"')
    const { hosts } = server
    server.stop()
    await expect(open('a', { hosts })).rejects.toThrow('cannot be reached')
  })
})
