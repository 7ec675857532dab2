import type { Clock } from '../clock.ts'
import type { Message } from '../message.ts'
import { idTime } from '../message_id.ts'
import { addUp, amongOthers, isNone, messagesIn, tallyName, without } from './campaign_tally.ts'
import {
  type CampaignTally,
  type Claim,
  type HeldReceipt,
  type InboxMessage,
  RECEIPT_HELD_MS,
  StoreError,
} from './store.ts'

/**
 * Moves what one store holds into another, of which either may hold more already.
 *
 * Every row may be written twice, and then it is there once: so a copy that was interrupted goes on from the
 * last piece that is known to be there, and one that is run again brings what is new. A row that both have keeps
 * the news of both.
 *
 * Tallies cannot be counted from messages, since they outlive them. Each store has an identity, and remembers how
 * much of its tallies came from which other: what is copied is what the source counted beyond what it has from
 * the target, and only the difference to what the target has from it is added.
 */
export interface Rows {
  messages: CopiedMessage
  claims: CopiedClaim
  inbound: CopiedInbound
  held: CopiedReceipt
}
export type Kind = keyof Rows

/** Receipts after messages, so that they find them. */
export const KINDS = ['messages', 'claims', 'inbound', 'held'] as const satisfies readonly Kind[]

export interface CopiedMessage {
  readonly message: Message
  /** How it is counted in the tallies; undefined: not yet. */
  readonly counted: 'sent' | 'failed' | undefined
}

export interface CopiedClaim {
  readonly claim: Claim
  readonly messageId: string
}

export interface CopiedInbound {
  readonly message: InboxMessage
  /** Of its segments, while others may still join them; undefined when it came whole. */
  readonly reference: number | undefined
}

export interface CopiedReceipt {
  readonly receipt: HeldReceipt
  /** When it came, Unix milliseconds. */
  readonly since: number
  /** The same whenever it is read; sorts by `since`. */
  readonly name: string
}

export interface Piece<T> {
  readonly rows: readonly T[]
  /** Where reading may go on; the same as of the piece before while that is not behind yet. */
  readonly after: string
  /** Of all rows of the kind, how much is behind: 0 to 1. */
  readonly share: number
}

/** The rows of one kind. */
export interface Shelf<T> {
  /** In pieces of bounded size; `after`: where an earlier reading stood, empty for all. */
  read(after: string): AsyncIterable<Piece<T>>
  /** Resolves when they are on disk, or in the cluster. */
  write(rows: readonly T[]): Promise<void>
  /** How many of these are not there. */
  missing(rows: readonly T[]): Promise<number>
}

export type Shelves = { readonly [K in Kind]: Shelf<Rows[K]> }

/** A store as a copy sees it. No gateway uses it as a source meanwhile; as a target some may. */
export interface CopySide {
  /** Its own for ever; a store that lost its data has another. */
  readonly id: string
  /** Another after each gateway that opened it. */
  readonly opening: string
  /** How long it keeps messages and MO messages. */
  readonly retentionMs: number
  readonly shelves: Shelves
  /** As a source: ends what its gateways left open, as the next start would. Throws while one of them lives. */
  prepare(): Promise<void>
  /** As a source: throws when a gateway used it since it was opened here. */
  undisturbed(): Promise<void>
  tallies(): Promise<readonly CampaignTally[]>
  /** Of its tallies, what came from another store. */
  received(from: string): Promise<readonly CampaignTally[]>
  /** Makes what came from another store be that. */
  receive(from: string, tallies: readonly CampaignTally[]): Promise<void>
  /** Undefined when the error is not of this store. */
  failure(error: unknown): Failure | undefined
  close(): Promise<void>
}

export interface Failure {
  /** For the operator. */
  readonly text: string
  /** Perhaps it is over in a moment. */
  readonly mayPass: boolean
}

export interface Progress {
  /** Index in {@link KINDS} of what is being copied; their number when all are. */
  readonly kind: number
  readonly after: string
  readonly counts: Counts
}

export interface Count {
  readonly copied: number
  /** Past their time, and left out. */
  readonly past: number
}
export type Counts = { readonly [K in Kind]: Count }

/** Keeps how far a copy has come, in whatever survives a crash. */
export interface Book {
  read(): Progress | undefined
  write(progress: Progress): void
  clear(): void
}

export interface Step {
  readonly doing: 'copy' | 'check'
  readonly kind: Kind
  /** Rows behind. */
  readonly rows: number
  readonly share: number
}

export interface CopyParts {
  readonly from: CopySide
  readonly to: CopySide
  readonly book: Book
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'after'>
  /** Asked after each piece. */
  readonly stopped: () => boolean
  readonly tell: (step: Step) => void
  /** A store does not answer, and is asked again. */
  readonly waits: (why: string) => void
}

export interface Report {
  readonly counts: Counts
  /** Of what was copied, what the target does not have. */
  readonly missing: { readonly [K in Kind]: number }
  /** Tallies, and how many of them the target has otherwise. */
  readonly tallies: { readonly copied: number; readonly wrong: number }
  /** Messages ever counted, in each store. */
  readonly counted: { readonly from: number; readonly to: number }
}

/** It was told to stop; the book says how far it came. */
export class CopyStopped extends Error {}

/** Between two tries of a store that does not answer. */
const RETRY_MS = 1000
/** A store that does not answer for as long is given up. */
const PATIENCE_MS = 60_000

const NONE: Count = { copied: 0, past: 0 }
const NOTHING: Counts = { messages: NONE, claims: NONE, inbound: NONE, held: NONE }

const plus = (one: Count, other: Count): Count => ({
  copied: one.copied + other.copied,
  past: one.past + other.past,
})

export async function copyStore(parts: CopyParts): Promise<Report> {
  const { from, to, book } = parts
  await patiently(parts, () => from.prepare())
  let progress = book.read() ?? { kind: 0, after: '', counts: NOTHING }
  for (const [index, kind] of KINDS.entries()) {
    if (index < progress.kind) continue
    progress = await copyKind(parts, kind, progress)
    progress = { kind: index + 1, after: '', counts: progress.counts }
    book.write(progress)
  }
  let tallies = { copied: 0, wrong: 0 }
  await patiently(parts, async () => {
    tallies = await copyTallies(parts)
  })
  const missing = { messages: 0, claims: 0, inbound: 0, held: 0 }
  for (const kind of KINDS) missing[kind] = await checkKind(parts, kind)
  await patiently(parts, () => from.undisturbed())
  const counted = { from: messagesIn(await from.tallies()), to: messagesIn(await to.tallies()) }
  book.clear()
  return { counts: progress.counts, missing, tallies, counted }
}

async function copyKind<K extends Kind>(parts: CopyParts, kind: K, begun: Progress): Promise<Progress> {
  const { from, to, book } = parts
  const source: Shelf<Rows[K]> = from.shelves[kind]
  const target: Shelf<Rows[K]> = to.shelves[kind]
  let progress = begun
  await patiently(parts, async goesOn => {
    // Of pieces that come again after a failure.
    let ahead = NONE
    for await (const { rows, after, share } of source.read(progress.after)) {
      const live = alive(parts, kind, rows)
      await target.write(live)
      ahead = plus(ahead, { copied: live.length, past: rows.length - live.length })
      const count = plus(progress.counts[kind], ahead)
      if (after !== progress.after) {
        progress = { ...progress, after, counts: { ...progress.counts, [kind]: count } }
        book.write(progress)
        ahead = NONE
      }
      goesOn()
      parts.tell({ doing: 'copy', kind, rows: count.copied + count.past, share })
      stopIfTold(parts)
    }
  })
  return progress
}

/** Reads the source again, and looks for each row in the target; answers how many are not there. */
async function checkKind<K extends Kind>(parts: CopyParts, kind: K): Promise<number> {
  const { from, to } = parts
  const source: Shelf<Rows[K]> = from.shelves[kind]
  const target: Shelf<Rows[K]> = to.shelves[kind]
  let behind = { missing: 0, seen: 0, after: '' }
  await patiently(parts, async goesOn => {
    let { missing, seen } = behind
    for await (const { rows, after, share } of source.read(behind.after)) {
      missing += await target.missing(alive(parts, kind, rows))
      seen += rows.length
      if (after !== behind.after) behind = { missing, seen, after }
      goesOn()
      parts.tell({ doing: 'check', kind, rows: seen, share })
      stopIfTold(parts)
    }
  })
  return behind.missing
}

async function copyTallies({ from, to }: CopyParts): Promise<Report['tallies']> {
  // What the source counted itself, or has from others than the target.
  const own = without(await from.tallies(), await from.received(to.id))
  await to.receive(from.id, own)
  const received = await to.received(from.id)
  const left = without(asKept(own, received), received)
  return { copied: own.length, wrong: left.filter(tally => !isNone(tally)).length }
}

/** As a target counts them that has no room for more names. */
function asKept(own: readonly CampaignTally[], received: readonly CampaignTally[]): CampaignTally[] {
  const apart = new Set(received.map(tallyName))
  const kept = own.map(tally => {
    const others = amongOthers(tally)
    return apart.has(tallyName(tally)) || !apart.has(tallyName(others)) ? tally : others
  })
  return addUp(kept)
}

/** Those that the target would still keep. */
function alive<K extends Kind>({ to, clock }: CopyParts, kind: K, rows: readonly Rows[K][]): Rows[K][] {
  const now = clock.now()
  const endsAt: (row: Rows[K], retentionMs: number) => number = ENDS[kind]
  return rows.filter(row => endsAt(row, to.retentionMs) > now)
}

/** When a row is past its time. */
export const ENDS: { readonly [K in Kind]: (row: Rows[K], retentionMs: number) => number } = {
  messages: ({ message }, retentionMs) => idTime(message.id) + retentionMs,
  claims: ({ claim }) => claim.expiresAt,
  inbound: ({ message }, retentionMs) => idTime(message.id) + retentionMs,
  held: ({ since }) => since + RECEIPT_HELD_MS,
}

/** Tries again while a store does not answer; `goesOn` tells that it did. */
async function patiently(parts: CopyParts, work: (goesOn: () => void) => Promise<void>): Promise<void> {
  const { from, to, clock } = parts
  let failingSince: number | undefined
  for (;;) {
    try {
      return await work(() => {
        failingSince = undefined
      })
    } catch (error) {
      const failure = from.failure(error) ?? to.failure(error)
      if (!failure) throw error
      failingSince ??= clock.monotonic()
      if (!failure.mayPass || clock.monotonic() - failingSince >= PATIENCE_MS)
        throw new StoreError(failure.text, { cause: error })
      parts.waits(failure.text)
    }
    await new Promise<void>(resolve => void clock.after(RETRY_MS, resolve))
    stopIfTold(parts)
  }
}

function stopIfTold({ stopped }: CopyParts): void {
  if (stopped()) throw new CopyStopped('stopped')
}

/** What stands in a book, if it is that. */
export function parseProgress(text: string): Progress | undefined {
  const read: unknown = JSON.parse(text)
  if (typeof read !== 'object' || read === null || !('kind' in read && 'after' in read && 'counts' in read))
    throw new StoreError('what an earlier copy wrote down cannot be read')
  return read as Progress
}
