/**
 * Sends over HTTP with everything on: JWT, the app's limit, two filters, receipts, an fsync for each commit.
 *   bun run bench sends [--long]
 */
import { startGateway } from './support/gateway.ts'
import { load } from './support/load.ts'
import { long } from './support/options.ts'
import { startSmsc } from './support/smsc.ts'
import { heading, hundredths, row, tenths, whole } from './support/table.ts'

heading(
  'Sends: one link, window 100, everything on',
  'connections',
  'sends/s',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
  'CPU ms a thousand',
  'RSS MiB',
  'not 200',
)
/** As with an SMSC that delivers after some seconds. */
const LATE = 20_000

for (const [connections, receiptsHeld] of [
  ...[1, 16, 64, 256].map(count => [count, 0] as const),
  ...[64, 256].map(count => [count, LATE] as const),
]) {
  const smsc = await startSmsc({ receiptsHeld })
  const gateway = await startGateway({ smscPort: smsc.port })
  const result = await load({
    ...{ port: gateway.port, connections, rate: 0, requestsMax: 2_000_000, pids: [gateway.pid] },
    ...{
      warmUpMs: receiptsHeld > 0 ? 5000 : 2000,
      durationMs: long ? 20_000 : 4000,
      request: gateway.request(),
    },
  })
  if (result.bad > 0) process.stderr.write(`${result.firstBad}\n`)
  row(
    receiptsHeld === 0
      ? String(connections)
      : `${connections}, receipts ${whole(receiptsHeld)} messages behind`,
    whole(result.good / result.seconds),
    hundredths(result.p50Ms),
    hundredths(result.p99Ms),
    hundredths(result.p999Ms),
    tenths((1e6 * result.cpuSeconds) / result.good),
    whole(result.rssMiB),
    String(result.bad),
  )
  await gateway.stop()
  await smsc.stop()
}
