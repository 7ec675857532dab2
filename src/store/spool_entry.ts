import type { Message } from '../message.ts'
import { idKey, isFindable } from './id_key.ts'
import type { InboundMessage, LateAnswer, StoredReceipt } from './store.ts'

/** A call of the contract that waits on disk for the cluster. */
export type Spooled =
  | { readonly kind: 'save'; readonly message: Message }
  | { readonly kind: 'settle'; readonly receipt: StoredReceipt }
  | { readonly kind: 'resolve'; readonly late: LateAnswer }
  | { readonly kind: 'keepInbound'; readonly inbound: InboundMessage }

export interface SpoolEntry {
  /** Grows. */
  readonly seq: number
  readonly write: Spooled
}

/** By its id. */
export const messageKey = (id: string): string => `m ${id}`

/** By an SMSC's id for one of its parts, and by a form of a receipt. */
export const smscKey = (account: string, key: string): string => `r ${account}\0${key}`

/** The SMSC ids under which receipts find a message. */
export const smscKeysOf = ({ parts }: Message): string[] =>
  parts.flatMap(({ account, smscId }) => {
    const key = idKey(smscId)
    return isFindable(key) ? [smscKey(account, key)] : []
  })

/** What a write is found by in the spool. */
export function keysOf(write: Spooled): string[] {
  return write.kind === 'save' ? [...orderOf(write), ...smscKeysOf(write.message)] : orderOf(write)
}

/**
 * Writes that share one of these have to reach the cluster in their order: the outcome of a message before what a
 * late answer adds, receipts of one id (the first final state stays), segments of one message. A message and its
 * receipts meet there in any order.
 */
export function orderOf(write: Spooled): string[] {
  switch (write.kind) {
    case 'save':
      return [messageKey(write.message.id)]
    case 'resolve':
      return [messageKey(write.late.messageId)]
    case 'settle':
      return [...new Set(write.receipt.ids)].map(id => smscKey(write.receipt.account, id))
    case 'keepInbound': {
      const { account, source, destination, segment } = write.inbound
      return segment ? [`i ${JSON.stringify([account, source, destination, segment.reference])}`] : []
    }
  }
}

/** How a log names it. */
export function nameOf(write: Spooled): { readonly kind: Spooled['kind']; readonly message_id?: string } {
  const { kind } = write
  switch (kind) {
    case 'save':
      return { kind, message_id: write.message.id }
    case 'resolve':
      return { kind, message_id: write.late.messageId }
    case 'keepInbound':
      return { kind, message_id: write.inbound.id }
    case 'settle':
      return { kind }
  }
}
