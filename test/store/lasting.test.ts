import { expect, test } from 'bun:test'
import { Lasting } from '../../src/store/lasting.ts'

/** Reads take `tookMs`; what is read is how often it was. */
function rig(tookMs: number) {
  const clock = { now: 1000, monotonic: () => clock.now }
  let reads = 0
  const lasting = new Lasting(clock, async () => {
    clock.now += tookMs
    return ++reads
  })
  return { clock, lasting }
}

test('what is read quickly is read for each who asks', async () => {
  const { lasting } = rig(99)
  expect([await lasting.get(), await lasting.get(), await lasting.get()]).toEqual([1, 2, 3])
})

test('what took long to read holds for twenty times as long', async () => {
  const { clock, lasting } = rig(100)
  expect(await lasting.get()).toBe(1)
  clock.now += 1999
  expect(await lasting.get()).toBe(1)
  clock.now += 1
  expect([await lasting.get(), await lasting.get()]).toEqual([2, 2])
})

test('a read that fails is told to who asked, and keeps nothing', async () => {
  const clock = { now: 0, monotonic: () => clock.now }
  const answers = [Promise.reject(new Error('away')), Promise.resolve('here')]
  const lasting = new Lasting(clock, async () => {
    clock.now += 500
    return await answers.shift()
  })
  await expect(lasting.get()).rejects.toThrow('away')
  expect(await lasting.get()).toBe('here')
})
