import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { AerospikeClient, type Logger as ClientLog, type TlsOptions } from './aerospike/index.ts'
import type { Clock, Random } from './clock.ts'
import { type Config, parseHosts } from './config/index.ts'
import type { Log } from './log.ts'
import { openAerospikeStore } from './store/aerospike.ts'
import { openSqliteStore } from './store/sqlite.ts'
import type { MessageStore } from './store/store.ts'

export interface OpenedStore {
  readonly store: MessageStore
  /** The number of this gateway among those that share the store. */
  readonly node: number
  /** Between two sweeps. */
  readonly sweepMs: number
}

const SQLITE_SWEEP_MS = 60_000

/** Opens the store that the configuration asks for: a cluster, or a file of this gateway alone. */
export async function openMessageStore(
  config: Config,
  parts: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<OpenedStore> {
  const { aerospike, storage } = config
  const { clock, random, log } = parts
  if (!aerospike) {
    const path = messagesPath(storage.db_path)
    const store = await openSqliteStore({ path, clock, retentionMs: storage.retention })
    return { store, node: config.node, sweepMs: SQLITE_SWEEP_MS }
  }
  const store = await openAerospikeStore({
    client: clusterClient(aerospike, parts),
    namespace: aerospike.namespace,
    clock,
    random,
    log,
    retentionMs: aerospike.ttl,
    instance: installation(storage.db_path),
    name: config.server_name,
    node: config.node,
  })
  log.info({ node: store.node, namespace: aerospike.namespace }, 'messages are in Aerospike')
  return { store, node: store.node, sweepMs: aerospike.sweep_time }
}

/** Not connected yet. */
export function clusterClient(
  cluster: NonNullable<Config['aerospike']>,
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

function tlsOf({ tls_ca: ca, tls_cert: cert, tls_key: key }: NonNullable<Config['aerospike']>): TlsOptions {
  const read = (file: string): string => readFileSync(file, 'utf8')
  return {
    ...(ca !== undefined && { ca: read(ca) }),
    ...(cert !== undefined && { cert: read(cert) }),
    ...(key !== undefined && { key: read(key) }),
  }
}

/** Messages have a file of their own beside the users': they come and go by the million, users do not. */
export const messagesPath = (dbPath: string): string => dbPath.replace(/(\.[^./]*)?$/, '-messages$1')

/** No two gateways that run have one database of users on one host. */
const installation = (dbPath: string): string =>
  new Bun.CryptoHasher('sha256').update(`${hostname()}\0${dbPath}`).digest('hex').slice(0, 16)
