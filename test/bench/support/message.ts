import type { Message } from '../../../src/message.ts'

/** A message of one part that the SMSC took. */
export const submitted = (
  own: Pick<Message, 'id' | 'taskId' | 'destination' | 'sentAt'>,
  smscId: string,
  account: string,
): Message => ({
  ...own,
  appId: 1,
  esme: 1,
  campaign: 'spring-sale',
  transactionId: `tx-${own.taskId}`,
  source: '123456789',
  state: 'submitted',
  parts: [{ state: 'submitted', smscId, account, error: 0 }],
  updatedAt: own.sentAt,
  error: '',
})
