/**
 * Latency at a quarter, half and three quarters of the most: requests leave at fixed times, and each is timed from
 * when it was due, so that a slow answer does not hide those that waited behind it.
 *   bun run bench latency
 */
import { startGateway } from './support/gateway.ts'
import { load } from './support/load.ts'
import { long } from './support/options.ts'
import { startSmsc } from './support/smsc.ts'
import { heading, hundredths, row, tenths, whole } from './support/table.ts'

const CONNECTIONS = 64

const smsc = await startSmsc()
const gateway = await startGateway({ smscPort: smsc.port })
const run = (rate: number) =>
  load({
    ...{ port: gateway.port, connections: CONNECTIONS, rate, requestsMax: 2_000_000, pids: [gateway.pid] },
    ...{ warmUpMs: rate === 0 ? 6000 : 1000, durationMs: long ? 20_000 : 5000, request: gateway.request() },
  })

const most = await run(0)
const mostRate = most.good / most.seconds
heading(
  `Latency at a fixed rate (the most: ${whole(mostRate)} sends/s)`,
  ...['share', 'sends/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'longest ms', 'CPU ms a thousand', 'not 200'],
)
for (const share of [0.25, 0.5, 0.75]) {
  const result = await run(Math.round(mostRate * share))
  row(
    `${share * 100} %`,
    whole(result.good / result.seconds),
    hundredths(result.p50Ms),
    hundredths(result.p99Ms),
    hundredths(result.p999Ms),
    hundredths(result.maxMs),
    tenths((1e6 * result.cpuSeconds) / result.good),
    String(result.bad),
  )
}
await gateway.stop()
await smsc.stop()
