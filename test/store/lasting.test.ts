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

test('however many ask while it is read share one read that begins behind it, or have what holds', async () => {
  for (const [tookMs, reads] of [
    [99, 2],
    [100, 1],
  ] as const) {
    const { lasting } = rig(tookMs)
    const asked = [lasting.get(), lasting.get(), lasting.get(), lasting.get()]
    expect(await Promise.all(asked)).toEqual([1, reads, reads, reads])
    expect(await lasting.get()).toBe(tookMs < 100 ? 3 : 1)
  }
})

test('who asks during a read that fails has the next', async () => {
  const clock = { monotonic: () => 0 }
  const answers = [Promise.reject(new Error('away')), Promise.resolve('here')]
  const lasting = new Lasting(clock, async () => await answers.shift())
  const asked = [lasting.get(), lasting.get(), lasting.get()]
  await expect(asked[0]).rejects.toThrow('away')
  expect(await Promise.all(asked.slice(1))).toEqual(['here', 'here'])
})
