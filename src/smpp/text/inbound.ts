import type { Tlvs } from '../tlv.ts'
import { decodeGsm } from './gsm0338.ts'
import type { Concatenation, UserDataHeader } from './udh.ts'
import { concatenationOf, ESM_UDHI, readUserDataHeader } from './udh.ts'

/** What a `deliver_sm` or `data_sm` brings, as text. */

/** The fields of a PDU that say what it carries; `data_sm` has no `short_message`. */
export interface Carried {
  readonly esm_class: number
  readonly data_coding: number
  readonly short_message?: Uint8Array
  readonly tlvs: Tlvs
}

export interface InboundText {
  /** Binary data in hexadecimal digits. */
  readonly text: string
  /** This is one part of a longer text. */
  readonly concatenation: Concatenation | undefined
}

/** Never throws: what no rule explains is shown as well as it can be. */
export function readText(pdu: Carried): InboundText {
  const { octets, header } = bodyOf(pdu)
  return {
    text: decodeText(octets, pdu.data_coding),
    concatenation: header?.concatenation ?? segmentation(pdu.tlvs),
  }
}

/**
 * The octets of the text, and the header that stood before them. `message_payload` takes the place of
 * `short_message` (SMPP 3.4 §5.3.2.32).
 */
export function bodyOf({ esm_class, short_message, tlvs }: Carried): {
  readonly octets: Uint8Array
  readonly header: UserDataHeader | undefined
} {
  const octets = short_message?.length ? short_message : (tlvs.message_payload ?? new Uint8Array())
  const header = (esm_class & ESM_UDHI) === 0 ? undefined : readUserDataHeader(octets)
  return { octets: header ? octets.subarray(header.octets) : octets, header }
}

/** The SAR TLVs (§5.3.2.22 to 24). */
function segmentation(tlvs: Tlvs): Concatenation | undefined {
  const { sar_msg_ref_num, sar_total_segments, sar_segment_seqnum } = tlvs
  if (sar_msg_ref_num === undefined) return undefined
  return concatenationOf(sar_msg_ref_num, sar_total_segments ?? 0, sar_segment_seqnum ?? 0)
}

export function decodeText(octets: Uint8Array, dataCoding: number): string {
  switch (alphabetOf(dataCoding)) {
    case 'gsm7':
      return decodeGsm(octets)
    case 'latin1':
      return Buffer.prototype.latin1Slice.call(octets, 0, octets.length)
    case 'ucs2':
      return decodeUcs2(octets)
    case 'binary':
      return Buffer.prototype.hexSlice.call(octets, 0, octets.length)
  }
}

/** UTF-16BE; an odd last octet is half a character and left out. */
function decodeUcs2(octets: Uint8Array): string {
  const swapped = Buffer.from(octets.subarray(0, octets.length & ~1)).swap16()
  return swapped.toString('utf16le')
}

/** SMPP 3.4 §5.2.19 below 0x0F; above it the data coding schemes of 3GPP TS 23.038 §4. */
function alphabetOf(dataCoding: number): 'gsm7' | 'latin1' | 'ucs2' | 'binary' {
  switch (dataCoding) {
    case 0x00:
      return 'gsm7'
    // IA5 is the lower half of Latin-1.
    case 0x01:
    case 0x03:
      return 'latin1'
    case 0x08:
      return 'ucs2'
  }
  // General data coding, not compressed, to be deleted or not, with a class or not: the alphabet in bits 3 and 2.
  if (dataCoding > 0x0f && (dataCoding & 0xa0) === 0)
    return (['gsm7', 'binary', 'ucs2', 'binary'] as const)[(dataCoding >> 2) & 3] ?? 'binary'
  const group = dataCoding >> 4
  // Message waiting.
  if (group === 0xc || group === 0xd) return 'gsm7'
  if (group === 0xe) return 'ucs2'
  // Data coding with a message class: bit 2 says 8-bit data.
  if (group === 0xf) return (dataCoding & 4) === 0 ? 'gsm7' : 'binary'
  return 'binary'
}
