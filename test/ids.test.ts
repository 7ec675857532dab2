import { describe, expect, test } from 'bun:test'
import { systemRandom } from '../src/clock.ts'
import { createIds } from '../src/ids.ts'
import { TurnedClock } from './support/clock.ts'

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const full = (count: number): Uint8Array => new Uint8Array(count).fill(0xff)

describe('ids', () => {
  test('are UUIDv7 that carry their millisecond and grow, within one too', () => {
    const clock = new TurnedClock()
    const ids = createIds(clock, systemRandom)
    const made: string[] = []
    for (let at = 0; at < 5000; at++) {
      if (at % 1000 === 999) clock.skip(1)
      made.push(ids.messageId())
    }
    for (const id of made) expect(id).toMatch(UUID7)
    expect(Number.parseInt(made[0]?.replaceAll('-', '').slice(0, 12) ?? '', 16)).toBe(clock.now() - 5)
    expect(made).toEqual([...made].sort())
    expect(new Set(made).size).toBe(made.length)
  })

  test('keep growing from the highest random start and with the clock set back', () => {
    const clock = { now: () => 1_800_000_000_000 }
    const ids = createIds({ ...new TurnedClock(), ...clock }, full)
    const made = [ids.messageId(), ids.messageId()]
    for (const id of made) expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(clock.now())
    expect(made[0]).toEndWith('f'.repeat(12))
    clock.now = () => 1_700_000_000_000
    made.push(ids.messageId())
    expect(made).toEqual([...made].sort())
  })

  test('go on from those of an earlier life, though the clock was set back since', () => {
    const clock = new TurnedClock(1_800_000_000_000)
    const before = createIds(clock, full)
    for (let at = 0; at < 300; at++) before.taskId()
    const last = { messageId: before.messageId(), taskId: before.taskId() }
    const after = createIds(new TurnedClock(1_700_000_000_000), systemRandom, 0, last)
    const made = [last.messageId, after.messageId(), after.messageId()]
    expect(made).toEqual([...new Set(made)].sort())
    expect(made[1]).toMatch(UUID7)
    const tasks = [last.taskId, after.taskId(), after.taskId()]
    expect(tasks).toEqual([...new Set(tasks)].sort((a, b) => a - b))
    const later = createIds(new TurnedClock(1_900_000_000_000), systemRandom, 0, last)
    expect(Number.parseInt(later.messageId().replace('-', '').slice(0, 12), 16)).toBe(1_900_000_000_000)
  })

  test('give task numbers that are safe integers, positive, growing and unlike on two nodes', () => {
    const clock = new TurnedClock()
    const one = createIds(clock, systemRandom, 1)
    const two = createIds(clock, systemRandom, 2)
    const seen = new Set<number>()
    let last = 0
    for (let at = 0; at < 2000; at++) {
      const task = one.taskId()
      expect(task).toBeGreaterThan(last)
      expect(Number.isSafeInteger(task)).toBe(true)
      last = task
      seen.add(task).add(two.taskId())
    }
    expect(seen.size).toBe(4000)
  })

  test('are of a node that there may be', () => {
    for (const node of [-1, 32, Number.NaN])
      expect(() => createIds(new TurnedClock(), systemRandom, node)).toThrow(RangeError)
  })

  test('stay safe integers until 2089', () => {
    const clock = new TurnedClock(Date.UTC(2089, 0, 1))
    expect(Number.isSafeInteger(createIds(clock, systemRandom, 31).taskId())).toBe(true)
  })
})
