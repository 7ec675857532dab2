import { maps, type ReadBins } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { Deadline, isNumber, type Records } from './aerospike_records.ts'
import {
  addCounts,
  countsIn,
  KINDS,
  type NameCount,
  namesOctetsMax,
  octetsOf,
  SHARDS,
  shardKey,
  shardOf,
  sizeOf,
  sumOf,
  writeSize,
} from './aerospike_tally_shard.ts'
import { addUp, amongOthers, isNone, parseName, tallyName, without } from './campaign_tally.ts'
import { type CampaignTally, OTHER_CAMPAIGNS } from './store.ts'

/** For one record. */
const WRITE_MS = 5000

/**
 * What the tallies hold of other stores: in the records of the tallies themselves, in a map `store name` to
 * `[sent, failed]`, so that one step adds a count and remembers that it was added.
 */
export class Received {
  constructor(
    private readonly records: Records,
    private readonly clock: Pick<Clock, 'monotonic'>,
  ) {}

  async from(store: string): Promise<CampaignTally[]> {
    const keys = Array.from({ length: SHARDS }, (_, shard) => shardKey(this.records, shard))
    const shards = await this.records.getAll(keys, new Deadline(this.clock, WRITE_MS))
    return addUp(shards.flatMap(shard => (shard ? [...receivedOf(shard, store).values()] : [])))
  }

  /**
   * Makes what came from `store` be `tallies`; names for which there is no room count under {@link OTHER_CAMPAIGNS}. One
   * record after the other: each may take a MiB.
   */
  async become(store: string, tallies: readonly CampaignTally[]): Promise<void> {
    const byShard = Map.groupBy(tallies, tally => shardOf(tallyName(tally)))
    for (const [shard, some] of byShard) await this.#becomeIn(shard, store, some)
  }

  async #becomeIn(shard: number, store: string, tallies: readonly CampaignTally[]): Promise<void> {
    const deadline = new Deadline(this.clock, WRITE_MS)
    const key = shardKey(this.records, shard)
    for (;;) {
      const record = await this.records.get(key, deadline)
      const before = record ? receivedOf(record.bins, store) : new Map<string, CampaignTally>()
      const { octets, messages } = sizeOf(record?.bins)
      const { kept, size } = this.#apart(store, tallies, before, octets)
      const news = without(kept, [...before.values()]).filter(tally => !isNone(tally))
      if (news.length === 0) return
      const counts = asCounts(news)
      const changed = new Set(news.map(tallyName))
      const received = kept
        .filter(tally => changed.has(tallyName(tally)))
        .map(tally => [`${store} ${tallyName(tally)}`, [tally.sent, tally.failed]] as const)
      const operations = [
        ...addCounts(countsIn(record?.bins), counts),
        ...writeSize({ octets: size, messages: messages + sumOf(counts) }),
        maps.putItems('received', new Map(received), { order: 'key' }),
      ]
      if (await this.records.step(key, operations, 'never', deadline, record?.generation)) return
    }
  }

  /** Whether or not the tallies know the name by now: what is copied keeps it, since a copy back has to know it. */
  #apart(
    store: string,
    tallies: readonly CampaignTally[],
    before: ReadonlyMap<string, CampaignTally>,
    octets: number,
  ): { readonly kept: CampaignTally[]; readonly size: number } {
    let size = octets
    const others = [...before.values()]
      .filter(({ campaign }) => campaign === OTHER_CAMPAIGNS)
      .map(tally => ({ ...tally, sent: 0, failed: 0 }))
    const kept = tallies.map(tally => {
      const name = tallyName(tally)
      // What came from here itself is nothing new.
      if (before.has(name) || isNone(tally)) return tally
      const more = octetsOf(name) + octetsOf(`${store} ${name}`)
      if (size + more > namesOctetsMax(this.records)) return amongOthers(tally)
      size += more
      return tally
    })
    return { kept: addUp([...others, ...kept]), size }
  }
}

/** By the names of the tallies. */
function receivedOf(bins: ReadBins, store: string): Map<string, CampaignTally> {
  const found = new Map<string, CampaignTally>()
  if (!(bins.received instanceof Map)) return found
  for (const [name, sums] of bins.received) {
    if (typeof name !== 'string' || !name.startsWith(`${store} `) || !Array.isArray(sums)) continue
    const [sent, failed] = sums
    const tally = name.slice(store.length + 1)
    if (isNumber(sent) && isNumber(failed)) found.set(tally, { ...parseName(tally), sent, failed })
  }
  return found
}

const asCounts = (tallies: readonly CampaignTally[]): NameCount[] =>
  tallies.flatMap(tally =>
    KINDS.filter(kind => tally[kind] !== 0).map(kind => ({ kind, name: tallyName(tally), by: tally[kind] })),
  )
