import { expect, test } from 'bun:test'
import { FilterFault } from '../../src/filters/sandbox.ts'
import { Tally } from '../../src/filters/tally.ts'

/** A tally with a fault at each of these moments. */
function faultsAt(kind: FilterFault['kind'], ...moments: number[]): Tally {
  const tally = new Tally()
  for (const at of moments) tally.fault(new FilterFault(kind, 'why'), at, at)
  return tally
}

test.each(['timeout', 'costly'] as const)('five faults (%s) within 10 s put a filter out for 10 s', kind => {
  const tally = faultsAt(kind, 0, 2500, 5000, 7500, 10_000)
  expect([10_000, 19_999, 20_000].map(at => tally.trippedAt(at))).toEqual([true, true, false])
})

test('four do not, nor do five over more than 10 s', () => {
  expect(faultsAt('timeout', 0, 1, 2, 3).trippedAt(3)).toBe(false)
  expect(faultsAt('timeout', 0, 2500, 5000, 7500, 10_001).trippedAt(10_001)).toBe(false)
})

test('the first fault after that time puts it out again, and one that is long after does not', () => {
  expect(faultsAt('timeout', 0, 0, 0, 0, 0, 10_500).trippedAt(20_499)).toBe(true)
  expect(faultsAt('timeout', 0, 0, 0, 0, 0, 20_001).trippedAt(20_001)).toBe(false)
})

test('an exception is counted and puts nothing out', () => {
  const tally = faultsAt('error', 0, 0, 0, 0, 0, 0)
  expect(tally.trippedAt(0)).toBe(false)
  expect(tally).toMatchObject({ errors: 6, timeouts: 0, lastError: 'why' })
})

test('a new version is in use at once, and has as many faults to spare', () => {
  const tally = faultsAt('timeout', 0, 0, 0, 0, 0)
  tally.absolve()
  expect(tally.trippedAt(0)).toBe(false)
  for (let fault = 0; fault < 4; fault++) tally.fault(new FilterFault('timeout', 'why'), 1, 1)
  expect(tally.trippedAt(1)).toBe(false)
  expect(tally).toMatchObject({ errors: 9, timeouts: 9, lastErrorAt: 1 })
})
