import type { Database } from 'bun:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import type { Message, Part } from '../../src/message.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'
import { openLog } from '../../src/store/sqlite_log.ts'
import { openDatabase } from '../../src/store/sqlite_schema.ts'
import type { StoredReceipt } from '../../src/store/store.ts'
import { TurnedClock } from '../support/clock.ts'
import { inboundOf, messageOf } from '../support/message.ts'

const ACCOUNT = 'a:1/x'
const ALL = { offset: 0, limit: 100 }

let folder: string
let clock: TurnedClock
let db: Database
let store: SqliteStore

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'))
  clock = new TurnedClock(Date.now())
  open()
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

function open(limits: { heldMax?: number; sweepRowsMax?: number } = {}): void {
  const path = join(folder, 'sms.db')
  db = openDatabase(path)
  store = new SqliteStore({ path, clock, retentionMs: 3600_000, ...limits }, db, openLog(path))
}
async function reopen(limits: { heldMax?: number; sweepRowsMax?: number } = {}): Promise<void> {
  await store.close()
  open(limits)
}

const ids = createIds(systemClock, systemRandom)
const part = (smscId: string, account = ACCOUNT): Part => ({ state: 'submitted', smscId, account, error: 0 })
const message = (parts: readonly Part[] = [part('1')], over: Partial<Message> = {}): Message =>
  messageOf(1, { id: ids.messageId(), taskId: ids.taskId(), parts }, over)
/** None that SQLite takes. */
const wrong = (): Message => message([part('9')], { taskId: Number.NaN })
const receiptFor = ({ destination: address, parts }: Message): StoredReceipt => ({
  ...{ account: ACCOUNT, ids: [parts[0]?.smscId ?? ''], address, state: 'delivered', error: 0, at: 2 },
})

describe('in one batch with the message', () => {
  test('a receipt that is wrong in itself is refused alone', async () => {
    const sent = message()
    const [saved, settled] = await Promise.allSettled([
      store.save(sent),
      store.settle({ ...receiptFor(sent), at: Number.NaN }),
    ])
    expect([saved.status, settled.status]).toEqual(['fulfilled', 'rejected'])
    expect(await store.find(sent.id)).toEqual(sent)
    expect(store.fault()).toBeUndefined()
  })

  test('a receipt takes the newer of two with its id, in whatever order they are saved', async () => {
    const [older, newer] = [message(), message()]
    const [, , settled] = await Promise.all([
      store.save(newer),
      store.save(older),
      store.settle(receiptFor(older)),
    ])
    expect(settled).toMatchObject({ matched: true, message: { id: newer.id, state: 'delivered' } })
    expect(await store.find(older.id)).toEqual(older)
  })

  test.each([false, true])(
    'a receipt takes the newer of two with its id, also where a late answer named that; in an earlier batch: %p',
    async earlier => {
      const [older, newer] = [message(), message([part('')], { state: 'accepted' })]
      await store.claim(
        { appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: clock.now() + 1 },
        newer,
      )
      await store.recover(clock.now() + 1)
      const late = { messageId: newer.id, part: 0, state: 'submitted', smscId: '1', error: 0, at: 2 } as const
      const resolved = store.resolve(late)
      if (earlier) await resolved
      const [, settled] = await Promise.all([store.save(older), store.settle(receiptFor(older)), resolved])
      expect(settled).toMatchObject({ matched: true, message: { id: newer.id } })
      expect(await store.find(older.id)).toEqual(older)
    },
  )

  test('a receipt takes the newer of two with its id, also where a sweep comes between them', async () => {
    const [older, newer] = [message(), message()]
    const asked = [store.save(newer), store.sweep(clock.now()), store.save(older)]
    const [settled] = await Promise.all([store.settle(receiptFor(older)), ...asked])
    expect(settled).toMatchObject({ matched: true, message: { id: newer.id } })
  })

  test('a receipt finds its part of several', async () => {
    const sent = message([part('1'), part('2')])
    const [, settled] = await Promise.all([
      store.save(sent),
      store.settle({ ...receiptFor(sent), ids: ['2'] }),
    ])
    expect(settled).toMatchObject({ matched: true, part: 1 })
    expect((await store.find(sent.id))?.parts.map(({ state }) => state)).toEqual(['submitted', 'delivered'])
  })

  test.each([[['1']], [['f', '1']]])('the first of two receipts stays, told by %j', async ids => {
    const sent = message()
    await Promise.all([
      store.save(sent),
      store.settle({ ...receiptFor(sent), ids, state: 'undeliverable' }),
      store.settle(receiptFor(sent)),
    ])
    expect((await store.find(sent.id))?.state).toBe('failed')
  })

  test('a receipt of another account is another message’s', async () => {
    const sent = message()
    const [, settled] = await Promise.all([
      store.save(sent),
      store.settle({ ...receiptFor(sent), account: 'other:1/x' }),
    ])
    expect(settled).toEqual({ matched: false })
    expect(await store.find(sent.id)).toEqual(sent)
  })

  test('a receipt of another handset takes the older message to that', async () => {
    const [older, sent] = [message(), message([part('1')], { destination: '33612345678' })]
    await store.save(older)
    const [, settled] = await Promise.all([store.save(sent), store.settle(receiptFor(older))])
    expect(settled).toMatchObject({ matched: true, message: { id: older.id } })
    expect(await store.find(sent.id)).toEqual(sent)
  })

  test('who asks before a receipt is told of the time before it', async () => {
    const sent = message()
    const late = { messageId: sent.id, part: 0, state: 'submitted', smscId: '2', error: 0, at: 2 } as const
    const [saved, resolved, settled] = await Promise.all([
      store.save(sent),
      store.resolve(late),
      store.settle(receiptFor(sent)),
    ])
    expect([saved, resolved]).toEqual([sent, sent])
    expect(settled).toMatchObject({ matched: true, message: { state: 'delivered' } })
  })
})

describe('a write that is refused', () => {
  test('takes no receipt from its neighbour that came in one batch with its message', async () => {
    const sent = message()
    const [, settled, refused] = await Promise.allSettled([
      store.save(sent),
      store.settle(receiptFor(sent)),
      store.save(wrong()),
    ])
    expect([settled, refused]).toMatchObject([{ value: { matched: true } }, { status: 'rejected' }])
    expect((await store.find(sent.id))?.state).toBe('delivered')
  })

  test('leaves a receipt in its batch applied, of a message that waits for more', async () => {
    const sent = await store.save(message([part('1'), part('2')]))
    await Promise.allSettled([store.settle(receiptFor(sent)), store.save(wrong())])
    expect((await store.find(sent.id))?.parts.map(({ state }) => state)).toEqual(['delivered', 'submitted'])
  })

  test('leaves an account known that its batch was the first to name', async () => {
    const sent = message([part('1', 'new:1/x')])
    await Promise.allSettled([store.save(sent), store.save(wrong())])
    await reopen()
    expect(await store.find(sent.id)).toEqual(sent)
  })
})

test.each([false, true])(
  'a receipt in one batch with its message takes a newer one of an earlier batch; of an earlier life: %p',
  async earlierLife => {
    const [older, newer] = [message(), message()]
    await store.save(newer)
    if (earlierLife) await reopen()
    const [, settled] = await Promise.all([store.save(older), store.settle(receiptFor(older))])
    expect(settled).toMatchObject({ matched: true, message: { id: newer.id } })
    expect(await store.find(older.id)).toEqual(older)
  },
)

test('receipts that found their message make room for others', async () => {
  await reopen({ heldMax: 2 })
  for (const key of ['1', '2']) await store.settle(receiptFor(message([part(key)])))
  for (const key of ['1', '2']) await store.save(message([part(key)]))
  for (const key of ['3', '4']) await store.settle(receiptFor(message([part(key)])))
  expect((await store.unmatched(ALL)).rows.map(row => row.ids[0])).toEqual(['4', '3'])
})

test('of hundreds of receipts that wait under one id a message takes the newest: an SMSC may always answer the same', async () => {
  const sent = message([part('same')])
  const receipt = receiptFor(sent)
  await Promise.all(
    Array.from({ length: 200 }, (_, at) =>
      store.settle({ ...receipt, state: at < 100 ? 'rejected' : 'delivered' }),
    ),
  )
  expect((await store.save(sent)).state).toBe('delivered')
  expect((await store.unmatched(ALL)).total).toBe(136)
})

describe('a sweep', () => {
  /** Of everything three, past their time. */
  async function filled(): Promise<void> {
    for (const key of ['1', '2', '3']) {
      await store.save(message([part(key), { ...part(''), state: 'unknown' }]))
      const claim = { appId: 1, key, bodyHash: new Uint8Array(32), expiresAt: clock.now() + 1000 }
      await store.claim(claim, message([{ ...part(''), state: 'accepted' }]))
      await store.keepInbound(inboundOf(clock.now(), { id: ids.messageId(), account: ACCOUNT, text: key }))
      await store.settle(receiptFor(message([part(`none ${key}`)])))
    }
    clock.skip(48 * 3600_000)
  }
  const rows = (table: string) => Number(db.query(`SELECT count(*) FROM ${table}`).values()[0]?.[0])

  test('removes no more rows at once than it is told, and ends with all of them', async () => {
    await reopen({ sweepRowsMax: 2 })
    await filled()
    const all = () => ['message', 'smsc_id', 'claim', 'inbound', 'held'].map(rows).reduce((a, b) => a + b)
    let swept = 0
    for (let before = all(); before > 0; before = all()) {
      swept += await store.sweep(clock.now())
      expect(before - all()).toBeWithin(1, 3)
    }
    expect(await store.sweep(clock.now())).toBe(0)
    expect(swept).toBe(15)
  })

  test('removes a message of more parts than that by itself', async () => {
    await reopen({ sweepRowsMax: 4 })
    for (const key of ['a', 'b', 'c'])
      await store.save(message(Array.from({ length: 5 }, (_, at) => part(`${key}${at}`))))
    clock.skip(48 * 3600_000)
    for (const left of [10, 5, 0]) {
      expect([await store.sweep(clock.now()), rows('smsc_id')]).toEqual([1, left])
    }
  })

  test('leaves nothing in the file of what is past its time', async () => {
    await filled()
    while ((await store.sweep(clock.now())) > 0);
    const tables = ['message', 'smsc_id', 'claim', 'inbound', 'held', 'held_key']
    expect(tables.map(rows)).toEqual(tables.map(() => 0))
  })
})
