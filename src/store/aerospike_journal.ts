import { bins, type Key, maps, type Operation, type ReadBins } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { ofJournal } from './aerospike_faults.ts'
import type { Count } from './aerospike_message.ts'
import {
  Deadline,
  isNumber,
  isText,
  looksAgain,
  mapOf,
  numberOf,
  type Records,
  textOf,
} from './aerospike_records.ts'
import { tallyName } from './campaign_tally.ts'
import { StoreError } from './store.ts'

/**
 * A node's journal: what makes counts exact although a cluster has no transactions over several records.
 *
 * Whoever changes how a message is counted
 *   1. opens an entry `token → message id` in the journal,
 *   2. writes the message, generation-checked, with a mark that names the token and how it counts now,
 *   3. closes the entry and adds the difference to the node's counts, in one step on one record.
 * After a crash the open entries tell which messages to look at, and the mark in a message tells whether 2 had
 * happened: then 3 is done, else the entry is dropped. A claim opens its entry the same way and leaves it open
 * until its outcome is saved, so that open entries also tell which messages a crash left without an outcome.
 *
 * One node writes its journal, in lanes that know nothing of each other: what is asked while a lane is busy
 * goes into its next write together. Each write carries the generation that the last one left and a sequence of
 * its own: when the answer does not come, the record itself tells whether that write was it (see `#read`).
 */
const LANES = 4

/** Entries and closings in one write; more waits for the next. */
const BATCH_MAX = 500
/** A write has this long, whoever waits for it. */
const WRITE_MS = 3000
/** Counts of more campaigns than this are rolled up at once, so that the record stays small. */
const ROLL_CAMPAIGNS = 200

/** Counts on their way out of a lane, under their {@link tallyName}. */
export interface Roll {
  /** `node/lane`. */
  readonly lane: string
  /** Grows by one with each roll-up of the lane. */
  readonly number: number
  readonly sent: ReadonlyMap<string, number>
  readonly failed: ReadonlyMap<string, number>
}

/** Adds a roll-up to the tallies, once however often it is called. */
export type RollUp = (roll: Roll) => Promise<void>

/** A lane's record as it was read. */
export interface LaneView {
  readonly lane: string
  readonly open: ReadonlyMap<string, string>
  readonly sent: ReadonlyMap<string, number>
  readonly failed: ReadonlyMap<string, number>
  /** The newest roll-up that has begun. */
  readonly rolled: number
  /** Begun, and perhaps not at its end. */
  readonly rolling: Roll | undefined
}

interface Entry {
  readonly token: string
  readonly id: string
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

interface Closing {
  readonly token: string
  readonly count: Count | undefined
  /** Told once; afterwards the closing goes on by itself. */
  waiting: { readonly done: () => void; readonly failed: (error: unknown) => void } | undefined
}

/** What a write brings into the record. */
interface Batch {
  readonly entries: readonly Entry[]
  readonly closings: readonly Closing[]
}

const NOTHING: Batch = { entries: [], closings: [] }

class Lane {
  readonly #key: Key
  #entries: Entry[] = []
  /** Until it is certain that they are in the record. */
  readonly #closings = new Set<Closing>()
  /** Writes of which nobody knows whether they were done, by sequence. */
  readonly #doubted = new Map<string, Batch>()
  /** The entries of the record, as of the last write or read. */
  #open = new Map<string, string>()
  /** Undefined: the record has to be read first; 0: there is none. */
  #generation: number | undefined
  #sequence = 0
  #campaigns = new Set<string>()
  #work: Promise<unknown> = Promise.resolve()
  #scheduled = false

  constructor(
    private readonly records: Records,
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly name: string,
    /** No other journal has the same, nor another life of this process. */
    private readonly nonce: string,
    private readonly rollUp: RollUp,
  ) {
    this.#key = laneKey(records, name)
  }

  /** Resolves when the entry is in the record. */
  open(token: string, id: string): Promise<void> {
    return new Promise((done, failed) => {
      this.#entries.push({ token, id, done, failed })
      this.#schedule()
    })
  }

  /**
   * Resolves when the entry is gone and its count added. When it rejects that is still to come: it goes with
   * each later write, and with {@link retry}.
   */
  close(token: string, count: Count | undefined): Promise<void> {
    return new Promise((done, failed) => {
      this.#closings.add({ token, count, waiting: { done, failed } })
      this.#schedule()
    })
  }

  /** True while a closing of this entry is still to come. */
  closes(token: string): boolean {
    for (const closing of this.#closings) if (closing.token === token) return true
    return false
  }

  retry(): void {
    if (this.#closings.size > 0) this.#schedule()
  }

  /** What the record holds, whoever left it there. */
  entries(): Promise<ReadonlyMap<string, string>> {
    return this.#exclusively(async () => {
      await this.#read(this.#deadline())
      return new Map(this.#open)
    })
  }

  /** Moves the counts out of the record; finishes first what an earlier attempt began. */
  roll(): Promise<void> {
    return this.#exclusively(() => this.#roll(this.#deadline()))
  }

  /** After all that was asked. */
  async idle(): Promise<void> {
    while (this.#scheduled) await this.#work
    await this.#work
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    void this.#exclusively(() => this.#flush())
  }

  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#work.then(task).catch((cause: unknown) => {
      throw ofJournal(cause)
    })
    this.#work = result.catch(() => {})
    return result
  }

  async #flush(): Promise<void> {
    this.#scheduled = false
    const entries = this.#entries.splice(0, BATCH_MAX)
    const closings = [...this.#closings].slice(0, BATCH_MAX)
    if (entries.length + closings.length === 0) return
    try {
      await this.#commit(entries, closings, this.#deadline())
    } catch (cause) {
      const error = ofJournal(cause)
      for (const { token, failed } of entries) {
        // It may be in the record all the same, and then has to go.
        this.#closings.add({ token, count: undefined, waiting: undefined })
        failed(error)
      }
      for (const closing of closings) {
        closing.waiting?.failed(error)
        closing.waiting = undefined
      }
      return
    }
    for (const entry of entries) entry.done()
    if (this.#entries.length > 0 || this.#closings.size > 0) this.#schedule()
    if (this.#campaigns.size > ROLL_CAMPAIGNS) void this.roll().catch(() => {})
  }

  async #commit(entries: readonly Entry[], closings: readonly Closing[], deadline: Deadline): Promise<void> {
    for (;;) {
      if (this.#generation === undefined) await this.#read(deadline)
      // An entry that is gone was closed by a write in doubt, or by a node that took this one for dead.
      for (const closing of closings) if (!this.#open.has(closing.token)) this.#over(closing)
      // One closing may be asked for twice: by who opened the entry, and by who found it open.
      const unique = new Map(closings.map(closing => [closing.token, closing])).values()
      const left = [...unique].filter(closing => this.#closings.has(closing))
      if (entries.length + left.length === 0) return
      if (await this.#write(steps(entries, left), { entries, closings: left }, deadline)) return
    }
  }

  async #roll(deadline: Deadline): Promise<void> {
    for (let frozen = false; ; ) {
      const { sent, failed, rolled, rolling } = await this.#read(deadline)
      if (rolling) {
        await this.rollUp(rolling)
        await this.#write([set('rsent', null), set('rfailed', null)], NOTHING, deadline)
      } else if (frozen || sent.size + failed.size === 0) {
        this.#campaigns = new Set()
        return
      } else {
        const copies = [set('rsent', sent), set('rfailed', failed), set('roll', rolled + 1)]
        frozen = await this.#write([...copies, set('sent', null), set('failed', null)], NOTHING, deadline)
      }
    }
  }

  /** False when the record has to be looked at first. */
  async #write(operations: readonly Operation[], batch: Batch, deadline: Deadline): Promise<boolean> {
    const sequence = `${this.nonce}:${++this.#sequence}`
    const guard = this.#generation ? { generation: this.#generation } : { exists: 'create' as const }
    const policy = { ...deadline.policy, ...guard, ttlSeconds: 'never' as const }
    this.#doubted.set(sequence, batch)
    try {
      const written = await this.records.client.operate(
        this.#key,
        [...operations, set('seq', sequence)],
        policy,
      )
      this.#generation = written.generation
      this.#done(sequence)
      return true
    } catch (error) {
      this.#generation = undefined
      if (looksAgain(error)) return false
      this.#doubted.delete(sequence)
      throw error
    }
  }

  /**
   * Reads the record. All writes in doubt carried one generation, so at most one of them was done, and the
   * record's sequence is its name.
   */
  async #read(deadline: Deadline): Promise<LaneView> {
    const record = await this.records.get(this.#key, deadline)
    const view = viewOf(this.name, record?.bins)
    this.#done(record ? textOf(record.bins, 'seq') : '')
    this.#generation = record?.generation ?? 0
    this.#open = new Map(view.open)
    return view
  }

  /** The write of this sequence was done, and the others in doubt never will be. */
  #done(sequence: string): void {
    const batch = this.#doubted.get(sequence)
    if (!batch) return
    this.#doubted.clear()
    for (const { token, id } of batch.entries) this.#open.set(token, id)
    for (const closing of batch.closings) {
      this.#open.delete(closing.token)
      if (closing.count) this.#campaigns.add(tallyName(closing.count))
      this.#over(closing)
    }
  }

  #over(closing: Closing): void {
    this.#closings.delete(closing)
    closing.waiting?.done()
  }

  #deadline(): Deadline {
    return new Deadline(this.clock, WRITE_MS)
  }
}

/** The lanes of one node. */
export class Journal {
  readonly #lanes: readonly Lane[]
  readonly #nonce: string
  #made = 0

  constructor(
    records: Records,
    clock: Pick<Clock, 'monotonic'>,
    node: number,
    nonce: string,
    rollUp: RollUp,
  ) {
    this.#nonce = nonce
    this.#lanes = Array.from(
      { length: LANES },
      (_, lane) => new Lane(records, clock, laneName(node, lane), nonce, rollUp),
    )
  }

  /** Opens an entry for a message; answers its token. */
  async open(id: string): Promise<string> {
    const token = `${this.#nonce}.${(++this.#made).toString(36)}`
    await this.#lane(id).open(token, id)
    return token
  }

  close(token: string, id: string, count: Count | undefined): Promise<void> {
    return this.#lane(id).close(token, count)
  }

  /** True while a closing of this entry is still to come. */
  closes(token: string, id: string): boolean {
    return this.#lane(id).closes(token)
  }

  async entries(): Promise<readonly (readonly [token: string, id: string])[]> {
    const all = await Promise.all(this.#lanes.map(lane => lane.entries()))
    return all.flatMap(open => [...open])
  }

  async roll(): Promise<void> {
    await Promise.all(this.#lanes.map(lane => lane.roll()))
  }

  retry(): void {
    for (const lane of this.#lanes) lane.retry()
  }

  async idle(): Promise<void> {
    await Promise.all(this.#lanes.map(lane => lane.idle()))
  }

  #lane(id: string): Lane {
    const lane = this.#lanes[Bun.hash.crc32(id) % LANES]
    if (!lane) throw new StoreError('the journal has no lanes')
    return lane
  }
}

/** Every lane of nodes 0 to `nodes` - 1 that was ever written. */
export async function readLanes(
  records: Records,
  nodes: number,
  deadline: Deadline,
): Promise<readonly LaneView[]> {
  const names = Array.from({ length: nodes * LANES }, (_, at) => laneName(Math.floor(at / LANES), at % LANES))
  const found = await records.getAll(
    names.map(name => laneKey(records, name)),
    deadline,
  )
  return names.flatMap((name, at) => (found[at] ? [viewOf(name, found[at])] : []))
}

const laneName = (node: number, lane: number): string => `${node}/${lane}`

const laneKey = (records: Records, name: string): Key => records.key('state', `journal/${name}`)

function viewOf(lane: string, record: ReadBins | undefined): LaneView {
  if (!record)
    return { lane, open: new Map(), sent: new Map(), failed: new Map(), rolled: 0, rolling: undefined }
  const number = numberOf(record, 'roll')
  const rolls = record.rsent instanceof Map || record.rfailed instanceof Map
  return {
    lane,
    open: mapOf(record, 'open', isText),
    sent: mapOf(record, 'sent', isNumber),
    failed: mapOf(record, 'failed', isNumber),
    rolled: number,
    rolling: rolls
      ? { lane, number, sent: mapOf(record, 'rsent', isNumber), failed: mapOf(record, 'rfailed', isNumber) }
      : undefined,
  }
}

function steps(entries: readonly Entry[], closings: readonly Closing[]): Operation[] {
  const sums = { sent: new Map<string, number>(), failed: new Map<string, number>() }
  for (const { count } of closings) {
    if (!count) continue
    const name = tallyName(count)
    for (const kind of ['sent', 'failed'] as const) {
      if (count[kind] !== 0) sums[kind].set(name, (sums[kind].get(name) ?? 0) + count[kind])
    }
  }
  const opened = new Map(entries.map(({ token, id }) => [token, id]))
  const closed = closings.map(({ token }) => token)
  return [
    // First, so that there is a map to take from.
    maps.putItems('open', opened, { order: 'key' }),
    ...(closed.length > 0 ? [maps.removeByKeys('open', closed)] : []),
    ...(['sent', 'failed'] as const).flatMap(kind =>
      [...sums[kind]].map(([name, by]) => maps.increment(kind, name, by, 'key')),
    ),
  ]
}

const set = (bin: string, value: ReadonlyMap<string, number> | string | number | null): Operation =>
  bins.write(bin, value)
