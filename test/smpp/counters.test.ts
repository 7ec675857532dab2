import { expect, test } from 'bun:test'
import { LinkCounters } from '../../src/smpp/counters.ts'

test('what was sent in the last second is that of the last 20 slots of 50 ms, however they come and go', () => {
  let now = 12_345
  const counters = new LinkCounters({ monotonic: () => now })
  const sent: number[] = []
  const slotOf = (moment: number): number => Math.floor(moment / 50)
  for (let step = 0; step < 400; step++) {
    now += step % 40 === 0 ? 1020 : (step * step * 7) % 110
    if (step % 3 > 0) {
      counters.sent(now)
      sent.push(now)
    }
    const expected = sent.filter(at => slotOf(now) - slotOf(at) < 20).length
    expect(counters.stats(0, 0).sentLastSecond).toBe(expected)
  }
})

test('the time to an answer is the first one, and follows each later one by an eighth', () => {
  const counters = new LinkCounters({ monotonic: () => 0 })
  counters.accepted(80)
  expect(counters.stats(0, 0).rttMs).toBe(80)
  counters.accepted(160)
  counters.accepted(10)
  expect(counters.stats(0, 0).rttMs).toBe(80)
})

test('what became of parts is counted each by itself', () => {
  const counters = new LinkCounters({ monotonic: () => 0 })
  const times = (count: number, happened: () => void): void => {
    for (let each = 0; each < count; each++) happened()
  }
  times(9, () => counters.sent(0))
  times(1, () => counters.accepted(8))
  times(2, () => counters.refused(0x58))
  times(1, () => counters.refused(0x0b))
  times(3, () => counters.unanswered('unknown'))
  times(4, () => counters.unanswered('unwritten'))
  times(5, () => counters.delivered())
  const refused = new Map([
    [0x58, 2],
    [0x0b, 1],
  ])
  expect(counters.stats(6, 7)).toEqual({
    ...{ inFlight: 6, window: 7, sentLastSecond: 9, rttMs: 8, submitted: 9, accepted: 1, refused },
    ...{ refusedOtherwise: 0, unknown: 3, unwritten: 4, delivered: 5 },
  })
})
