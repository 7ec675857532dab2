import { maps, type ReadBins } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { tallyName } from './aerospike_journal.ts'
import { Deadline, isNumber, type Records } from './aerospike_records.ts'
import { octetsOf, parseName, SHARDS, shardKey, shardOf, sizeOf, writeSize } from './aerospike_tally_shard.ts'
import type { CampaignTally } from './store.ts'

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
    return shards.flatMap(shard => (shard ? [...receivedOf(shard, store).values()] : []))
  }

  /** Makes what came from `store` be `tallies`. */
  async become(store: string, tallies: readonly CampaignTally[]): Promise<void> {
    const byShard = new Map<number, CampaignTally[]>()
    for (const tally of tallies) {
      const shard = shardOf(tallyName(tally))
      byShard.set(shard, [...(byShard.get(shard) ?? []), tally])
    }
    await Promise.all([...byShard].map(([shard, some]) => this.#becomeIn(shard, store, some)))
  }

  async #becomeIn(shard: number, store: string, tallies: readonly CampaignTally[]): Promise<void> {
    const deadline = new Deadline(this.clock, WRITE_MS)
    const key = shardKey(this.records, shard)
    for (;;) {
      const record = await this.records.get(key, deadline)
      const before = record ? receivedOf(record.bins, store) : new Map<string, CampaignTally>()
      const news = tallies.flatMap(tally => {
        const { sent = 0, failed = 0 } = before.get(tallyName(tally)) ?? {}
        return sent === tally.sent && failed === tally.failed ? [] : [{ tally, sent, failed }]
      })
      if (news.length === 0) return
      const increments = news.flatMap(({ tally, sent, failed }) =>
        [
          { kind: 'sent', by: tally.sent - sent },
          { kind: 'failed', by: tally.failed - failed },
        ]
          .filter(({ by }) => by !== 0)
          .map(({ kind, by }) => maps.increment(kind, tallyName(tally), by, 'key')),
      )
      const sums = news.map(
        ({ tally }) => [`${store} ${tallyName(tally)}`, [tally.sent, tally.failed]] as const,
      )
      const { octets, messages } = sizeOf(record?.bins)
      const size = {
        // Whether or not the tallies know the name by now: what is copied keeps it, since a copy back has to know it.
        octets: news
          .filter(({ tally }) => !before.has(tallyName(tally)))
          .reduce(
            (sum, { tally }) => sum + octetsOf(tallyName(tally)) + octetsOf(`${store} ${tallyName(tally)}`),
            octets,
          ),
        messages: news.reduce(
          (sum, { tally, sent, failed }) => sum + tally.sent - sent + tally.failed - failed,
          messages,
        ),
      }
      const operations = [
        ...increments,
        ...writeSize(size),
        maps.putItems('received', new Map(sums), { order: 'key' }),
      ]
      if (await this.records.step(key, operations, 'never', deadline, record?.generation)) return
    }
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
