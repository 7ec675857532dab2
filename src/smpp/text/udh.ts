/** The User Data Header in front of a short message (3GPP TS 23.040 §9.2.3.24). */

/** In `esm_class`: the message begins with a header (SMPP 3.4 §5.2.12). */
export const ESM_UDHI = 0x40

/** One part of a longer text. */
export interface Concatenation {
  readonly reference: number
  readonly total: number
  /** From 1. */
  readonly part: number
}

export interface UserDataHeader {
  readonly concatenation: Concatenation | undefined
  /** Where the text begins. */
  readonly octets: number
}

const CONCATENATION_8 = 0x00
const CONCATENATION_16 = 0x08

/** Undefined when the octets are no whole header: what is there is then text. */
export function readUserDataHeader(message: Uint8Array): UserDataHeader | undefined {
  const end = 1 + (message[0] ?? 0)
  if (end > message.length) return undefined
  let concatenation: Concatenation | undefined
  for (let at = 1; at < end; ) {
    const id = message[at] as number
    const from = at + 2
    at = from + (message[at + 1] ?? 0)
    if (at > end) return undefined
    // Of an element that comes twice the last holds (§9.2.3.24).
    concatenation = readConcatenation(id, message.subarray(from, at)) ?? concatenation
  }
  return { concatenation, octets: end }
}

/** A total of 0, a part of 0 or past the total: the element is ignored (§9.2.3.24.1). */
function readConcatenation(id: number, data: Uint8Array): Concatenation | undefined {
  const wide = id === CONCATENATION_16 && data.length === 4
  if (!wide && !(id === CONCATENATION_8 && data.length === 3)) return undefined
  const [high, low, total, part] = wide ? data : [0, ...data]
  return concatenationOf((high ?? 0) * 256 + (low ?? 0), total ?? 0, part ?? 0)
}

export function concatenationOf(reference: number, total: number, part: number): Concatenation | undefined {
  return part >= 1 && part <= total ? { reference, total, part } : undefined
}
