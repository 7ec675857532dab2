import { AerospikeError, bins, type Key, maps, type ReadBins, type ReadValue } from '../aerospike/index.ts'
import { type Clock, nextTurn } from '../clock.ts'
import { type LaneView, type Roll, readLanes } from './aerospike_journal.ts'
import { NODES } from './aerospike_lease.ts'
import { Deadline, isNumber, mapOf, type Records } from './aerospike_records.ts'
import {
  addCounts,
  type Counts,
  countsIn,
  countsOf,
  KINDS,
  type NameCount,
  namesOctetsMax,
  octetsOf,
  SHARDS,
  SIZE_BINS,
  type Size,
  shardKey,
  shardOf,
  sizeOf,
  sumOf,
  writeSize,
} from './aerospike_tally_shard.ts'
import { amongOthers, messagesIn, parseName, tallyName } from './campaign_tally.ts'
import { type CampaignTally, type CampaignTotal, StoreError } from './store.ts'

/** A roll-up has this long for one record. */
const WRITE_MS = 3000
/** So long have the records that are read together. */
const READ_MS = 5000
/** Reads of one record that a roll-up came between, in a row. */
const TORN_MAX = 10
/** What is decoded, ordered or merged in one go. */
const SHARDS_TOGETHER = 4

/**
 * Counts for good: a few records that no send touches. What a node counts is in its journal first, and comes
 * here with a roll-up, numbered by its lane. A record remembers the last number of each lane, in the step that
 * adds the counts, so that a roll-up which is done twice counts once; and how much room its names take, so that it
 * never grows to what the server refuses, which would end all counting and with it all sends.
 */
export class Tallies {
  constructor(
    private readonly records: Records,
    private readonly clock: Pick<Clock, 'monotonic' | 'soon'>,
  ) {}

  /** Adds a roll-up. */
  async add(roll: Roll): Promise<void> {
    const shards = new Set([...roll.sent.keys(), ...roll.failed.keys()].map(shardOf))
    await Promise.all([...shards].map(shard => this.#addTo(shard, roll)))
  }

  async #addTo(shard: number, roll: Roll): Promise<void> {
    const deadline = new Deadline(this.clock, WRITE_MS)
    const key = shardKey(this.records, shard)
    const counts = countsOf(roll).filter(({ name }) => shardOf(name) === shard)
    const names = [...new Set(counts.map(({ name }) => name))]
    for (;;) {
      const { rolled, known, size, generation } = await this.#look(key, roll.lane, names, deadline)
      if (rolled >= roll.number) return
      const into = new Map<string, string>()
      let { octets } = size
      for (const name of names) {
        const more = KINDS.some(kind => known[kind].has(name)) ? 0 : octetsOf(name)
        const fits = more === 0 || octets + more <= namesOctetsMax(this.records)
        into.set(name, fits ? name : otherOf(name))
        if (fits) octets += more
      }
      const placed = counts.map(count => ({ ...count, name: into.get(count.name) ?? count.name }))
      const operations = [
        ...addCounts(known, placed),
        ...writeSize({ octets, messages: size.messages + sumOf(counts) }),
        maps.put('rolled', roll.lane, roll.number, { order: 'key' }),
      ]
      if (await this.records.step(key, operations, 'never', deadline, generation)) return
    }
  }

  /** What matters to a roll-up of a record that may be large: of its names those that are among `names`. */
  async #look(key: Key, lane: string, names: readonly string[], deadline: Deadline): Promise<Look> {
    const asked = [...new Set([...names, ...names.map(otherOf)])]
    const questions = [
      maps.getByKey('rolled', lane),
      ...SIZE_BINS.map(bin => bins.read(bin)),
      ...KINDS.map(kind => maps.getByKeys(kind, asked)),
    ]
    try {
      const { results, generation } = await this.records.client.operate(key, questions, deadline.policy)
      const [rolled, octets, messages, sent, failed] = results
      const sized = isNumber(octets) && isNumber(messages)
      return {
        rolled: isNumber(rolled) ? rolled : 0,
        known: { sent: numbersIn(sent), failed: numbersIn(failed) },
        size: sized ? { octets, messages } : sizeOf((await this.records.get(key, deadline))?.bins),
        generation,
      }
    } catch (error) {
      if (!(error instanceof AerospikeError && error.code === 'RECORD_NOT_FOUND')) throw error
      return { rolled: 0, known: countsIn(), size: sizeOf(undefined), generation: undefined }
    }
  }

  /** Messages that all nodes have counted. */
  async total(): Promise<number> {
    const deadline = new Deadline(this.clock, READ_MS)
    const lanes = await this.#lanes()
    const records = await this.records.getAll(this.#keys(0, SHARDS), deadline, ['rolled', ...SIZE_BINS])
    let total = 0
    for (const [shard, read] of records.entries()) {
      const { record, coming } = await this.#whole(shard, read, lanes)
      if (record && !isNumber(record.messages)) return messagesIn(await this.all())
      total += sizeOf(record).messages + sumOf(coming)
    }
    return total
  }

  /** What all nodes have counted, ordered by campaign, then sme. It may be long: the loop turns meanwhile. */
  async all(): Promise<CampaignTally[]> {
    const lanes = await this.#lanes()
    let lists: CampaignTally[][] = []
    for (let first = 0; first < SHARDS; first += SHARDS_TOGETHER) {
      const keys = this.#keys(first, SHARDS_TOGETHER)
      const records = await this.records.getAll(keys, new Deadline(this.clock, READ_MS))
      for (const [n, read] of records.entries()) {
        const { record, coming } = await this.#whole(first + n, read, lanes)
        lists.push(inOrder(record, coming))
      }
      await nextTurn(this.clock)
    }
    while (lists.length > 1) {
      const longer: CampaignTally[][] = []
      for (let at = 0; at < lists.length; at += 2) {
        longer.push(merge(lists[at] ?? [], lists[at + 1] ?? []))
        if (longer.length % SHARDS_TOGETHER === 0) await nextTurn(this.clock)
      }
      await nextTurn(this.clock)
      lists = longer
    }
    return lists[0] ?? []
  }

  /**
   * A record, and what is on its way to it. Lanes are read before it: a count that a roll-up moves in between is seen
   * twice, and shows itself by a number that its lane had not yet. Then both are read again.
   */
  async #whole(shard: number, read: ReadBins | undefined, lanes: Lanes): Promise<Whole> {
    let record = read
    for (let attempt = 1; attempt <= TORN_MAX; attempt++) {
      const coming = lanes.comingTo(shard, record)
      if (coming) return { record, coming }
      const deadline = new Deadline(this.clock, READ_MS)
      lanes.become(await readLanes(this.records, NODES, deadline))
      record = (await this.records.get(shardKey(this.records, shard), deadline))?.bins
    }
    throw new StoreError('the store cannot be read')
  }

  async #lanes(): Promise<Lanes> {
    const lanes = new Lanes()
    lanes.become(await readLanes(this.records, NODES, new Deadline(this.clock, READ_MS)))
    return lanes
  }

  #keys(first: number, count: number): Key[] {
    return Array.from({ length: count }, (_, n) => shardKey(this.records, first + n))
  }
}

/** What a roll-up has to know of a record. */
interface Look {
  readonly rolled: number
  readonly known: Counts
  readonly size: Size
  /** Undefined: there is none. */
  readonly generation: number | undefined
}

const numbersIn = (map: ReadValue = null): Map<string, number> => mapOf({ map }, 'map', isNumber)

const otherOf = (name: string): string => tallyName(amongOthers(parseName(name)))

interface Whole {
  readonly record: ReadBins | undefined
  readonly coming: readonly NameCount[]
}

/** What lies in the journals of all nodes and not in the tallies yet. */
class Lanes {
  /** The newest roll-up that has begun, by lane. */
  #rolled = new Map<string, number>()
  /** By shard; of a roll-up that has begun each record may have its share. */
  #counts = new Map<number, (NameCount & { readonly roll: Roll | undefined })[]>()

  become(views: readonly LaneView[]): void {
    this.#rolled = new Map(views.map(({ lane, rolled }) => [lane, rolled]))
    const counts = views.flatMap(view => [
      ...countsOf(view).map(count => ({ ...count, roll: undefined })),
      ...(view.rolling ? countsOf(view.rolling).map(count => ({ ...count, roll: view.rolling })) : []),
    ])
    this.#counts = Map.groupBy(counts, ({ name }) => shardOf(name))
  }

  /** Undefined when the record knows of a later roll-up. */
  comingTo(shard: number, record: ReadBins | undefined): readonly NameCount[] | undefined {
    const rolled = record ? mapOf(record, 'rolled', isNumber) : new Map<string, number>()
    for (const [lane, number] of rolled) {
      const begun = this.#rolled.get(lane)
      if (begun !== undefined && number > begun) return undefined
    }
    const counts = this.#counts.get(shard) ?? []
    return counts.filter(({ roll }) => !roll || (rolled.get(roll.lane) ?? 0) < roll.number)
  }
}

/** A record's tallies, with what is on its way to it. */
function inOrder(record: ReadBins | undefined, coming: readonly NameCount[]): CampaignTally[] {
  const sums = new Map<string, { sent: number; failed: number }>()
  for (const { kind, name, by } of [...countsOf(countsIn(record)), ...coming]) {
    const sum = sums.get(name) ?? { sent: 0, failed: 0 }
    sum[kind] += by
    sums.set(name, sum)
  }
  return [...sums].map(([name, { sent, failed }]) => ({ ...parseName(name), sent, failed })).sort(byCampaign)
}

/** Two ordered lists as one; what stands in both is one row. */
function merge(one: readonly CampaignTally[], other: readonly CampaignTally[]): CampaignTally[] {
  const merged: CampaignTally[] = []
  let at = 0
  for (const tally of one) {
    let next = other[at]
    for (; next && byCampaign(next, tally) < 0; next = other[++at]) merged.push(next)
    if (!next || byCampaign(next, tally) > 0) merged.push(tally)
    else {
      merged.push({ ...tally, sent: tally.sent + next.sent, failed: tally.failed + next.failed })
      at++
    }
  }
  for (let next = other[at]; next; next = other[++at]) merged.push(next)
  return merged
}

/** The largest over all smes, of tallies in order; equal ones by name. */
export function largest(tallies: readonly CampaignTally[], count: number): CampaignTotal[] {
  let best: CampaignTotal[] = []
  const take = (total: CampaignTotal): void => {
    const last = best[count - 1]
    if (!last || bySize(total, last) < 0) best = [...best, total].sort(bySize).slice(0, count)
  }
  let total: { campaign: string; messages: number } | undefined
  for (const { campaign, sent, failed } of tallies) {
    if (total?.campaign !== campaign) {
      if (total) take(total)
      total = { campaign, messages: 0 }
    }
    total.messages += sent + failed
  }
  if (total) take(total)
  return best
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

const byCampaign = (a: CampaignTally, b: CampaignTally): number =>
  compare(a.campaign, b.campaign) || a.sme - b.sme

const bySize = (a: CampaignTotal, b: CampaignTotal): number =>
  b.messages - a.messages || compare(a.campaign, b.campaign)
