import { expect, test } from 'bun:test'
import { startSweeper } from '../../src/store/sweeper.ts'
import { TurnedClock } from '../support/clock.ts'

const HOUR_MS = 3600_000

/** The moments at which a store is swept within two and a half hours, that removes so many rows each time. */
async function swept(inPieces: boolean, ...rows: number[]): Promise<number[]> {
  const clock = new TurnedClock()
  const moments: number[] = []
  const sweep = async (): Promise<number> => {
    moments.push(clock.monotonic())
    return rows.shift() ?? 0
  }
  const stop = startSweeper({ sweep }, clock, { warn: () => {} }, { everyMs: HOUR_MS, inPieces })
  await clock.advance(2.5 * HOUR_MS)
  stop()
  expect(clock.timers).toBe(0)
  return moments
}

test('a store that works in pieces is swept until nothing is left, and again after the interval', async () => {
  expect(await swept(true, 500, 3)).toEqual([HOUR_MS, HOUR_MS + 10, HOUR_MS + 20, 2 * HOUR_MS + 20])
})

test('a store that removes all in one sweep is not searched again before the interval is over', async () => {
  expect(await swept(false, 500, 500, 500)).toEqual([HOUR_MS, 2 * HOUR_MS])
})

test('the first search comes when it is asked for', async () => {
  const clock = new TurnedClock()
  const moments: number[] = []
  const sweep = async () => moments.push(clock.monotonic()) - moments.length
  const pace = { everyMs: HOUR_MS, firstMs: 3 * HOUR_MS, inPieces: true }
  const stop = startSweeper({ sweep }, clock, { warn: () => {} }, pace)
  await clock.advance(4.5 * HOUR_MS)
  stop()
  expect(moments).toEqual([3 * HOUR_MS, 4 * HOUR_MS])
})

test('a sweep that fails is told of, and another comes after the interval', async () => {
  const clock = new TurnedClock()
  const warned: object[] = []
  const error = new Error('away')
  const stop = startSweeper(
    { sweep: () => Promise.reject(error) },
    clock,
    { warn: fields => void warned.push(fields) },
    { everyMs: HOUR_MS, inPieces: true },
  )
  await clock.advance(2.5 * HOUR_MS)
  stop()
  expect(warned).toEqual([{ err: error }, { err: error }])
})

test('one that is stopped while a sweep is under way plans no other', async () => {
  const clock = new TurnedClock()
  const { promise, resolve } = Promise.withResolvers<number>()
  const stop = startSweeper(
    { sweep: () => promise },
    clock,
    { warn: () => {} },
    { everyMs: HOUR_MS, inPieces: true },
  )
  await clock.advance(HOUR_MS)
  stop()
  resolve(1)
  await clock.settle()
  expect(clock.timers).toBe(0)
})
