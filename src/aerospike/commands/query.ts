import type { Cluster } from '../cluster.ts'
import { asAerospikeError } from '../connection.ts'
import { AerospikeError, invalid } from '../errors.ts'
import { checkNames, PARTITIONS } from '../key.ts'
import type { Node } from '../node.ts'
import { ATTEMPTS_MAX } from '../policy.ts'
import type { StoredRecord } from '../record.ts'
import { pauseMs } from '../retry.ts'
import { NodeQuery, type PartitionProgress } from './node_query.ts'
import { RecordChannel } from './record_channel.ts'

export interface Query {
  readonly namespace: string
  /** All sets of the namespace when empty. */
  readonly set: string
  /** Those to read; all by default. With `[]`, keys, generations and times to live alone. */
  readonly bins?: readonly string[]
  /** Only what a secondary index on the bin finds. */
  readonly where?: Where
  /** A part of the namespace, so that several readers can share the work. Default: all 4096 partitions. */
  readonly partitions?: { readonly first: number; readonly count: number }
  /** The most that each node reads a second. */
  readonly recordsPerSecondMax?: number
  /** Attempts in a row that bring nothing before the query fails. Default 6. */
  readonly attemptsMax?: number
}

export type Where =
  | { readonly bin: string; readonly equals: string | number }
  | { readonly bin: string; readonly from: number; readonly to: number }

/**
 * Reads partition by partition. What a lost node or connection has not told is asked again, each partition
 * from where it stopped, so that no record comes twice while it stands still.
 */
export async function* queryRecords(
  cluster: Cluster,
  query: Query,
): AsyncGenerator<StoredRecord, void, void> {
  const progress = partitionsOf(query)
  const channel = new RecordChannel(cluster.settings.limits.queryRecordsBufferedMax)
  pump(cluster, query, progress, channel).catch((cause: unknown) => channel.end(asAerospikeError(cause)))
  try {
    for (let records = await channel.take(); records; records = await channel.take()) yield* records
  } finally {
    channel.cancel()
  }
}

function partitionsOf(query: Query): PartitionProgress[] {
  checkNames(query.namespace, query.set)
  const { first, count } = query.partitions ?? { first: 0, count: PARTITIONS }
  if (
    !Number.isInteger(first) ||
    !Number.isInteger(count) ||
    first < 0 ||
    count < 1 ||
    first + count > PARTITIONS
  ) {
    throw invalid(`Partitions ${first} to ${first + count - 1} are not within 0 to ${PARTITIONS - 1}.`)
  }
  return Array.from({ length: count }, (_, index) => ({
    partition: first + index,
    done: false,
    digest: undefined,
    indexValue: undefined,
  }))
}

async function pump(
  cluster: Cluster,
  query: Query,
  progress: PartitionProgress[],
  channel: RecordChannel,
): Promise<void> {
  const { clock, random } = cluster.settings
  const attemptsMax = query.attemptsMax ?? ATTEMPTS_MAX
  const stages = () => `${progress.filter(({ done }) => done).length}/${channel.pushed}`
  for (let attempt = 1, before = stages(); !channel.cancelled; attempt++) {
    const { groups, error: nowhere } = group(cluster, query, progress)
    const outcomes = await Promise.all(
      [...groups].map(([node, part]) => readNode(cluster, node, query, part, channel)),
    )
    if (progress.every(({ done }) => done)) return channel.end()
    const failures = outcomes.filter(outcome => outcome !== undefined)
    const final = failures.find(({ again }) => !again)
    if (final) return channel.end(final.error)
    if (stages() !== before) attempt = 1
    before = stages()
    const error =
      failures[0]?.error ??
      nowhere ??
      new AerospikeError('PARTITION_UNAVAILABLE', 'Partitions are unavailable')
    if (cluster.closed || attempt >= attemptsMax) return channel.end(cluster.closed ? cluster.fault : error)
    cluster.tendSoon()
    const waitMs = pauseMs(attempt, random)
    await new Promise<void>(resolve => void clock.after(waitMs, resolve))
  }
}

function group(cluster: Cluster, query: Query, progress: readonly PartitionProgress[]) {
  const groups = new Map<Node, PartitionProgress[]>()
  let error: AerospikeError | undefined
  for (const part of progress) {
    if (part.done) continue
    const node = cluster.map.node(query.namespace, part.partition, 0)
    if (!node)
      error = new AerospikeError(
        'NO_NODE',
        `No node is known for partition ${part.partition} of ${query.namespace}`,
      )
    else {
      const parts = groups.get(node)
      if (parts) parts.push(part)
      else groups.set(node, [part])
    }
  }
  return { groups, error }
}

async function readNode(
  cluster: Cluster,
  node: Node,
  query: Query,
  parts: readonly PartitionProgress[],
  channel: RecordChannel,
): Promise<{ error: AerospikeError; again: boolean } | undefined> {
  try {
    const connection = await node.borrow()
    try {
      await new NodeQuery(cluster.settings, query, parts, connection, channel).run()
    } finally {
      node.giveBack(connection)
    }
    return undefined
  } catch (cause) {
    const error = asAerospikeError(cause)
    const again =
      error.code !== 'INVALID_ARGUMENT' &&
      (error.resultCode === undefined ||
        error.code === 'SERVER_TIMEOUT' ||
        error.code === 'PARTITION_UNAVAILABLE')
    return { error, again }
  }
}
