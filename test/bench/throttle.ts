/**
 * An SMSC that takes 1,000 a second and answers ESME_RTHROTTLED above 20 outstanding: how many it gets, and
 * whether each message gets there exactly once.
 *   bun run bench throttle
 */
import { startGateway } from './support/gateway.ts'
import { load } from './support/load.ts'
import { long } from './support/options.ts'
import { startSmsc } from './support/smsc.ts'
import { heading, hundredths, row, whole } from './support/table.ts'

heading(
  'An SMSC that throttles: takes 1,000/s, 0x58 above 20 outstanding',
  ...[
    'connections',
    'sends/s',
    'p50 ms',
    'p99 ms',
    'refusals of the SMSC',
    'taken by the SMSC',
    'sent',
    'not 200',
  ],
)
for (const connections of [64, 256]) {
  const smsc = await startSmsc({ takesPerSecond: 1000, outstandingMax: 20 })
  const gateway = await startGateway({ smscPort: smsc.port, queueTimeout: '30s' })
  const result = await load({
    ...{ port: gateway.port, connections, rate: 0, pids: [gateway.pid], request: gateway.request() },
    // Fewer than the 10,000 requests that differ: each destination is one message.
    ...{ warmUpMs: 2000, durationMs: long ? 7500 : 5000, requestsMax: 10_000 },
  })
  await Bun.sleep(500)
  const { taken, throttled, distinct } = await smsc.counts()
  row(
    String(connections),
    whole(result.good / result.seconds),
    hundredths(result.p50Ms),
    hundredths(result.p99Ms),
    whole(throttled),
    `${whole(taken)}, ${whole(distinct)} different`,
    whole(result.sent),
    String(result.bad),
  )
  await gateway.stop()
  await smsc.stop()
}
