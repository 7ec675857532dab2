import type { StoredRecord } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { type Receipts, toWaiting } from './aerospike_receipts.ts'
import { Deadline, numberOf, type Records, type SetName } from './aerospike_records.ts'

/** For one record. */
const REMOVE_MS = 3000
/** Removals under way together. */
const TOGETHER_MAX = 32
/** A receipt is applied within seconds of being reserved, or its node has died. */
const RESERVED_MS = 60_000

export interface Sweep {
  readonly records: Records
  readonly receipts: Receipts
  readonly clock: Pick<Clock, 'monotonic'>
  /** Unix milliseconds. */
  readonly now: number
  /** Receipts that wait, at most. */
  readonly heldMax: number
  readonly stopped: () => boolean
  /** Applies a receipt to the message that it is reserved for, and removes it. */
  readonly complete: (name: string) => Promise<void>
}

/**
 * Removes what is past its time, though the cluster has not: when times to live are longer than what is asked for
 * now, or were renewed by a late write. Answers how many.
 */
export async function sweepRecords(sweep: Sweep): Promise<number> {
  let swept = 0
  for (const set of ['messages', 'ids', 'claims', 'inbound'] as const) swept += await sweepSet(sweep, set)
  return swept + (await sweepHeld(sweep))
}

async function sweepSet(sweep: Sweep, set: SetName): Promise<number> {
  const { records, now } = sweep
  let swept = 0
  const gang = new Gang()
  const remove = async (record: StoredRecord): Promise<void> => {
    // One that was renewed since it was read is not past its time any more.
    if (!(await records.removeRead(record, new Deadline(sweep.clock, REMOVE_MS)))) return
    // What points to a message is no row of anybody's.
    swept += set === 'ids' ? 0 : numberOf(record.bins, 'count') || 1
  }
  for await (const record of records.scan(set, ['end', 'count'])) {
    if (sweep.stopped()) break
    if (numberOf(record.bins, 'end') <= now) await gang.add(remove(record))
  }
  await gang.done()
  return swept
}

/** The oldest of a flood of receipts alone: what a cluster that is full of them, and takes no lease, lets anybody do. */
export const cutReceipts = (sweep: Omit<Sweep, 'now'>): Promise<number> => sweepHeld({ ...sweep, now: 0 })

/** Receipts past their time, those that a dead node has reserved, and the oldest of a flood. */
async function sweepHeld(sweep: Sweep): Promise<number> {
  const { records, receipts, now } = sweep
  const bySecond = new Map<number, number>()
  const count = async (oldest: number): Promise<number> => {
    let swept = 0
    const gang = new Gang()
    for await (const { bins } of records.scan('held', HELD_BINS)) {
      if (sweep.stopped()) break
      const waiting = toWaiting(bins)
      const second = Math.floor(waiting.since / 1000)
      if (numberOf(bins, 'end') <= now || second < oldest) {
        swept++
        await gang.add(receipts.drop(waiting, new Deadline(sweep.clock, REMOVE_MS)))
      } else if (waiting.taker && waiting.since < now - RESERVED_MS) {
        await gang.add(sweep.complete(waiting.name))
      } else bySecond.set(second, (bySecond.get(second) ?? 0) + 1)
    }
    await gang.done()
    return swept
  }
  const swept = await count(0)
  const oldest = oldestKept(bySecond, sweep.heldMax)
  return oldest === undefined ? swept : swept + (await count(oldest))
}

const HELD_BINS = ['name', 'account', 'ids', 'since', 'end', 'taker']

/** The second from which on no more than `max` came; undefined when that is all of them. */
function oldestKept(bySecond: ReadonlyMap<number, number>, max: number): number | undefined {
  let kept = 0
  for (const [second, count] of [...bySecond].sort(([a], [b]) => b - a)) {
    kept += count
    if (kept > max) return second + 1
  }
  return undefined
}

/** Some tasks together, and no more. */
class Gang {
  readonly #tasks = new Set<Promise<void>>()
  #failure: { readonly cause: unknown } | undefined

  async add(task: Promise<void>): Promise<void> {
    const watched: Promise<void> = task
      .catch((cause: unknown) => {
        this.#failure = { cause }
      })
      .finally(() => this.#tasks.delete(watched))
    this.#tasks.add(watched)
    if (this.#tasks.size >= TOGETHER_MAX) await Promise.race(this.#tasks)
  }

  /** Throws when one of them failed. */
  async done(): Promise<void> {
    await Promise.all(this.#tasks)
    if (this.#failure) throw this.#failure.cause
  }
}
