import { STATUS } from './status.ts'

/** The kinds of mandatory parameters (SMPP 3.4 §3.1) and what each is in memory. */
export interface FieldValues {
  u8: number
  /** C-Octet String: Latin-1 characters without NUL. */
  cstring: string
  /** C-Octet String of exactly 1 or 17 octets with its NUL (§7.1.1). */
  time: string
  /** One octet of length, then as many octets: `sm_length` with `short_message`. */
  message: Uint8Array
  /** One octet of count, then `dest_address` structures (§4.5.1.1). */
  destinations: readonly Destination[]
  /** One octet of count, then `unsuccess_sme` structures (§4.5.2.1). */
  unsuccessful: readonly UnsuccessfulSme[]
}

export type FieldKind = keyof FieldValues

/** `dest_flag` 1 is an SME address, 2 a distribution list. */
export type Destination =
  | {
      readonly dest_flag: 1
      readonly dest_addr_ton: number
      readonly dest_addr_npi: number
      readonly destination_addr: string
    }
  | { readonly dest_flag: 2; readonly dl_name: string }

export interface UnsuccessfulSme {
  readonly dest_addr_ton: number
  readonly dest_addr_npi: number
  readonly destination_addr: string
  readonly error_status_code: number
}

export interface Field<Name extends string = string, Kind extends FieldKind = FieldKind> {
  readonly name: Name
  readonly kind: Kind
  /** Octets at most; a C-Octet String's NUL counts. */
  readonly octetsMax: number
  /** `command_status` for a value that breaks the field's rule. */
  readonly status: number
}

export const u8 = <N extends string>(name: N): Field<N, 'u8'> => ({
  name,
  kind: 'u8',
  octetsMax: 1,
  status: STATUS.ESME_RINVCMDLEN,
})

export const cstring = <N extends string>(
  name: N,
  octetsMax: number,
  status: number,
): Field<N, 'cstring'> => ({ name, kind: 'cstring', octetsMax, status })

export const time = <N extends string>(name: N, status: number): Field<N, 'time'> => ({
  name,
  kind: 'time',
  octetsMax: 17,
  status,
})

export const SHORT_MESSAGE_OCTETS_MAX = 254
export const ADDRESS_OCTETS_MAX = 21
/** A `dest_address` or `unsuccess_sme` at its longest: ton, npi, address, error_status_code. */
const STRUCTURE_OCTETS_MAX = 2 + ADDRESS_OCTETS_MAX + 4
/** The count is one octet; §4.5.1 allows 254 destinations. */
export const STRUCTURES_MAX = 254

export const shortMessage: Field<'short_message', 'message'> = {
  name: 'short_message',
  kind: 'message',
  octetsMax: 1 + SHORT_MESSAGE_OCTETS_MAX,
  status: STATUS.ESME_RINVMSGLEN,
}

export const destinations: Field<'dest_address', 'destinations'> = {
  name: 'dest_address',
  kind: 'destinations',
  octetsMax: 1 + STRUCTURES_MAX * STRUCTURE_OCTETS_MAX,
  status: STATUS.ESME_RINVNUMDESTS,
}

export const unsuccessful: Field<'unsuccess_sme', 'unsuccessful'> = {
  name: 'unsuccess_sme',
  kind: 'unsuccessful',
  octetsMax: 1 + STRUCTURES_MAX * STRUCTURE_OCTETS_MAX,
  status: STATUS.ESME_RINVNUMDESTS,
}
