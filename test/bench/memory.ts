/**
 * Memory as messages go by: idle, at full load, and after a million of them (`--long`; else after 200,000).
 *   bun run bench memory [--long]
 */
import { startGateway } from './support/gateway.ts'
import { load } from './support/load.ts'
import { long } from './support/options.ts'
import { rssMiB } from './support/process.ts'
import { startSmsc } from './support/smsc.ts'
import { heading, row, whole } from './support/table.ts'

const STEPS = long ? [0, 100_000, 400_000, 700_000, 1_000_000] : [0, 50_000, 100_000, 200_000]
const STEP_MS_MAX = 120_000

const smsc = await startSmsc()
const gateway = await startGateway({ smscPort: smsc.port })
heading('Memory', 'messages', 'RSS MiB at full load', 'RSS MiB 2 s later')
row('0', '', whole(rssMiB(gateway.pid)))
let sent = 0
for (const step of STEPS.slice(1)) {
  const result = await load({
    ...{ port: gateway.port, connections: 64, rate: 0, requestsMax: step - sent, pids: [gateway.pid] },
    ...{ warmUpMs: 0, durationMs: STEP_MS_MAX, request: gateway.request() },
  })
  sent += result.sent
  await Bun.sleep(2000)
  row(whole(sent), whole(result.rssMiB), whole(rssMiB(gateway.pid)))
}
await gateway.stop()
await smsc.stop()
