import { silentLogger, systemClock, systemRandom } from './defaults.ts'
import { invalid } from './errors.ts'
import type { Clock, Connect, Host, Logger, Random } from './ports.ts'
import { socketConnector, type TlsOptions } from './socket.ts'

export interface ClientOptions {
  /** Nodes to ask first; the others are learned from them. */
  readonly hosts: readonly Host[]
  /** Ask nodes for their alternate addresses (`alternate-access-address`), as behind NAT. */
  readonly alternateAddresses?: boolean
  readonly tls?: TlsOptions
  /** Enterprise: a user of the server (`internal`), or of its directory (`external`, over TLS alone). */
  readonly credentials?: {
    readonly user: string
    readonly password: string
    readonly mode?: 'internal' | 'external'
  }
  readonly limits?: Partial<Limits>
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
  /** In place of TCP or TLS. */
  readonly connect?: Connect
}

export interface Limits {
  readonly tendIntervalMs: number
  /** For a connection, and for each answer by which a node tells how it is: a node that hangs is soon known. */
  readonly connectTimeoutMs: number
  /** How long a connection may be silent while it owes an answer, before it is given up. */
  readonly socketTimeoutMs: number
  /** A connection unused for longer is closed; the server drops its side after `proto-fd-idle-ms`. */
  readonly idleMsMax: number
  readonly connectionsPerNodeMax: number
  /** Requests on their way on one connection. */
  readonly pipelineMax: number
  /** Requests that wait for a connection to a node; past it they are refused. */
  readonly queuePerNodeMax: number
  /** A frame, either way; the server's own limit is 128 MiB. */
  readonly frameBytesMax: number
  readonly batchEntriesMax: number
  /** Records of a query that wait for their reader; past it the sockets are not read. */
  readonly queryRecordsBufferedMax: number
  readonly nodesMax: number
}

const defaultLimits: Limits = {
  tendIntervalMs: 1000,
  connectTimeoutMs: 1000,
  socketTimeoutMs: 5000,
  idleMsMax: 50_000,
  connectionsPerNodeMax: 16,
  pipelineMax: 32,
  queuePerNodeMax: 10_000,
  frameBytesMax: 16 * 1024 * 1024,
  batchEntriesMax: 5000,
  queryRecordsBufferedMax: 1000,
  nodesMax: 128,
}

export interface Settings {
  readonly hosts: readonly Host[]
  readonly alternateAddresses: boolean
  readonly tls: boolean
  readonly credentials: ClientOptions['credentials']
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly connect: Connect
}

export function settingsOf(options: ClientOptions): Settings {
  if (options.hosts.length === 0) throw invalid('At least one host is needed to find the cluster.')
  if (options.credentials?.mode === 'external' && !options.tls) {
    throw invalid('External authentication sends the password itself: it needs TLS.')
  }
  const limits = { ...defaultLimits, ...options.limits }
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isInteger(value) || value < 1)
      throw invalid(`The limit ${name} is ${value}: it must be a whole number from 1.`)
  }
  return {
    hosts: options.hosts,
    alternateAddresses: options.alternateAddresses ?? false,
    tls: options.tls !== undefined,
    credentials: options.credentials,
    limits,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
    connect: options.connect ?? socketConnector(options.tls),
  }
}
