import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { FilterFault, pack, Sandbox } from '../../src/filters/sandbox.ts'
import { limits, message, packed } from '../filters/support.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  // Any code units: NULs, lone surrogates, Latin-1, and texts long enough for another way of packing.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 })
    .map(units => String.fromCharCode(...units)),
  fc.array(fc.integer({ min: 0, max: 0xff }), { maxLength: 200 }).map(units => String.fromCharCode(...units)),
)
const number = fc.oneof(fc.integer(), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }))

const sms = fc.record({
  source: text,
  destination: text,
  message: text,
  esme: number,
  app_id: number,
  app_name: text,
  transaction_id: text,
  campaign_uuid: text,
  encoding: fc.constantFrom('gsm7' as const, 'latin1' as const, 'ucs2' as const),
  parts: number,
  time: number,
})

test('a text comes as it was sent, short or long, up to the last character that a way of packing it can take', () => {
  const sandbox = new Sandbox('f', 'export default sms => ({ match: true, reason: sms.message })', limits)
  for (const character of ['a', '\u00fe', '\u00ff', '\u0100', '\uffef'])
    for (const length of [1, 23, 24, 160]) {
      const text = character.repeat(length)
      expect(sandbox.ask(packed({ message: text })).reason).toBe(text)
    }
})

test('a message that is too long is not packed, and one that is not goes through whole with its numbers', () => {
  const seen =
    'export default sms => sms.message.length + sms.app_name.length === sms.parts && sms.time === 0.5'
  const sandbox = new Sandbox('f', seen, limits)
  const long = (units: number) =>
    pack(message({ message: 'ж'.repeat(units - 10), app_name: 'x'.repeat(10), parts: units, time: 0.5 }))
  let units = 90_000
  while (!long(units)) units--
  expect(units).toBeGreaterThan(80_000)
  expect(sandbox.ask(long(units) ?? packed()).match).toBeTrue()
  expect(long(units + 1)).toBeUndefined()
})

test('a filter sees each field as it was sent, to the code unit', () => {
  fc.assert(
    fc.property(sms, fields => {
      const source = `const sent = ${JSON.stringify(fields)}
        export default sms => {
          for (const field in sent) if (sms[field] !== sent[field]) return { match: false, reason: field }
          return Object.keys(sms).length === Object.keys(sent).length
        }`
      expect(new Sandbox('f', source, limits).ask(packed(fields))).toEqual({ match: true, reason: '' })
    }),
    { numRuns: 100 },
  )
}, 240_000)

test('whatever a filter answers becomes an answer of one clean line or a fault', () => {
  fc.assert(
    fc.property(fc.jsonValue(), text, (value, reason) => {
      for (const answer of [
        value,
        { match: true, reason },
        { match: value, reason },
        { match: true, reason: value },
      ]) {
        try {
          const told = new Sandbox('f', `export default () => (${JSON.stringify(answer)})`, limits).ask(
            packed(),
          )
          expect(told.reason).toBe(told.reason.trim())
          expect(told.reason.length).toBeLessThanOrEqual(160)
          expect(told.reason).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
        } catch (error) {
          expect(error).toBeInstanceOf(FilterFault)
        }
      }
    }),
    { numRuns: 30 },
  )
}, 240_000)
