import type { Message } from '../message.ts'
import { idKey, isFindable } from './id_key.ts'
import { sameNumber } from './same_number.ts'
import type { Write } from './sqlite_writer.ts'
import type { StoredReceipt } from './store.ts'

/** By a message's id. */
export type AtHand = ReadonlyMap<string, StoredReceipt>
export const NONE_AT_HAND: AtHand = new Map()

/**
 * The receipts of a batch whose message is saved before them in the same batch, as an SMSC causes it that delivers at
 * once: applied to the message on its way into its row they save the search for it and a second write of the row (2 of 17
 * µs). Only where that cannot be told from one write after another: a message of one part, the
 * first receipt of its id, no other message of the batch with that id, no write in between that changes messages.
 */
export function receiptsAtHand(writes: readonly Write[]): AtHand {
  /** By the key of the SMSC's id; undefined when a receipt of it has to be searched for. */
  const saved = new Map<string, Message | undefined>()
  const atHand = new Map<string, StoredReceipt>()
  for (const write of writes) {
    if (write.op === 'save') {
      const { message } = write
      const single = message.parts.length === 1
      for (const { smscId } of message.parts) {
        const key = idKey(smscId)
        if (isFindable(key)) saved.set(key, single && !saved.has(key) ? message : undefined)
      }
    } else if (write.op === 'settle') {
      const { receipt } = write
      const message = saved.get(receipt.ids[0] ?? '')
      if (message && isFor(receipt, message)) atHand.set(message.id, receipt)
      for (const key of receipt.ids) if (saved.has(key)) saved.set(key, undefined)
    } else if (write.op === 'resolve' || write.op === 'recover' || write.op === 'sweep') {
      for (const key of saved.keys()) saved.set(key, undefined)
      // It may be the id of an older message from now on.
      if (write.op === 'resolve') saved.set(idKey(write.late.smscId), undefined)
    }
  }
  return atHand
}

const isFor = ({ account, address }: StoredReceipt, { parts, destination }: Message): boolean =>
  parts[0]?.account === account && sameNumber(address, destination)
