/** How a receipt and a message find each other: what every driver has to decide alike. */

import { isFinalPart, type Message, type PartChange } from '../message.ts'
import { idKey } from './id_key.ts'
import { sameNumber } from './same_number.ts'
import type { StoredReceipt } from './store.ts'

/** Messages of one account that carry one SMSC id; more is an SMSC that always answers the same. */
export const CANDIDATES_MAX = 16

/** A form after the first is a guess at the number base: another handset's number proves it wrong. */
export const mayTake = (form: number, address: string, message: Pick<Message, 'destination'>): boolean =>
  form === 0 || address === '' || sameNumber(address, message.destination)

/** The part with this SMSC id, -1 if there is none; where two have it, the one that still waits. */
export function partOf(message: Message, account: string, key: string): number {
  let found = -1
  for (const [index, part] of message.parts.entries()) {
    if (part.smscId === '' || part.account !== account || idKey(part.smscId) !== key) continue
    if (!isFinalPart(part.state)) return index
    if (found === -1) found = index
  }
  return found
}

export const receiptChange = ({
  state,
  error,
  at,
}: Pick<StoredReceipt, 'state' | 'error' | 'at'>): PartChange => ({ state, error, at })

/** What a late answer may still tell of. */
export const isUnknown = ({ parts }: Message, index: number): boolean => {
  const part = parts[index]
  return part?.state === 'unknown' && part.smscId === ''
}
