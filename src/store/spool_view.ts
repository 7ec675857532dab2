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
  return message && withReceipts(spool, message)
}

/** True when the spool has an outcome of the message. */
export const isSaved = (spool: Spool, id: string): boolean =>
  spool.under(messageKey(id)).some(({ write }) => write.kind === 'save')

/** The spooled message that a receipt belongs to, with it and those before it applied. */
export function spooledMatch(spool: Spool, receipt: StoredReceipt): Settled {
  const { id, form } = candidate(spool, receipt) ?? {}
  const message = id === undefined ? undefined : spooledMessage(spool, id)
  if (!message || form === undefined) return { matched: false }
  return { matched: true, form, message, part: partOf(message, receipt.account, receipt.ids[form] ?? '') }
}

/** The contract's choice: the address decides, then the earlier form, then the newer message. */
function candidate(spool: Spool, { account, ids, address }: StoredReceipt): Candidate | undefined {
  let fallback: Candidate | undefined
  for (const [form, key] of ids.entries()) {
    for (const { id, destination } of newestFirst(spool.under(smscKey(account, key), UNDER_ID_MAX))) {
      if (sameNumber(address, destination)) return { id, form }
      if (mayTake(form, address, { destination })) fallback ??= { id, form }
    }
  }
  return fallback
}

interface Candidate {
  readonly id: string
  readonly form: number
}

/** By their ids, as the cluster sees them: an older one may have come to the disk last. */
const newestFirst = (entries: readonly SpoolEntry[]): Message[] =>
  entries
    .flatMap(({ write }) => (write.kind === 'save' ? [write.message] : []))
    .sort((a, b) => (a.id < b.id ? 1 : -1))

function withReceipts(spool: Spool, message: Message): Message {
  const found = new Map<number, StoredReceipt>()
  for (const key of new Set(smscKeysOf(message))) {
    for (const { seq, write } of spool.under(key, UNDER_ID_MAX))
      if (write.kind === 'settle') found.set(seq, write.receipt)
  }
  let changed = message
  for (const [, receipt] of [...found].sort(([a], [b]) => a - b)) {
    for (const [form, key] of receipt.ids.entries()) {
      const part = mayTake(form, receipt.address, message) ? partOf(message, receipt.account, key) : -1
      if (part < 0) continue
      changed = withPart(changed, part, receiptChange(receipt))
      break
    }
  }
  return changed
}
