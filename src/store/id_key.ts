import { NO_SMSC_ID } from '../message.ts'

/**
 * The form under which an SMSC's message id is indexed: lower case, no leading zeros, no spaces around it. SMSCs
 * write one and the same id `0001A2B`, or padded to a fixed width, in a response and `1a2b` in its receipt.
 */
export function idKey(id: string): string {
  const bare = id.trim()
  let zeros = 0
  while (bare.charCodeAt(zeros) === ZERO) zeros++
  if (zeros === 0) return bare.toLowerCase()
  return zeros === bare.length ? '0' : bare.slice(zeros).toLowerCase()
}

const ZERO = 48

/** Whether receipts find a message by this key: all messages of an SMSC that names no ids would share one. */
export const isFindable = (key: string): boolean => key !== '' && key !== NO_SMSC_ID
