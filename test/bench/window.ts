/**
 * What a window is worth when the SMSC takes its time: one link, by window and delay. The most there can be is
 * window / delay, with the delay that the SMSC truly had.
 *   bun run bench window
 */
import { startGateway } from './support/gateway.ts'
import { load } from './support/load.ts'
import { long } from './support/options.ts'
import { startSmsc } from './support/smsc.ts'
import { heading, hundredths, row, tenths, whole } from './support/table.ts'

const DELAYS_MS = [0, 5, 20, 50]
const WINDOWS = long ? [1, 10, 100, 1000] : [10, 100]

heading(
  'Window against an SMSC that answers later',
  ...['answers after ms', 'window', 'sends/s', 'window / delay', 'share %', 'p50 ms', 'not 200'],
)
for (const delayMs of DELAYS_MS) {
  for (const window of WINDOWS) {
    const smsc = await startSmsc({ delayMs })
    const gateway = await startGateway({ smscPort: smsc.port, window })
    let before = await smsc.counts()
    const result = await load(
      {
        // Enough callers that the window is always full.
        ...{ port: gateway.port, connections: Math.min(4 * window, 500), rate: 0, requestsMax: 2_000_000 },
        ...{ warmUpMs: 5000, durationMs: 3000, pids: [gateway.pid], request: gateway.request() },
      },
      async () => {
        before = await smsc.counts()
      },
    )
    const after = await smsc.counts()
    const meanDelayMs =
      delayMs === 0 ? 0 : (after.delayedMs - before.delayedMs) / (after.taken - before.taken)
    const rate = result.good / result.seconds
    const most = (1000 * window) / meanDelayMs
    row(
      delayMs === 0 ? 'at once' : `${delayMs} (${hundredths(meanDelayMs)})`,
      String(window),
      whole(rate),
      delayMs === 0 ? '' : whole(most),
      delayMs === 0 ? '' : tenths((100 * rate) / most),
      hundredths(result.p50Ms),
      String(result.bad),
    )
    await gateway.stop()
    await smsc.stop()
  }
}
