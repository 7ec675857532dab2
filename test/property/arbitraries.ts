import fc from 'fast-check'
import type { Field } from '../../src/smpp/fields.ts'
import type { Command } from '../../src/smpp/pdu.ts'
import { COMMANDS, PDUS, SEQUENCE_MAX } from '../../src/smpp/pdu.ts'
import { TLVS } from '../../src/smpp/tlv.ts'

/** PDUs and TLVs from the same tables as the codec: a row that is added is tested. */

type TlvSpec = { readonly tag: number; readonly kind: string; readonly min: number; readonly max: number }

/** Of `min` to `max` characters of Latin-1 but NUL. */
export const text = (min: number, max: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength: min, maxLength: max })
    .map(codes => String.fromCharCode(...codes))
export const octets = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max })
const u8 = fc.integer({ min: 0, max: 255 })

const destination = fc.oneof(
  fc.record({
    dest_flag: fc.constant(1),
    dest_addr_ton: u8,
    dest_addr_npi: u8,
    destination_addr: text(0, 20),
  }),
  fc.record({ dest_flag: fc.constant(2), dl_name: text(0, 20) }),
)
const unsuccessful = fc.record({
  dest_addr_ton: u8,
  dest_addr_npi: u8,
  destination_addr: text(0, 20),
  error_status_code: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
})

function fieldValue({ kind, octetsMax }: Field): fc.Arbitrary<unknown> {
  switch (kind) {
    case 'u8':
      return u8
    case 'cstring':
      return text(0, octetsMax - 1)
    case 'time':
      return fc.oneof(fc.constant(''), text(16, 16))
    case 'message':
      return octets(0, 254)
    case 'destinations':
      return fc.array(destination, { maxLength: 254 })
    case 'unsuccessful':
      return fc.array(unsuccessful, { maxLength: 254 })
  }
}

export function tlvValue({ kind, min, max }: TlvSpec): fc.Arbitrary<unknown> {
  if (kind === 'flag') return fc.constant(true)
  if (kind === 'cstring') return text(0, max - 1)
  if (kind === 'octets') return octets(min, Math.min(max, 600))
  return fc.integer({ min: 0, max: 256 ** max - 1 })
}

const known = new Set<number>(Object.values(TLVS).map(spec => spec.tag))
const other = fc.record({
  tag: fc.integer({ min: 0, max: 0xffff }).filter(tag => !known.has(tag)),
  value: octets(0, 40),
})

/** Any TLVs, each absent half the time. */
export const tlvs: fc.Arbitrary<Record<string, unknown>> = fc.record(
  {
    ...Object.fromEntries(
      Object.entries(TLVS).map(([name, spec]) => [
        name,
        'many' in spec ? fc.array(tlvValue(spec), { minLength: 1, maxLength: 3 }) : tlvValue(spec),
      ]),
    ),
    other: fc.array(other, { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: [] },
)

/** The fields of a PDU, every one given. */
export const body = (command: Command): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(Object.fromEntries(PDUS[command].fields.map((field: Field) => [field.name, fieldValue(field)])))

export const sequence = fc.integer({ min: 1, max: SEQUENCE_MAX })
export const commands: readonly Command[] = COMMANDS
