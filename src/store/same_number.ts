/**
 * True when both are one handset, though one SMSC writes it as it was sent (`447700900123`) and another in its
 * national form (`07700900123`). Digits only; six that agree at the end are enough.
 */
export function sameNumber(a: string, b: string): boolean {
  if (a === b) return true
  const left = a.replace(/^0+/, '')
  const right = b.replace(/^0+/, '')
  return Math.min(left.length, right.length) >= 6 && (left.endsWith(right) || right.endsWith(left))
}
