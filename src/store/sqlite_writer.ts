import { type Database, SQLiteError } from 'bun:sqlite'
import { ChurningMap } from '../churning_map.ts'
import { givenUp, isFinal, type Message, withPart } from '../message.ts'
import { idKey, isFindable } from './id_key.ts'
import { CANDIDATES_MAX, isUnknown, mayTake, partOf, receiptChange } from './matching.ts'
import { merged } from './merged.ts'
import { sameNumber } from './same_number.ts'
import type { SqliteAccounts } from './sqlite_accounts.ts'
import { type AtHand, NONE_AT_HAND, receiptsAtHand } from './sqlite_at_hand.ts'
import type { Outcome } from './sqlite_commits.ts'
import { fitCache } from './sqlite_file.ts'
import type { SqliteReader } from './sqlite_reader.ts'
import {
  idBytes,
  idFloor,
  idText,
  type MessageRow,
  partStateNumber,
  partStateOf,
  partsText,
  stateNumber,
  toMessage,
  toRow,
} from './sqlite_rows.ts'
import { type WriterStatements, writerStatements } from './sqlite_statements.ts'
import { NOT_TALLIED, SqliteTallies } from './sqlite_tallies.ts'
import {
  type Claim,
  type Claimed,
  type InboundMessage,
  type LateAnswer,
  RECEIPT_HELD_MS,
  SEGMENTS_JOIN_MS,
  type Segment,
  type Settled,
  type StoredReceipt,
} from './store.ts'

/** One call of the contract. */
export type Write =
  | { readonly op: 'claim'; readonly claim: Claim; readonly message: Message }
  | { readonly op: 'save'; readonly message: Message }
  /** `since`: it waits since then, Unix milliseconds; else from now. */
  | { readonly op: 'settle'; readonly receipt: StoredReceipt; readonly since?: number }
  | { readonly op: 'resolve'; readonly late: LateAnswer }
  | { readonly op: 'keepInbound'; readonly inbound: InboundMessage }
  /** A message has come without `save`: the receipts that wait for it are applied. */
  | { readonly op: 'meet'; readonly id: string }
  | { readonly op: 'recover'; readonly before: number }
  | { readonly op: 'sweep'; readonly now: number }
  | { readonly op: 'probe' }

export interface WriterLimits {
  readonly retentionMs: number
  /** Receipts that wait for their message; past it the oldest goes. */
  readonly heldMax: number
  readonly sweepRowsMax: number
  readonly talliesMax: number
}

/** Long messages of one sender with one reference within the time that segments join. */
const BEGUN_MAX = 16

/**
 * What an SMSC that delivers at once leaves open. Ten times as many were 30 MB for the collector to look after: a receipt
 * 5,000 messages behind cost as much with them as without, one 20,000 behind 4 % more.
 */
const WAITING_MAX = 1000

/** Receipts that wait under one SMSC id and are looked at, the newest; more is an SMSC that always answers the same. */
const WAITING_UNDER_ID_MAX = 4 * CANDIDATES_MAX

/** No id is greater. */
const AFTER_ALL_IDS = 'g'

interface Stored {
  readonly message: Message
  readonly tallied: number
}

interface Candidate {
  readonly stored: Stored
  readonly part: number
  /** The index in the receipt's ids of the one that was right. */
  readonly form: number
}

/** Applies writes to the database. Everything here is synchronous, in the order of the calls. */
export class SqliteWriter {
  readonly #sql: WriterStatements
  readonly #tallies: SqliteTallies
  /** The newest messages that wait for receipts, as they lie in their rows: what a receipt changes need not be read again. */
  readonly #waiting = new ChurningMap<string, Stored>()
  /** While nothing is held, `save` asks for nothing. */
  #heldCount = 0
  /** Of this batch; and what became of those that were applied with their message. */
  #atHand: AtHand = NONE_AT_HAND
  #settled = new Map<StoredReceipt, Settled>()
  /** No message that has an SMSC id has a greater id, now and before this batch. */
  #newest = ''
  #newestBefore = ''
  /** False when memory may differ from the database: at the start and after a rollback. */
  #inStep = false
  #now = 0

  constructor(
    private readonly db: Database,
    private readonly accounts: SqliteAccounts,
    private readonly reader: SqliteReader,
    private readonly limits: WriterLimits,
  ) {
    this.#sql = writerStatements(db)
    this.#tallies = new SqliteTallies(db, limits.talliesMax)
  }

  /**
   * One transaction for all of `writes`. One that is wrong in itself is refused and its neighbours go on
   * without it; when the database fails this throws, and nothing of the batch has happened.
   */
  run(writes: readonly Write[], now: number): Outcome[] {
    this.#now = now
    this.#atHand = receiptsAtHand(writes)
    const refused = new Map<number, string>()
    for (;;) {
      const outcomes: Outcome[] = []
      if (!this.#inStep) this.#newest = this.#newestStored()
      this.db.run('BEGIN IMMEDIATE')
      try {
        if (!this.#inStep) this.#fallIntoStep()
        this.#newestBefore = this.#newest
        this.#settled = new Map()
        for (const [index, write] of writes.entries()) {
          const reason = refused.get(index)
          outcomes.push(reason === undefined ? { value: this.#apply(write) } : { refused: reason })
        }
        this.#tallies.write()
        this.db.run('COMMIT')
        return outcomes
      } catch (cause) {
        if (this.db.inTransaction) this.db.run('ROLLBACK')
        this.#inStep = false
        if (!isCallersFault(cause) || outcomes.length === writes.length) throw cause
        // Two writes in one do not tell which of them is wrong.
        if (this.#atHand.size > 0) this.#atHand = NONE_AT_HAND
        else refused.set(outcomes.length, 'the store cannot take this record')
      }
    }
  }

  #apply(write: Write): unknown {
    switch (write.op) {
      case 'claim':
        return this.#claim(write.claim, write.message)
      case 'save':
        return this.#save(write.message)
      case 'settle':
        return this.#settle(write.receipt, write.since ?? this.#now)
      case 'resolve':
        return this.#resolve(write.late)
      case 'keepInbound':
        return this.#keepInbound(write.inbound)
      case 'meet':
        return this.#meet(write.id)
      case 'recover':
        return this.#recover(write.before)
      case 'sweep':
        return this.#sweep(write.now)
      case 'probe':
        return void this.#sql.probe.run()
    }
  }

  #claim(claim: Claim, message: Message): Claimed {
    const earlier = this.reader.recall(claim, this.#now)
    if (earlier) return earlier
    this.#sql.putClaim.run(claim.appId, claim.key, claim.bodyHash, claim.expiresAt, idBytes(message.id))
    this.#sql.insertMessage.run(...toRow(message, NOT_TALLIED, this.accounts))
    return { fresh: true }
  }

  #save(given: Message): Message {
    const message = this.#withHeld(given, given.parts.keys())
    const tallied = this.#tallies.tally(message, NOT_TALLIED)
    // It takes the newest message with its id: only one that is newer than all before is sure to be that.
    const receipt = given.id > this.#newestBefore ? this.#atHand.get(given.id) : undefined
    const stored = receipt ? withPart(message, 0, receiptChange(receipt)) : message
    if (this.#sql.insertMessage.run(...toRow(stored, tallied, this.accounts)).changes === 0) {
      return this.#saveAgain(message, tallied)
    }
    if (receipt) this.#settled.set(receipt, { matched: true, form: 0, message: stored, part: 0 })
    this.#index(message, message.parts.keys())
    this.#remember({ message: stored, tallied })
    return message
  }

  /** The outcome of a message that was claimed; or told a second time, then only what is news counts. */
  #saveAgain(message: Message, tallied: number): Message {
    const before = this.#stored(idBytes(message.id))
    if (!before || before.tallied === NOT_TALLIED) {
      this.#sql.replaceMessage.run(...toRow(message, tallied, this.accounts))
      this.#index(message, message.parts.keys())
      return message
    }
    this.#tallies.untally(message, tallied)
    const after = this.#named(merged(before.message, message), before.message)
    this.#update(after, before)
    return after
  }

  #settle(receipt: StoredReceipt, since: number): Settled {
    const settled = this.#settled.get(receipt)
    if (settled) return settled
    const found = this.#candidate(receipt)
    if (!found) {
      this.#hold(receipt, since)
      return { matched: false }
    }
    const { stored, part, form } = found
    const message = withPart(stored.message, part, receiptChange(receipt))
    this.#update(message, stored)
    return { matched: true, form, message, part }
  }

  #resolve(late: LateAnswer): Message | undefined {
    const { messageId, part, ...change } = late
    const stored = this.#stored(idBytes(messageId))
    if (!stored || !isUnknown(stored.message, part)) return stored?.message
    const message = this.#named(withPart(stored.message, part, change), stored.message)
    this.#update(message, stored)
    return message
  }

  #meet(id: string): void {
    const stored = this.#heldCount > 0 ? this.#stored(idBytes(id)) : undefined
    if (stored) this.#update(this.#withHeld(stored.message, stored.message.parts.keys()), stored)
  }

  #keepInbound(mo: InboundMessage): void {
    const { id, account, link, source, destination, text, segment, receivedAt } = mo
    if (segment && this.#joins(mo, segment)) return
    const parts = segment ? new Array(segment.total).fill(null).with(segment.part - 1, text) : [text]
    const reference = segment?.reference ?? null
    const row = [
      idBytes(id),
      account,
      link,
      source,
      destination,
      reference,
      JSON.stringify(parts),
      receivedAt,
    ]
    this.#sql.insertInbound.run(...row)
  }

  /** True when there is a message that the segment belongs to; it has it then. */
  #joins(mo: InboundMessage, { reference, total, part }: Segment): boolean {
    const { account, source, destination, text, receivedAt } = mo
    const since = receivedAt - SEGMENTS_JOIN_MS
    const rows = this.#sql.findSegments.values(
      account,
      source,
      reference,
      idFloor(since),
      destination,
      total,
      since,
      BEGUN_MAX,
    )
    for (const [id, json] of rows as [Uint8Array, string][]) {
      const parts: (string | null)[] = JSON.parse(json)
      const there = parts[part - 1]
      if (there === text) return true
      if (there !== null) continue
      this.#sql.updateInbound.run(JSON.stringify(parts.with(part - 1, text)), id)
      return true
    }
    return false
  }

  #recover(before: number): number {
    const rows = this.#sql.findOpen.values(before) as MessageRow[]
    for (const row of rows) {
      const stored = { message: toMessage(row, this.accounts), tallied: row[13] }
      this.#update(givenUp(stored.message, this.#now), stored)
    }
    return rows.length
  }

  #sweep(now: number): number {
    fitCache(this.db)
    const floor = idFloor(now - this.limits.retentionMs)
    let left = this.limits.sweepRowsMax
    let swept = 0
    const gone = (things: number, rows: number): void => {
      swept += things
      left = Math.max(0, left - rows)
    }
    for (const [id, parts] of this.#sql.findOldest.values(floor, left) as [Uint8Array, string][]) {
      const named = (JSON.parse(parts) as [number, string, number][]).filter(([, smscId]) => smscId !== '')
      // The first goes in any case, however many parts it has.
      if (swept > 0 && 1 + named.length > left) break
      for (const [, smscId, account] of named) this.#sql.deleteSmscId.run(account, idKey(smscId), id)
      this.#sql.deleteMessage.run(id)
      gone(1, 1 + named.length)
    }
    if (swept > 0) this.#waiting.clear()
    const claims = this.#sql.deleteClaims.run(now, left).changes
    gone(claims, claims)
    const inbound = this.#sql.deleteInbound.run(floor, left).changes
    gone(inbound, inbound)
    const held = this.#sql.findOldestHeld.values(now - RECEIPT_HELD_MS, left) as [number, string, string][]
    for (const [seq, account, ids] of held) this.#release(seq, account, JSON.parse(ids))
    return swept + held.length
  }

  /** The message after the receipts that waited for the SMSC ids which it has and had not `before`. */
  #named(message: Message, before: Message): Message {
    const named = [...message.parts.keys()].filter(
      index => message.parts[index]?.smscId !== before.parts[index]?.smscId,
    )
    this.#index(message, named)
    return this.#withHeld(message, named)
  }

  #update(message: Message, before: Stored): void {
    if (message === before.message) return
    const tallied = this.#tallies.tally(message, before.tallied)
    const { state, parts, updatedAt, error } = message
    const id = idBytes(message.id)
    const text = partsText(parts, this.accounts)
    this.#sql.updateMessage.run(stateNumber(state), text, updatedAt, error, tallied, id)
    this.#remember({ message, tallied })
  }

  #index(message: Message, parts: Iterable<number>): void {
    if (message.id > this.#newest) this.#newest = message.id
    for (const index of parts) {
      const { smscId = '', account = '' } = message.parts[index] ?? {}
      const key = idKey(smscId)
      if (isFindable(key)) this.#sql.insertSmscId.run(this.accounts.number(account), key, idBytes(message.id))
    }
  }

  #remember(stored: Stored): void {
    const { id, state } = stored.message
    // Put at the end of the map, if it stays: the oldest is the first.
    this.#waiting.delete(id)
    if (isFinal(state)) return
    this.#waiting.set(id, stored)
    if (this.#waiting.size > WAITING_MAX) this.#waiting.shed(WAITING_MAX / 10)
  }

  #stored(id: Uint8Array): Stored | undefined {
    const known = this.#waiting.get(idText(id))
    if (known) return known
    const row = this.#sql.findMessage.values(id)[0] as MessageRow | undefined
    return row && { message: toMessage(row, this.accounts), tallied: row[13] }
  }

  /** The contract's choice: the address decides, then the earlier form, then the newer message. */
  #candidate(receipt: StoredReceipt): Candidate | undefined {
    let fallback: Candidate | undefined
    const account = this.accounts.known(receipt.account)
    if (account === undefined) return undefined
    for (const [form, key] of receipt.ids.entries()) {
      for (const [id] of this.#idsOf(account, key)) {
        const stored = this.#stored(id)
        if (!stored) continue
        const candidate = { stored, part: partOf(stored.message, receipt.account, key), form }
        if (sameNumber(receipt.address, stored.message.destination)) return candidate
        if (mayTake(form, receipt.address, stored.message)) fallback ??= candidate
      }
    }
    return fallback
  }

  /** Messages with an SMSC id, newest first. As a rule there is one, and ORDER BY costs five times the search. */
  #idsOf(account: number, key: string): readonly (readonly [id: Uint8Array])[] {
    const some = this.#sql.findTwo.values(account, key) as [Uint8Array][]
    return some.length < 2 ? some : (this.#sql.findSmscId.values(account, key, CANDIDATES_MAX) as typeof some)
  }

  #hold(receipt: StoredReceipt, since: number): void {
    const { account, ids, address, state, error, at } = receipt
    const seq = this.#sql.insertHeld.values(
      account,
      JSON.stringify(ids),
      address,
      partStateNumber(state),
      error,
      at,
      since,
    )[0]?.[0]
    for (const [form, key] of ids.entries()) this.#sql.insertHeldKey.run(account, key, Number(seq), form)
    if (++this.#heldCount <= this.limits.heldMax) return
    const oldest = this.#sql.findOldestHeld.values(Number.MAX_SAFE_INTEGER, 1) as [number, string, string][]
    for (const [old, ofAccount, oldIds] of oldest) this.#release(old, ofAccount, JSON.parse(oldIds))
  }

  /** Applies the receipts that wait for these parts, in the order in which they came. */
  #withHeld(message: Message, parts: Iterable<number>): Message {
    if (this.#heldCount === 0) return message
    let changed = message
    for (const index of parts) {
      const { smscId = '', account = '' } = message.parts[index] ?? {}
      const key = idKey(smscId)
      if (!isFindable(key)) continue
      const since = this.#now - RECEIPT_HELD_MS
      const rows = this.#sql.findHeld.values(account, key, since, WAITING_UNDER_ID_MAX) as HeldRow[]
      for (const [seq, form, ids, address, state, error, at] of rows.reverse()) {
        if (!mayTake(form, address, message)) continue
        changed = withPart(changed, index, receiptChange({ state: partStateOf(state), error, at }))
        this.#release(seq, account, JSON.parse(ids))
      }
    }
    return changed
  }

  #release(seq: number, account: string, ids: readonly string[]): void {
    for (const key of ids) this.#sql.deleteHeldKey.run(account, key, seq)
    this.#heldCount -= this.#sql.deleteHeld.run(seq).changes
  }

  /**
   * Where the file is damaged at that place no message counts as newer than all, and what lies elsewhere is written
   * still. Before a transaction: its COMMIT would fail for the read that did.
   */
  #newestStored(): string {
    try {
      return this.reader.newest()?.id ?? ''
    } catch {
      return AFTER_ALL_IDS
    }
  }

  #fallIntoStep(): void {
    this.accounts.reload()
    this.#tallies.forget()
    this.#waiting.clear()
    this.#heldCount = Number(this.#sql.countHeld.values()[0]?.[0])
    this.#inStep = true
  }
}

type HeldRow = [
  seq: number,
  form: number,
  ids: string,
  address: string,
  state: number,
  error: number,
  at: number,
]

/** The record breaks a rule of the table, or is no value that SQLite knows: another try would end the same. */
const isCallersFault = (cause: unknown): boolean =>
  !(cause instanceof SQLiteError) || /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE)/.test(cause.code ?? '')
