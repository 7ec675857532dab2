/**
 * The form under which an SMSC's message id is indexed: lower case, no leading zeros. SMSCs write one and the
 * same id `0001A2B` in a response and `1a2b` in its receipt.
 */
export function idKey(id: string): string {
  const key = id.toLowerCase().replace(/^0+/, '')
  return key === '' && id !== '' ? '0' : key
}
