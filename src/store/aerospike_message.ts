/** How a message lies in its record. */

import type { Bins, ReadBins, ReadValue } from '../aerospike/index.ts'
import { MESSAGE_STATES, type Message, PART_STATES, type Part, taken } from '../message.ts'
import { idTime } from '../message_id.ts'
import { numberOf, textOf } from './aerospike_records.ts'
import { StoreError } from './store.ts'

/** How a message is counted. */
export type Kind = 'sent' | 'failed'

/** A change of how a message is counted, by the journal entry under which it was made. */
export interface Mark {
  readonly token: string
  readonly kind: Kind
}

export interface Stored {
  readonly message: Message
  /** In order: the last one is how it is counted now; none while it is not. At most two: nothing leaves `sent`. */
  readonly marks: readonly Mark[]
}

/** What a mark adds to the tallies. */
export interface Count {
  readonly campaign: string
  readonly sme: number
  readonly sent: number
  readonly failed: number
}

export const kindOf = (message: Message): Kind => (taken(message) ? 'sent' : 'failed')

/** With the mark that `token` leaves if the message is counted otherwise from now on. */
export function marked(stored: Stored, token: string): Stored {
  const kind = kindOf(stored.message)
  if (stored.marks.at(-1)?.kind === kind) return stored
  return { ...stored, marks: [...stored.marks, { token, kind }] }
}

/** What `token` has changed in the tallies; undefined when it has changed nothing. */
export function countOf({ message, marks }: Stored, token: string): Count | undefined {
  if (!marks.some(mark => mark.token === token)) return undefined
  const { campaign, esme: sme } = message
  const sum = { campaign, sme, sent: 0, failed: 0 }
  // Both marks may be its own, when an attempt went on under the entry of an earlier one.
  for (const [at, mark] of marks.entries()) {
    if (mark.token !== token) continue
    sum[mark.kind]++
    const before = marks[at - 1]
    if (before) sum[before.kind]--
  }
  return sum
}

/** Throws a StoreError when the message is none that can be stored. */
export function requireStorable({ taskId, appId, esme, sentAt, updatedAt, parts }: Message): void {
  const numbers = [taskId, appId, esme, sentAt, updatedAt, ...parts.map(part => part.error)]
  if (!numbers.every(Number.isSafeInteger))
    throw new StoreError('the store cannot take this record', { ofRecord: true })
}

/** Throws a StoreError when the message is none that can be stored. */
export function toBins({ message, marks }: Stored, retentionMs: number): Bins {
  requireStorable(message)
  const { taskId, appId, esme, sentAt, updatedAt } = message
  return {
    id: message.id,
    task: taskId,
    app: appId,
    esme,
    campaign: message.campaign,
    transaction: message.transactionId,
    source: message.source,
    destination: message.destination,
    state: message.state,
    parts: message.parts.map(({ state, smscId, account, error }) => [state, smscId, account, error]),
    sent: sentAt,
    updated: updatedAt,
    error: message.error,
    marks: marks.map(({ token, kind }) => [token, kind]),
    end: idTime(message.id) + retentionMs,
  }
}

export function toStored(bins: ReadBins): Stored {
  const message: Message = {
    id: textOf(bins, 'id'),
    taskId: numberOf(bins, 'task'),
    appId: numberOf(bins, 'app'),
    esme: numberOf(bins, 'esme'),
    campaign: textOf(bins, 'campaign'),
    transactionId: textOf(bins, 'transaction'),
    source: textOf(bins, 'source'),
    destination: textOf(bins, 'destination'),
    state: stateNamed(MESSAGE_STATES, bins.state),
    parts: rowsOf(bins.parts).map(toPart),
    sentAt: numberOf(bins, 'sent'),
    updatedAt: numberOf(bins, 'updated'),
    error: textOf(bins, 'error'),
  }
  const marks = rowsOf(bins.marks).map(
    ([token, kind]): Mark => ({ token: text(token), kind: kind === 'sent' ? 'sent' : 'failed' }),
  )
  return { message, marks }
}

const toPart = ([state, smscId, account, error]: ReadValue[]): Part => ({
  state: stateNamed(PART_STATES, state),
  smscId: text(smscId),
  account: text(account),
  error: typeof error === 'number' ? error : 0,
})

export const stateNamed = <T extends string>(states: readonly (T | 'unknown')[], name: unknown) =>
  states.find(state => state === name) ?? 'unknown'

export const rowsOf = (value: ReadValue | undefined): ReadValue[][] =>
  Array.isArray(value) ? value.filter(row => Array.isArray(row)) : []

const text = (value: ReadValue | undefined): string => (typeof value === 'string' ? value : '')
