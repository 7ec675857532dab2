import type { Message, Part, PartState } from './message.ts'
import { NO_SMSC_ID, stateOf } from './message.ts'
import type { PartResult, Unknown, Unsent } from './routing/carrier.ts'
import { statusName } from './smpp/status.ts'

/** What the outcome of a send needs of a link. */
interface Taker {
  readonly name: string
  readonly account: string
}

/** The message after its parts came back from the pool: states, SMSC ids, and why it failed if it did. */
export function withResults(message: Message, results: readonly PartResult<Taker>[], at: number): Message {
  const parts = results.map(partOf)
  const updatedAt = Math.max(at, message.updatedAt)
  return { ...message, parts, state: stateOf(parts), updatedAt, error: reasonOf(results) }
}

/** What is stored as the SMSC's id, given what its response says. */
export const smscIdOf = (messageId: string): string => messageId || NO_SMSC_ID

function partOf(result: PartResult<Taker>): Part {
  const account = result.kind === 'unsent' ? '' : result.link.account
  switch (result.kind) {
    case 'accepted':
      return { state: 'submitted', smscId: smscIdOf(result.messageId), account, error: 0 }
    case 'refused':
      return { state: 'failed', smscId: '', account, error: result.status }
    case 'unknown':
      return part('unknown', account)
    case 'unsent':
      return part('failed', account)
  }
}

const part = (state: PartState, account: string): Part => ({ state, smscId: '', account, error: 0 })

export const refusal = (status: number): string => `SMSC refused with ${statusName(status)}`

const isAccepted = ({ kind }: PartResult<Taker>): boolean => kind === 'accepted'
const isUnsent = ({ kind }: PartResult<Taker>): boolean => kind === 'unsent'

/** The worst tells: a refusal, then an unknown outcome, then what was never sent. */
function reasonOf(results: readonly PartResult<Taker>[]): string {
  if (results.every(isAccepted)) return ''
  const count = results.length
  const told = (part: number): string => (count === 1 ? '' : ` for part ${part + 1} of ${count}`)
  const refused = results.findIndex(result => result.kind === 'refused')
  const unknown = results.findIndex(result => result.kind === 'unknown')
  const first = results.find((_, part) => part === refused) ?? results.find((_, part) => part === unknown)
  if (first?.kind === 'refused') return `${refusal(first.status)}${told(refused)}`
  if (first?.kind === 'unknown') {
    return `${UNKNOWN[first.reason]}${told(unknown)}: the SMSC may have the message, so it is not sent again`
  }
  const unsent = results.findIndex(isUnsent)
  const last = results[unsent]
  if (last?.kind !== 'unsent') return ''
  // Where nothing of it was sent, that is said of the message.
  return `${UNSENT[last.reason]}${results.every(isUnsent) ? '' : told(unsent)}`
}

const UNKNOWN: Readonly<Record<Unknown, string>> = {
  timeout: 'no submit_sm_resp in time',
  closed: 'the connection was lost before the submit_sm_resp',
  unreadable: 'a submit_sm_resp that cannot be read',
}

export const UNSENT: Readonly<Record<Unsent, string>> = {
  no_room: 'not sent: no link had room within smpp.queue_timeout',
  no_link: 'not sent: no link of the pool was bound within smpp.queue_timeout',
  queue_full: 'not sent: the queue of the pool is full',
  abandoned: 'not sent: another part of it was not taken',
  closing: 'not sent: the gateway is stopping',
  removed: 'not sent: a reload took its pool out of the configuration',
}
