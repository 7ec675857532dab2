import { beforeEach, expect, test } from 'bun:test'
import { SqliteCommits } from '../../src/store/sqlite_commits.ts'
import { StoreError } from '../../src/store/store.ts'
import { TurnedClock } from '../support/clock.ts'

const PROBE = 'probe'

let clock: TurnedClock
let commits: SqliteCommits<string>
/** What the database was given, a batch each. */
let ran: string[][]
/** Of the next transactions, from the front: those that the database fails. */
let fails: boolean[]
/** Syncs under way, from the front. */
let syncs: ((error: Error | null) => void)[]
/** As `write kept` and `write refused`, in their order. */
let told: string[]

beforeEach(() => {
  clock = new TurnedClock()
  ran = []
  fails = []
  syncs = []
  told = []
  commits = new SqliteCommits<string>({
    run(writes) {
      if (fails.shift()) throw new Error('SQLITE_FULL')
      ran.push([...writes])
      return writes.map(write => ({ value: write }))
    },
    probe: PROBE,
    log: { sync: done => void syncs.push(done), close() {} },
    clock,
    pendingMax: 1000,
  })
})

function write(...writes: string[]): void {
  for (const one of writes) {
    commits.write(one).then(
      () => told.push(`${one} kept`),
      error => told.push(`${one} ${error instanceof StoreError ? 'refused' : error}`),
    )
  }
}
async function synced(error: Error | null = null): Promise<void> {
  syncs.shift()?.(error)
  await clock.settle()
}

test('what does not fit into a batch that fails is tried in the next', async () => {
  fails = [true]
  write(...Array.from({ length: 256 }, (_, at) => `${at}`), 'one more')
  await clock.settle()
  await synced()
  expect(ran).toEqual([['one more']])
  expect(told.filter(each => each.endsWith('kept'))).toEqual(['one more kept'])
  expect(told).toHaveLength(257)
})

test('what is in a commit under way counts among the writes that wait', async () => {
  write(...Array.from({ length: 1000 }, (_, at) => `${at}`))
  await clock.settle()
  expect(ran).toHaveLength(1)
  write('one more')
  await clock.settle()
  expect(told).toEqual(['one more refused'])
})

test('what waits while a sync fails is refused with it, and never reaches the database', async () => {
  write('a')
  await clock.settle()
  write('b')
  await synced(new Error('EIO'))
  expect(told).toEqual(['a refused', 'b refused'])
  expect(ran).toEqual([['a']])
})

test('a close waits for what came while the disk was busy, and its commit', async () => {
  write('a')
  await clock.settle()
  write('b')
  void commits.close().then(() => told.push('closed'))
  await synced()
  expect(told).toEqual(['a kept'])
  await synced()
  expect(told).toEqual(['a kept', 'b kept', 'closed'])
})

test('while writes fail one is tried each second, and none any more once they succeed', async () => {
  fails = [true, true, true]
  write('a')
  await clock.settle()
  await clock.advance(500)
  write('b')
  await clock.settle()
  expect(clock.timers).toBe(1)
  await clock.advance(1000)
  expect(commits.fault).toBeDefined()
  await clock.advance(1000)
  expect(ran).toEqual([[PROBE]])
  await synced()
  expect(commits.fault).toBeUndefined()
  expect(clock.timers).toBe(0)
})

test('what fails after a close leaves no timer', async () => {
  fails = [true]
  write('a')
  await commits.close()
  expect(told).toEqual(['a refused'])
  expect(clock.timers).toBe(0)
})

test('commits, the writes in them and those that failed are counted', async () => {
  fails = [true]
  write('a')
  await clock.settle()
  write('b', 'c')
  await clock.settle()
  clock.skip(2000)
  await synced()
  expect(commits.counts).toEqual({ commits: 1, writes: 2, failures: 1, seconds: 2 })
})
