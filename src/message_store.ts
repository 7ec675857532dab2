import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { AerospikeClient, type Logger as ClientLog, type TlsOptions } from './aerospike/index.ts'
import type { Clock, Random } from './clock.ts'
import { type Config, parseHosts } from './config/index.ts'
import type { LastIds } from './ids.ts'
import type { Log } from './log.ts'
import { idTime } from './message_id.ts'
import { openAerospikeStore } from './store/aerospike.ts'
import type { AerospikeStore } from './store/aerospike_store.ts'
import { openSpooledStore } from './store/spooled.ts'
import { SpooledStore } from './store/spooled_store.ts'
import { openSqliteStore, type SqliteStore } from './store/sqlite.ts'
import { openSpool } from './store/sqlite_spool.ts'
import type { MessageStore } from './store/store.ts'
import type { SweepPace } from './store/sweeper.ts'

export interface OpenedStore {
  readonly store: MessageStore
  /** The number of this gateway among those that share the store. */
  readonly node: number
  readonly sweepPace: SweepPace
  /** The last ids of an earlier life; a cluster does not tell. */
  readonly lastIds?: LastIds
  /** What waits on disk for a cluster, where that is asked for. */
  readonly spool?: Pick<SpooledStore, 'warning' | 'spoolCounts'>
}

export interface StoreParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const SQLITE_SWEEP_MS = 60_000
/** For an operator to set the clock right, by which all is to go. A gateway that was off for so long keeps it an hour more. */
const SWEEP_WAITS_MS = 3600_000
/** At 64 connections it takes an eighth off the CPU of a send, and there are a twelfth more of them. */
const COMMIT_PACE_MS = 2

/** Opens the store that the configuration asks for: a cluster, or a file of this gateway alone. */
export async function openMessageStore(config: Config, parts: StoreParts): Promise<OpenedStore> {
  const { aerospike, storage } = config
  const { clock, log } = parts
  if (!aerospike?.spool) await tellOfLeft(config, parts)
  if (!aerospike) {
    const path = messagesPath(storage.db_path)
    const store = await openSqliteStore({
      path,
      clock,
      retentionMs: storage.retention,
      paceMs: COMMIT_PACE_MS,
    })
    const lastIds = lastIdsOf(store, log)
    const waits = lastIds !== undefined && idTime(lastIds.messageId) < clock.now() - storage.retention
    if (waits) log.warn({ newest: new Date(idTime(lastIds.messageId)).toISOString() }, ALL_PAST)
    const sweepPace = { everyMs: SQLITE_SWEEP_MS, inPieces: true, ...(waits && { firstMs: SWEEP_WAITS_MS }) }
    return { store, node: config.node, sweepPace, ...(lastIds && { lastIds }) }
  }
  const store = aerospike.spool
    ? await openSpooled(config, aerospike, parts)
    : await openCluster(config, aerospike, parts)
  log.info({ node: store.node, namespace: aerospike.namespace }, 'messages are in Aerospike')
  const spool = store instanceof SpooledStore ? { spool: store } : {}
  const sweepPace = { everyMs: aerospike.sweep_time, inPieces: false }
  return { store, node: store.node, sweepPace, ...spool }
}

const ALL_PAST =
  "by this host's clock all messages are past storage.retention: unless it is set right they are deleted in an hour"

/** A file that is damaged there may do for all else: ids go by the clock alone then. */
function lastIdsOf(store: Pick<SqliteStore, 'newest'>, log: Log): LastIds | undefined {
  try {
    const newest = store.newest()
    return newest && { messageId: newest.id, taskId: newest.taskId }
  } catch (err) {
    log.error({ err }, 'the newest message cannot be read: if the clock was set back, ids may come twice')
    return undefined
  }
}

type ClusterConfig = NonNullable<Config['aerospike']>

async function openSpooled(
  config: Config,
  aerospike: ClusterConfig,
  parts: StoreParts,
): Promise<SpooledStore> {
  const { clock, log } = parts
  const spool = openSpool(spoolPath(config.storage.db_path), clock)
  const instance = installation(config.storage.db_path)
  let looking = false
  const open = async (): Promise<AerospikeStore> => {
    // It is looked for every second: one line is enough, until it is there.
    const told = { quiet: looking }
    looking = true
    const node = spool.nodeOf(instance) ?? config.node
    const store = await openCluster({ ...config, node }, aerospike, { ...parts, log: quieted(log, told) })
    told.quiet = false
    return store
  }
  return openSpooledStore({ spool, open, instance, entriesMax: aerospike.spool_max, clock, log })
}

/** Nothing that was spooled is forgotten by switching the spool off. */
async function tellOfLeft({ storage }: Config, { clock, log }: StoreParts): Promise<void> {
  const { file, waiting } = await leftInSpool(storage.db_path, clock)
  if (waiting > 0) log.error({ file, waiting }, 'writes wait in the spool: switch aerospike.spool on again')
}

/** How many writes wait in the spool of a gateway that does not run. */
export async function leftInSpool(
  dbPath: string,
  clock: Clock,
): Promise<{ readonly file: string; readonly waiting: number }> {
  const file = spoolPath(dbPath)
  if (!existsSync(file)) return { file, waiting: 0 }
  const spool = openSpool(file, clock)
  const waiting = spool.depth
  await spool.close()
  return { file, waiting }
}

function openCluster(config: Config, aerospike: ClusterConfig, parts: StoreParts): Promise<AerospikeStore> {
  const { clock, random, log } = parts
  return openAerospikeStore({
    client: clusterClient(aerospike, parts),
    namespace: aerospike.namespace,
    clock,
    random,
    log,
    retentionMs: aerospike.ttl,
    instance: installation(config.storage.db_path),
    name: config.server_name,
    node: config.node,
    keepsNumber: aerospike.spool,
    sweepMs: aerospike.sweep_time,
  })
}

/** While `told.quiet` what it hears goes to the debug log. */
function quieted(log: Log, told: { readonly quiet: boolean }): Log {
  const say =
    (level: 'info' | 'warn' | 'error') =>
    (fields: object, text: string): void =>
      log[told.quiet ? 'debug' : level](fields, text)
  return { ...log, info: say('info'), warn: say('warn'), error: say('error') }
}

/** Not connected yet. */
export function clusterClient(
  cluster: ClusterConfig,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: ClientLog },
): AerospikeClient {
  const { tls, tls_name: tlsName, user, password } = cluster
  const parsed = parseHosts(cluster.hosts, cluster.port)
  const hosts = 'hosts' in parsed ? parsed.hosts : []
  if (user !== undefined && !tls) log.warn({ user }, CLEAR_LOGIN)
  return new AerospikeClient({
    hosts: tlsName === undefined ? hosts : hosts.map(host => ({ ...host, tlsName })),
    ...(tls && { tls: tlsOf(cluster) }),
    ...(user !== undefined && password !== undefined && { credentials: { user, password } }),
    clock,
    random,
    logger: log,
  })
}

/** The protocol hashes the password in a way that is always the same: who has the hash can log in. */
const CLEAR_LOGIN =
  'the login at the Aerospike cluster goes without TLS: whoever listens can use it (set aerospike.tls)'

function tlsOf({ tls_ca: ca, tls_cert: cert, tls_key: key }: ClusterConfig): TlsOptions {
  const read = (file: string): string => readFileSync(file, 'utf8')
  return {
    ...(ca !== undefined && { ca: read(ca) }),
    ...(cert !== undefined && { cert: read(cert) }),
    ...(key !== undefined && { key: read(key) }),
  }
}

/** Messages have a file of their own beside the users': they come and go by the million, users do not. */
export const messagesPath = (dbPath: string): string => dbPath.replace(/(\.[^./]*)?$/, '-messages$1')
const spoolPath = (dbPath: string): string => dbPath.replace(/(\.[^./]*)?$/, '-spool$1')

/** No two gateways that run have one database of users on one host. */
const installation = (dbPath: string): string =>
  new Bun.CryptoHasher('sha256').update(`${hostname()}\0${dbPath}`).digest('hex').slice(0, 16)
