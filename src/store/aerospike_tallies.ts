import { type Key, maps, type ReadBins } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { type Roll, readLanes } from './aerospike_journal.ts'
import { NODES } from './aerospike_lease.ts'
import { Deadline, isNumber, mapOf, type Records } from './aerospike_records.ts'
import { type CampaignTally, type CampaignTotal, StoreError } from './store.ts'

/**
 * Counts for good: a few records that no send touches. What a node counts is in its journal first, and comes
 * here with a roll-up, numbered by its lane. A record remembers the last number of each lane, in the step that
 * adds the counts, so that a roll-up which is done twice counts once.
 */
export const SHARDS = 64
/** A roll-up has this long for one record. */
const WRITE_MS = 3000
const READ_MS = 5000
/** Reads that a roll-up came between, in a row. */
const TORN_MAX = 10

export class Tallies {
  constructor(
    private readonly records: Records,
    private readonly clock: Pick<Clock, 'monotonic'>,
  ) {}

  /** Adds a roll-up. */
  async add(roll: Roll): Promise<void> {
    const shards = new Set([...roll.sent.keys(), ...roll.failed.keys()].map(shardOf))
    await Promise.all([...shards].map(shard => this.#addTo(shard, roll)))
  }

  async #addTo(shard: number, roll: Roll): Promise<void> {
    const deadline = new Deadline(this.clock, WRITE_MS)
    const key = shardKey(this.records, shard)
    const increments = (['sent', 'failed'] as const).flatMap(kind =>
      [...roll[kind]]
        .filter(([name]) => shardOf(name) === shard)
        .map(([name, by]) => maps.increment(kind, name, by, 'key')),
    )
    for (;;) {
      const record = await this.records.get(key, deadline)
      if (record && rolledOf(record.bins, roll.lane) >= roll.number) return
      const operations = [...increments, maps.put('rolled', roll.lane, roll.number, { order: 'key' })]
      if (await this.records.step(key, operations, 'never', deadline, record?.generation)) return
    }
  }

  /** What all nodes have counted. */
  async all(): Promise<CampaignTally[]> {
    const deadline = new Deadline(this.clock, READ_MS)
    for (let attempt = 1; attempt <= TORN_MAX; attempt++) {
      const sums = await this.#sums(deadline)
      if (sums) return [...sums].map(([name, count]) => ({ ...parseName(name), ...count })).sort(byCampaign)
    }
    throw new StoreError('the store cannot be read')
  }

  /**
   * Journals first, then the tallies: a count that a roll-up moves in between is seen twice, and shows itself
   * by a number that its lane did not have yet. Undefined then.
   */
  async #sums(deadline: Deadline): Promise<Map<string, Sum> | undefined> {
    const lanes = await readLanes(this.records, NODES, deadline)
    const keys = Array.from({ length: SHARDS }, (_, shard) => shardKey(this.records, shard))
    const shards = await this.records.getAll(keys, deadline)
    const sums = new Map<string, Sum>()
    const add = (kind: keyof Sum, counts: Iterable<[string, number]>): void => {
      for (const [name, by] of counts) {
        const sum = sums.get(name) ?? { sent: 0, failed: 0 }
        sum[kind] += by
        sums.set(name, sum)
      }
    }
    for (const { lane, sent, failed, rolled, rolling } of lanes) {
      if (shards.some(shard => shard && rolledOf(shard, lane) > rolled)) return undefined
      add('sent', sent)
      add('failed', failed)
      const notYet = ([name]: [string, number]): boolean => {
        const shard = shards[shardOf(name)]
        return !shard || rolledOf(shard, lane) < rolled
      }
      if (rolling) {
        add('sent', [...rolling.sent].filter(notYet))
        add('failed', [...rolling.failed].filter(notYet))
      }
    }
    for (const shard of shards) {
      if (!shard) continue
      add('sent', mapOf(shard, 'sent', isNumber))
      add('failed', mapOf(shard, 'failed', isNumber))
    }
    return sums
  }
}

interface Sum {
  sent: number
  failed: number
}

/** The largest over all smes; equal ones by name. */
export function largest(tallies: readonly CampaignTally[], count: number): CampaignTotal[] {
  const totals = new Map<string, number>()
  for (const { campaign, sent, failed } of tallies) {
    totals.set(campaign, (totals.get(campaign) ?? 0) + sent + failed)
  }
  return [...totals]
    .map(([campaign, messages]) => ({ campaign, messages }))
    .sort((a, b) => b.messages - a.messages || compare(a.campaign, b.campaign))
    .slice(0, count)
}

export const shardKey = (records: Records, shard: number): Key => records.key('state', `tally/${shard}`)

/** Of a tally's name: the campaigns of a node are spread over all. */
export const shardOf = (name: string): number => Bun.hash.crc32(name) % SHARDS

const rolledOf = (bins: ReadBins, lane: string): number => mapOf(bins, 'rolled', isNumber).get(lane) ?? 0

/** `sme campaign` */
export function parseName(name: string): { campaign: string; sme: number } {
  const space = name.indexOf(' ')
  return { campaign: name.slice(space + 1), sme: Number(name.slice(0, space)) }
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

const byCampaign = (a: CampaignTally, b: CampaignTally): number =>
  compare(a.campaign, b.campaign) || a.sme - b.sme
