/** A message, its parts, and the only ways in which they change. Pure: imports nothing. */

export const PART_STATES = [
  'accepted',
  'submitted',
  'delivered',
  'expired',
  'deleted',
  'undeliverable',
  'unknown',
  'rejected',
  'failed',
] as const

/**
 * One `submit_sm`. `accepted`: ours, not yet answered by the SMSC (or, in a receipt, SMPP 3.4 §5.2.28
 * ACCEPTED); `submitted`: the SMSC answered with an id; `unknown`: written and never answered, or the SMSC
 * says that it does not know; `failed`: refused by the SMSC in its answer, or never written.
 */
export type PartState = (typeof PART_STATES)[number]

export const MESSAGE_STATES = [
  'accepted',
  'submitted',
  'delivered',
  'failed',
  'expired',
  'rejected',
  'unknown',
] as const
export type MessageState = (typeof MESSAGE_STATES)[number]

export interface Part {
  readonly state: PartState
  /** The SMSC's `message_id` as it was written in `submit_sm_resp`; empty until there is one. */
  readonly smscId: string
  /** The SMSC account that took it (`host:port/system_id`): receipts are matched within one account. */
  readonly account: string
  /** SMPP `command_status` of a refusal or `network_error_code` of a receipt; 0 when there was none. */
  readonly error: number
}

/** Some SMSCs accept a message and name no id: it was taken, and no receipt will find it. */
export const NO_SMSC_ID = 'none'

export interface Message {
  /** UUIDv7. */
  readonly id: string
  /** Positive, growing, a safe integer; unique over all nodes. */
  readonly taskId: number
  readonly appId: number
  /** The link that the caller asked for. */
  readonly esme: number
  readonly campaign: string
  readonly transactionId: string
  /** Digits without `+`, or an alphanumeric sender. */
  readonly source: string
  /** Digits without `+`. */
  readonly destination: string
  readonly state: MessageState
  readonly parts: readonly Part[]
  /** Unix milliseconds. */
  readonly sentAt: number
  /** Unix milliseconds. */
  readonly updatedAt: number
  /** Why it is where it is, in words for the caller; empty while all is well. */
  readonly error: string
}

/** What a receipt or a late response says of one part. */
export interface PartChange {
  readonly state: PartState
  /** Replaces the part's when given. */
  readonly smscId?: string
  readonly error: number
  /** Why, in words for the caller: said of the message unless its end was told before. */
  readonly reason?: string
  /** Unix milliseconds. */
  readonly at: number
}

const FINAL_PARTS: ReadonlySet<PartState> = new Set([
  'delivered',
  'expired',
  'deleted',
  'undeliverable',
  'rejected',
  'failed',
])

/** `unknown` is not final: a late answer or a receipt may still tell. */
export const isFinalPart = (state: PartState): boolean => FINAL_PARTS.has(state)

export const isFinal = (state: MessageState): boolean =>
  state === 'delivered' || state === 'failed' || state === 'expired' || state === 'rejected'

/** What a message is, by the states of its parts: as good as its worst part. */
export function stateOf(parts: readonly Part[]): MessageState {
  let delivered = 0
  let unanswered = 0
  let unknown = false
  let unsent = false
  let worst: MessageState | undefined
  for (const { state, smscId, error } of parts) {
    if (state === 'delivered') delivered++
    else if (state === 'unknown') unknown = true
    else if (state === 'expired') worst ??= 'expired'
    else if (state === 'rejected') worst ??= 'rejected'
    // Never written: that says less than what was, and not answered.
    else if (state === 'failed' && error === 0) unsent = true
    else if (isFinalPart(state)) worst ??= 'failed'
    else if (state === 'accepted' && smscId === '') unanswered++
  }
  if (worst) return worst
  if (unknown) return 'unknown'
  if (unsent) return 'failed'
  if (delivered === parts.length) return 'delivered'
  return unanswered === parts.length ? 'accepted' : 'submitted'
}

/**
 * The message after `change` to part `index` (from 0); the same object when nothing changes. A final state
 * stays whatever comes later; a final part keeps its first word (a receipt may come twice).
 */
export function withPart(message: Message, index: number, change: PartChange): Message {
  const before = message.parts[index]
  if (!before || isFinalPart(before.state) || !advances(before.state, change.state)) return message
  const part: Part = {
    ...before,
    state: change.state,
    smscId: change.smscId ?? before.smscId,
    error: change.error,
  }
  const parts = message.parts.with(index, part)
  const state = isFinal(message.state) ? message.state : stateOf(parts)
  const error = state === 'submitted' || state === 'delivered' ? '' : wordsOf(message, change, state, parts)
  return { ...message, parts, state, error, updatedAt: Math.max(change.at, message.updatedAt) }
}

/** The first end told stays; until then news end the complaint about an answer that did not come. */
function wordsOf(before: Message, change: PartChange, state: MessageState, parts: readonly Part[]): string {
  if (isFinal(before.state)) return before.error
  if (change.reason !== undefined) return change.reason
  // News that end no part end the message: all that was written is answered, and a part was never written.
  if (state === 'failed' && !isFinalPart(change.state)) {
    const unsent = parts.findIndex(part => part.state === 'failed')
    return `part ${unsent + 1} of ${parts.length} was not sent`
  }
  return before.error
}

const LEFT_OPEN =
  'the gateway went down before the outcome was stored: the SMSC may have the message, so it is not sent again'

/** A message that a crash left without an outcome. `at` in Unix milliseconds. */
export function givenUp(message: Message, at: number): Message {
  let unknown = message
  for (const index of message.parts.keys())
    unknown = withPart(unknown, index, { state: 'unknown', error: 0, reason: LEFT_OPEN, at })
  return unknown
}

/** News that say no more than is known (ENROUTE after submitted, UNKNOWN after unknown) change nothing. */
function advances(from: PartState, to: PartState): boolean {
  if (isFinalPart(to)) return true
  if (from === 'unknown') return to !== 'unknown'
  if (from === 'accepted') return to === 'submitted' || to === 'unknown'
  return from === 'submitted' && (to === 'accepted' || to === 'unknown')
}

/** True when the SMSC took every part, which is what a 200 says, whatever the receipts said since. */
export const taken = ({ parts }: Message): boolean => parts.every(hasId)

const hasId = ({ smscId }: Part): boolean => smscId !== ''

export const deliveredParts = (message: Message): number =>
  message.parts.reduce((count, part) => count + (part.state === 'delivered' ? 1 : 0), 0)
