import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import { refusal, smscIdOf } from './outcome.ts'
import type { Answered } from './smpp/link.ts'
import type { MessageStore } from './store/store.ts'
import type { PartTag } from './submit.ts'

/** Takes a `submit_sm_resp` that came after its time. Resolves once that is stored, or logged as lost. */
export type Late = (tag: PartTag, answer: Answered) => Promise<void>

export interface LateDependencies {
  readonly store: Pick<MessageStore, 'resolve'>
  readonly clock: Pick<Clock, 'now'>
  readonly log: Log
}

/**
 * A response after its time tells what became of a part that was given up as unknown. It may come while other
 * parts of the message are still under way: the message has to be stored before it can be told.
 */
export function createLate({ store, clock, log }: LateDependencies): Late {
  return async ({ messageId, part, stored }, answer) => {
    const known =
      answer.kind === 'accepted'
        ? ({ state: 'submitted', smscId: smscIdOf(answer.messageId), error: 0 } as const)
        : ({ state: 'failed', smscId: '', error: answer.status, reason: refusal(answer.status) } as const)
    const at = clock.now()
    await stored
    try {
      await store.resolve({ messageId, part, ...known, at })
    } catch (error) {
      log.error({ message_id: messageId, part, err: error }, 'a late response could not be stored')
    }
  }
}
