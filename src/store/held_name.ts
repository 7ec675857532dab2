/** Names a receipt that waits; sorts by the time at which it came (Unix milliseconds). */
export const heldName = (
  since: number,
  count: number,
  /** Nobody else's: tells receipts of one millisecond apart. */
  maker: string,
): string => `${since.toString().padStart(14, '0')}${(count % 1e6).toString().padStart(6, '0')}${maker}`
