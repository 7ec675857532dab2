import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'
import { SqliteAccounts } from '../../src/store/sqlite_accounts.ts'
import { openLog } from '../../src/store/sqlite_log.ts'
import { SqliteReader } from '../../src/store/sqlite_reader.ts'
import { openDatabase } from '../../src/store/sqlite_schema.ts'
import { SqliteWriter } from '../../src/store/sqlite_writer.ts'
import { type MessageStore, OTHER_CAMPAIGNS } from '../../src/store/store.ts'
import { TurnedClock } from '../support/clock.ts'
import { inboundOf, messageOf } from '../support/message.ts'
import { quickestMs } from '../support/quickest.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const ids = createIds(systemClock, systemRandom)
function open(talliesMax?: number) {
  const path = join(folder, 'sms.db')
  const db = openDatabase(path)
  const few = talliesMax === undefined ? {} : { talliesMax }
  const options = { path, clock: new TurnedClock(), retentionMs: 3600_000, ...few }
  return { db, store: new SqliteStore(options, db, openLog(path)) }
}

/** What it answers, and how often the loop turned until then. */
async function turning<T>(work: Promise<T>): Promise<[T, number]> {
  let turns = 0
  let next = setImmediate(function turn() {
    turns++
    next = setImmediate(turn)
  })
  const answer = await work
  clearImmediate(next)
  return [answer, turns]
}

/** Offsets around the steps of a way down. */
const DEEP = [0, 1, 1999, 2000, 2001, 4000, 4001, 8998]

test('on the way to a deep page of the inbox the loop turns, and a page past the end takes no way', async () => {
  const { db, store } = open()
  db.run(`WITH RECURSIVE each(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM each WHERE n < 9000)
    INSERT INTO inbound (id, account, link, source, destination, received_at, parts)
    SELECT unhex(printf('%032x', n)), 'a:1/x', 1, '447700900123', '12345', n, '["hello"]' FROM each`)
  const at = async (offset: number) => {
    const [{ rows, total }, turns] = await turning(store.inbox({ offset, limit: 2 }))
    return { turns, total, times: rows.map(({ receivedAt }) => receivedAt) }
  }
  for (const offset of DEEP) expect((await at(offset)).times).toEqual([9000 - offset, 8999 - offset])
  expect((await at(8998)).turns).toBeGreaterThanOrEqual(4)
  expect(await at(9000)).toEqual({ turns: 0, total: 9000, times: [] })
  await store.close()
})

test('nor does one of the campaigns hold up the loop, be they smes of one or ones of one sme', async () => {
  const { db, store } = open()
  db.run(`WITH RECURSIVE each(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM each WHERE n < 8999)
    INSERT INTO tally (campaign, sme, sent, failed) SELECT printf('c%05d', n / 3000 * n), n, n, 0 FROM each`)
  db.run('UPDATE total SET tallies = 9000')
  const at = async (offset: number) => {
    const [{ rows, total }, turns] = await turning(store.campaigns({ offset, limit: 2 }))
    return { turns, total, smes: rows.map(({ sme }) => sme) }
  }
  for (const offset of DEEP) expect((await at(offset)).smes).toEqual([offset, offset + 1])
  expect((await at(8998)).turns).toBeGreaterThanOrEqual(4)
  expect(await at(8999)).toMatchObject({ total: 9000, smes: [8999] })
  expect(await at(9000)).toEqual({ turns: 0, total: 9000, smes: [] })
  await store.close()
})

const save = (store: MessageStore, campaign: string, esme: number, state: 'submitted' | 'unknown') => {
  const parts = [{ state, smscId: state === 'unknown' ? '' : '1', account: 'a:1/x', error: 0 }]
  const message = messageOf(1, { id: ids.messageId(), taskId: ids.taskId(), state, parts })
  return store.save({ ...message, campaign, esme })
}

async function rowsOf(store: MessageStore): Promise<string[]> {
  const { rows, total } = await store.campaigns({ offset: 0, limit: 10 })
  expect(total).toBe(rows.length)
  return rows.map(({ campaign, sme, sent, failed }) => `${campaign} ${sme}: ${sent}, ${failed}`)
}

test('past so many campaigns new ones are counted together, each sme apart; one that has its row goes on in it', async () => {
  const { store } = open(2)
  for (const campaign of ['a', 'b', 'c', 'd', 'a']) await save(store, campaign, 1, 'submitted')
  await save(store, 'b', 2, 'submitted')
  await Promise.all([save(store, 'e', 1, 'unknown'), save(store, 'f', 2, 'unknown')])
  const apart = ['a 1: 2, 0', 'b 1: 1, 0']
  expect(await rowsOf(store)).toEqual([
    ...[`${OTHER_CAMPAIGNS} 1: 2, 1`, `${OTHER_CAMPAIGNS} 2: 1, 1`],
    ...apart,
  ])
  expect(await store.totals()).toEqual({ messages: 8 })
  expect(await store.topCampaigns(1)).toEqual([{ campaign: OTHER_CAMPAIGNS, messages: 5 }])
  await store.close()

  const again = open(2).store
  await save(again, 'g', 1, 'submitted')
  expect(await rowsOf(again)).toEqual([
    ...[`${OTHER_CAMPAIGNS} 1: 3, 1`, `${OTHER_CAMPAIGNS} 2: 1, 1`],
    ...apart,
  ])
  await again.close()
})

test('a message that is counted together with others moves there when its outcome is known', async () => {
  const { store } = open(0)
  const { id } = await save(store, 'a', 1, 'unknown')
  expect(await rowsOf(store)).toEqual([`${OTHER_CAMPAIGNS} 1: 0, 1`])
  await store.resolve({ messageId: id, part: 0, state: 'submitted', smscId: '7', error: 0, at: 1 })
  expect(await rowsOf(store)).toEqual([`${OTHER_CAMPAIGNS} 1: 1, 0`])
  await store.close()
})

test('the number of campaigns is counted once in a file that has none yet', async () => {
  const { db, store: before } = open()
  for (const campaign of ['a', 'b']) await save(before, campaign, 1, 'submitted')
  // As the version before left it.
  db.run('ALTER TABLE total DROP COLUMN tallies')
  db.run('PRAGMA user_version = 4')
  await before.close()
  const { store } = open()
  await save(store, 'c', 1, 'submitted')
  expect(await rowsOf(store)).toEqual(['a 1: 1, 0', 'b 1: 1, 0', 'c 1: 1, 0'])
  await store.close()
})

test('a segment is not looked for among all that a handset ever sent with its reference', () => {
  const { db } = open()
  const accounts = new SqliteAccounts(db)
  const limits = { retentionMs: 30 * 24 * 3600_000, heldMax: 1, sweepRowsMax: 1, talliesMax: 1 }
  const writer = new SqliteWriter(db, accounts, new SqliteReader(db, accounts), limits)
  const now = Date.now()
  // Ten seconds apart, the last of them two hours ago.
  db.run(
    `WITH RECURSIVE each(n, at) AS (SELECT 1, ?1 UNION ALL SELECT n + 1, at - 10000 FROM each WHERE n < 200000)
     INSERT INTO inbound (id, account, link, source, destination, reference, received_at, parts)
     SELECT unhex(printf('%012x%020x', at, n)), 'a:1/x', 1, '447700900123', '12345', 7, at, '["one",null]' FROM each`,
    [now - 2 * 3600_000],
  )
  const segment = { reference: 7, total: 2, part: 1 }
  const tookMs = quickestMs(() => {
    const inbound = inboundOf(now, { id: ids.messageId(), account: 'a:1/x', text: 'one' }, { segment })
    writer.run([{ op: 'keepInbound', inbound }], now)
  })
  expect(tookMs).toBeLessThan(50)
  db.close()
})
