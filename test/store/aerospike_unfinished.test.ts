import { beforeEach, expect, test } from 'bun:test'
import { type Left, Unfinished } from '../../src/store/aerospike_unfinished.ts'
import { TurnedClock } from '../support/clock.ts'

/** After a call that failed, until it is ended. */
const RIPE_MS = 20_000

let clock: TurnedClock
let unfinished: Unfinished
/** By token or name, in the order in which they were ended. */
let ended: string[]

beforeEach(() => {
  clock = new TurnedClock()
  unfinished = new Unfinished(clock)
  ended = []
})

const entry = (token: string, id: string) => ({ token, id, claim: undefined })
const nameOf = (left: Left): string => ('token' in left ? left.token : left.held)
const end = async (left: Left): Promise<void> => void ended.push(nameOf(left))
const neverCloses = (): boolean => false
const finish = (how = end, closes = neverCloses) => unfinished.finish(5000, how, closes)

test('what failed is ended once nothing of it can be under way, and no sooner', async () => {
  unfinished.leave(entry('t1', 'm1'))
  clock.skip(RIPE_MS - 1)
  unfinished.leave({ held: 'r1' })
  await finish()
  expect(ended).toEqual([])
  clock.skip(1)
  await finish()
  expect(ended).toEqual(['t1'])
  expect([unfinished.has('t1'), unfinished.has('r1')]).toEqual([false, true])
})

test('what fails again is left for as long as the first time, and the first failure is told', async () => {
  for (const token of ['t1', 't2', 't3']) unfinished.leave(entry(token, `m of ${token}`))
  clock.skip(RIPE_MS)
  const failing = (left: Left) =>
    nameOf(left) === 't3' ? end(left) : Promise.reject(new Error(`${nameOf(left)} failed`))
  await expect(finish(failing)).rejects.toThrow('t1 failed')
  expect(ended).toEqual(['t3'])
  clock.skip(RIPE_MS - 1)
  await finish()
  expect(ended).toEqual(['t3'])
  clock.skip(1)
  await finish()
  expect(ended).toEqual(['t3', 't1', 't2'])
})

test('what fails again keeps nothing waiting that was left after it', async () => {
  unfinished.leave(entry('t1', 'm1'))
  clock.skip(RIPE_MS / 2)
  unfinished.leave(entry('t2', 'm2'))
  clock.skip(RIPE_MS / 2)
  await expect(finish(() => Promise.reject(new Error('away')))).rejects.toThrow('away')
  clock.skip(RIPE_MS / 2)
  await finish()
  expect(ended).toEqual(['t2'])
})

test('what the journal goes on to close is not ended twice, and nobody goes on under it', async () => {
  unfinished.leave(entry('t1', 'm1'))
  clock.skip(RIPE_MS)
  const failing = () => Promise.reject(new Error('not closed yet'))
  await expect(unfinished.finish(5000, failing, () => true)).rejects.toThrow('not closed yet')
  expect(unfinished.has('t1')).toBe(false)
  expect(unfinished.takeOver('m1')).toBeUndefined()
})

test('the next attempt at a message goes on under its entry, once, and that is not ended then', async () => {
  unfinished.leave(entry('t1', 'm1'))
  expect(unfinished.takeOver('m1')).toBe('t1')
  expect(unfinished.takeOver('m1')).toBeUndefined()
  clock.skip(RIPE_MS)
  await finish()
  expect(ended).toEqual([])
})

test('no attempt goes on under an entry that is being ended, but under a younger one of the message', async () => {
  unfinished.leave(entry('t1', 'm1'))
  clock.skip(RIPE_MS)
  let during: string | undefined
  await finish(async () => {
    during = unfinished.takeOver('m1')
  })
  expect(during).toBeUndefined()
  unfinished.leave(entry('t2', 'm2'))
  clock.skip(RIPE_MS)
  unfinished.leave(entry('t3', 'm2'))
  await finish()
  expect(ended).toEqual(['t2'])
  expect(unfinished.takeOver('m2')).toBe('t3')
})

test('no attempt goes on under a claim that is taken back, nor under what another may have closed', () => {
  const claim = { appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: 0 }
  unfinished.leave({ token: 't1', id: 'm1', claim })
  expect(unfinished.takeOver('m1')).toBeUndefined()
  unfinished.leave(entry('t2', 'm2'))
  unfinished.dropTakeable()
  expect(unfinished.takeOver('m2')).toBeUndefined()
  expect([unfinished.has('t1'), unfinished.has('t2')]).toEqual([true, true])
})

test('all whose time has come are ended, some together, for as long as is asked for', async () => {
  for (let n = 0; n < 300; n++) unfinished.leave(entry(`t${n}`, `m${n}`))
  clock.skip(RIPE_MS)
  let [underWay, most] = [0, 0]
  const slowly = async (left: Left): Promise<void> => {
    most = Math.max(most, ++underWay)
    await clock.settle()
    // The last of each lot: a second and a half has passed.
    if (--underWay === 0) clock.skip(1500)
    await end(left)
  }
  await finish(slowly)
  expect(most).toBe(64)
  expect(ended).toHaveLength(4 * 64)
  await finish(slowly)
  expect(ended).toHaveLength(300)
})

test('a flood of failures takes no more memory than is set: the first are remembered', async () => {
  for (let n = 0; n < 50_001; n++) unfinished.leave({ held: `r${n}` })
  expect([unfinished.has('r49999'), unfinished.has('r50000')]).toEqual([true, false])
  // One that is known is no further one, and an entry of the journal has to be ended whatever there is.
  clock.skip(RIPE_MS - 1)
  unfinished.leave({ held: 'r0' })
  for (let n = 0; n < 50_001; n++) unfinished.leave(entry(`t${n}`, `m${n}`))
  expect([unfinished.has('r0'), unfinished.has('t50000')]).toEqual([true, true])
  expect([unfinished.takeOver('m49999'), unfinished.takeOver('m50000')]).toEqual(['t49999', undefined])
})
