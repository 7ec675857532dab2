import type { Key, ReadBins } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { givenUp, type Message, withPart } from '../message.ts'
import { idTime } from '../message_id.ts'
import { type Count, countOf, marked, type Stored, toBins, toStored } from './aerospike_message.ts'
import { type Candidate, type Naming, type Receipts, toldBy } from './aerospike_receipts.ts'
import type { Deadline, Decision, Records } from './aerospike_records.ts'
import { idKey, isFindable } from './id_key.ts'
import { isUnknown, mayTake, partOf, receiptChange } from './matching.ts'
import { merged } from './merged.ts'
import type { LateAnswer, Settled, StoredReceipt } from './store.ts'

/**
 * Messages, each in a record of its own. Every change is one generation-checked write that says nothing new when
 * it is made twice, so that a write in doubt is settled by looking again. How a message is counted changes under
 * an entry of the journal: see there.
 */
export class Writer {
  constructor(
    private readonly records: Records,
    private readonly receipts: Receipts,
    private readonly clock: Pick<Clock, 'now'>,
    private readonly retentionMs: number,
  ) {}

  async find(id: string, deadline: Deadline): Promise<Stored | undefined> {
    const record = await this.records.get(this.#key(id), deadline)
    return record && toStored(record.bins)
  }

  /** A message without an outcome, if it is not there. */
  async begin(message: Message, deadline: Deadline): Promise<void> {
    const stored: Stored = { message, marks: [] }
    await this.#change(message.id, deadline, before => (before ? { answer: before } : this.#write(stored)))
  }

  /** Removes a message that has no outcome. */
  async forget(id: string, deadline: Deadline): Promise<void> {
    const stored = await this.find(id, deadline)
    if (stored?.marks.length === 0) await this.records.remove(this.#key(id), deadline)
  }

  async save(given: Message, attempt: Attempt, deadline: Deadline): Promise<Saved> {
    const { token } = attempt
    const fresh = marked({ message: given, marks: [] }, token)
    const bins = toBins(fresh, this.retentionMs)
    const created = await this.records.put(this.#key(given.id), bins, this.#life(given.id), deadline)
    attempt.mayBeDone = true
    const stored = created ? fresh : await this.#saveAgain(given, token, deadline)
    const message = await this.#place(stored.message, stored.message.parts.keys(), deadline)
    return { message, count: countOf(stored, token) }
  }

  /** The outcome of a message that was claimed; or told a second time, then only what is news counts. */
  #saveAgain(given: Message, token: string, deadline: Deadline): Promise<Stored> {
    return this.#change(given.id, deadline, before => {
      const message = before && before.marks.length > 0 ? merged(before.message, given) : given
      const after = marked({ message, marks: before?.marks ?? [] }, token)
      if (before && message === before.message && after.marks === before.marks) return { answer: before }
      return this.#write(after)
    })
  }

  async settle(receipt: StoredReceipt, naming: Naming, deadline: Deadline): Promise<Settled> {
    for (const candidate of await this.receipts.candidates(receipt, deadline)) {
      const settled = await this.#settle(receipt, candidate, deadline)
      if (settled) return settled
    }
    return this.#hold(receipt, naming, deadline)
  }

  async #hold(receipt: StoredReceipt, naming: Naming, deadline: Deadline): Promise<Settled> {
    for (const { id, form } of await this.receipts.hold(receipt, naming, deadline)) {
      const stored = await this.find(id, deadline)
      const part = stored ? partOf(stored.message, receipt.account, receipt.ids[form] ?? '') : -1
      if (part < 0) continue
      const message = await this.#take(naming.name, id, part, deadline)
      // Else another message was quicker: its save tells of the receipt.
      return message ? { matched: true, form, message, part } : { matched: false }
    }
    return { matched: false }
  }

  async #settle(
    receipt: StoredReceipt,
    { id, form }: Candidate,
    deadline: Deadline,
  ): Promise<Settled | undefined> {
    let part = -1
    const after = await this.#changeIfThere(id, deadline, ({ message }) => {
      // Chosen once: a write in doubt that was done has made it final.
      if (part < 0) part = partOf(message, receipt.account, receipt.ids[form] ?? '')
      return part < 0 ? message : withPart(message, part, receiptChange(receipt))
    })
    return after && part >= 0 ? { matched: true, form, message: after.message, part } : undefined
  }

  /** Undefined when there is no such message. */
  async resolve(late: LateAnswer, attempt: Attempt, deadline: Deadline): Promise<Saved | undefined> {
    const { messageId, part: index, ...change } = late
    const stored = await this.#changeIfThere(
      messageId,
      deadline,
      ({ message }) => (isUnknown(message, index) ? withPart(message, index, change) : message),
      attempt,
    )
    if (!stored) return undefined
    const known = late.smscId !== '' && stored.message.parts[index]?.smscId === late.smscId
    const message = known ? await this.#place(stored.message, [index], deadline) : stored.message
    return { message, count: countOf(stored, attempt.token) }
  }

  /** A message that a crash left without an outcome; undefined when it has one, or began not before `before`. */
  async giveUp(id: string, before: number, token: string, deadline: Deadline): Promise<Saved | undefined> {
    const at = this.clock.now()
    const stored = await this.#changeIfThere(
      id,
      deadline,
      each => (isLost(each, before) ? givenUp(each.message, at) : each.message),
      { token, mayBeDone: false },
    )
    const count = stored && countOf(stored, token)
    return stored && count && { message: stored.message, count }
  }

  /** Puts a message that was written under its ids again: its writer may have died in between. */
  async placeAgain(message: Message, deadline: Deadline): Promise<void> {
    await this.#place(message, message.parts.keys(), deadline)
  }

  /** Goes on with a receipt that waits where a call broke off: it is reserved for a message, or was kept by half. */
  async complete(name: string, deadline: Deadline): Promise<void> {
    const waiting = await this.receipts.read(name, deadline)
    if (waiting?.taker) await this.#take(name, waiting.taker.id, waiting.taker.part, deadline)
    else if (waiting) await this.#hold(toldBy(waiting), waiting, deadline)
  }

  /** Puts a message under the ids of these parts, and applies the receipts that wait there. */
  async #place(message: Message, parts: Iterable<number>, deadline: Deadline): Promise<Message> {
    const placed = await Promise.all(
      Array.from(parts, async index => {
        const { smscId = '', account = '' } = message.parts[index] ?? {}
        const key = idKey(smscId)
        const names = isFindable(key) ? await this.receipts.place(account, key, message, deadline) : []
        return { index, account, key, names }
      }),
    )
    let changed = message
    for (const { index, account, key, names } of placed) {
      for (const name of names) {
        const waiting = await this.receipts.read(name, deadline)
        if (!waiting) await this.receipts.forget(account, key, name, deadline)
        else if (mayTake(waiting.ids.indexOf(key), waiting.address, message))
          changed = (await this.#take(name, message.id, index, deadline)) ?? changed
      }
    }
    return changed
  }

  /** Reserves a receipt that waits, applies it, removes it; undefined when it is another message's. */
  async #take(name: string, id: string, part: number, deadline: Deadline): Promise<Message | undefined> {
    const waiting = await this.receipts.read(name, deadline)
    if (!waiting || !(await this.receipts.reserve(name, { id, part }, deadline))) return undefined
    const after = await this.#changeIfThere(id, deadline, ({ message }) =>
      withPart(message, part, receiptChange(waiting)),
    )
    await this.receipts.release(waiting, deadline)
    return after?.message
  }

  /** `attempt`: where the change may change how the message is counted. */
  #changeIfThere(
    id: string,
    deadline: Deadline,
    next: (stored: Stored) => Message,
    attempt?: Attempt,
  ): Promise<Stored | undefined> {
    return this.#change<Stored | undefined>(
      id,
      deadline,
      before => {
        if (!before) return { answer: undefined }
        const message = next(before)
        if (message === before.message) return { answer: before }
        const after = { ...before, message }
        return this.#write(attempt ? marked(after, attempt.token) : after)
      },
      () => {
        if (attempt) attempt.mayBeDone = true
      },
    )
  }

  #change<T>(
    id: string,
    deadline: Deadline,
    decide: (before: Stored | undefined) => Decision<T>,
    sent?: () => void,
  ): Promise<T> {
    const decideOf = (bins: ReadBins | undefined) => decide(bins && toStored(bins))
    return this.records.change(this.#key(id), this.#life(id), deadline, decideOf, sent)
  }

  #write(stored: Stored): Decision<Stored> {
    return { bins: toBins(stored, this.retentionMs), answer: stored }
  }

  #key(id: string): Key {
    return this.records.key('messages', id)
  }

  /** Counted from its beginning, whenever it changes; long enough for who is at it. */
  #life(id: string): number {
    return Math.max(60, Math.ceil((idTime(id) + this.retentionMs - this.clock.now()) / 1000))
  }
}

/** A change of a message under an entry of the journal. */
export interface Attempt {
  readonly token: string
  /** Set once the message may have been written: when it fails without, nothing was done under the entry. */
  mayBeDone: boolean
}

export interface Saved {
  readonly message: Message
  /** What the journal has to add. */
  readonly count: Count | undefined
}

/** Without an outcome, and begun before `before`. */
export const isLost = ({ message, marks }: Stored, before: number): boolean =>
  marks.length === 0 && message.state === 'accepted' && message.sentAt < before
