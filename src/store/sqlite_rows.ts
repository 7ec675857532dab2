/** How messages lie in their rows. */

import type { Message, MessageState, Part, PartState } from '../message.ts'
import type { SqliteAccounts } from './sqlite_accounts.ts'
import type { InboxMessage } from './store.ts'

/** A state's place is its number on disk: add at the end, never move. */
const STATES: readonly MessageState[] = [
  'accepted',
  'submitted',
  'delivered',
  'failed',
  'expired',
  'rejected',
  'unknown',
]
const PART_STATES: readonly PartState[] = [
  'accepted',
  'submitted',
  'delivered',
  'expired',
  'deleted',
  'undeliverable',
  'unknown',
  'rejected',
  'failed',
]

export const stateNumber = (state: MessageState): number => STATES.indexOf(state)
export const partStateNumber = (state: PartState): number => PART_STATES.indexOf(state)
export const partStateOf = (number: number): PartState => PART_STATES[number] ?? 'unknown'

export type MessageRow = [
  id: Uint8Array,
  taskId: number,
  appId: number,
  esme: number,
  campaign: string,
  transactionId: string,
  source: string,
  destination: string,
  state: number,
  parts: string,
  sentAt: number,
  updatedAt: number,
  error: string,
  tallied: number,
]

export const MESSAGE_COLUMNS =
  'id, task_id, app_id, esme, campaign, transaction_id, source, destination, state, parts, sent_at, updated_at, error, tallied'

export const toRow = (message: Message, tallied: number, accounts: SqliteAccounts): MessageRow => [
  idBytes(message.id),
  message.taskId,
  message.appId,
  message.esme,
  message.campaign,
  message.transactionId,
  message.source,
  message.destination,
  stateNumber(message.state),
  partsText(message.parts, accounts),
  message.sentAt,
  message.updatedAt,
  message.error,
  tallied,
]

export const toMessage = (row: MessageRow, accounts: SqliteAccounts): Message => ({
  id: idText(row[0]),
  taskId: row[1],
  appId: row[2],
  esme: row[3],
  campaign: row[4],
  transactionId: row[5],
  source: row[6],
  destination: row[7],
  state: STATES[row[8]] ?? 'unknown',
  parts: partsOf(row[9], accounts),
  sentAt: row[10],
  updatedAt: row[11],
  error: row[12],
})

/** JSON without names: 30 octets a part, and readable with any SQLite tool. */
export const partsText = (parts: readonly Part[], accounts: SqliteAccounts): string =>
  JSON.stringify(
    parts.map(part => [
      partStateNumber(part.state),
      part.smscId,
      part.account === '' ? 0 : accounts.number(part.account),
      part.error,
    ]),
  )

function partsOf(text: string, accounts: SqliteAccounts): Part[] {
  const rows: [number, string, number, number][] = JSON.parse(text)
  return rows.map(([state, smscId, account, error]) => ({
    state: partStateOf(state),
    smscId,
    account: account === 0 ? '' : accounts.name(account),
    error,
  }))
}

export type InboundRow = [
  id: Uint8Array,
  account: string,
  link: number,
  source: string,
  destination: string,
  parts: string,
  receivedAt: number,
]

export const INBOUND_COLUMNS = 'id, account, link, source, destination, parts, received_at'

export const toInbound = ([
  id,
  account,
  link,
  source,
  destination,
  parts,
  receivedAt,
]: InboundRow): InboxMessage => ({
  id: idText(id),
  account,
  link,
  source,
  destination,
  parts: JSON.parse(parts),
  receivedAt,
})

/** By hand: a fifth of what `Buffer` takes to read it, and no allocation outside of the heap. */
export function idBytes(uuid: string): Uint8Array {
  const octets = new Uint8Array(16)
  let at = 0
  for (let i = 0; i < uuid.length; i += 2) {
    if (uuid[i] === '-') i++
    octets[at++] = (nibble(uuid.charCodeAt(i)) << 4) | nibble(uuid.charCodeAt(i + 1))
  }
  return octets
}

/** Of a hexadecimal digit in lower case: `0` is 48, `a` is 97. */
const nibble = (code: number): number => (code < 97 ? code - 48 : code - 87)

export function idText(octets: Uint8Array): string {
  const hex = octets.toHex()
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The smallest UUIDv7 of a millisecond: all of earlier ones sort before it. */
export const idFloor = (unixMs: number): Uint8Array =>
  Buffer.from(Math.max(0, Math.floor(unixMs)).toString(16).padStart(12, '0').padEnd(32, '0'), 'hex')
