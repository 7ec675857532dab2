import { expect, test } from 'bun:test'
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
