import { describe, expect, test } from 'bun:test'
import { Deadlines } from '../../src/aerospike/deadlines.ts'
import { TurnedClock } from '../support/clock.ts'

function watched(clock: TurnedClock, deadlines: Deadlines) {
  const ended: string[] = []
  const add = (name: string, deadlineMs: number, then?: () => void) => {
    const timed = {
      slot: -1,
      deadlineMs,
      expire() {
        deadlines.delete(timed)
        ended.push(`${name} ${clock.monotonic()}`)
        then?.()
      },
    }
    deadlines.add(timed)
    return timed
  }
  return { ended, add }
}

describe('deadlines', () => {
  test('each is told at its time, whatever the order in which they came', async () => {
    const clock = new TurnedClock()
    const { ended, add } = watched(clock, new Deadlines(clock, 5))
    add('late', 1000)
    add('soon', 100)
    add('between', 400)
    add('never', Number.POSITIVE_INFINITY)
    await clock.advance(2000)
    expect(ended).toEqual(['soon 100', 'between 400', 'late 1000'])
    expect(clock.timers).toBe(0)
  })

  test('what is over in time is not told, and costs no timer of its own', async () => {
    const clock = new TurnedClock()
    const deadlines = new Deadlines(clock, 5)
    const { ended, add } = watched(clock, deadlines)
    for (let request = 0; request < 100; request++) {
      const timed = add(`request ${request}`, clock.monotonic() + 1000)
      expect(clock.timers).toBe(1)
      await clock.advance(1)
      deadlines.delete(timed)
      deadlines.delete(timed)
    }
    await clock.advance(2000)
    expect(ended).toEqual([])
    expect(clock.timers).toBe(0)
  })

  test('one that became later ends later, one that became earlier and is added again at its time', async () => {
    const clock = new TurnedClock()
    const deadlines = new Deadlines(clock, 5)
    const { ended, add } = watched(clock, deadlines)
    const postponed = add('postponed', 100)
    const hastened = add('hastened', 1000)
    postponed.deadlineMs = 300
    hastened.deadlineMs = 200
    deadlines.add(hastened)
    await clock.advance(2000)
    expect(ended).toEqual(['hastened 200', 'postponed 300'])
  })

  test('the end of one may be the end of others', async () => {
    const clock = new TurnedClock()
    const deadlines = new Deadlines(clock, 5)
    const { ended, add } = watched(clock, deadlines)
    const others = ['b', 'c', 'd'].map(name => add(name, 100))
    add('a', 90, () => {
      for (const other of others) deadlines.delete(other)
    })
    add('e', 110)
    await clock.advance(2000)
    expect(ended).toEqual(['a 90', 'e 110'])
  })

  test('those of one moment are told no more often than agreed', async () => {
    const clock = new TurnedClock()
    const { ended, add } = watched(clock, new Deadlines(clock, 5))
    for (let ms = 0; ms < 10; ms++) add(`${ms}`, 100 + ms / 5)
    await clock.advance(200)
    expect(new Set(ended.map(text => text.split(' ')[1])).size).toBe(2)
    expect(ended).toHaveLength(10)
  })
})
