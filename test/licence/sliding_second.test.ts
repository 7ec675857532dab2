import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { SlidingSecond } from '../../src/licence/sliding_second.ts'
import { SLIDING_MS } from '../../src/smpp/pacer.ts'
import { TurnedClock } from '../support/clock.ts'

test('the one past the limit waits until the oldest is out of the second', () => {
  const clock = new TurnedClock()
  const second = new SlidingSecond(clock, 2)
  expect(second.take()).toBe(true)
  clock.skip(300)
  expect(second.take()).toBe(true)
  expect(second.waitMs()).toBe(SLIDING_MS - 300)
  expect(second.take()).toBe(false)
  clock.skip(SLIDING_MS - 300)
  expect(second.waitMs()).toBe(0)
  expect(second.take()).toBe(true)
  expect(second.waitMs()).toBe(300)
})

test('what is taken in a turn counts from its end, when the octets leave', async () => {
  const clock = new TurnedClock()
  const second = new SlidingSecond(clock, 2)
  for (let turn = 0; turn < 2; turn++) {
    second.take()
    second.take()
    clock.skip(80)
    await clock.settle()
    expect(second.waitMs()).toBe(SLIDING_MS)
    clock.skip(SLIDING_MS)
  }
})

test('0 is no limit', () => {
  const second = new SlidingSecond(new TurnedClock(), 0)
  for (let i = 0; i < 1000; i++) expect(second.take()).toBe(true)
  expect(second.waitMs()).toBe(0)
})

test('a new limit counts what the last second took', () => {
  const clock = new TurnedClock()
  const second = new SlidingSecond(clock, 3)
  for (let i = 0; i < 3; i++) second.take()
  second.setLimit(5)
  expect([second.take(), second.take(), second.take()]).toEqual([true, true, false])
  clock.skip(400)
  second.setLimit(2)
  expect(second.waitMs()).toBe(SLIDING_MS - 400)
  second.setLimit(0)
  expect(second.take()).toBe(true)
})

test('after no limit a new one begins with a full second', () => {
  const clock = new TurnedClock()
  const second = new SlidingSecond(clock, 0)
  second.take()
  second.setLimit(1)
  expect(second.take()).toBe(false)
  clock.skip(SLIDING_MS)
  expect(second.take()).toBe(true)
})

test('no sliding second has more than the limit, and none waits longer than it must', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 400, noNaN: true })), { maxLength: 300 }),
      (limit, gaps) => {
        const clock = new TurnedClock()
        const second = new SlidingSecond(clock, limit)
        const taken: number[] = []
        for (const gap of gaps) {
          clock.skip(gap)
          const now = clock.monotonic()
          const lastSecond = taken.filter(at => at + SLIDING_MS > now).length
          expect(second.take()).toBe(lastSecond < limit)
          if (lastSecond < limit) taken.push(now)
        }
      },
    ),
  )
})
