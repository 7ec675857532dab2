import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { systemClock, systemRandom } from '../clock.ts'
import { type Config, findConfigFile } from '../config/index.ts'
import { messageOf } from '../errors.ts'
import { clusterClient, leftInSpool, messagesPath } from '../message_store.ts'
import { openAerospikeCopy } from '../store/aerospike_copy.ts'
import { type CopySide, CopyStopped, copyStore, KINDS, type Report, type Step } from '../store/copy.ts'
import { SqliteCopy } from '../store/sqlite_copy.ts'
import { explain, load } from './configuration.ts'
import { createProgress, type Progress } from './progress.ts'
import { table } from './table.ts'
import { command, UsageError } from './usage.ts'

const USAGE = `sms-proxy store copy --from sqlite --to aerospike [--config FILE]
sms-proxy store copy --from aerospike --to sqlite [--config FILE]
    copies messages, receipts, idempotency keys, tallies and MO messages between the file beside
    storage.db_path and the cluster of the section aerospike; gateways on the source have to be stopped.
    One that was interrupted goes on when it is run again; one that is run twice brings what is new.
`

const DRIVERS = ['sqlite', 'aerospike'] as const
type Driver = (typeof DRIVERS)[number]

/** `argv` follows the word `store`. */
export const store = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { config: { type: 'string' }, from: { type: 'string' }, to: { type: 'string' } },
    })
    const [action, ...rest] = positionals
    if (action !== 'copy')
      throw new UsageError(action ? `there is no "store ${action}"` : 'what shall be done?')
    if (rest.length > 0) throw new UsageError(`"${rest[0]}" is one word too many`)
    const from = driverOf('--from', values.from)
    const to = driverOf('--to', values.to)
    if (from === to) throw new UsageError(`--from and --to are both ${from}`)
    const file = values.config ?? findConfigFile()
    const loaded = load(file)
    if ('problems' in loaded) return explain(loaded.problems)
    const { aerospike } = loaded.config
    if (!aerospike) {
      const message = 'is missing: it says where the cluster is (hosts, namespace, ttl)'
      return explain([{ place: file ?? 'the environment', path: 'aerospike', message }])
    }
    return await copy(loaded.config, aerospike, from)
  })

function driverOf(option: string, text: string | undefined): Driver {
  const driver = DRIVERS.find(name => name === text)
  if (driver) return driver
  throw new UsageError(
    `${option} must be ${DRIVERS.join(' or ')}${text === undefined ? '' : `, not "${text}"`}`,
  )
}

async function copy(
  config: Config,
  aerospike: NonNullable<Config['aerospike']>,
  source: Driver,
): Promise<number> {
  const progress = createProgress(process.stderr, systemClock.monotonic)
  const clock = systemClock
  const random = systemRandom
  const path = messagesPath(config.storage.db_path)
  if (source === 'sqlite' && !existsSync(path)) throw new Error(`there is no ${path}: nothing to copy`)
  if (source === 'aerospike') await refuseLeft(config.storage.db_path)
  const file = new SqliteCopy({ path, retentionMs: config.storage.retention, clock, random })
  try {
    // What the client has to say of nodes is no news here; what it was told to do unsafely is.
    const log = { info() {}, warn: (fields: object, text: string) => 'user' in fields && progress.say(text) }
    const client = clusterClient(aerospike, { clock, random, log })
    const { namespace, ttl } = aerospike
    const instance = file.id
    const cluster = await openAerospikeCopy({ client, namespace, clock, random, retentionMs: ttl, instance })
    const book = file.book(source === 'sqlite' ? `to ${cluster.id}` : `from ${cluster.id} ${cluster.opening}`)
    try {
      const names = { sqlite: path, aerospike: `the Aerospike namespace ${namespace}` }
      const [from, to]: [CopySide, CopySide] = source === 'sqlite' ? [file, cluster] : [cluster, file]
      const target = source === 'sqlite' ? 'aerospike' : 'sqlite'
      progress.say(`copying from ${names[source]} to ${names[target]}`)
      if (book.read()) progress.say('an earlier copy was interrupted: going on from there')
      const report = await copyStore({
        from,
        to,
        book,
        clock,
        stopped: stopSignal(),
        tell: teller(progress),
        waits: why => progress.say(`${why}: trying again`),
      })
      return tellReport(report, to, source === 'sqlite' ? 'aerospike.ttl' : 'storage.retention')
    } catch (error) {
      progress.end()
      const why = messageOf(error)
      const begun = error instanceof CopyStopped || book.read() !== undefined
      process.stderr.write(`${why}${begun ? ': run the same command again to go on from here' : ''}\n`)
      return 1
    } finally {
      await cluster.close()
    }
  } finally {
    progress.end()
    await file.close()
  }
}

/** What waits for the cluster would be in neither copy. */
async function refuseLeft(dbPath: string): Promise<void> {
  const { file, waiting } = await leftInSpool(dbPath, systemClock)
  if (waiting > 0)
    throw new Error(
      `writes wait in ${file} (${waiting}): run the gateway with aerospike.spool until the cluster has them, then copy`,
    )
}

/** Answers whether the process was told to stop; a second such signal ends it at once. */
function stopSignal(): () => boolean {
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1)
      stopping = true
    })
  }
  return () => stopping
}

const DAY_MS = 24 * 3600 * 1000

const KIND_COLUMNS = Math.max(...KINDS.map(kind => kind.length))

function teller(progress: Progress): (step: Step) => void {
  let words = ''
  let began = { at: 0, rows: 0 }
  return ({ doing, kind, rows, share }) => {
    const now = systemClock.monotonic()
    const before = words
    words = `${doing === 'copy' ? 'copying ' : 'checking'} ${kind.padEnd(KIND_COLUMNS)}`
    if (words !== before) began = { at: now, rows }
    const seconds = (now - began.at) / 1000
    const rate = seconds > 1 ? `  ${group((rows - began.rows) / seconds)}/s` : ''
    progress.show(words, share, `${group(rows)}${rate}`)
  }
}

/** Answers the exit code. */
function tellReport({ counts, missing, tallies, counted }: Report, to: CopySide, lifeKey: string): number {
  const rows = KINDS.map(kind => [kind, counts[kind].copied, counts[kind].past, missing[kind]])
  const all = [...rows, ['tallies', tallies.copied, 0, tallies.wrong]]
  process.stdout.write(table(['', 'copied', 'past their time', 'missing'], all))
  process.stdout.write(`messages ever counted: ${counted.from} in the source, ${counted.to} in the target\n`)
  if (counts.messages.past > 0) {
    const days = +(to.retentionMs / DAY_MS).toFixed(2)
    process.stdout.write(
      `the target keeps messages for ${days} d (${lifeKey}): older ones were left out; to have them, set more and copy again\n`,
    )
  }
  if (tallies.wrong === 0 && KINDS.every(kind => missing[kind] === 0)) return 0
  process.stderr.write('something is missing in the target: run the same command again\n')
  return 1
}

const group = (count: number): string => Math.round(count).toLocaleString('en')
