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
