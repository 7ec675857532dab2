import type { Message } from '../../src/message.ts'
import type { InboundMessage } from '../../src/store/store.ts'

/** What stores are given in tests: what a test is about it says itself. */

type Own<T, K extends keyof T> = Pick<T, K> & Partial<T>

/** One that the SMSC took. `at`: when it was sent and last changed, Unix milliseconds. */
export const messageOf = (
  at: number,
  own: Own<Message, 'id' | 'taskId' | 'parts'>,
  over: Partial<Message> = {},
): Message => ({
  appId: 1,
  esme: 1,
  campaign: 'spring',
  transactionId: '',
  source: '123',
  destination: '447700900123',
  state: 'submitted',
  sentAt: at,
  updatedAt: at,
  error: '',
  ...own,
  ...over,
})

/** A whole MO message. `at`: when it came, Unix milliseconds. */
export const inboundOf = (
  at: number,
  own: Own<InboundMessage, 'id' | 'account' | 'text'>,
  over: Partial<InboundMessage> = {},
): InboundMessage => ({
  link: 1,
  source: '447700900123',
  destination: '12345',
  segment: undefined,
  receivedAt: at,
  ...own,
  ...over,
})
