import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Carried, readText } from '../../src/smpp/text/inbound.ts'
import { readReceipt } from '../../src/smpp/text/receipt.ts'
import { segment, TextError } from '../../src/smpp/text/segment.ts'
import { readUserDataHeader } from '../../src/smpp/text/udh.ts'

/** FUZZ=1000000 runs as many samples, SEED= another series. */
const options = { numRuns: Number(process.env.FUZZ ?? 2000), seed: Number(process.env.SEED ?? 1) }

const octets = fc.uint8Array({ maxLength: 300 })
const receiptText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'id:',
        'stat:',
        'err:',
        'text:',
        'submit date:',
        'DONE DATE :',
        'sub:',
        'DELIVRD',
        ' ',
        '\0',
        '0x',
        '9'.repeat(40),
      ),
      fc.string({ maxLength: 12 }),
    ),
    { maxLength: 30 },
  )
  .map(pieces => new Uint8Array(Buffer.from(pieces.join(''), 'latin1')))
const pdu: fc.Arbitrary<Carried> = fc.record({
  esm_class: fc.nat(255),
  data_coding: fc.nat(255),
  short_message: fc.oneof(octets, receiptText),
  tlvs: fc.record(
    {
      receipted_message_id: fc.string({ maxLength: 64 }),
      message_state: fc.nat(255),
      network_error_code: fc.uint8Array({ minLength: 3, maxLength: 3 }),
      message_payload: octets,
      sar_msg_ref_num: fc.nat(65535),
      sar_total_segments: fc.nat(255),
      sar_segment_seqnum: fc.nat(255),
    },
    { requiredKeys: [] },
  ),
})

test('any deliver_sm gives a text, and a receipt or none', () => {
  fc.assert(
    fc.property(pdu, pdu => {
      const { text, concatenation } = readText(pdu)
      expect(text.length).toBeLessThanOrEqual(600)
      if (concatenation) expect(concatenation.part).toBeLessThanOrEqual(concatenation.total)
      const receipt = readReceipt(pdu)
      if (receipt) expect(Number.isSafeInteger(receipt.error) && receipt.error >= 0).toBe(true)
    }),
    options,
  )
})

test('any octets are a header that fits into them, or none', () => {
  fc.assert(
    fc.property(octets, octets => {
      const header = readUserDataHeader(octets)
      if (header) expect(header.octets).toBeLessThanOrEqual(octets.length)
    }),
    options,
  )
})

test('any text is cut into at least one part, or refused with a TextError', () => {
  const anyText = fc.array(fc.nat(0xffff), { maxLength: 200 }).map(units => String.fromCharCode(...units))
  const encoding = fc.constantFrom('auto', 'gsm7', 'latin1', 'ucs2')
  fc.assert(
    fc.property(anyText, encoding, fc.boolean(), (text, encoding, flash) => {
      try {
        const { parts } = segment(text, { encoding, flash, partsMax: 3, reference: () => 1 })
        expect(parts.length).toBeWithin(1, 4)
      } catch (error) {
        expect(error).toBeInstanceOf(TextError)
      }
    }),
    options,
  )
})
