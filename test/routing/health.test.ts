import { expect, test } from 'bun:test'
import type { Answer } from '../../src/routing/carrier.ts'
import { Health } from '../../src/routing/health.ts'
import { TurnedClock } from '../support/clock.ts'

const GOOD = { kind: 'accepted', messageId: '1' } as const
const BAD = { kind: 'unknown', reason: 'timeout' } as const

test('a link that falls mute at full speed is set aside at the 20th missing answer, however well it did before', () => {
  const link = { name: 'one' }
  const health = new Health({ clock: new TurnedClock() })
  for (let answers = 0; answers < 5000; answers++) health.answered(link, GOOD)
  for (let missing = 1; missing < 20; missing++) health.answered(link, BAD)
  expect(health.ejected(link)).toBe(false)
  health.answered(link, BAD)
  expect(health.ejected(link)).toBe(true)
})

test('a link that misses an answer now and then stays', () => {
  const link = { name: 'one' }
  const health = new Health({ clock: new TurnedClock() })
  for (let answers = 0; answers < 1000; answers++) health.answered(link, answers % 10 === 0 ? BAD : GOOD)
  expect(health.ejected(link)).toBe(false)
})

const LINK = { name: 'one' }

function setUp() {
  const clock = new TurnedClock()
  const pausesMs: number[] = []
  const health = new Health({ clock, ejected: (_, forMs) => pausesMs.push(forMs) })
  const answer = (count: number, answer: Answer): void => {
    for (let each = 0; each < count; each++) health.answered(LINK, answer)
  }
  return { clock, health, pausesMs, answer }
}

test('a link is set aside when half its answers of ten seconds are bad, and there are twenty of them', () => {
  const { clock, health, answer } = setUp()
  answer(100, GOOD)
  clock.skip(10_000)
  for (let each = 0; each < 9; each++) for (const one of [BAD, GOOD]) answer(1, one)
  answer(1, GOOD)
  expect(health.ejected(LINK)).toBe(false)
  answer(1, BAD)
  expect(health.ejected(LINK)).toBe(true)
  clock.skip(10_000)
  expect(health.ejected(LINK)).toBe(false)
})

test('answers that come while a link is set aside keep it no longer', () => {
  const { clock, health, pausesMs, answer } = setUp()
  answer(60, BAD)
  clock.skip(10_000)
  expect([health.ejected(LINK), pausesMs]).toEqual([false, [10_000]])
})

test('a link that is back is judged anew', () => {
  const { clock, health, answer } = setUp()
  answer(20, BAD)
  clock.skip(10_000)
  answer(19, BAD)
  expect(health.ejected(LINK)).toBe(false)
  answer(1, BAD)
  expect(health.ejected(LINK)).toBe(true)
})

test('a link that does not mend is set aside for up to five minutes, and as at first once it has kept well', () => {
  const { clock, pausesMs, answer } = setUp()
  for (const pauseMs of [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]) {
    answer(20, BAD)
    expect(pausesMs.at(-1)).toBe(pauseMs)
    clock.skip(pauseMs)
  }
  clock.skip(330_001)
  answer(20, BAD)
  expect(pausesMs).toHaveLength(8)
  expect(pausesMs.at(-1)).toBe(10_000)
})

test.each<[string, Answer, boolean]>([
  ['no answer', BAD, true],
  ['a system error', { kind: 'refused', status: 0x08 }, true],
  ['an application that asks to be left alone', { kind: 'refused', status: 0x64 }, true],
  ['throttling', { kind: 'refused', status: 0x58 }, false],
  ['a wrong number', { kind: 'refused', status: 0x0b }, false],
  ['what was never written', { kind: 'unwritten' }, false],
])('%s is the fault of the link or not', (_, one, isBad) => {
  const { health, answer } = setUp()
  answer(20, one)
  expect(health.ejected(LINK)).toBe(isBad)
})
