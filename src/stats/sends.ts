import { type ErrorCode, GatewayError } from '../errors.ts'
import { type Message, type MessageState, taken } from '../message.ts'
import type { Submit } from '../submit.ts'

/** `submitted`, or what became of the message instead, or why there is none. */
export type SendResult = MessageState | ErrorCode

/** `submit`, with a count of what came out of it; answers and errors pass as they are. */
export function countSends(submit: Submit): {
  readonly submit: Submit
  readonly counts: ReadonlyMap<SendResult, number>
} {
  const counts = new Map<SendResult, number>()
  const count = (result: SendResult): void => void counts.set(result, (counts.get(result) ?? 0) + 1)
  const counted = (message: Message): Message => {
    count(taken(message) ? 'submitted' : message.state)
    return message
  }
  const failed = (error: unknown): never => {
    count(error instanceof GatewayError ? error.code : 'internal')
    throw error
  }
  return { counts, submit: request => submit(request).then(counted, failed) }
}
