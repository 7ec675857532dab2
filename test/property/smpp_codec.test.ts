import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { decode, encode } from '../../src/smpp/codec.ts'
import { Framer } from '../../src/smpp/framer.ts'
import { TLVS } from '../../src/smpp/tlv.ts'
import { ByteWriter } from '../../src/smpp/writer.ts'
import { encodePdu } from '../smpp/wire.ts'
import { body, commands, sequence, tlvs, tlvValue } from './arbitraries.ts'

describe.each(commands)('%s', command => {
  test('comes back as it was, with any fields and any TLVs', () => {
    fc.assert(
      fc.property(body(command), tlvs, sequence, fc.nat(), (fields, optional, sequence_number, status) => {
        const short = fields.short_message
        const allowed = { ...optional }
        if (short instanceof Uint8Array && short.length > 0) delete allowed.message_payload
        const out = new ByteWriter(16)
        encode(out, command, { ...fields, tlvs: allowed }, sequence_number, status)
        const expected = { command, command_status: status, sequence_number, ...fields, tlvs: allowed }
        expect(decode(out.view())).toEqual(expected as never)
        expect(encodePdu(decode(out.view()))).toEqual(out.view().slice())
      }),
      { numRuns: 60 },
    )
  })
})

test.each(Object.entries(TLVS))('TLV %s comes back as it was', (name, spec) => {
  fc.assert(
    fc.property(tlvValue(spec), value => {
      const out = new ByteWriter()
      encode(out, 'data_sm', { tlvs: { [name]: 'many' in spec ? [value, value] : value } }, 1)
      expect(decode(out.view()).tlvs).toEqual({ [name]: 'many' in spec ? [value, value] : value })
    }),
    { numRuns: 30 },
  )
})

test('a stream of PDUs in any split gives the PDUs', () => {
  const pdu = fc
    .constantFrom(...commands)
    .chain(command => fc.tuple(fc.constant(command), body(command), sequence))
  const splits = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(fc.array(pdu, { maxLength: 12 }), splits, (pdus, lengths) => {
      const out = new ByteWriter()
      for (const [command, fields, number] of pdus) encode(out, command, fields, number)
      const framer = new Framer()
      const seen: unknown[] = []
      const stream = out.view()
      for (let at = 0, i = 0; at < stream.length; i++) {
        const end = at + (lengths[i % lengths.length] ?? 1)
        framer.push(stream.subarray(at, end), (bytes, from, to) => seen.push(decode(bytes, from, to)))
        at = end
      }
      expect(seen).toMatchObject(
        pdus.map(([command, fields, sequence_number]) => ({ command, sequence_number, ...fields })),
      )
      expect(framer.held).toBe(0)
    }),
    { numRuns: 100 },
  )
})
