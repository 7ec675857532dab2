import { beforeEach, expect, test } from 'bun:test'
import { Beat } from '../../src/store/aerospike_beat.ts'
import { TurnedClock } from '../support/clock.ts'

let clock: TurnedClock
/** The moments at which the task began. */
let begun: number[]

beforeEach(() => {
  clock = new TurnedClock()
  begun = []
})

test('who asks for it sooner brings it forward, who asks for later puts nothing off, and it comes once', async () => {
  const beat = new Beat(clock, async () => {
    begun.push(clock.monotonic())
    return 10_000
  })
  beat.within(5000)
  beat.within(1000)
  beat.within(3000)
  expect(clock.timers).toBe(1)
  await clock.advance(10_999)
  expect(begun).toEqual([1000])
  await clock.advance(1)
  expect(begun).toEqual([1000, 11_000])
})

test('while it is under way no other begins, whoever asks, and the next is when it says', async () => {
  const { promise, resolve } = Promise.withResolvers<number>()
  const beat = new Beat(clock, () => {
    begun.push(clock.monotonic())
    return promise
  })
  beat.within(1000)
  await clock.advance(1000)
  beat.within(10)
  await clock.advance(5000)
  expect(begun).toEqual([1000])
  resolve(2000)
  await clock.settle()
  await clock.advance(1999)
  expect(begun).toEqual([1000])
  await clock.advance(1)
  expect(begun).toEqual([1000, 8000])
})

test('one that is stopped, before its time or under way, comes no more and leaves no timer', async () => {
  const { promise, resolve } = Promise.withResolvers<number>()
  const [waiting, working] = [async () => 1, () => promise].map(task => new Beat(clock, task))
  waiting?.within(5000)
  working?.within(1000)
  await clock.advance(1000)
  for (const beat of [waiting, working]) beat?.stop()
  resolve(1)
  await clock.settle()
  waiting?.within(1)
  expect(clock.timers).toBe(0)
})
