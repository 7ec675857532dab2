import { type Message, withPart } from '../message.ts'
import { isUnknown, mayTake, partOf, receiptChange } from './matching.ts'
import { merged } from './merged.ts'
import { sameNumber } from './same_number.ts'
import { messageKey, type SpoolEntry, smscKey, smscKeysOf } from './spool_entry.ts'
import type { Settled, StoredReceipt } from './store.ts'

/** What is asked of the spool. */
export interface Spool {
  /** The entries with a key, in their order. */
  under(key: string): readonly SpoolEntry[]
}

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
  let fallback: Settled | undefined
  for (const [form, key] of receipt.ids.entries()) {
    for (const saved of newestFirst(spool.under(smscKey(receipt.account, key)))) {
      if (!mayTake(form, receipt.address, saved)) continue
      const message = spooledMessage(spool, saved.id)
      const part = message ? partOf(message, receipt.account, key) : -1
      if (!message || part < 0) continue
      const settled = { matched: true, form, message, part } as const
      if (sameNumber(receipt.address, message.destination)) return settled
      fallback ??= settled
    }
  }
  return fallback ?? { matched: false }
}

/** By their ids, as the cluster sees them: an older one may have come to the disk last. */
const newestFirst = (entries: readonly SpoolEntry[]): Message[] =>
  entries
    .flatMap(({ write }) => (write.kind === 'save' ? [write.message] : []))
    .sort((a, b) => (a.id < b.id ? 1 : -1))

function withReceipts(spool: Spool, message: Message): Message {
  const found = new Map<number, StoredReceipt>()
  for (const key of new Set(smscKeysOf(message))) {
    for (const { seq, write } of spool.under(key)) if (write.kind === 'settle') found.set(seq, write.receipt)
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
