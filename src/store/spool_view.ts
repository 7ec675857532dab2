import { type Message, withPart } from '../message.ts'
import { CANDIDATES_MAX, isUnknown, mayTake, partOf, receiptChange } from './matching.ts'
import { merged } from './merged.ts'
import { sameNumber } from './same_number.ts'
import { messageKey, type SpoolEntry, smscKey, smscKeysOf } from './spool_entry.ts'
import type { Settled, StoredReceipt } from './store.ts'

/** What is asked of the spool. */
export interface Spool {
  /** The entries with a key, in their order; of more than `max` the last. */
  under(key: string, max?: number): readonly SpoolEntry[]
}

/** Entries with one SMSC id that are looked at, messages and receipts: more is an SMSC that always answers the same. */
const UNDER_ID_MAX = 4 * CANDIDATES_MAX

/**
 * A message as the spool leaves it: what the cluster will say of it, as far as this gateway can tell. `stored` is
 * what the cluster has; undefined when that is nothing, or nobody knows.
 */
export function spooledMessage(spool: Spool, id: string, stored?: Message): Message | undefined {
  let message = stored
  for (const { write } of spool.under(messageKey(id))) {
    if (write.kind === 'save') message = message ? merged(message, write.message) : write.message
    if (write.kind !== 'resolve' || !message) continue
    const { messageId: _, part, ...change } = write.late
    if (isUnknown(message, part)) message = withPart(message, part, change)
  }
  return message && withReceipts(readOnce(spool), message, stored)
}

/** True when the spool has an outcome of the message. */
export const isSaved = (spool: Spool, id: string): boolean =>
  spool.under(messageKey(id)).some(({ write }) => write.kind === 'save')

/** The spooled message that a receipt belongs to, with it and those before it applied. */
export function spooledMatch(spool: Spool, receipt: StoredReceipt): Settled {
  const { id, form } = taker(spool, receipt) ?? {}
  const message = id === undefined ? undefined : spooledMessage(spool, id)
  if (!message || form === undefined) return { matched: false }
  return { matched: true, form, message, part: partOf(message, receipt.account, receipt.ids[form] ?? '') }
}

interface Saved {
  readonly seq: number
  readonly message: Message
}

interface Taker {
  readonly id: string
  readonly form: number
}

/**
 * Of the messages spooled before an entry, the one that takes its receipt. The contract's choice: the address
 * decides, then the earlier form, then the newer message.
 */
function taker(spool: Spool, receipt: StoredReceipt, before = Number.POSITIVE_INFINITY): Taker | undefined {
  const { account, ids, address } = receipt
  let fallback: Taker | undefined
  for (const [form, key] of ids.entries()) {
    for (const { seq, message } of savedUnder(spool, account, key)) {
      if (seq > before) continue
      const { id, destination } = message
      if (sameNumber(address, destination)) return { id, form }
      if (mayTake(form, address, { destination })) fallback ??= { id, form }
    }
  }
  return fallback
}

/** The first message spooled after a receipt that none before it took: it finds the receipt waiting. */
function finder(spool: Spool, { account, ids, address }: StoredReceipt, after: number): string | undefined {
  const fitting = ids.flatMap((key, form) =>
    savedUnder(spool, account, key).filter(
      ({ seq, message }) => seq > after && mayTake(form, address, message),
    ),
  )
  return fitting.sort((a, b) => a.seq - b.seq)[0]?.message.id
}

/** Newest first by their ids, as the cluster sees them: an older one may have come to the disk last. */
const savedUnder = (spool: Spool, account: string, key: string): Saved[] =>
  spool
    .under(smscKey(account, key), UNDER_ID_MAX)
    .flatMap(({ seq, write }) => (write.kind === 'save' ? [{ seq, message: write.message }] : []))
    .sort((a, b) => (a.message.id < b.message.id ? 1 : -1))

/** With the receipts that go to it, and to no other message of the spool. */
function withReceipts(spool: Spool, message: Message, stored: Message | undefined): Message {
  // The cluster knows it by its ids: no receipt waits for another there.
  const isKnown = stored !== undefined && smscKeysOf(stored).length > 0
  const found = new Map<number, StoredReceipt>()
  for (const key of new Set(smscKeysOf(message))) {
    for (const { seq, write } of spool.under(key, UNDER_ID_MAX))
      if (write.kind === 'settle') found.set(seq, write.receipt)
  }
  let changed = message
  for (const [seq, receipt] of [...found].sort(([a], [b]) => a - b)) {
    const taken = taker(spool, receipt, seq)?.id
    const waited = taken === undefined && !isKnown ? finder(spool, receipt, seq) : undefined
    if ((taken ?? waited ?? message.id) !== message.id) continue
    // What waited goes to the first part with its id.
    const known = waited === undefined ? changed : message
    for (const [form, key] of receipt.ids.entries()) {
      const part = mayTake(form, receipt.address, message) ? partOf(known, receipt.account, key) : -1
      if (part < 0) continue
      changed = withPart(changed, part, receiptChange(receipt))
      break
    }
  }
  return changed
}

/** So that what many receipts ask for is read once. */
function readOnce(spool: Spool): Spool {
  const known = new Map<string, readonly SpoolEntry[]>()
  return {
    under(key, max) {
      const entries = known.get(key) ?? spool.under(key, max)
      known.set(key, entries)
      return entries
    },
  }
}
