import { PduError } from './error.ts'
import type { Destination, UnsuccessfulSme } from './fields.ts'
import { ADDRESS_OCTETS_MAX, STRUCTURES_MAX } from './fields.ts'
import { checkUint, findNul, latin1, putCstring, putU32, u32At } from './octets.ts'
import { STATUS } from './status.ts'

/** The repeated structures of submit_multi and its response (SMPP 3.4 §4.5.1.1, §4.5.2.1). */

const SME = 1
const DISTRIBUTION_LIST = 2
const { ESME_RINVDSTADR, ESME_RINVDLNAME, ESME_RINVNUMDESTS, ESME_RINVDESTFLAG, ESME_RINVCMDLEN } = STATUS

/** Walks the octets of one PDU. */
class Cursor {
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly end: number,
  ) {}

  u8(): number {
    if (this.at >= this.end) throw new PduError(ESME_RINVCMDLEN, 'the body is cut short')
    return this.bytes[this.at++] as number
  }

  u32(): number {
    if (this.at + 4 > this.end) throw new PduError(ESME_RINVCMDLEN, 'the body is cut short')
    this.at += 4
    return u32At(this.bytes, this.at - 4)
  }

  address(field: string, status: number): string {
    const nul = findNul(this.bytes, this.at, this.end, ADDRESS_OCTETS_MAX, field, status)
    const text = latin1(this.bytes, this.at, nul)
    this.at = nul + 1
    return text
  }
}

/** The value, and where the next field begins. */
type Read<T> = readonly [value: T, at: number]

export function readDestinations(bytes: Uint8Array, at: number, end: number): Read<readonly Destination[]> {
  const cursor = new Cursor(bytes, at, end)
  return [Array.from({ length: cursor.u8() }, () => readDestination(cursor)), cursor.at]
}

function readDestination(cursor: Cursor): Destination {
  const flag = cursor.u8()
  if (flag === DISTRIBUTION_LIST)
    return { dest_flag: flag, dl_name: cursor.address('dl_name', ESME_RINVDLNAME) }
  if (flag !== SME) throw new PduError(ESME_RINVDESTFLAG, `dest_flag is ${flag}`)
  return {
    dest_flag: flag,
    dest_addr_ton: cursor.u8(),
    dest_addr_npi: cursor.u8(),
    destination_addr: cursor.address('destination_addr', ESME_RINVDSTADR),
  }
}

export function readUnsuccessful(
  bytes: Uint8Array,
  at: number,
  end: number,
): Read<readonly UnsuccessfulSme[]> {
  const cursor = new Cursor(bytes, at, end)
  const list = Array.from({ length: cursor.u8() }, () => ({
    dest_addr_ton: cursor.u8(),
    dest_addr_npi: cursor.u8(),
    destination_addr: cursor.address('destination_addr', ESME_RINVDSTADR),
    error_status_code: cursor.u32(),
  }))
  return [list, cursor.at]
}

export function putDestinations(bytes: Uint8Array, start: number, list: readonly Destination[]): number {
  let at = putCount(bytes, start, list.length)
  for (const one of list) {
    bytes[at++] = one.dest_flag
    if (one.dest_flag === DISTRIBUTION_LIST)
      at = putCstring(bytes, at, one.dl_name, ADDRESS_OCTETS_MAX, 'dl_name', ESME_RINVDLNAME)
    else at = putAddress(bytes, at, one)
  }
  return at
}

export function putUnsuccessful(bytes: Uint8Array, start: number, list: readonly UnsuccessfulSme[]): number {
  let at = putCount(bytes, start, list.length)
  for (const one of list) {
    at = putAddress(bytes, at, one)
    putU32(bytes, at, checkUint(one.error_status_code, 0xffffffff, 'error_status_code', ESME_RINVDSTADR))
    at += 4
  }
  return at
}

function putCount(bytes: Uint8Array, at: number, count: number): number {
  if (count > STRUCTURES_MAX)
    throw new PduError(ESME_RINVNUMDESTS, `more than ${STRUCTURES_MAX} destinations`)
  bytes[at] = count
  return at + 1
}

function putAddress(
  bytes: Uint8Array,
  at: number,
  address: {
    readonly dest_addr_ton: number
    readonly dest_addr_npi: number
    readonly destination_addr: string
  },
): number {
  bytes[at] = checkUint(address.dest_addr_ton, 0xff, 'dest_addr_ton', STATUS.ESME_RINVDSTTON)
  bytes[at + 1] = checkUint(address.dest_addr_npi, 0xff, 'dest_addr_npi', STATUS.ESME_RINVDSTNPI)
  const text = address.destination_addr
  return putCstring(bytes, at + 2, text, ADDRESS_OCTETS_MAX, 'destination_addr', ESME_RINVDSTADR)
}
