import { PduError } from './error.ts'
import { checkUint, latin1, putCstring, putU16, putU32, u16At, u32At } from './octets.ts'
import { STATUS } from './status.ts'
import type { ByteWriter } from './writer.ts'

interface TlvValues {
  u8: number
  u16: number
  u32: number
  /** No value: its presence is the message. */
  flag: true
  cstring: string
  octets: Uint8Array
}

interface TlvSpec {
  readonly tag: number
  readonly kind: keyof TlvValues
  /** Octets of the value, least and most. */
  readonly min: number
  readonly max: number
  /** May come several times in one PDU (§5.3.2.36 to 38). */
  readonly many?: true
}

const VALUE_OCTETS_MAX = 0xffff
const u8 = (tag: number) => ({ tag, kind: 'u8', min: 1, max: 1 }) as const
const u16 = (tag: number) => ({ tag, kind: 'u16', min: 2, max: 2 }) as const
const u32 = (tag: number) => ({ tag, kind: 'u32', min: 4, max: 4 }) as const
const flag = (tag: number) => ({ tag, kind: 'flag', min: 0, max: 0 }) as const
const cstring = (tag: number, max: number) => ({ tag, kind: 'cstring', min: 0, max }) as const
const octets = (tag: number, min: number, max: number) => ({ tag, kind: 'octets', min, max }) as const

/** SMPP 3.4 §5.3.2. */
export const TLVS = {
  dest_addr_subunit: u8(0x0005),
  dest_network_type: u8(0x0006),
  dest_bearer_type: u8(0x0007),
  dest_telematics_id: u16(0x0008),
  source_addr_subunit: u8(0x000d),
  source_network_type: u8(0x000e),
  source_bearer_type: u8(0x000f),
  source_telematics_id: u8(0x0010),
  qos_time_to_live: u32(0x0017),
  payload_type: u8(0x0019),
  additional_status_info_text: cstring(0x001d, 256),
  receipted_message_id: cstring(0x001e, 65),
  ms_msg_wait_facilities: u8(0x0030),
  privacy_indicator: u8(0x0201),
  source_subaddress: octets(0x0202, 2, 23),
  dest_subaddress: octets(0x0203, 2, 23),
  user_message_reference: u16(0x0204),
  user_response_code: u8(0x0205),
  source_port: u16(0x020a),
  destination_port: u16(0x020b),
  sar_msg_ref_num: u16(0x020c),
  language_indicator: u8(0x020d),
  sar_total_segments: u8(0x020e),
  sar_segment_seqnum: u8(0x020f),
  sc_interface_version: u8(0x0210),
  callback_num_pres_ind: { ...u8(0x0302), many: true },
  callback_num_atag: { ...octets(0x0303, 1, 65), many: true },
  number_of_messages: u8(0x0304),
  callback_num: { ...octets(0x0381, 4, 19), many: true },
  dpf_result: u8(0x0420),
  set_dpf: u8(0x0421),
  ms_availability_status: u8(0x0422),
  network_error_code: octets(0x0423, 3, 3),
  message_payload: octets(0x0424, 0, VALUE_OCTETS_MAX),
  delivery_failure_reason: u8(0x0425),
  more_messages_to_send: u8(0x0426),
  message_state: u8(0x0427),
  ussd_service_op: u8(0x0501),
  display_time: u8(0x1201),
  sms_signal: u16(0x1203),
  ms_validity: u8(0x1204),
  alert_on_message_delivery: flag(0x130c),
  its_reply_type: u8(0x1380),
  its_session_info: octets(0x1383, 2, 2),
} as const satisfies Record<string, TlvSpec>

type Name = keyof typeof TLVS
type ValueOf<N extends Name> = (typeof TLVS)[N] extends { many: true }
  ? readonly TlvValues[(typeof TLVS)[N]['kind']][]
  : TlvValues[(typeof TLVS)[N]['kind']]

/** A TLV as it stood on the wire. */
export interface RawTlv {
  readonly tag: number
  readonly value: Uint8Array
}

/**
 * Optional parameters by name. `other` keeps what the table does not explain, so that nothing is lost in a
 * round trip: unknown and vendor tags, a second one of a kind that comes once, and a known one of the wrong
 * length (some SMSCs send them in receipts; refusing the receipt would serve nobody).
 */
export type Tlvs = { readonly [N in Name]?: ValueOf<N> } & { readonly other?: readonly RawTlv[] }

export const NO_TLVS: Tlvs = Object.freeze({})

type Value = TlvValues[keyof TlvValues]
const BY_TAG: ReadonlyMap<number, readonly [string, TlvSpec]> = new Map(
  Object.entries(TLVS).map(([name, spec]) => [spec.tag, [name, spec]]),
)
const BY_NAME: ReadonlyMap<string, TlvSpec> = new Map(Object.entries(TLVS))
const TLV_HEADER_OCTETS = 4

/**
 * The TLVs from `start` to `end`; throws a PduError when they do not fill it exactly. `lenient`: the last value may end
 * with the PDU, and octets that are too few for a TLV (a NUL behind the text, say) are passed over.
 */
export function decodeTlvs(bytes: Uint8Array, start: number, end: number, lenient: boolean): Tlvs {
  const tlvs: Record<string, Value | Value[] | RawTlv[]> = {}
  const other: RawTlv[] = []
  for (let at = start; at < end; ) {
    const from = at + TLV_HEADER_OCTETS
    if (from > end) {
      if (lenient) break
      throw new PduError(STATUS.ESME_RINVOPTPARSTREAM, 'a TLV header is cut short')
    }
    const tag = u16At(bytes, at)
    at = from + u16At(bytes, at + 2)
    if (at > end) {
      if (!lenient) throw new PduError(STATUS.ESME_RINVOPTPARSTREAM, 'a TLV is longer than its PDU')
      at = end
    }
    const known = BY_TAG.get(tag)
    const before = known && tlvs[known[0]]
    if (!known || !fits(known[1], bytes, from, at, lenient) || (before !== undefined && !known[1].many)) {
      other.push({ tag, value: bytes.slice(from, at) })
      continue
    }
    const [name, spec] = known
    const value = decodeValue(spec.kind, bytes, from, at)
    if (!spec.many) tlvs[name] = value
    else if (before === undefined) tlvs[name] = [value]
    else (before as Value[]).push(value)
  }
  if (other.length > 0) tlvs.other = other
  return tlvs as Tlvs
}

/** Text that leaves out its NUL has an octet less to use, or it could not be written again. `lenient`: any text fits. */
function fits(spec: TlvSpec, bytes: Uint8Array, from: number, to: number, lenient: boolean): boolean {
  if (lenient && spec.kind === 'cstring') return true
  const octetCount = to - from
  if (octetCount < spec.min || octetCount > spec.max) return false
  return spec.kind !== 'cstring' || octetCount < spec.max || endOfText(bytes, from, to) < to
}

function decodeValue(kind: keyof TlvValues, bytes: Uint8Array, from: number, to: number): Value {
  switch (kind) {
    case 'u8':
      return bytes[from] as number
    case 'u16':
      return u16At(bytes, from)
    case 'u32':
      return u32At(bytes, from)
    case 'flag':
      return true
    case 'cstring':
      return latin1(bytes, from, endOfText(bytes, from, to))
    case 'octets':
      return bytes.slice(from, to)
  }
}

/** SMSCs leave the NUL of a TLV's text out as often as not. */
function endOfText(bytes: Uint8Array, from: number, to: number): number {
  const nul = bytes.indexOf(0, from)
  return nul === -1 || nul > to ? to : nul
}

/** Appends them in the order in which their names stand in `tlvs`. */
export function encodeTlvs(out: ByteWriter, tlvs: Tlvs): void {
  for (const [name, value] of Object.entries(tlvs)) {
    if (name === 'other') for (const raw of value as readonly RawTlv[]) encodeRaw(out, raw.tag, raw.value)
    else if (value !== undefined) encodeKnown(out, name, value as Value | readonly Value[])
  }
}

function encodeKnown(out: ByteWriter, name: string, value: Value | readonly Value[]): void {
  const spec = BY_NAME.get(name)
  if (!spec) throw new PduError(STATUS.ESME_ROPTPARNOTALLWD, `${name} is no TLV of SMPP 3.4`)
  if (spec.many) for (const one of value as readonly Value[]) encodeOne(out, name, spec, one)
  else encodeOne(out, name, spec, value as Value)
}

function encodeOne(out: ByteWriter, name: string, spec: TlvSpec, value: Value): void {
  if (spec.kind === 'octets') {
    const bytes = value as Uint8Array
    if (bytes.length < spec.min || bytes.length > spec.max)
      throw new PduError(STATUS.ESME_RINVPARLEN, `${name} is not of ${spec.min} to ${spec.max} octets`)
    encodeRaw(out, spec.tag, bytes)
    return
  }
  const length = spec.kind === 'cstring' ? (value as string).length + 1 : spec.max
  out.reserve(TLV_HEADER_OCTETS + length)
  const at = out.length + TLV_HEADER_OCTETS
  if (spec.kind === 'cstring')
    putCstring(out.bytes, at, value as string, spec.max, name, STATUS.ESME_RINVPARLEN)
  else if (spec.kind !== 'flag') putUint(out.bytes, at, name, spec.max, value as number)
  putU16(out.bytes, out.length, spec.tag)
  putU16(out.bytes, out.length + 2, length)
  out.length = at + length
}

function putUint(bytes: Uint8Array, at: number, name: string, octetCount: number, value: number): void {
  checkUint(value, 2 ** (8 * octetCount) - 1, name, STATUS.ESME_RINVOPTPARAMVAL)
  if (octetCount === 1) bytes[at] = value
  else if (octetCount === 2) putU16(bytes, at, value)
  else putU32(bytes, at, value)
}

function encodeRaw(out: ByteWriter, tag: number, value: Uint8Array): void {
  if (value.length > VALUE_OCTETS_MAX)
    throw new PduError(STATUS.ESME_RINVPARLEN, `TLV 0x${tag.toString(16)} exceeds ${VALUE_OCTETS_MAX} octets`)
  out.reserve(TLV_HEADER_OCTETS + value.length)
  putU16(out.bytes, out.length, tag)
  putU16(out.bytes, out.length + 2, value.length)
  out.bytes.set(value, out.length + TLV_HEADER_OCTETS)
  out.length += TLV_HEADER_OCTETS + value.length
}
