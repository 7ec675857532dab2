import { hostname } from 'node:os'
import { AerospikeClient, type Logger as ClientLog } from './aerospike/index.ts'
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
  { hosts, port }: NonNullable<Config['aerospike']>,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: ClientLog },
): AerospikeClient {
  const parsed = parseHosts(hosts, port)
  return new AerospikeClient({ hosts: 'hosts' in parsed ? parsed.hosts : [], clock, random, logger: log })
}

/** Messages have a file of their own beside the users': they come and go by the million, users do not. */
export const messagesPath = (dbPath: string): string => dbPath.replace(/(\.[^./]*)?$/, '-messages$1')

/** No two gateways that run have one database of users on one host. */
const installation = (dbPath: string): string =>
  new Bun.CryptoHasher('sha256').update(`${hostname()}\0${dbPath}`).digest('hex').slice(0, 16)
