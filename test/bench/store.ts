/**
 * The SQLite store alone: writes by batch size, and what they cost as the store grows.
 *   bun run bench store [--long]
 *   bun test/bench/store.ts [--rows 100000,1000000] [--ids sequential|random] [--seconds 1] [--path FILE]
 * `--long` goes up to 10,000,000 rows: some minutes, and 4 GB of disk. The file is removed at the end.
 */

import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../src/clock.ts'
import type { Message } from '../../src/message.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { submitted } from './support/message.ts'
import { long } from './support/options.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: long ? '100000,1000000,10000000' : '100000,1000000' },
    long: { type: 'boolean' },
    ids: { type: 'string', default: 'sequential' },
    seconds: { type: 'string', default: '1' },
    path: { type: 'string', default: join(tmpdir(), `bench-store-${process.pid}.db`) },
  },
})
const SECONDS = Number(values.seconds)
const BATCHES = [1, 16, 64, 256]
const LATE = 15_000
const ACCOUNT = '127.0.0.1:2775/bench'
const STARTED_AT = Date.now()

/** The n-th message can be named without keeping it: ten a millisecond, ids that count or that look random. */
const messageId = (n: number): string => {
  const hex = (STARTED_AT + Math.floor(n / 10)).toString(16).padStart(12, '0')
  const tail = Bun.hash.wyhash(String(n)).toString(16).padStart(16, '0').slice(1)
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${String(n % 10).padStart(3, '0')}-8${tail.slice(0, 3)}-${tail.slice(3)}`
}
const smscId = (n: number): string =>
  values.ids === 'random'
    ? Bun.hash.wyhash(`smsc ${n}`).toString(16).padStart(16, '0')
    : String(1_000_000 + n)
const message = (n: number): Message => {
  const destination = `44770${String(n).padStart(8, '0')}`
  return submitted({ id: messageId(n), taskId: n, destination, sentAt: STARTED_AT }, smscId(n), ACCOUNT)
}

const store = await openSqliteStore({
  path: values.path,
  clock: systemClock,
  retentionMs: 30 * 24 * 3600_000,
})
let stored = 0

const save = () => store.save(message(stored++))
const settle = (n: number, state: 'accepted' | 'delivered' = 'accepted') =>
  store.settle({
    account: ACCOUNT,
    ids: [smscId(n)],
    address: message(n).destination,
    state,
    error: 0,
    at: STARTED_AT,
  })
const anyRow = () => Math.floor(Math.random() * stored)

async function measure(name: string, batch: number, call: () => Promise<unknown>): Promise<void> {
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  const gaps: number[] = []
  let calls = 0
  for (let last = began; last < began + SECONDS * 1000; ) {
    await Promise.all(Array.from({ length: batch }, call))
    calls += batch
    const now = performance.now()
    gaps.push(now - last)
    last = now
  }
  const seconds = (performance.now() - began) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  gaps.sort((a, b) => a - b)
  const p99 = gaps[Math.floor(gaps.length * 0.99)] ?? 0
  console.log(
    `| ${stored.toLocaleString('en')} | ${name} | ${batch} | ${Math.round(calls / seconds).toLocaleString('en')} ` +
      `| ${((cpu.user + cpu.system) / calls).toFixed(1)} | ${p99.toFixed(2)} | ${Math.round(process.memoryUsage.rss() / 2 ** 20)} |`,
  )
}

console.log('| rows | call | at once | a second | CPU ms a thousand | batch p99 ms | RSS MiB |')
console.log('|---|---|---|---|---|---|---|')
try {
  for (const rows of values.rows.split(',').map(Number)) {
    while (stored < rows) await Promise.all(Array.from({ length: 1000 }, save))
    // A part once settled as accepted does not change again: old receipts are of parts that were not asked before.
    let recent = stored
    for (const batch of BATCHES) await measure('settle, newest', batch, () => settle(--recent))
    await measure('settle, any', 64, () => settle(anyRow()))
    await measure('find, any', 64, () => store.find(messageId(anyRow())))
    await measure('find, any', 1, () => store.find(messageId(anyRow())))
    for (const batch of BATCHES) await measure('save', batch, save)
    // As with an SMSC that delivers after some seconds: more messages wait than are kept in memory.
    const late = () => Promise.all([save(), settle(stored - LATE, 'delivered')])
    await measure(`save, and settle ${LATE} older`, 64, late)
  }
} finally {
  await store.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(values.path + suffix, { force: true })
}
