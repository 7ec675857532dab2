/**
 * `info` and receipts of a gateway that holds many messages.
 *   bun run bench stored [--long]
 * `--long` goes up to ten million: five minutes, most of them to fill the file, and 4 GB of disk.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import type { Message } from '../../src/message.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { startGateway } from './support/gateway.ts'
import { load } from './support/load.ts'
import { submitted } from './support/message.ts'
import { long } from './support/options.ts'
import { cpuSeconds } from './support/process.ts'
import { startSmsc, storedDestination, storedId } from './support/smsc.ts'
import { heading, hundredths, row, tenths, whole } from './support/table.ts'

const SIZES = long ? [100_000, 1_000_000, 10_000_000] : [100_000, 1_000_000]
const RECEIPTS = 30_000
const OUTSTANDING = 64
/** The load asks for these, ten thousand of them, each so far from the one before (`support/load.ts`). */
const FIRST_TAIL = 2_000_000_000
const TAILS = 10_000 * 7919
const HEAD = '019a0000-0000-7000-8000-00'
const SENT_AT = Date.now()

const message = (n: number, size: number, account: string): Message => {
  const id = `${HEAD}${FIRST_TAIL + Math.floor((n * TAILS) / size)}`
  const own = { id, taskId: n, destination: storedDestination(n), sentAt: SENT_AT }
  return submitted(own, storedId(n), account)
}

/** Backwards from the last of so many. */
const newestOf = (size: number) => ({ first: size - 1, step: size - 1, among: size })
/** Every message once: a receipt that comes again changes nothing, and costs less. The step is a prime. */
const anyOf = (size: number) => ({ first: 0, step: 7_368_787, among: size })

async function fill(path: string, size: number, account: string): Promise<void> {
  const store = await openSqliteStore({ path, clock: systemClock, retentionMs: 30 * 86_400_000 })
  for (let stored = 0; stored < size; stored += 1000) {
    const batch = Array.from({ length: 1000 }, (_, n) => store.save(message(stored + n, size, account)))
    await Promise.all(batch)
  }
  await store.close()
}

heading(
  'Messages stored',
  ...['messages', 'asked', 'a second', 'p50 ms', 'p99 ms', 'CPU ms a thousand', 'RSS MiB', 'not 200'],
)
for (const size of SIZES) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-stored-'))
  const smsc = await startSmsc()
  const messages = join(folder, 'messages.db')
  await fill(messages, size, `127.0.0.1:${smsc.port}/bench`)
  const gateway = await startGateway({ smscPort: smsc.port, messages })
  // First some of each, for what is compiled on the way.
  for (const [name, which] of [
    ['', newestOf(size - RECEIPTS)],
    ['receipt, newest', newestOf(size)],
    ['receipt, any', anyOf(size - 2 * RECEIPTS)],
  ] as const) {
    const before = cpuSeconds(gateway.pid)
    const seconds = await smsc.deliver({ ...which, count: RECEIPTS, outstandingMax: OUTSTANDING })
    const cpu = cpuSeconds(gateway.pid) - before
    if (name !== '')
      row(whole(size), name, whole(RECEIPTS / seconds), '', '', tenths((1e6 * cpu) / RECEIPTS), '', '')
  }
  const info = await load({
    ...{ port: gateway.port, connections: 64, rate: 0, requestsMax: 2_000_000, pids: [gateway.pid] },
    ...{ warmUpMs: 3000, durationMs: 4000, request: gateway.infoRequest(`${HEAD}#`) },
  })
  if (info.bad > 0) process.stderr.write(`${info.firstBad}\n`)
  row(
    ...[whole(size), 'info, any', whole(info.good / info.seconds), hundredths(info.p50Ms)],
    ...[
      hundredths(info.p99Ms),
      tenths((1e6 * info.cpuSeconds) / info.good),
      whole(info.rssMiB),
      String(info.bad),
    ],
  )
  await gateway.stop()
  await smsc.stop()
  rmSync(folder, { recursive: true, force: true })
}
