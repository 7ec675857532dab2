/** How the records of the tallies lie: `sent` and `failed` are maps of a tally's name to its count. */

import { bins, type Key, maps, type Operation, type ReadBins } from '../aerospike/index.ts'
import { isNumber, mapOf, type Records } from './aerospike_records.ts'

export const SHARDS = 64
export const KINDS = ['sent', 'failed'] as const
export type Kind = (typeof KINDS)[number]

export const shardKey = (records: Records, shard: number): Key => records.key('state', `tally/${shard}`)

/** Of a tally's name: the campaigns of a node are spread over all. */
export const shardOf = (name: string): number => Bun.hash.crc32(name) % SHARDS

/** By the names of tallies. */
export type Counts = { readonly [K in Kind]: ReadonlyMap<string, number> }

export interface NameCount {
  readonly kind: Kind
  readonly name: string
  readonly by: number
}

export const countsOf = (counts: Counts): NameCount[] =>
  KINDS.flatMap(kind => [...counts[kind]].map(([name, by]) => ({ kind, name, by })))

export const countsIn = (record: ReadBins = {}): Counts => ({
  sent: mapOf(record, 'sent', isNumber),
  failed: mapOf(record, 'failed', isNumber),
})

export const sumOf = (counts: readonly NameCount[]): number => counts.reduce((sum, { by }) => sum + by, 0)

/**
 * Adds to a record that nobody writes meanwhile, of which all that concerns these names is `known`: sums, not
 * increments, of which each takes a server as long as the map.
 */
export function addCounts(known: Counts, counts: readonly NameCount[]): Operation[] {
  const sums = { sent: new Map<string, number>(), failed: new Map<string, number>() }
  for (const { kind, name, by } of counts)
    sums[kind].set(name, (sums[kind].get(name) ?? known[kind].get(name) ?? 0) + by)
  return KINDS.map(kind => maps.putItems(kind, sums[kind], { order: 'key' }))
}

/** What is asked of a record more often than its names, of which there may be thousands. */
export interface Size {
  /** At least what its names take. */
  readonly octets: number
  readonly messages: number
}

export const SIZE_BINS = ['octets', 'messages'] as const

export const writeSize = (size: Size): Operation[] => SIZE_BINS.map(bin => bins.write(bin, size[bin]))

const NAMES_SHARE = 3 / 4

/** Of a record, for names; what comes under new ones past it counts under `OTHER_CAMPAIGNS`. */
export const namesOctetsMax = ({ octetsMax }: Pick<Records, 'octetsMax'>): number => octetsMax * NAMES_SHARE

/** A count and what stands around it, beside the octets of its name. */
const COUNT_OCTETS = 14

/** Twice: what was sent and what failed is counted apart. */
export const octetsOf = (name: string): number => 2 * (Buffer.byteLength(name) + COUNT_OCTETS)

/** Counted, where the record has its size not beside it. */
export function sizeOf(record: ReadBins | undefined): Size {
  if (!record) return { octets: 0, messages: 0 }
  const { octets, messages } = record
  if (isNumber(octets) && isNumber(messages)) return { octets, messages }
  const counts = countsOf(countsIn(record))
  const received = record.received instanceof Map ? [...record.received.keys()].map(String) : []
  const names = new Set([...counts.map(({ name }) => name), ...received])
  return {
    octets: [...names].reduce((sum, name) => sum + octetsOf(name), 0),
    messages: sumOf(counts),
  }
}
