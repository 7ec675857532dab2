import type { FilterMessage } from './filter.ts'

/**
 * Packs a message as `ask` of the wasm reads it (.tools/fuel.ts): the fields in the order of `FIELDS`, each a header of
 * 4 octets and a body. A text has (length << 1 | wide) and Latin-1 or UTF-16LE units, so that NULs and lone
 * surrogates go through as they are; a number has -1 and QuickJS's JSValue of it.
 */
export const FIELDS = [
  'source',
  'destination',
  'message',
  'esme',
  'app_id',
  'app_name',
  'transaction_id',
  'campaign_uuid',
  'encoding',
  'parts',
  'time',
] as const satisfies readonly (keyof FilterMessage)[]

/** The longest message, packed; a request's body has at most 64 KiB, and a character two octets. */
export const WIRE_BYTES_MAX = 160 * 1024
/** What the high word of a floating-point number is less by in a JSValue, so that the tags lie above all numbers. */
const FLOAT_HIGH = 0x7ff8000a

const wire = new Uint8Array(WIRE_BYTES_MAX)
const encoder = new TextEncoder()
const view = new DataView(wire.buffer)
let at = 0

/** The packed message, in a buffer that the next call fills anew; undefined when it is too long. */
export function pack(sms: FilterMessage): Uint8Array | undefined {
  at = 0
  for (const field of FIELDS) {
    const value = sms[field]
    if (typeof value === 'number') putNumber(value)
    else if (!putString(value)) return undefined
  }
  return wire.subarray(0, at)
}

function putNumber(value: number): void {
  view.setInt32(at, -1, true)
  if ((value | 0) === value) {
    view.setInt32(at + 4, value, true)
    view.setInt32(at + 8, 0)
  } else {
    view.setFloat64(at + 4, value, true)
    view.setInt32(at + 8, view.getInt32(at + 8, true) - FLOAT_HIGH, true)
  }
  at += 12
}

/** False when it does not fit, with room left for the numbers that may follow. */
function putString(text: string): boolean {
  const { length } = text
  if (at + 2 * length + FIELDS.length * 12 > wire.length) return false
  const start = at
  at += 4
  if (putAscii(text) || putLatin(text)) view.setInt32(start, length << 1, true)
  else {
    view.setInt32(start, (length << 1) | 1, true)
    at = start + 4
    putWide(text)
  }
  return true
}

/** A short text is faster unit by unit; a long one by the encoder, whose UTF-8 is ASCII if it is no longer. */
function putAscii(text: string): boolean {
  if (text.length < 24) return false
  const { written } = encoder.encodeInto(text, wire.subarray(at))
  if (written !== text.length) return false
  at += written
  return true
}

function putLatin(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0xff) return false
    wire[at++] = unit
  }
  return true
}

function putWide(text: string): void {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    wire[at++] = unit & 0xff
    wire[at++] = unit >> 8
  }
}
