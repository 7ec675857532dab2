import type { FilterMessage } from './filter.ts'
import { WIRE_BYTES_MAX } from './sandbox_machine.ts'

/**
 * Packs a message in QuickJS's own object format, as an array of the fields in the order of `FIELDS`. It takes
 * half the time of JSON on both sides, and NULs and lone surrogates go through as they are.
 *
 * The format (JS_ReadObject of QuickJS 2025-09-13): version, number of atoms, then a value, which is a tag and
 * its body: string, a LEB128 of (length << 1 | wide) and Latin-1 or UTF-16LE units; integer, a zigzag LEB128;
 * float, 8 octets; array, a LEB128 of its length and its values.
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

const VERSION = 5
const TAG_INT = 5
const TAG_FLOAT = 6
const TAG_STRING = 7
const TAG_ARRAY = 9

const wire = new Uint8Array(WIRE_BYTES_MAX)
const encoder = new TextEncoder()
const view = new DataView(wire.buffer)
let at = 0

/** The packed message, in a buffer that the next call fills anew; undefined when it is too long. */
export function pack(sms: FilterMessage): Uint8Array | undefined {
  at = 0
  wire[at++] = VERSION
  wire[at++] = 0
  wire[at++] = TAG_ARRAY
  wire[at++] = FIELDS.length
  for (const field of FIELDS) {
    const value = sms[field]
    if (typeof value === 'number') putNumber(value)
    else if (!putString(value)) return undefined
  }
  return wire.subarray(0, at)
}

function putLength(value: number): void {
  let rest = value
  while (rest > 127) {
    wire[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  wire[at++] = rest
}

function putNumber(value: number): void {
  if ((value | 0) === value) {
    wire[at++] = TAG_INT
    putLength(((value << 1) ^ (value >> 31)) >>> 0)
    return
  }
  wire[at++] = TAG_FLOAT
  view.setFloat64(at, value, true)
  at += 8
}

/** False when it does not fit, with room left for the numbers that may follow. */
function putString(text: string): boolean {
  const { length } = text
  if (at + 2 * length + 64 > wire.length) return false
  const start = at
  wire[at++] = TAG_STRING
  putLength(length << 1)
  if (!putAscii(text) && !putLatin(text)) {
    at = start
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
  wire[at++] = TAG_STRING
  putLength((text.length << 1) | 1)
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    wire[at++] = unit & 0xff
    wire[at++] = unit >> 8
  }
}
