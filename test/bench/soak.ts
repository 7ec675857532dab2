/**
 * Minutes of steady traffic while the link flaps: is the memory flat, and does every send end well?
 *   bun test/bench/soak.ts [minutes] [sends a second]     (30 and 1,000; after `npm run build`)
 */
import { systemClock } from '../../src/clock.ts'
import { Smsc, seededDraw } from '../../src/smsc/smsc.ts'
import { startGateway } from './support/gateway.ts'
import { load } from './support/load.ts'
import { cpuSeconds, rssMiB } from './support/process.ts'
import { heading, row, tenths, whole } from './support/table.ts'

const [minutes = 30, rate = 1000] = process.argv.slice(2).map(Number)
/** Each of these the link is cut, now with RST, now without. */
const FLAP_MS = 20_000

const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const smsc = new Smsc({
  ...{ host: '127.0.0.1', port: 0, firstId: 1, clock: systemClock, draw: seededDraw(1), log: quiet },
  faults: { receiptDelay: '1s' },
})
const gateway = await startGateway({ smscPort: smsc.port })
let flaps = 0
const flapping = setInterval(() => smsc.drop({ reset: ++flaps % 2 === 0 }), FLAP_MS)

heading(
  'Soak',
  'minute',
  'sends',
  '200',
  'not 200',
  'first that was not',
  'p99 ms',
  'RSS MiB',
  'CPU ms a thousand',
  'flaps',
)
for (let minute = 1; minute <= minutes; minute++) {
  const before = cpuSeconds(gateway.pid)
  const result = await load({
    ...{ port: gateway.port, connections: 64, rate, requestsMax: rate * 90, pids: [gateway.pid] },
    ...{ warmUpMs: 0, durationMs: 60_000, request: gateway.request() },
  })
  const cpu = ((cpuSeconds(gateway.pid) - before) * 1e6) / result.sent
  const why = /"error":"([^"]*)/.exec(result.firstBad)?.[1] ?? ''
  row(
    ...[whole(minute), whole(result.sent), whole(result.good), whole(result.bad), why, tenths(result.p99Ms)],
    ...[whole(rssMiB(gateway.pid)), tenths(cpu), whole(flaps)],
  )
}
clearInterval(flapping)
await gateway.stop()
await smsc.close(0)
