/**
 * Sends beside Kannel in one run: the same SMSC, link, text and load. Kannel answers before the SMSC has the
 * message and syncs nothing to disk; we answer when the SMSC has it and the disk has it, with filters and receipts.
 * Twice: with the load on a core of its own and the servers on the others, then with both cores for both, where Kannel's
 * two processes can work beside each other.
 *   bun run bench kannel
 */
import { startGateway } from './support/gateway.ts'
import { type KannelOptions, kannelInstalled, startKannel } from './support/kannel.ts'
import { load } from './support/load.ts'
import { long } from './support/options.ts'
import type { Place } from './support/process.ts'
import { startSmsc } from './support/smsc.ts'
import { heading, hundredths, row, tenths, whole } from './support/table.ts'

const CONNECTIONS = 64
const DURATION_MS = long ? 20_000 : 5000

interface Figures {
  /** Messages that the SMSC took, a second. */
  readonly rate: number
  readonly cpu: number
}

/** Counts what the SMSC has taken, since an answer may come before that. */
async function measure(
  name: string,
  smsc: Awaited<ReturnType<typeof startSmsc>>,
  target: { readonly port: number; readonly pids: readonly number[]; readonly request: string },
  ours: Figures | undefined,
): Promise<Figures> {
  let before = await smsc.counts()
  const result = await load(
    {
      ...{ port: target.port, connections: CONNECTIONS, rate: 0, requestsMax: 2_000_000 },
      ...{ warmUpMs: 6000, durationMs: DURATION_MS, pids: target.pids, request: target.request },
    },
    async () => {
      before = await smsc.counts()
    },
  )
  const after = await smsc.counts()
  const rate = Math.min(after.taken - before.taken, result.good) / result.seconds
  const cpu = (1e6 * result.cpuSeconds) / (rate * result.seconds)
  row(
    name,
    whole(rate),
    whole(result.good / result.seconds),
    hundredths(result.p50Ms),
    hundredths(result.p99Ms),
    tenths(cpu),
    whole(result.rssMiB),
    String(result.bad),
    ours ? `${hundredths(ours.rate / rate)} ×` : '',
  )
  return { rate, cpu }
}

const COLUMNS = [
  '',
  'messages/s at the SMSC',
  'answers/s',
  'p50 ms',
  'p99 ms',
  'CPU ms a thousand',
  'RSS MiB',
  'not 2xx',
  'we do',
]

const PEERS: readonly (readonly [string, Omit<KannelOptions, 'smscPort' | 'place'>])[] = [
  ['Kannel, no store', { store: 'none', receipts: false }],
  ['Kannel, spool store', { store: 'spool', receipts: false }],
  ['Kannel, receipts and callbacks', { store: 'spool', receipts: true }],
  ['Kannel, SMSC answers after 20 ms', { store: 'none', receipts: false }],
]

async function compare(place: Place, where: string): Promise<void> {
  heading(`Beside Kannel, ${CONNECTIONS} connections, window 100, ${where}`, ...COLUMNS)
  const smsc = await startSmsc()
  const gateway = await startGateway({ smscPort: smsc.port, place })
  const target = { port: gateway.port, pids: [gateway.pid], request: gateway.request() }
  const ours = await measure('ours, everything on', smsc, target, undefined)
  await gateway.stop()
  await smsc.stop()
  if (!kannelInstalled) return
  for (const [name, options] of PEERS) {
    const peer = await startSmsc({ delayMs: name.includes('20 ms') ? 20 : 0 })
    const kannel = await startKannel({ ...options, smscPort: peer.port, place })
    await measure(name, peer, kannel, name.includes('20 ms') ? undefined : ours)
    await kannel.stop()
    await peer.stop()
  }
}

await compare('server', 'the load on a core of its own')
await compare('anywhere', 'all cores for all')
if (!kannelInstalled)
  console.log('\nKannel is not installed (Debian package `kannel`): nothing to compare with.')
