/**
 * What filters cost a message: `bun test/bench/filters.ts`. Every filter in a sandbox of its own, with fuel and
 * deadline as in production; microseconds a message, the best round and the median.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { openFilters, SAMPLE_MESSAGE } from '../../src/filters/index.ts'
import { List } from '../../src/filters/list.ts'

/** Short rounds, so that some run without being interrupted on a busy machine. */
const MESSAGES = 1_000
const ROUNDS = 100

const TRIVIAL = 'export default () => false'
const PREFIXES = `
  const prefixes = ['1900', '1976', '44871', '44872', '44909', '4490', '4491', '4498', '49900', '33899']
  export default sms => {
    for (const prefix of prefixes) if (sms.destination.startsWith(prefix)) return { match: true, reason: prefix }
    return false
  }`
const WORDS = `
  const words = /casino|lottery|winner|viagra/i
  export default sms => words.test(sms.message)`
const LISTED = "export default sms => sms.in('numbers', sms.destination)"

const sms = {
  ...SAMPLE_MESSAGE,
  message: 'Your code is 123456. Do not share it with anyone: our staff will never ask you for it.',
}

async function cost(title: string, sources: readonly string[]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'filters-'))
  for (const [at, source] of sources.entries()) writeFileSync(join(dir, `filter-${at}.js`), source)
  writeFileSync(
    join(dir, 'numbers.txt'),
    Array.from({ length: 100_000 }, (_, i) => 447_800_000_000 + i).join('\n'),
  )
  const filters = await openFilters({
    dir,
    timeoutMs: 20,
    memoryBytes: 8 * 1024 * 1024,
    onError: 'reject',
    clock: systemClock,
    logger: { info() {}, warn() {} },
  })
  const rounds: number[] = []
  for (let round = -ROUNDS / 2; round <= ROUNDS; round++) {
    const began = performance.now()
    for (let i = 0; i < MESSAGES; i++) if (!filters.check(sms).pass) throw new Error('refused')
    if (round > 0) rounds.push(((performance.now() - began) * 1000) / MESSAGES)
  }
  await filters.close()
  rmSync(dir, { recursive: true })
  rounds.sort((a, b) => a - b)
  const [best = 0] = rounds
  const median = rounds[ROUNDS >> 1] ?? 0
  console.log(`| ${title.padEnd(30)} | ${best.toFixed(2).padStart(6)} | ${median.toFixed(2).padStart(6)} |`)
}

async function lists(): Promise<void> {
  const entries = 1_000_000
  const octets = new TextEncoder().encode(
    Array.from(
      { length: entries },
      (_, i) => `4477${String((i * 7919) % 100_000_000).padStart(8, '0')}`,
    ).join('\n'),
  )
  const wanted = Array.from({ length: 1000 }, (_, i) => `4477${String(i * 99_991).padStart(8, '0')}`)
  Bun.gc(true)
  const before = process.memoryUsage().rss
  const began = performance.now()
  const list = await List.read(octets, { entriesMax: entries, pause: () => Bun.sleep(0) })
  const loadedMs = performance.now() - began
  const bytes = process.memoryUsage().rss - before
  const asked = performance.now()
  let found = 0
  for (let round = 0; round < 300; round++) for (const value of wanted) if (list.has(value)) found++
  const lookupUs = ((performance.now() - asked) * 1000) / (300 * wanted.length)
  const figures = `${loadedMs.toFixed(0)} ms to load, ${(bytes / 1e6).toFixed(0)} MB, ${lookupUs.toFixed(3)} µs a lookup`
  console.log(`\nA list of ${list.entries} numbers: ${figures} (${found} found)`)
}

console.log('| filters                        | best µs | median µs |\n|---|---|---|')
await cost('none', [])
await cost('1 trivial', [TRIVIAL])
await cost('5 trivial', Array(5).fill(TRIVIAL))
await cost('20 trivial', Array(20).fill(TRIVIAL))
await cost('prefixes', [PREFIXES])
await cost('words by regular expression', [WORDS])
await cost('a list of 100,000', [LISTED])
await cost('2 realistic: prefixes, words', [PREFIXES, WORDS])
await lists()
