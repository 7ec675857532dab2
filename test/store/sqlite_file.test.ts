import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import type { Message } from '../../src/message.ts'
import { openSqliteStore, SqliteStore } from '../../src/store/sqlite.ts'
import { fitCache } from '../../src/store/sqlite_file.ts'
import { type Log, openLog } from '../../src/store/sqlite_log.ts'
import { openDatabase } from '../../src/store/sqlite_schema.ts'
import { type MessageStore, StoreError } from '../../src/store/store.ts'
import { TurnedClock } from '../support/clock.ts'
import { damage } from '../support/damage.ts'
import { inboundOf, messageOf } from '../support/message.ts'

let folder: string
let path: string
let clock: TurnedClock

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'))
  path = join(folder, 'sms.db')
  clock = new TurnedClock()
})
afterEach(() => rmSync(folder, { recursive: true }))

const ids = createIds(systemClock, systemRandom)
const open = (pendingMax?: number): Promise<MessageStore> =>
  openSqliteStore({ path, clock, retentionMs: 3600_000, ...(pendingMax === undefined ? {} : { pendingMax }) })
const refusal = (): Promise<string> =>
  open().then(
    () => 'opened',
    error => (error instanceof StoreError ? error.message : `not a StoreError: ${error}`),
  )
const message = (transactionId = ''): Message => {
  const parts = [{ state: 'submitted', smscId: '1', account: 'a:1/x', error: 0 }] as const
  return messageOf(1, { id: ids.messageId(), taskId: ids.taskId(), parts, transactionId })
}

const openWithDatabase = (log?: Log) => {
  const db = openDatabase(path)
  return { db, store: new SqliteStore({ path, clock, retentionMs: 3600_000 }, db, log ?? openLog(path)) }
}
/** The disk answers outside the turned clock. */
async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise<void>(resolve => setImmediate(resolve))
}

test('a promise resolves after the fsync that follows its commit, and the next batch waits for it', async () => {
  const syncs: (() => void)[] = []
  const { store } = openWithDatabase({ sync: done => void syncs.push(() => done(null)), close: () => {} })
  let kept = 0
  const save = () => void store.save(message()).then(() => kept++)
  save()
  save()
  await clock.settle()
  expect([syncs.length, kept]).toEqual([1, 0])
  save()
  await clock.settle()
  expect([syncs.length, kept]).toEqual([1, 0])
  syncs[0]?.()
  await clock.settle()
  expect([syncs.length, kept]).toEqual([2, 2])
  syncs[1]?.()
  await clock.settle()
  expect(kept).toBe(3)
  await store.close()
})

test('who is told of a message under his key is told so once it is on disk', async () => {
  const syncs: (() => void)[] = []
  const { store } = openWithDatabase({ sync: done => void syncs.push(() => done(null)), close: () => {} })
  const claim = { appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: clock.now() + 1000 }
  const [begun, told] = [message(), [] as string[]]
  void store.claim(claim, begun).then(() => told.push('claimed'))
  await clock.settle()
  void store.recall(claim).then(earlier => told.push(`recalled ${earlier?.message?.id}`))
  await clock.settle()
  expect(told).toEqual([])
  for (let at = 0; at < 2; at++) {
    syncs[at]?.()
    await clock.settle()
  }
  expect(told).toEqual(['claimed', `recalled ${begun.id}`])
  await store.close()
})

test('a store that is closed while its disk is busy waits for that, and leaves no timer and no file open', async () => {
  const syncs: (() => void)[] = []
  let letGo = 0
  const close = () => void letGo++
  const { store, db } = openWithDatabase({ sync: done => void syncs.push(() => done(null)), close })
  db.run('PRAGMA query_only = ON')
  await expect(store.save(message())).rejects.toBeInstanceOf(StoreError)
  db.run('PRAGMA query_only = OFF')
  const saving = store.save(message())
  await clock.settle()
  let closed = false
  const closing = store.close().then(() => {
    closed = true
  })
  await clock.settle()
  expect([syncs.length, closed]).toEqual([1, false])
  syncs[0]?.()
  await Promise.all([saving, closing])
  expect([clock.timers, letGo]).toEqual([0, 1])
})

test('under load a commit waits for company, and nobody who comes alone does', async () => {
  const paced = openDatabase(path)
  const options = { path, clock, retentionMs: 3600_000, paceMs: 2 }
  const store = new SqliteStore(options, paced, { sync: done => done(null), close: () => {} })
  let kept = 0
  const save = (count: number) => {
    for (let times = 0; times < count; times++) void store.save(message()).then(() => kept++)
  }
  save(1)
  await clock.settle()
  save(40)
  await clock.settle()
  expect(kept).toBe(41)
  save(1)
  await clock.settle()
  save(1)
  await clock.advance(1)
  expect(kept).toBe(41)
  await clock.advance(1)
  expect(kept).toBe(43)
  save(1)
  await clock.settle()
  expect(kept).toBe(44)
  await store.close()
  expect(clock.timers).toBe(0)
})

test('the file and its log are for their owner alone, also where an earlier one was not', async () => {
  writeFileSync(path, '')
  chmodSync(path, 0o644)
  const store = await open()
  expect([path, `${path}-wal`].map(each => statSync(each).mode & 0o777)).toEqual([0o600, 0o600])
  await store.close()
})

test('after an fsync that failed nothing is promised any more until a restart', async () => {
  // The kernel forgets what it could not write, and has no more to tell of it.
  const answers = [new Error('EIO')]
  const { store } = openWithDatabase({ sync: done => done(answers.pop() ?? null), close: () => {} })
  await expect(store.save(message())).rejects.toBeInstanceOf(StoreError)
  expect(store.fault()).toBe('the disk lost a write: restart when it is sound')
  await clock.advance(5000)
  await expect(store.save(message())).rejects.toBeInstanceOf(StoreError)
  expect(store.fault()).toBe('the disk lost a write: restart when it is sound')
  expect(clock.timers).toBe(0)
  await store.close()
})

test('kill -9 in mid-traffic loses nothing that resolved, and counts what is there', async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'sqlite_traffic.ts'), path], {
    stdout: 'pipe',
    stderr: 'inherit',
  })
  let heard = ''
  const decoder = new TextDecoder()
  for await (const octets of child.stdout) {
    heard += decoder.decode(octets, { stream: true })
    if (!child.killed && heard.length > 200_000) child.kill('SIGKILL')
  }
  await child.exited
  const lines = heard.slice(0, heard.lastIndexOf('\n')).split('\n')
  expect(lines.length).toBeGreaterThan(1000)

  const store = await open()
  for (const line of lines) {
    const [what, id = ''] = line.split(' ')
    const found = await store.find(id)
    expect(found?.id).toBe(id)
    if (what === 'settled') expect(found?.state).toBe('delivered')
  }
  const [tally] = (await store.campaigns({ offset: 0, limit: 1 })).rows
  await store.close()
  const db = new Database(path, { readonly: true })
  const stored = Number(db.query('SELECT count(*) FROM message').values()[0]?.[0])
  expect(db.query('PRAGMA integrity_check').values()).toEqual([['ok']])
  db.close()
  expect(tally).toMatchObject({ sent: stored, failed: 0 })
}, 240_000)

test('a second process on the file is refused with its reason', async () => {
  const store = await open()
  const script = join(import.meta.dir, 'sqlite_traffic.ts')
  const second = Bun.spawnSync([process.execPath, script, path], { timeout: 10_000 })
  expect(second.exitCode).not.toBe(0)
  expect(second.stderr.toString()).toContain('another process has it open')
  await store.save(message())
  await store.close()
  expect(await refusal()).toBe('opened')
})

test('a file that is no database, another program’s, or from the future is refused and left alone', async () => {
  writeFileSync(path, 'id,text\n'.repeat(1000))
  expect(await refusal()).toContain('is no SQLite database')
  expect(await Bun.file(path).text()).toBe('id,text\n'.repeat(1000))

  rmSync(path)
  const foreign = new Database(path)
  foreign.run('CREATE TABLE recipe (name TEXT)')
  foreign.close()
  expect(await refusal()).toContain("another program's database")

  rmSync(path)
  const store = await open()
  await store.close()
  const newer = new Database(path)
  const version = Number(newer.query('PRAGMA user_version').values()[0]?.[0])
  newer.run('PRAGMA user_version = 99')
  newer.close()
  expect(await refusal()).toContain('written by a newer version of this program (schema 99')

  // A refusal holds no file, as whoever mends it has to see.
  const mended = new Database(path)
  mended.run(`PRAGMA user_version = ${version}`)
  mended.close()
  expect(await refusal()).toBe('opened')
})

test('what the log is cut of was synced to the file before, so that a power cut leaves no half of it', async () => {
  const { db, store } = openWithDatabase()
  // NORMAL, of which SQLite says just that (https://sqlite.org/pragma.html#pragma_synchronous).
  expect(db.query('PRAGMA synchronous').values()).toEqual([[1]])
  await store.close()
})

test('a folder that is not there is named', async () => {
  path = join(folder, 'absent', 'sms.db')
  expect(await refusal()).toBe(`${path} cannot be opened: check its folder and its permissions`)
})

test('a database that is damaged fails its calls with a StoreError, not with its content', async () => {
  const store = await open()
  for (let index = 0; index < 200; index++) await store.save(message('x'.repeat(200)))
  await store.close()
  const octets = await Bun.file(path).bytes()
  octets.fill(0x5a, 4096)
  await Bun.write(path, octets)
  expect(await refusal()).toContain('the database is damaged: restore it from a backup')
})

test('a full disk rejects the batch, says so, applies nothing, and is over when there is room', async () => {
  const { store, db } = openWithDatabase()
  const before = message()
  await store.save(before)
  const pages = Number(db.query('PRAGMA page_count').values()[0]?.[0])
  db.run(`PRAGMA max_page_count = ${pages + 2}`)
  const batch = Array.from({ length: 100 }, () => message('x'.repeat(1000)))
  const outcomes = await Promise.allSettled(batch.map(one => store.save(one)))
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'the store did not take it' } })
  }
  expect(store.fault()).toBe('the disk is full')
  for (const { id } of batch) expect(await store.find(id)).toBeUndefined()
  expect(await store.totals()).toEqual({ messages: 1 })
  expect(await store.find(before.id)).toEqual(before)

  db.run('PRAGMA max_page_count = 100000')
  const probed = clock.advance(1000)
  await until(() => store.fault() === undefined)
  await probed
  await Promise.all(batch.map(one => store.save(one)))
  expect(await store.totals()).toEqual({ messages: 101 })
  await store.close()
  expect(clock.timers).toBe(0)
})

test('a database that may not be written fails its writes and still answers', async () => {
  const { store, db } = openWithDatabase()
  const before = message()
  await store.save(before)
  db.run('PRAGMA query_only = ON')
  await expect(store.save(message())).rejects.toBeInstanceOf(StoreError)
  expect(store.fault()).toBe('the database is read-only: check its permissions')
  expect(await store.find(before.id)).toEqual(before)
  db.run('PRAGMA query_only = OFF')
  await store.save(message())
  expect(store.fault()).toBeUndefined()
  await store.close()
})

test('a file whose messages are damaged still takes what lies elsewhere', async () => {
  const store = await open()
  await store.save(message())
  await store.close()
  damage(path, 'message')
  const damaged = await open()
  await expect(damaged.save(message())).rejects.toBeInstanceOf(StoreError)
  const receipt = { account: 'a:1/x', ids: ['7'], address: '', state: 'delivered', error: 0, at: 1 } as const
  expect(await damaged.settle(receipt)).toEqual({ matched: false })
  await damaged.close()
})

test.each(['account', 'identity', 'copying', 'total'])(
  'a file whose %s is damaged is named at the start, and let go',
  async table => {
    const store = await open()
    await store.save(message())
    await store.close()
    const whole = readFileSync(path)
    damage(path, table)
    expect(await refusal()).toBe(`${path} cannot be used: the database is damaged: restore it from a backup`)
    writeFileSync(path, whole)
    await (await open()).close()
  },
)

test('past its limit a write is refused at once, and those that wait are kept', async () => {
  const store = await open(10)
  const asked = Array.from({ length: 12 }, () => store.save(message()))
  const outcomes = await Promise.allSettled(asked)
  expect(outcomes.map(({ status }) => status)).toEqual([
    ...Array(10).fill('fulfilled'),
    ...Array(2).fill('rejected'),
  ])
  expect(outcomes[10]).toMatchObject({ reason: { message: 'too many writes wait for the store' } })
  await store.save(message())
  expect(await store.totals()).toEqual({ messages: 11 })
  await store.close()
})

test('receipts that nobody asks for push out the oldest, so that a flood fills no disk', async () => {
  const store = await openSqliteStore({ path, clock, retentionMs: 3600_000, heldMax: 3 })
  for (const key of ['1', '2', '3', '4', '5']) {
    await store.settle({ account: 'a:1/x', ids: [key], address: '', state: 'delivered', error: 0, at: 1 })
  }
  const { rows } = await store.unmatched({ offset: 0, limit: 10 })
  expect(rows.map(row => row.ids[0])).toEqual(['5', '4', '3'])
  expect(await store.save(message())).toMatchObject({ state: 'submitted' })
  await store.close()
})

test('the number of MO messages is kept beside them, and counted once in a file that has none yet', async () => {
  const mo = () => inboundOf(clock.now(), { id: ids.messageId(), account: 'a:1/x', text: 'Hello' })
  const total = async (store: MessageStore) => (await store.inbox({ offset: 0, limit: 1 })).total
  const { db, store: before } = openWithDatabase()
  await Promise.all([before.keepInbound(mo()), before.keepInbound(mo())])
  // As the version before left it.
  for (const trigger of ['inbound_came', 'inbound_went']) db.run(`DROP TRIGGER ${trigger}`)
  for (const column of ['inbound', 'tallies']) db.run(`ALTER TABLE total DROP COLUMN ${column}`)
  db.run('PRAGMA user_version = 3')
  await before.close()

  const { db: file, store } = openWithDatabase()
  const kept = () => file.query('SELECT inbound FROM total').values()
  expect(kept()).toEqual([[2]])
  const third = mo()
  await store.keepInbound(third)
  await store.keepInbound(third)
  expect(kept()).toEqual([[3]])
  expect(await total(store)).toBe(3)
  expect(await store.sweep(systemClock.now() + 7200_000)).toBe(3)
  expect(await total(store)).toBe(0)
  await store.close()
})

test.each([
  ['a new file', 10, 16_000],
  ['a million messages', 40_000, 16_000],
  ['ten million', 400_000, 32_000],
  ['a hundred million', 4_000_000, 64_000],
])('the page cache follows the file: %s', (_, pages, kib) => {
  using db = new Database(path)
  const ran: string[] = []
  const values = (sql: string) => (sql.includes('page_count') ? [[pages]] : [[4096]])
  fitCache({ query: sql => ({ values: () => values(sql) }) as never, run: sql => ran.push(sql) as never })
  for (const sql of ran) db.run(sql)
  expect(db.query('PRAGMA cache_size').values()).toEqual([[-kib]])
})

test('the newest message is told to the next life, whatever came to the disk last', async () => {
  const store = await openSqliteStore({ path, clock, retentionMs: 3600_000 })
  expect(store.newest()).toBeUndefined()
  const [older, newer] = [message(), message()]
  await store.save(newer)
  await store.save(older)
  expect(store.newest()).toEqual({ id: newer.id, taskId: newer.taskId })
  await store.close()
})
