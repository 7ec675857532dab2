import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { AerospikeError } from '../../src/aerospike/index.ts'
import { systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import { type Message, NO_SMSC_ID, stateOf } from '../../src/message.ts'
import { openSpooledStore } from '../../src/store/spooled.ts'
import type { SpooledStore } from '../../src/store/spooled_store.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { openSpool, SqliteSpool } from '../../src/store/sqlite_spool.ts'
import {
  type InboundMessage,
  type LateAnswer,
  type MessageStore,
  type StoredReceipt,
  StoreError,
} from '../../src/store/store.ts'
import { StoreModel } from '../conformance/store_model.ts'
import { TurnedClock } from '../support/clock.ts'
import { damage } from '../support/damage.ts'
import { type Failure, FlakyCluster } from '../support/flaky_cluster.ts'
import { messageOf } from '../support/message.ts'

const AWAY = 'the Aerospike cluster does not answer'
const ACCOUNT = 'a:1/x'
const ALL = { offset: 0, limit: 100 }

let folder: string
let clock: TurnedClock
/** What the cluster keeps, whoever asks for it. */
let kept: MessageStore
let cluster: FlakyCluster
let store: SpooledStore
let opened: { close(): Promise<void> }[]
let said: string[]
let made = 0

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spool-'))
  clock = new TurnedClock()
  said = []
  opened = []
  kept = await openSqliteStore({ path: join(folder, 'kept.db'), clock, retentionMs: 86_400_000 })
  cluster = new FlakyCluster(kept)
  store = await open()
})
afterEach(async () => {
  for (const each of opened) await each.close()
  await kept.close()
  rmSync(folder, { recursive: true })
})

async function open(
  over: {
    entriesMax?: number
    instance?: string
    spool?: SqliteSpool
    reach?: () => Promise<FlakyCluster>
  } = {},
): Promise<SpooledStore> {
  const { entriesMax = 1000, instance = 'gateway', reach = async () => cluster } = over
  const { spool = openSpool(join(folder, 'spool.db'), clock) } = over
  const say = (fields: object, text: string): void => void said.push(`${text} ${JSON.stringify(fields)}`)
  const one = await openSpooledStore({
    open: reach,
    ...{ spool, instance, entriesMax, clock, log: { info: say, warn: say, error: say } },
  })
  opened.push(one)
  return one
}

/** As long as no node answers. */
const unreachable = (): Promise<never> => {
  const cause = new AerospikeError('CONNECTION_ERROR', 'The node cannot be reached')
  return Promise.reject(new StoreError('the Aerospike store cannot be opened', { cause }))
}

const later = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
async function until(reached: () => boolean): Promise<void> {
  for (const end = Date.now() + 50_000; !reached(); await later())
    if (Date.now() > end) throw new Error('not within 50 s')
}
/** The seconds go by. */
function inTime(reached: () => boolean): Promise<void> {
  let turns = 0
  return until(() => {
    if (++turns % 20 === 0) void clock.advance(1000)
    return reached()
  })
}
const drained = (one = store): Promise<void> => inTime(() => one.spoolCounts().entries === 0)

const ids = (() => {
  let own: ReturnType<typeof createIds> | undefined
  return () => (own ??= createIds(clock, systemRandom))
})()
const message = (over: Partial<Message> = {}): Message => {
  const parts = [{ state: 'submitted', smscId: String(++made), account: ACCOUNT, error: 0 }] as const
  return messageOf(clock.now(), { id: ids().messageId(), taskId: ids().taskId(), parts }, over)
}
const unanswered = (state: 'accepted' | 'unknown'): Message =>
  message({ state, parts: [{ state, smscId: '', account: state === 'unknown' ? ACCOUNT : '', error: 0 }] })
const smscId = ({ parts }: Message): string => parts[0]?.smscId ?? ''
const receipt = (id: string, over: Partial<StoredReceipt> = {}): StoredReceipt => ({
  ...{ account: ACCOUNT, ids: [id], address: '', state: 'delivered', error: 0, at: clock.now() },
  ...over,
})
const late = ({ id }: Message, smscId: string): LateAnswer => ({
  ...{ messageId: id, part: 0, state: 'submitted', smscId, error: 0, at: clock.now() },
})
const segment = (part: number, text: string): InboundMessage => ({
  ...{ id: ids().messageId(), account: ACCOUNT, link: 1, source: '4477', destination: '123', text },
  ...{ segment: { reference: 7, total: 3, part }, receivedAt: clock.now() },
})
const claim = (key: string) => ({
  ...{ appId: 1, key, bodyHash: new Uint8Array(32), expiresAt: clock.now() + 86_400_000 },
})
const counted = async () => (await kept.campaigns(ALL)).rows.map(({ sent, failed }) => [sent, failed])
const stateKept = async ({ id }: Message) => (await kept.find(id))?.state

describe('while the cluster is away', () => {
  test('messages are taken, found with their receipts, and told to it when it is back, each counted once', async () => {
    cluster.away = true
    expect(store.fault()).toBeUndefined()
    const [first, second, failed] = [message(), message(), unanswered('unknown')]
    expect(await store.save(first)).toEqual(first)
    await store.save(second)
    await store.save(failed)
    expect(await store.settle(receipt(smscId(first)))).toMatchObject({
      ...{ matched: true, form: 0, part: 0, message: { id: first.id, state: 'delivered' } },
    })
    expect((await store.find(first.id))?.state).toBe('delivered')
    expect((await store.find(second.id))?.state).toBe('submitted')
    expect(await store.resolve(late(failed, '77'))).toMatchObject({ state: 'submitted' })
    expect(await store.settle(receipt('77'))).toEqual({ matched: false })
    expect((await store.find(failed.id))?.state).toBe('delivered')
    expect(store.warning()).toBe(`${AWAY}: messages are spooled (6 of at most 1000 writes wait in the spool)`)
    expect(store.spoolCounts()).toMatchObject({ entries: 6, spooled: 6, replayed: 0, refused: 0 })
    expect(cluster.heard).toEqual([])

    cluster.away = false
    await drained()
    expect(await Promise.all([first, second, failed].map(stateKept))).toEqual([
      'delivered',
      'submitted',
      'delivered',
    ])
    expect(await counted()).toEqual([[3, 0]])
    expect((await kept.unmatched(ALL)).total).toBe(0)
    await until(() => said.length === 2)
    expect(said[0]).toBe(
      `the cluster does not take writes: they are spooled ${JSON.stringify({ reason: AWAY })}`,
    )
    expect(said[1]).toStartWith('all that was spooled is in the cluster {"replayed":6,')
    expect(store.warning()).toBeUndefined()
  })

  test('a receipt that comes before its message waits, and is seen with it', async () => {
    cluster.away = true
    const one = message()
    expect(await store.settle(receipt('none', { ids: ['none', smscId(one)], error: 3 }))).toEqual({
      matched: false,
    })
    expect(await store.save(one)).toMatchObject({ state: 'delivered', parts: [{ error: 3 }] })
    cluster.away = false
    await drained()
    expect(await stateKept(one)).toBe('delivered')
  })

  test('a message whose SMSC names no id is found by no receipt, here as in the cluster', async () => {
    cluster.away = true
    await store.save(
      message({ parts: [{ state: 'submitted', smscId: NO_SMSC_ID, account: ACCOUNT, error: 0 }] }),
    )
    expect(await store.settle(receipt(NO_SMSC_ID))).toEqual({ matched: false })
  })

  test('a guessed form takes no receipt of another handset, here as in the cluster', async () => {
    cluster.away = true
    const one = await store.save(message())
    const guessed = receipt('', { ids: ['none', smscId(one)], address: '33612345678' })
    expect(await store.settle(guessed)).toEqual({ matched: false })
    expect((await store.find(one.id))?.state).toBe('submitted')
  })

  test('a receipt that fits several of them goes to the handset that it names, also where another form names a newer one', async () => {
    cluster.away = true
    const named = message({ destination: '447700900123' })
    const other = message({ destination: '447700900999', parts: named.parts })
    const guessed = message({ destination: '447700900123' })
    for (const one of [named, other, guessed]) await store.save(one)
    const told = receipt('', { ids: [smscId(named), smscId(guessed)], address: '07700900123' })
    expect(await store.settle(told)).toMatchObject({ matched: true, form: 0, message: { id: named.id } })
    const first = { ids: [smscId(other), smscId(guessed)], address: '447700900888' }
    expect(await store.settle(receipt('', first))).toMatchObject({ form: 0, message: { id: other.id } })
  })

  test('a receipt that fits several of them goes to the newest, whichever came to the disk last, as in the cluster', async () => {
    cluster.away = true
    const older = message()
    clock.skip(1)
    const newer = message({ parts: older.parts })
    await store.save(newer)
    await store.save(older)
    expect(await store.settle(receipt(smscId(older)))).toMatchObject({
      matched: true,
      message: { id: newer.id },
    })
    cluster.away = false
    await drained()
    expect([await stateKept(older), await stateKept(newer)]).toEqual(['submitted', 'delivered'])
  })

  test('an SMSC that gives all of them one id costs no more for each that is spooled', async () => {
    cluster.away = true
    const { parts } = message()
    for (let at = 0; at < 300; at++) await store.save(message({ parts }))
    for (let at = 0; at < 100; at++) await store.settle(receipt(smscId({ parts } as Message)))
    const newest = message({ parts })
    const parse = spyOn(JSON, 'parse')
    await store.save(newest)
    expect(await store.settle(receipt(smscId(newest)))).toMatchObject({ message: { id: newest.id } })
    const read = parse.mock.calls.length
    parse.mockRestore()
    expect(read).toBeLessThan(300)
  })

  test('what is spooled reads at every step as if the cluster had been told, also where messages share an id', async () => {
    const HANDSETS = ['447700900123', '447700900999'] as const
    const step = fc.oneof(
      fc.record({
        op: fc.constant('save' as const),
        id: fc.constantFrom('1', '2', ''),
        parts: fc.nat(1),
        destination: fc.constantFrom(...HANDSETS),
      }),
      fc.record({
        op: fc.constant('settle' as const),
        ids: fc.constantFrom(['1'], ['2'], ['1', '2'], ['2', '1'], ['late 0'], ['late 1']),
        address: fc.constantFrom('', ...HANDSETS),
        state: fc.constantFrom('accepted' as const, 'delivered' as const, 'undeliverable' as const),
      }),
      fc.record({ op: fc.constant('resolve' as const), slot: fc.nat(3) }),
    )
    cluster.away = true
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
        const model = new StoreModel()
        // One account a run, so that the spool is as good as new.
        const account = `run ${++made}`
        const saved: Message[] = []
        for (const step of steps) {
          if (step.op === 'save') {
            const state = step.id === '' ? 'unknown' : 'submitted'
            const part = { state, smscId: step.id, account, error: 0 } as const
            const parts = [part, part].slice(step.parts)
            const one = message({ state, parts, destination: step.destination })
            saved.push(one)
            expect(await store.save(one)).toEqual(model.save(one))
          } else if (step.op === 'settle') {
            const told = receipt('', { ...step, account })
            const { matched } = await store.settle(told)
            // A late answer's id finds its message in the cluster alone.
            if (matched) expect(model.settle(told)).toMatchObject({ matched })
            else model.settle(told)
          } else {
            const one = saved[step.slot]
            if (!one) continue
            const known = late(one, `late ${step.slot}`)
            expect(await store.resolve(known)).toEqual(model.resolve(known))
          }
          for (const { id } of saved) expect(await store.find(id)).toEqual(model.messages.get(id))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('a receipt for a message in the cluster shows with that, though a newer one in the spool has its id by now', async () => {
    const older = await store.save(message())
    cluster.away = true
    await store.settle(receipt(smscId(older)))
    const newer = await store.save(message({ parts: older.parts }))
    cluster.away = false
    expect((await store.find(older.id))?.state).toBe('delivered')
    await drained()
    expect([await stateKept(older), await stateKept(newer)]).toEqual(['delivered', 'submitted'])
  })

  test('of receipts for one id the first final one stays; segments join; a late answer follows its message', async () => {
    cluster.away = true
    const [one, two] = [message(), unanswered('unknown')]
    await store.save(one)
    await store.save(two)
    await store.settle(receipt(smscId(one), { state: 'accepted' }))
    await store.settle(receipt(smscId(one), { state: 'undeliverable', error: 5 }))
    await store.settle(receipt(smscId(one)))
    await store.resolve(late(two, '55'))
    for (const [part, text] of [
      [3, 'c'],
      [1, 'a'],
      [2, 'b'],
      [1, 'a'],
    ] as const)
      await store.keepInbound(segment(part, text))
    expect(await store.find(one.id)).toMatchObject({ state: 'failed', parts: [{ error: 5 }] })
    cluster.away = false
    await drained()
    expect(await kept.find(one.id)).toMatchObject({ state: 'failed', parts: [{ error: 5 }] })
    expect(await stateKept(two)).toBe('submitted')
    expect((await kept.inbox(ALL)).rows.map(({ parts }) => parts)).toEqual([['a', 'b', 'c']])
  })

  test('segments of one message reach the cluster in the order in which they came, and hold up no others', async () => {
    cluster.away = true
    const [first, second] = [segment(2, 'b'), segment(1, 'a')]
    const other = { ...segment(1, 'x'), source: '4478' }
    for (const one of [first, second, other]) await store.keepInbound(one)
    // The first is not taken at once.
    cluster.failures.push('before')
    cluster.away = false
    await drained()
    expect(cluster.heard.map(what => what.split(' ')[1])).toEqual([first.id, other.id, first.id, second.id])
    expect((await kept.inbox(ALL)).rows.map(({ id, parts }) => [id, parts])).toEqual([
      [other.id, ['x', null, null]],
      [first.id, ['a', 'b', null]],
    ])
  })

  test('keys are refused, since the cluster alone knows them, and it says what is taken', async () => {
    cluster.away = true
    const words = `${AWAY}, and it alone knows the keys: meanwhile only messages without one are taken`
    await expect(store.recall(claim('k'))).rejects.toThrow(words)
    await expect(store.claim(claim('k'), unanswered('accepted'))).rejects.toThrow(words)
  })

  test('the outcome of a message that was claimed before is taken, and stands under its key', async () => {
    const begun = unanswered('accepted')
    expect(await store.claim(claim('k'), begun)).toEqual({ fresh: true })
    cluster.away = true
    const outcome = message({ id: begun.id, taskId: begun.taskId })
    await store.save(outcome)
    expect(await store.find(begun.id)).toEqual(outcome)
    // Another gateway takes this one for dead, and gives up what it left open.
    expect(await kept.recover(Number.MAX_SAFE_INTEGER)).toBe(1)
    expect(await counted()).toEqual([[0, 1]])
    cluster.away = false
    await drained()
    expect(await store.recall(claim('k'))).toMatchObject({ message: { state: 'submitted' } })
    expect(await counted()).toEqual([[1, 0]])
    await store.settle(receipt(smscId(outcome)))
    expect(await stateKept(begun)).toBe('delivered')
  })

  test('a key answers the outcome that is spooled, though the cluster is back and has not heard of it', async () => {
    const begun = unanswered('accepted')
    await store.claim(claim('k'), begun)
    cluster.away = true
    const outcome = message({ id: begun.id, taskId: begun.taskId })
    await store.save(outcome)
    const { save } = cluster
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    cluster.save = given => answered.then(() => save(given))
    cluster.away = false
    const earlier = { fresh: false, sameBody: true, message: outcome } as const
    expect(await store.recall(claim('k'))).toEqual(earlier)
    expect(await store.claim(claim('k'), unanswered('accepted'))).toEqual(earlier)
    expect(await stateKept(begun)).toBe('accepted')
    answer()
    await drained()
    expect(await store.recall(claim('k'))).toEqual(earlier)
  })

  test('what no cluster would take is refused to its caller, and not spooled', async () => {
    cluster.away = true
    const wrong = { id: 'msg-uuid' }
    await expect(store.save(message(wrong))).rejects.toThrow('the id is no UUID')
    await expect(store.resolve(late(message(wrong), '1'))).rejects.toThrow('the id is no UUID')
    await expect(store.keepInbound({ ...segment(1, 'a'), ...wrong })).rejects.toThrow('the id is no UUID')
    await expect(store.save(message({ taskId: Number.NaN }))).rejects.toThrow(
      'the store cannot take this record',
    )
    expect(store.spoolCounts().entries).toBe(0)
  })

  test('lists and numbers are the cluster’s to answer', async () => {
    await store.save(message())
    cluster.away = true
    await store.save(message())
    const asks = [
      () => store.totals(),
      () => store.campaigns(ALL),
      () => store.unmatched(ALL),
      () => store.inbox(ALL),
    ]
    for (const ask of asks) await expect(ask()).rejects.toThrow('the store cannot be read')
    await expect(store.find(ids().messageId())).rejects.toThrow('the store cannot be read')
  })
})

describe('a cluster that is lost', () => {
  const MOMENTS = {
    before: 'before it is done',
    after: 'once it is done',
    hang: 'and never answers',
  } as const
  const WRITES = ['save', 'settle', 'resolve', 'keepInbound'] as const
  const cases = WRITES.flatMap(kind =>
    (['before', 'after', 'hang'] as const).map(when => [kind, MOMENTS[when], when] as const),
  )

  test.each(cases)('at a %s, %s, loses nothing and counts nothing twice', async (kind, _, when) => {
    const [sent, unknown] = [message(), unanswered('unknown')]
    if (kind !== 'save') await store.save(sent)
    await store.save(unknown)
    // Once as it is written, and once at the replay.
    cluster.failures.push(when, 'after')
    const writing = {
      save: () => store.save(sent),
      settle: () => store.settle(receipt(smscId(sent))),
      resolve: () => store.resolve(late(unknown, '99')),
      keepInbound: () => store.keepInbound(segment(2, 'b')),
    }[kind]()
    if (when === 'hang') {
      await until(() => cluster.failures.length === 1)
      await clock.advance(1999)
      expect(store.spoolCounts().entries).toBe(0)
      await clock.advance(1)
    }
    await writing
    expect(store.spoolCounts().spooled).toBe(1)
    await drained()
    cluster.thaw()
    await later()
    expect(cluster.failures).toEqual([])
    expect(await stateKept(sent)).toBe(kind === 'settle' ? 'delivered' : 'submitted')
    expect(await stateKept(unknown)).toBe(kind === 'resolve' ? 'submitted' : 'unknown')
    expect(await counted()).toEqual([kind === 'resolve' ? [2, 0] : [1, 1]])
    expect((await kept.inbox(ALL)).rows.map(({ parts }) => parts)).toEqual(
      kind === 'keepInbound' ? [[null, 'b', null]] : [],
    )
    expect((await kept.unmatched(ALL)).total).toBe(0)
  })

  test('and does not answer is waited for once, by all together', async () => {
    cluster.failures.push('hang', 'hang')
    const first = store.save(message())
    await clock.advance(1500)
    const second = store.save(message())
    await until(() => cluster.failures.length === 0)
    await clock.advance(500)
    await Promise.all([first, second])
    cluster.thaw()
    await drained()
    expect(await counted()).toEqual([[2, 0]])
  })

  test('and does not answer its replay either is not waited for by the next', async () => {
    cluster.failures.push('hang', 'hang')
    const first = store.save(message())
    await until(() => cluster.failures.length === 1)
    await clock.advance(2000)
    await first
    await until(() => cluster.failures.length === 0)
    cluster.heard.length = 0
    await store.save(message())
    expect(cluster.heard).toEqual([])
    await inTime(() => {
      cluster.thaw()
      return store.spoolCounts().entries === 0
    })
    expect(await counted()).toEqual([[2, 0]])
  })

  test('waits for each write its own time, though one before it was answered', async () => {
    await store.save(message())
    await clock.advance(1500)
    cluster.failures.push('hang')
    let saved = false
    void store.save(message()).then(() => {
      saved = true
    })
    await until(() => cluster.failures.length === 0)
    await clock.advance(1000)
    await until(() => {
      cluster.thaw()
      return saved
    })
    expect(store.spoolCounts().spooled).toBe(0)
  })

  test('or rather says of a record that it can never take it, has that refused to its caller, and not spooled', async () => {
    cluster.save = () => Promise.reject(new StoreError('too big', { ofRecord: true }))
    await expect(store.save(message())).rejects.toThrow('too big')
    expect(store.spoolCounts()).toMatchObject({ entries: 0, spooled: 0 })
  })

  test('is not asked for more until what it failed has reached it, though it does not say that it is away', async () => {
    const one = message()
    cluster.failures.push('before', 'before')
    await store.save(one)
    await until(() => cluster.failures.length === 0)
    await later()
    cluster.heard.length = 0
    const two = await store.save(message())
    expect(cluster.heard).toEqual([])
    await drained()
    expect(await Promise.all([one, two].map(stateKept))).toEqual(['submitted', 'submitted'])
  })

  test('under a write is waited for by a close', async () => {
    cluster.failures.push('hang')
    const one = message()
    let saved = false
    const saving = store.save(one).then(() => {
      saved = true
    })
    await until(() => cluster.failures.length === 0)
    const closing = store.close().then(() => saved)
    await until(() => {
      cluster.thaw()
      return saved
    })
    await saving
    expect(await closing).toBe(true)
  })

  test('for one write alone is no outage: nothing is said, and keys are taken', async () => {
    cluster.failures.push('before')
    const saving = store.save(message())
    expect(await store.claim(claim('k'), unanswered('accepted'))).toEqual({ fresh: true })
    await saving
    await drained()
    expect(await kept.totals()).toEqual({ messages: 1 })
    expect(said).toEqual([])
  })

  test('is asked for nothing more until it is back: only the first write waits for it', async () => {
    cluster.failures.push('before')
    await store.save(message())
    cluster.away = true
    cluster.heard.length = 0
    await Promise.all(Array.from({ length: 50 }, () => store.save(message())))
    expect(cluster.heard).toEqual([])
    cluster.away = false
    await drained()
    expect(await kept.totals()).toEqual({ messages: 51 })
  })

  test('twice while it is replayed gets the rest when it is back again', async () => {
    cluster.away = true
    const sent = Array.from({ length: 300 }, () => message())
    await Promise.all(sent.map(one => store.save(one)))
    await Promise.all(sent.map(one => store.settle(receipt(smscId(one)))))
    const some = Array.from({ length: 40 }, (): undefined => undefined)
    cluster.failures.push(...some, 'after', 'before', ...some, ...some, 'before', 'after', 'after')
    cluster.away = false
    await drained()
    expect(cluster.failures).toEqual([])
    expect(await counted()).toEqual([[300, 0]])
    expect(await Promise.all(sent.map(stateKept))).toEqual(sent.map(() => 'delivered'))
    expect(store.spoolCounts()).toMatchObject({ spooled: 600, replayed: 600 })
  })

  test('gets all that waits in one go', async () => {
    cluster.away = true
    await Promise.all(Array.from({ length: 600 }, () => store.save(message())))
    cluster.away = false
    await clock.advance(1000)
    await until(() => store.spoolCounts().entries === 0)
    expect(await kept.totals()).toEqual({ messages: 600 })
  })

  test('and has what it is told when the gateway is closed is not told it again', async () => {
    cluster.away = true
    const one = await store.save(message())
    cluster.failures.push('hang')
    cluster.away = false
    await inTime(() => cluster.failures.length === 0)
    let closed = false
    const closing = store.close().then(() => {
      closed = true
    })
    await later()
    expect(closed).toBe(false)
    await until(() => {
      cluster.thaw()
      return closed
    })
    await closing
    store = await open({ reach: unreachable })
    expect(store.spoolCounts().entries).toBe(0)
    expect(await stateKept(one)).toBe('submitted')
  })

  test('ends what a crash left open though nothing is written, and says how much', async () => {
    const begun = unanswered('accepted')
    await store.claim(claim('k'), begun)
    cluster.failures.push('before')
    expect(await store.recover(Number.MAX_SAFE_INTEGER)).toBe(0)
    await inTime(() => store.fault() === undefined && store.warning() === undefined)
    expect(await stateKept(begun)).toBe('unknown')
    const tellings = () => said.filter(line => line.startsWith('left open by a crash'))
    expect(tellings()).toEqual(['left open by a crash: now unknown {"messages":1}'])
    cluster.failures.push('before')
    await store.recover(Number.MAX_SAFE_INTEGER)
    await inTime(() => store.warning() === undefined)
    expect(tellings()).toHaveLength(1)
  })

  test('gets new messages at once while the spool is on its way; what follows a spooled write waits its turn', async () => {
    cluster.away = true
    const spooled = await store.save(message())
    cluster.failures.push('hang')
    cluster.away = false
    await inTime(() => cluster.failures.length === 0)
    const fresh = await store.save(message())
    expect(await stateKept(fresh)).toBe('submitted')
    expect(await store.settle(receipt(smscId(spooled)))).toMatchObject({ message: { state: 'delivered' } })
    expect(await stateKept(spooled)).toBe('submitted')
    expect(store.warning()).toStartWith('the spool is on its way to the Aerospike cluster (2 of ')
    cluster.thaw()
    await drained()
    expect(await stateKept(spooled)).toBe('delivered')
    expect(await counted()).toEqual([[2, 0]])
  })

  test('in part holds up nothing of the rest, but what has to come after a write that fails', async () => {
    cluster.away = true
    const sent = Array.from({ length: 400 }, () => message())
    await Promise.all(sent.map(one => store.save(one)))
    const unknown = await store.save(unanswered('unknown'))
    await store.resolve(late(unknown, '71'))
    const lost = new Set([...sent.slice(0, 300).map(({ id }) => id), unknown.id])
    const { save } = cluster
    cluster.save = given =>
      lost.has(given.id) ? Promise.reject(new StoreError('the store did not take it')) : save(given)
    cluster.away = false
    await inTime(() => store.spoolCounts().entries === 302)
    expect(cluster.heard).not.toContain(`resolve ${unknown.id}`)
    expect(await stateKept(sent[399] as Message)).toBe('submitted')
    const fresh = await store.save(message())
    await inTime(() => store.spoolCounts().entries === 302)
    expect(await stateKept(fresh)).toBe('submitted')
    lost.clear()
    await drained()
    expect(await stateKept(unknown)).toBe('submitted')
    expect(await counted()).toEqual([[402, 0]])
  })

  test('and refuses for good what was spooled, has that set aside and named, and gets the rest', async () => {
    const { save } = cluster
    cluster.save = given =>
      given.campaign === 'bad' ? Promise.reject(new StoreError('too big', { ofRecord: true })) : save(given)
    // The second comes to a spool that is empty again.
    for (const refused of [1, 2]) {
      cluster.away = true
      const [good, bad] = [message(), message({ campaign: 'bad' })]
      await store.save(good)
      await store.save(bad)
      cluster.away = false
      await drained()
      expect(await stateKept(good)).toBe('submitted')
      expect(store.spoolCounts().refused).toBe(refused)
      expect(said.some(line => line.includes('set aside') && line.includes(bad.id))).toBe(true)
    }
  })

  test('and in which another gateway has this one’s number takes no more, and leaves the spool to the next life', async () => {
    cluster.away = true
    const one = await store.save(message())
    cluster.displaced = true
    cluster.away = false
    expect(store.fault()).toContain('another gateway has taken the place')
    await expect(store.save(message())).rejects.toThrow('another gateway has taken the place')
    await expect(store.claim(claim('k'), unanswered('accepted'))).rejects.toThrow('another gateway has taken')
    await store.close()
    cluster = new FlakyCluster(kept, 5)
    store = await open()
    expect(store.node).toBe(5)
    await drained()
    expect(await stateKept(one)).toBe('submitted')
  })
})

describe('the spool', () => {
  test('that is full stops sends before they leave and asks for receipts again; what has left is still kept', async () => {
    await store.close()
    store = await open({ entriesMax: 3 })
    cluster.away = true
    const sent = [message(), message(), message()]
    for (const one of sent) await store.save(one)
    expect(store.fault()).toBe(`${AWAY}, and the spool is full`)
    await expect(store.settle(receipt('1'))).rejects.toThrow('the spool is full')
    await expect(store.keepInbound(segment(1, 'a'))).rejects.toThrow('the spool is full')
    // It was on its way to the SMSC when the spool filled.
    const left = message()
    await store.save(left)
    cluster.away = false
    await drained()
    expect(store.fault()).toBeUndefined()
    expect(await store.settle(receipt(smscId(left)))).toMatchObject({ matched: true })
    expect(await counted()).toEqual([[4, 0]])
  })

  test('whose disk fails takes no more, says so, and stands in nobody’s way when the cluster is back', async () => {
    await store.close()
    let broken = false
    const db = new Database(join(folder, 'spool.db'))
    db.run('PRAGMA journal_mode = WAL')
    const sync = (done: (error: Error | null) => void) =>
      setImmediate(() => done(broken ? new Error('EIO') : null))
    const spool = new SqliteSpool(db, { sync, close() {} }, clock)
    store = await open({ spool })
    broken = true
    cluster.away = true
    await expect(store.save(message())).rejects.toThrow('the store did not take it')
    expect(store.fault()).toBe('the disk lost a write: restart when it is sound')
    cluster.away = false
    expect(store.fault()).toBeUndefined()
    expect(store.warning()).toBe('the spool takes no writes: the disk lost a write: restart when it is sound')
    await store.save(message())
    expect(await kept.totals()).toEqual({ messages: 1 })
  })

  test('whose disk fails while something is in it stands in nobody’s way when the cluster is back, and goes on with the disk', async () => {
    await store.close()
    const db = new Database(join(folder, 'spool.db'))
    const sync = (done: (error: null) => void) => setImmediate(done, null)
    store = await open({ spool: new SqliteSpool(db, { sync, close() {} }, clock) })
    // Of a receipt that finds no message each telling would be kept.
    cluster.failures.push('before', 'before')
    await store.settle(receipt('early'))
    await until(() => cluster.failures.length === 0)
    await later()
    for (let at = 1; at < 20; at++) await store.settle(receipt(`early ${at}`))
    expect(store.spoolCounts().entries).toBe(20)
    cluster.away = true
    const full = ['INSERT ON entry', 'DELETE ON entry', 'UPDATE ON probe']
    for (const [at, what] of full.entries())
      db.run(`CREATE TEMP TRIGGER full_${at} BEFORE ${what} BEGIN SELECT RAISE(ABORT, 'no room'); END`)
    await expect(store.save(message())).rejects.toThrow('the store did not take it')
    expect(store.fault()).toBe('the database refuses to write')
    cluster.away = false
    await inTime(() => store.fault() === undefined && store.spoolCounts().replayed >= 3)
    expect(store.warning()).toBe('the spool takes no writes: the database refuses to write')
    const one = await store.save(message())
    expect(await stateKept(one)).toBe('submitted')
    expect((await kept.unmatched(ALL)).total).toBeLessThan(20)
    for (const at of full.keys()) db.run(`DROP TRIGGER full_${at}`)
    await drained()
    expect(new Set((await kept.unmatched(ALL)).rows.map(({ ids }) => ids[0])).size).toBe(20)
  })

  test('keeps the order of two receipts though the first is still on its way to the disk', async () => {
    const one = await store.save(message())
    /** Within this turn of the loop: the disk comes after it. */
    const soon = async (reached: () => boolean) => {
      for (let times = 0; times < 1000 && !reached(); times++) await null
      expect(reached()).toBe(true)
    }
    cluster.failures.push('hang', 'before')
    const saving = store.save(message())
    await until(() => cluster.hanging > 0)
    const first = store.settle(receipt(smscId(one), { state: 'undeliverable' }))
    await soon(() => store.warning() !== undefined)
    // A write that is answered shows that the cluster is well, and nothing is in the spool yet.
    cluster.thaw()
    await soon(() => store.warning() === undefined)
    await Promise.all([saving, first, store.settle(receipt(smscId(one)))])
    await drained()
    expect(await stateKept(one)).toBe('failed')
  })

  test('that could not take a write takes the next', async () => {
    await store.close()
    const db = new Database(join(folder, 'spool.db'))
    const sync = (done: (error: null) => void) => setImmediate(done, null)
    store = await open({ spool: new SqliteSpool(db, { sync, close() {} }, clock) })
    cluster.away = true
    db.run("CREATE TEMP TRIGGER full BEFORE INSERT ON entry_key BEGIN SELECT RAISE(ABORT, 'no room'); END")
    await expect(store.save(message())).rejects.toThrow('the store did not take it')
    db.run('DROP TRIGGER full')
    await store.save(message())
    expect(store.spoolCounts().entries).toBe(1)
  })

  test.each(['entry', 'life'])('whose %s is damaged is named at the start', async table => {
    cluster.away = true
    await store.save(message())
    await store.close()
    const path = join(folder, 'spool.db')
    damage(path, table)
    await expect(open()).rejects.toThrow(
      `${path} cannot be used: the database is damaged: restore it from a backup`,
    )
  })

  test('that cannot take what the cluster just failed keeps nothing else from the cluster', async () => {
    await store.close()
    const db = new Database(join(folder, 'spool.db'))
    const sync = (done: (error: null) => void) => setImmediate(done, null)
    store = await open({ spool: new SqliteSpool(db, { sync, close() {} }, clock) })
    db.run("CREATE TEMP TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'no room'); END")
    cluster.failures.push('before')
    await expect(store.save(message())).rejects.toThrow('the store did not take it')
    await inTime(() => store.fault() === undefined)
    await store.save(message())
    expect(await kept.totals()).toEqual({ messages: 1 })
  })

  test('outlives its process, and is told to the cluster by the next', async () => {
    cluster.away = true
    const one = await store.save(message())
    await store.settle(receipt(smscId(one)))
    await store.close()
    expect(said.filter(line => line.startsWith('all that was spooled'))).toEqual([])
    store = await open({ reach: unreachable })
    expect((await store.find(one.id))?.state).toBe('delivered')
    await store.close()
    cluster.away = false
    store = await open()
    expect(said.at(-1)).toContain('spooled in an earlier life')
    await drained()
    expect(await stateKept(one)).toBe('delivered')
  })

  test('that was replayed before a crash could remove it is told again, and nothing is counted twice', async () => {
    cluster.away = true
    const one = await store.save(message())
    const two = await store.save(unanswered('unknown'))
    await store.resolve(late(two, '88'))
    await store.settle(receipt(smscId(one)))
    await store.keepInbound(segment(1, 'a'))
    await store.close()
    const copy = new Database(join(folder, 'spool.db'))
    const entries = copy.query('SELECT seq, write, at FROM entry').values()
    const keys = copy.query('SELECT key, seq FROM entry_key').values()
    copy.close()
    cluster.away = false
    store = await open()
    await drained()
    await store.close()
    const again = new Database(join(folder, 'spool.db'))
    for (const row of entries)
      again.query('INSERT INTO entry (seq, write, at) VALUES (?,?,?)').run(...(row as []))
    for (const row of keys) again.query('INSERT INTO entry_key VALUES (?,?)').run(...(row as []))
    again.close()
    store = await open()
    expect(store.spoolCounts().entries).toBe(5)
    await drained()
    expect(await counted()).toEqual([[2, 0]])
    expect(await Promise.all([one, two].map(stateKept))).toEqual(['delivered', 'submitted'])
    expect((await kept.inbox(ALL)).rows.map(({ parts }) => parts)).toEqual([['a', null, null]])
    expect((await kept.unmatched(ALL)).total).toBe(0)
  })

  test('says how long its first entry has waited', async () => {
    cluster.away = true
    await store.save(message())
    await clock.advance(90_000)
    await store.save(message())
    expect(store.spoolCounts()).toMatchObject({ entries: 2, ageMs: 90_000 })
  })
})

describe('a start with the cluster away', () => {
  test('is refused to a gateway that never had a number, and to one whose cluster is not as it has to be', async () => {
    await store.close()
    await expect(open({ instance: 'another', reach: unreachable })).rejects.toThrow('cannot be opened')
    const misled = () => Promise.reject(new StoreError('the Aerospike cluster has no namespace "sms"'))
    await expect(open({ reach: misled })).rejects.toThrow('no namespace')
  })

  test('takes messages under the number it had, ends what a crash left open when the cluster is back, then takes keys', async () => {
    const begun = unanswered('accepted')
    await store.claim(claim('k'), begun)
    await store.close()
    let reachable = false
    const reach = async () => (reachable ? cluster : unreachable())
    store = await open({ reach })
    expect(store.node).toBe(0)
    expect(await store.recover(Number.MAX_SAFE_INTEGER)).toBe(0)
    expect(store.fault()).toBeUndefined()
    const one = await store.save(message())
    await expect(store.recall(claim('k'))).rejects.toThrow('it alone knows the keys')
    await expect(store.find(begun.id)).rejects.toThrow(AWAY)
    await expect(store.sweep(clock.now())).rejects.toThrow(AWAY)
    // The first try to end what was left open is lost.
    cluster.failures.push('before')
    reachable = true
    await inTime(() => cluster.failures.length === 0)
    await expect(store.recall(claim('k'))).rejects.toThrow('it alone knows the keys')
    await drained()
    expect(await stateKept(one)).toBe('submitted')
    expect(await stateKept(begun)).toBe('unknown')
    expect(cluster.heard.lastIndexOf('recover')).toBeLessThan(cluster.heard.indexOf(`save ${one.id}`))
    expect(await counted()).toEqual([[1, 1]])
    expect(await store.recall(claim('k'))).toMatchObject({ message: { state: 'unknown' } })
  })

  test('that ends while the cluster is being opened closes it again', async () => {
    await store.close()
    const { promise: reached, resolve: reach } = Promise.withResolvers<FlakyCluster>()
    let asked = 0
    store = await open({ reach: () => (++asked === 1 ? unreachable() : reached) })
    await inTime(() => asked === 2)
    const closing = store.close()
    await later()
    let closed = false
    cluster.close = async () => {
      closed = true
    }
    reach(cluster)
    await closing
    expect(closed).toBe(true)
  })

  test('is under the number that the gateway had last', async () => {
    await store.close()
    await (await open({ reach: async () => new FlakyCluster(kept, 5) })).close()
    store = await open({ reach: unreachable })
    expect(store.node).toBe(5)
  })

  test('whose number another gateway has by then takes no more, says so, and keeps what it spooled', async () => {
    await store.close()
    let reachable = false
    let asked = 0
    const taken = new FlakyCluster(kept, 1)
    store = await open({ reach: async () => (++asked && reachable ? taken : unreachable()) })
    await store.save(message())
    reachable = true
    await clock.advance(1000)
    await until(() => store.fault() !== undefined)
    expect(store.fault()).toContain('another gateway has taken the place')
    expect(store.spoolCounts().entries).toBe(1)
    // It asks for no other number.
    const before = asked
    await clock.advance(5000)
    expect(asked).toBe(before)
  })
})

test('whatever is lost, whenever, the cluster ends as the contract read word by word says', async () => {
  const step = fc.record({
    op: fc.constantFrom('save', 'settle', 'resolve', 'tick'),
    slot: fc.nat({ max: 5 }),
    state: fc.constantFrom('accepted', 'delivered', 'undeliverable'),
    failures: fc.array(fc.constantFrom<(Failure | undefined)[]>('before', 'after', undefined), {
      maxLength: 4,
    }),
    away: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const at = mkdtempSync(join(tmpdir(), 'spool-'))
      const cluster = new FlakyCluster(
        await openSqliteStore({ path: join(at, 'kept.db'), clock, retentionMs: 86_400_000 }),
      )
      const log = { info() {}, warn() {}, error() {} }
      const spool = openSpool(join(at, 'spool.db'), clock)
      const one = await openSpooledStore({
        ...{ spool, open: async () => cluster, instance: 'x', entriesMax: 1000, clock, log },
      })
      const model = new StoreModel()
      const outcomes = Array.from({ length: 6 }, (_, slot) => {
        const part =
          slot < 4
            ? { smscId: `${slot}`, state: 'submitted' as const }
            : { smscId: '', state: 'unknown' as const }
        const parts = [{ ...part, account: ACCOUNT, error: 0 }]
        return message({ parts, state: stateOf(parts), campaign: `c${slot % 2}` })
      })
      try {
        const saved = new Set<string>()
        for (const { op, slot, state, failures, away } of steps) {
          const outcome = outcomes[slot] as Message
          cluster.away = away
          cluster.failures.splice(0, cluster.failures.length, ...failures)
          if (op === 'save' && !saved.has(outcome.id)) {
            saved.add(outcome.id)
            await one.save(outcome)
            model.save(outcome)
          } else if (op === 'settle') {
            const told = receipt(String(slot), { state: state as 'accepted' })
            await one.settle(told)
            model.settle(told)
          } else if (op === 'resolve') {
            await one.resolve(late(outcome, String(slot)))
            model.resolve(late(outcome, String(slot)))
          } else await clock.advance(1000)
        }
        cluster.away = false
        cluster.failures.length = 0
        await drained(one)
        for (const { id } of outcomes) expect(await cluster.find(id)).toEqual(model.messages.get(id))
        expect((await cluster.campaigns(ALL)).rows).toEqual(model.tallies())
        // One that was in doubt may wait twice.
        const waiting = (await cluster.unmatched(ALL)).rows.map(row => JSON.stringify(row))
        expect(new Set(waiting)).toEqual(new Set(model.held.map(row => JSON.stringify(row))))
      } finally {
        await one.close()
        rmSync(at, { recursive: true })
      }
    }),
    { numRuns: 100 },
  )
}, 240_000)
