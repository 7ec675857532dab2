import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RulesWatch, watchRules } from '../src/rules_watch.ts'
import { TurnedClock } from './support/clock.ts'

let folder: string
let file: string | undefined
let clock: TurnedClock
let watch: RulesWatch
let taken: number
let broken: string
let warned: string[]
let asked: () => unknown

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rules-'))
  file = join(folder, 'rules.yaml')
  writeFileSync(file, 'first')
  clock = new TurnedClock()
  taken = 0
  broken = ''
  warned = []
  asked = () => undefined
  watch = await watchRules({
    file: () => {
      asked()
      return file
    },
    take() {
      taken++
      if (broken !== '') throw new Error(broken)
    },
    clock,
    log: { warn: (_, text) => void warned.push(text) },
  })
})
afterEach(async () => {
  await watch.stop()
  rmSync(folder, { recursive: true })
})

/** Time for `count` looks, each to its end. */
async function look(count = 1): Promise<void> {
  for (let done = 0; done < count; done++) {
    await clock.advance(300)
    // The disk has a time of its own; the next look is planned when it has answered.
    while (clock.timers === 0) await new Promise(resolve => setImmediate(resolve))
  }
}

test('a file that nobody touches is read no second time', async () => {
  await look(5)
  expect(taken).toBe(0)
})

test('a change is taken once, at the second look that sees it', async () => {
  writeFileSync(join(folder, 'rules.yaml'), 'second')
  await look()
  expect(taken).toBe(0)
  await look(4)
  expect(taken).toBe(1)
})

test('a file that is still being written, or that an editor moved aside to save it, is waited for', async () => {
  const path = join(folder, 'rules.yaml')
  for (const text of ['s', 'se', 'sec']) {
    writeFileSync(path, text)
    await look()
  }
  expect(taken).toBe(0)
  renameSync(path, `${path}~`)
  await look()
  writeFileSync(path, 'second')
  await look(2)
  expect(taken).toBe(1)
})

test('a link that comes to point elsewhere is a change: a ConfigMap is swapped so', async () => {
  file = join(folder, 'link.yaml')
  writeFileSync(join(folder, 'one'), 'same size')
  writeFileSync(join(folder, 'two'), 'SAME SIZE')
  symlinkSync('one', file)
  await look(3)
  expect(taken).toBe(1)
  unlinkSync(file)
  symlinkSync('two', file)
  await look(3)
  expect(taken).toBe(2)
})

test('a broken file says why until it is mended, once in the log', async () => {
  const path = join(folder, 'rules.yaml')
  broken = 'rules[0].pool: "x" is no pool'
  writeFileSync(path, 'broken')
  await look(4)
  expect(watch.error()).toBe(broken)
  expect(warned).toEqual(['rules are broken: the last good ones stay in force'])
  broken = ''
  writeFileSync(path, 'mended')
  await look(2)
  expect(watch.error()).toBe('')
  expect(taken).toBe(2)
})

test('another file after a reload, or none, is what is looked at from then on', async () => {
  file = undefined
  await look(2)
  expect(taken).toBe(1)
  writeFileSync(join(folder, 'rules.yaml'), 'nobody reads this')
  await look(3)
  expect(taken).toBe(1)
})

test('once stopped it looks no more', async () => {
  await watch.stop()
  expect(clock.timers).toBe(0)
})

test('stopped while it looks it takes nothing any more, and plans no other look', async () => {
  writeFileSync(join(folder, 'rules.yaml'), 'second')
  await look()
  const { promise: stopped, resolve } = Promise.withResolvers<void>()
  asked = () => queueMicrotask(() => resolve(watch.stop()))
  await clock.advance(300)
  await stopped
  expect([taken, clock.timers]).toEqual([0, 0])
})

test('rules that a reload brought into force are no longer called broken', async () => {
  broken = 'rules[0].pool: "x" is no pool'
  writeFileSync(join(folder, 'rules.yaml'), 'second')
  await look(2)
  expect(watch.error()).toBe(broken)
  watch.taken()
  expect(watch.error()).toBe('')
})
