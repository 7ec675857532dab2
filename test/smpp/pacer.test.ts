import { expect, test } from 'bun:test'
import { Pacer, SLIDING_MS } from '../../src/smpp/pacer.ts'

test('one a second is a limit, and none is none', () => {
  expect([new Pacer(0).limited, new Pacer(1).limited]).toEqual([false, true])
  const pacer = new Pacer(1)
  pacer.take(90)
  pacer.stamp(100)
  expect([pacer.tokens(100 + SLIDING_MS - 1), pacer.tokens(100 + SLIDING_MS)]).toEqual([0, 1])
})

test('all that was taken in a turn counts from its end', () => {
  const pacer = new Pacer(2)
  pacer.take(0)
  pacer.take(10)
  pacer.stamp(50)
  expect(pacer.waitMs(50)).toBe(SLIDING_MS)
  expect([pacer.tokens(50 + SLIDING_MS - 1), pacer.tokens(50 + SLIDING_MS)]).toEqual([0, 2])
})

test.each([2, 3, 4, 7])(
  'a change of the limit to %d, whenever it comes, counts what the last second had',
  limit => {
    for (let before = 0; before < 6; before++) {
      const pacer = new Pacer(3)
      // Round its table, so that it begins anywhere.
      for (let at = 0; at < before + 3; at++) {
        expect(pacer.tokens(at * 400)).toBeGreaterThan(0)
        pacer.take(at * 400)
        pacer.stamp(at * 400)
      }
      const now = (before + 2) * 400
      // Of now, of 400 and of 800 ms ago: three are in the second.
      pacer.setLimit(limit, now)
      expect(pacer.tokens(now)).toBe(Math.max(limit - 3, 0))
      expect(pacer.tokens(now + 205)).toBe(Math.max(limit - 2, 0))
      expect(pacer.tokens(now + 605)).toBe(limit - 1)
      expect(pacer.tokens(now + SLIDING_MS)).toBe(limit)
    }
  },
)
