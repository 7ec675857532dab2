import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { FilterFault, Sandbox } from '../../src/filters/sandbox.ts'
import { limits, message, openFolder, packed } from './support.ts'

/** `LEAK_CALLS=1000000 LEAK_RELOADS=10000 bun test test/filters/leak.test.ts` looks as long as one likes. */
const CALLS = Number(process.env.LEAK_CALLS ?? 20_000)
const RELOADS = Number(process.env.LEAK_RELOADS ?? 100)

const SOURCE = `const words = /casino|lottery/i
export default sms => {
  if (sms.message === 'object') return { match: true, reason: 'r' + sms.esme }
  if (sms.message === 'throw') throw new Error('e' + sms.esme)
  if (sms.message === 'number') return 1
  return sms.in('list', sms.source) || words.test(sms.message)
}`

test('no call leaves anything allocated behind, whatever its answer', () => {
  const sandbox = new Sandbox('f', SOURCE, { ...limits, lookup: () => false })
  const messages = ['text', 'Жук', 'a\0b', 'object', 'throw', 'number'].map((text, esme) =>
    packed({ message: text, esme }),
  )
  const ask = (count: number) => {
    for (let i = 0; i < count; i++) {
      try {
        sandbox.ask(messages[i % messages.length] ?? packed())
      } catch (error) {
        if (!(error instanceof FilterFault) || error.kind !== 'error') throw error
      }
    }
    return sandbox.memory().allocations
  }
  const warm = ask(messages.length * 100)
  expect(ask(CALLS)).toBe(warm)
}, 240_000)

test('a filter counts for no more than 3 MB of the heap that decides when the host collects', () => {
  // In a process of its own: the heap of this one moves with what other tests left for the collector.
  const { stdout, exitCode } = Bun.spawnSync([process.execPath, join(import.meta.dir, 'heap_share.ts')])
  expect(exitCode).toBe(0)
  expect(Number(stdout.toString())).toBeWithin(1, 3e6)
})

test('no reload leaves a machine behind', async () => {
  await using folder = await openFolder({ 'f.js': 'export default () => false' })
  const reload = async (version: number) => {
    await folder.write('f.js', `export default () => ${version} < 0`)
    await folder.filters.reload()
    expect(folder.filters.check(message()).pass).toBeTrue()
  }
  for (let i = 0; i < 50; i++) await reload(i)
  Bun.gc(true)
  const before = process.memoryUsage().rss
  for (let i = 0; i < RELOADS; i++) await reload(i)
  Bun.gc(true)
  expect((process.memoryUsage().rss - before) / 1024 ** 2).toBeLessThan(64)
}, 600_000)
