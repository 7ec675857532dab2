/** How a receipt and a message find each other, and what is news of a message: what all drivers decide alike. */

import { isFinalPart, type Message, type Part, type PartChange, withPart } from '../message.ts'
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

/** With what `given` knows and `before` does not; the same object when that is nothing. */
export function toldAgain(before: Message, given: Message): Message {
  const named = before.parts.map((part, index) => {
    const account = part.account || (given.parts[index]?.account ?? '')
    // A message that was claimed and given up has heard of no account yet.
    return account === part.account ? part : { ...part, account }
  })
  const same = named.every((part, index) => part === before.parts[index])
  const start = same ? before : { ...before, parts: named }
  let message = start
  for (const [index, part] of given.parts.entries()) {
    if (!isNews(message.parts[index], part)) continue
    const { state, smscId, error } = part
    const change: PartChange = { state, smscId, error, at: given.updatedAt }
    message = withPart(message, index, change)
  }
  return message === start ? start : { ...message, error: given.error }
}

/** What an outcome that is told again adds to a part: an SMSC id says all that `submitted` does, and a receipt more. */
export const isNews = (known: Part | undefined, { smscId, state }: Part): boolean =>
  !known || known.smscId === '' || (smscId !== '' && state !== 'submitted')

/** What a late answer may still tell of. */
export const isUnknown = ({ parts }: Message, index: number): boolean => {
  const part = parts[index]
  return part?.state === 'unknown' && part.smscId === ''
}
