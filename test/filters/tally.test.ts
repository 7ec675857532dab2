import { expect, test } from 'bun:test'
import { FilterFault } from '../../src/filters/sandbox.ts'
import { Tally } from '../../src/filters/tally.ts'

/** A tally with a fault at each of these moments. */
function faultsAt(kind: FilterFault['kind'], ...moments: number[]): Tally {
  const tally = new Tally()
  for (const at of moments) tally.fault(new FilterFault(kind, 'why'), 1, at, at)
  return tally
}

test.each(['timeout', 'costly'] as const)('five faults (%s) within 10 s put a filter out for 10 s', kind => {
  const tally = faultsAt(kind, 0, 2500, 5000, 7500, 10_000)
  expect([10_000, 19_999, 20_000].map(at => tally.trippedAt(at, 1))).toEqual([true, true, false])
})

test('four do not, nor do five over more than 10 s', () => {
  expect(faultsAt('timeout', 0, 1, 2, 3).trippedAt(3, 1)).toBe(false)
  expect(faultsAt('timeout', 0, 2500, 5000, 7500, 10_001).trippedAt(10_001, 1)).toBe(false)
})

test('the first fault after that time puts it out again, and one that is long after does not', () => {
  expect(faultsAt('timeout', 0, 0, 0, 0, 0, 10_500).trippedAt(20_499, 1)).toBe(true)
  expect(faultsAt('timeout', 0, 0, 0, 0, 0, 20_001).trippedAt(20_001, 1)).toBe(false)
})

test('an exception is counted and puts nothing out', () => {
  const tally = faultsAt('error', 0, 0, 0, 0, 0, 0)
  expect(tally.trippedAt(0, 1)).toBe(false)
  expect(tally).toMatchObject({ errors: 6, timeouts: 0, lastError: 'why' })
})

test('a new version is in use at once, and has as many faults to spare', () => {
  const tally = faultsAt('timeout', 0, 0, 0, 0, 0)
  tally.absolve()
  expect(tally.trippedAt(0, 1)).toBe(false)
  for (let fault = 0; fault < 4; fault++) tally.fault(new FilterFault('timeout', 'why'), 1, 1, 1)
  expect(tally.trippedAt(1, 1)).toBe(false)
  expect(tally).toMatchObject({ errors: 9, timeouts: 9, lastErrorAt: 1 })
})

test('an app that makes it fail has it put out for itself alone, and five such apps for all', () => {
  const tally = new Tally()
  for (let app = 1; app <= 5; app++) {
    expect([app, 99].map(each => tally.trippedAt(0, each))).toEqual([false, false])
    for (let fault = 0; fault < 5; fault++) tally.fault(new FilterFault('timeout', 'why'), app, 0, 0)
  }
  expect(tally.trippedApps(0)).toEqual([1, 2, 3, 4, 5])
  expect(tally.trippedAt(0, 99)).toBe(true)
  // One of them is tried again and fails: the others have their time over.
  tally.fault(new FilterFault('timeout', 'why'), 3, 10_000, 10_000)
  expect([3, 1, 99].map(app => tally.trippedAt(10_000, app))).toEqual([true, false, false])
})
