import { bins, type Key, maps, type Operated, type Operation, type ReadBins } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { PART_STATES } from '../message.ts'
import { rowsOf, stateNamed } from './aerospike_message.ts'
import { type Deadline, isText, mapOf, numberOf, type Records, textOf } from './aerospike_records.ts'
import { heldName } from './held_name.ts'
import { CANDIDATES_MAX, mayTake } from './matching.ts'
import { sameNumber } from './same_number.ts'
import { type HeldReceipt, RECEIPT_HELD_MS, type StoredReceipt } from './store.ts'

/**
 * Where receipts and messages meet: a record of the set `ids` for each SMSC id of an account, with the messages
 * that carry it (`msgs`) and the receipts that wait for it (`held`, under each of their forms). The receipt
 * itself lies in a record of the set `held`, one for all its forms.
 *
 * Why a receipt and its message never miss each other, in any order, on any nodes:
 *   - A message is written first, then put under each of its ids, in a step that also answers who waits there.
 *   - A receipt that finds no message is written first, then put under each of its forms, in a step that also
 *     answers which messages are there by now.
 *   - For an id of the message that is a form of the receipt, both steps are on one record, so one of them is
 *     the later one and sees the other's: the message finds the receipt waiting, or the receipt finds the
 *     message, which is whole, since it was written before it was put there. Perhaps both do.
 *   - Whoever finds the other `reserve`s the receipt for that message, in a generation-checked write that only
 *     one of all can do (a receipt with several forms may be found by several messages); then applies it to the
 *     message; then removes it. A node that dies in between leaves a receipt whose record names its message: the
 *     sweep applies it again, which changes nothing if it was applied, and removes it.
 *   - One whose call fails once it may have been written is looked at again when nothing of the call is under way any
 *     more: it waits under all of its forms then, or goes to the message that is there (`Writer.complete`).
 * A sender that dies before it is answered tells its part again: an SMSC its receipt (there was no
 * `deliver_sm_resp`), a gateway its save (from its journal).
 */
export class Receipts {
  #made = 0

  constructor(
    private readonly records: Records,
    private readonly clock: Pick<Clock, 'now'>,
    private readonly retentionMs: number,
    /** Tells receipts of one millisecond apart, and of one node from those of others. */
    private readonly nonce: string,
  ) {}

  /** Puts a message that is written under an id; answers the receipts that wait there, oldest first. */
  async place(
    account: string,
    key: string,
    message: { readonly id: string; readonly destination: string },
    deadline: Deadline,
  ): Promise<readonly string[]> {
    const put = maps.put('msgs', message.id, message.destination, { order: 'key' })
    const record = await this.#meet(account, key, put, 'msgs', 'held', deadline)
    return [...record.keys()].sort()
  }

  /** Messages under the receipt's forms, in the order in which they are to be tried. */
  async candidates(receipt: StoredReceipt, deadline: Deadline): Promise<readonly Candidate[]> {
    const keys = receipt.ids.map(id => idsKey(this.records, receipt.account, id))
    const found = await this.records.getAll(keys, deadline)
    return order(
      receipt,
      found.map(record => (record ? mapOf(record, 'msgs', isText) : new Map())),
    )
  }

  /** Of a receipt that comes. */
  naming(): Naming {
    const since = this.clock.now()
    return { name: heldName(since, ++this.#made, this.nonce), since }
  }

  /** Keeps a receipt without a message; answers messages that have come to be there meanwhile, in order. */
  async hold(receipt: StoredReceipt, naming: Naming, deadline: Deadline): Promise<readonly Candidate[]> {
    const { name, since } = naming
    const { account, ids, address, state, error, at } = receipt
    const record = { name, account, ids, address, state, error, at, since, end: since + RECEIPT_HELD_MS }
    naming.begun = true
    // Twice the same is the same: in doubt it is written again.
    await this.records.repeat(
      heldKey(this.records, name),
      Object.entries(record).map(([bin, value]) => bins.write(bin, value)),
      HELD_SECONDS - Math.floor((this.clock.now() - since) / 1000),
      deadline,
    )
    const seen = await Promise.all(
      ids.map((id, form) =>
        this.#meet(account, id, maps.put('held', name, form, { order: 'key' }), 'held', 'msgs', deadline),
      ),
    )
    return order(receipt, seen)
  }

  /** A receipt that waits, unless it has gone or its time is over. */
  async read(name: string, deadline: Deadline): Promise<WaitingReceipt | undefined> {
    const record = await this.records.get(heldKey(this.records, name), deadline)
    const waiting = record && toWaiting(record.bins)
    return waiting && waiting.since > this.clock.now() - RECEIPT_HELD_MS ? waiting : undefined
  }

  /** False when another message has it, or it has gone. */
  reserve(name: string, taker: Taker, deadline: Deadline): Promise<boolean> {
    return this.records.change<boolean>(heldKey(this.records, name), HELD_SECONDS, deadline, record => {
      if (!record) return { answer: false }
      const had = toWaiting(record).taker
      if (had) return { answer: had.id === taker.id && had.part === taker.part }
      return { bins: { taker: [[taker.id, taker.part]] }, answer: true }
    })
  }

  /** Removes a receipt that is applied, or past its time, and what points to it. */
  async release({ name, account, ids }: WaitingReceipt, deadline: Deadline): Promise<void> {
    await this.records.remove(heldKey(this.records, name), deadline)
    await Promise.all(ids.map(id => this.forget(account, id, name, deadline)))
  }

  /** Removes one that no message takes any more, and each of its ids under which nothing else is; a full cluster lets it. */
  async drop(waiting: WaitingReceipt, deadline: Deadline): Promise<void> {
    const { name, account, ids } = waiting
    await this.records.remove(heldKey(this.records, name), deadline)
    await Promise.all(
      ids.map(async id => {
        const record = await this.records.get(idsKey(this.records, account, id), deadline)
        if (!record) return
        const others = mapOf(record.bins, 'msgs', isText).size > 0 || othersWaiting(record.bins, name) > 0
        if (others || !(await this.records.removeRead(record, deadline)))
          await this.forget(account, id, name, deadline)
      }),
    )
  }

  /** Removes what points to a receipt from one id. */
  async forget(account: string, key: string, name: string, deadline: Deadline): Promise<void> {
    // A put first, so that there is a map to take from.
    const steps = [maps.putItems('held', new Map(), { order: 'key' }), maps.removeByKeys('held', [name])]
    await this.records.repeat(idsKey(this.records, account, key), steps, this.#seconds, deadline)
  }

  /** One step on the record of an id: `put` into the bin `mine`, and read the bin `theirs`. */
  async #meet(
    account: string,
    id: string,
    put: Operation,
    mine: 'msgs' | 'held',
    theirs: 'msgs' | 'held',
    deadline: Deadline,
  ): Promise<ReadonlyMap<string, string>> {
    const key = idsKey(this.records, account, id)
    const end = bins.write('end', this.clock.now() + this.retentionMs)
    const steps = [put, end, maps.getByIndexRange(mine, -CANDIDATES_MAX, 1), bins.read(theirs)]
    const met = await this.records.repeat(key, steps, this.#seconds, deadline)
    await this.#trim(key, mine, met, deadline)
    const found = met.results[3]
    return found instanceof Map
      ? new Map([...found].map(([name, item]) => [String(name), String(item)]))
      : new Map()
  }

  /** Keeps the newest: more under one id is an SMSC that always answers the same. */
  async #trim(key: Key, bin: 'msgs' | 'held', met: Operated, deadline: Deadline): Promise<void> {
    const [size, , oldest] = met.results
    if (typeof size !== 'number' || size <= CANDIDATES_MAX || !(oldest instanceof Map)) return
    const [name] = oldest.keys()
    if (name !== undefined) {
      await this.records.repeat(key, [maps.removeByKeyRange(bin, null, name)], this.#seconds, deadline)
    }
  }

  get #seconds(): number {
    return Math.ceil(this.retentionMs / 1000)
  }
}

/** Receipts that wait under an id beside this one. */
const othersWaiting = ({ held }: ReadBins, name: string): number =>
  held instanceof Map ? [...held.keys()].filter(each => each !== name).length : 0

export interface Candidate {
  readonly id: string
  readonly form: number
}

/** Of a receipt that waits. */
export interface Naming {
  /** Sorts by the time at which it came. */
  readonly name: string
  /** Unix milliseconds; not past its time. */
  readonly since: number
  /** Set once it may have been written. */
  begun?: boolean
}

/** The part of a message that a receipt is reserved for. */
export interface Taker {
  readonly id: string
  readonly part: number
}

export interface WaitingReceipt extends HeldReceipt, Naming {
  readonly taker: Taker | undefined
}

export function toWaiting(record: ReadBins): WaitingReceipt {
  const { ids, taker } = record
  const [id, part] = rowsOf(taker)[0] ?? []
  return {
    name: textOf(record, 'name'),
    account: textOf(record, 'account'),
    ids: Array.isArray(ids) ? ids.filter(isText) : [],
    address: textOf(record, 'address'),
    state: stateNamed(PART_STATES, record.state),
    error: numberOf(record, 'error'),
    at: numberOf(record, 'at'),
    since: numberOf(record, 'since'),
    taker: typeof id === 'string' && typeof part === 'number' ? { id, part } : undefined,
  }
}

/** The receipt as it was told, without what is kept beside it. */
export const toldBy = ({ account, ids, address, state, error, at }: WaitingReceipt): HeldReceipt => ({
  account,
  ids,
  address,
  state,
  error,
  at,
})

/** A little longer than it is looked at. */
const HELD_SECONDS = RECEIPT_HELD_MS / 1000 + 3600

/** An account has no NUL in it. */
export const idsKey = (records: Records, account: string, key: string): Key =>
  records.key('ids', `${account}\0${key}`)

export const heldKey = (records: Records, name: string): Key => records.key('held', name)

/** The contract's choice: the address decides, then the earlier form, then the newer message. */
function order(
  { address }: StoredReceipt,
  /** By form: destinations by message id. */
  found: readonly ReadonlyMap<string, string>[],
): Candidate[] {
  return found
    .flatMap((messages, form) =>
      [...messages]
        .filter(([, destination]) => mayTake(form, address, { destination }))
        .map(([id, destination]) => ({ id, form, same: sameNumber(address, destination) })),
    )
    .sort((a, b) => Number(b.same) - Number(a.same) || a.form - b.form || (a.id < b.id ? 1 : -1))
}
