import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { type ReceiptState, readReceipt, statOf, writeReceipt } from '../../src/smpp/text/receipt.ts'

const STATES: readonly ReceiptState[] = [
  ...(['submitted', 'delivered', 'expired', 'deleted'] as const),
  ...(['undeliverable', 'accepted', 'unknown', 'rejected'] as const),
]
const id = fc.string({ unit: fc.constantFrom(...'0123456789abcXYZ-_.:/=<>#@'), minLength: 1, maxLength: 64 })
const read = (text: string): ReturnType<typeof readReceipt> =>
  readReceipt({ esm_class: 4, data_coding: 3, short_message: Buffer.from(text, 'latin1'), tlvs: {} })

test('any receipt that is written reads back, whatever its message says', () => {
  const message = fc.constantFrom('', 'id:9 stat:UNDELIV', 'text:text:', ' err:9', 'done date:1', 'hello')
  fc.assert(
    fc.property(id, fc.constantFrom(...STATES), fc.nat(999), message, (id, state, error, text) => {
      const at = Date.UTC(2026, 5, 7, 8, 9)
      const receipt = { id, state, error, submitDate: at, doneDate: at, text }
      expect(read(writeReceipt(receipt))).toEqual({ id, state, error, intermediate: false })
    }),
  )
})

test('its fields may stand in any order and case, between any white space, and some be missing', () => {
  const space = fc.constantFrom(' ', '  ', '\n', '\r\n')
  const casing = fc.constantFrom(
    (text: string) => text.toLowerCase(),
    (text: string) => text.toUpperCase(),
  )
  const others = fc.shuffledSubarray([
    'sub:001',
    'dlvrd:001',
    'submit date:2601021530',
    'done date:2601021530',
  ])
  fc.assert(
    fc.property(
      id,
      fc.constantFrom(...STATES),
      others,
      casing,
      space,
      fc.nat(999),
      (id, state, others, cased, gap, seed) => {
        const fields = [...others.map(cased), `${cased('stat:')}${cased(statOf(state))}`]
        fields.splice(seed % (fields.length + 1), 0, `${cased('id:')}${id}`)
        expect(read(fields.join(gap))).toMatchObject({ id, state })
      },
    ),
  )
})

test('one that is Appendix B to the letter says the same as when it is looked through field by field', () => {
  const digits = (to: number) => fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: to })
  const oneOf = (words: string) => fc.constantFrom(...words.split('|'))
  const stat = oneOf('DELIVRD|FAILED|unknown|ENROUTE|NONSENSE|DELIVERED||DELIVRX|EXP\xa0IRED')
  const error = oneOf('000|0|12|0A1|x|999|| 11|\t7|5\xa06|1\x0b| \0')
  const rest = oneOf('| text:| Text:id:9| text:stat:EXPIRED err:7| text:hello\0|\0\0| TEXT:9| 9')
  fc.assert(
    fc.property(id, digits(14), digits(12), stat, error, rest, (id, submit, done, stat, error, rest) => {
      const written = `id:${id} sub:001 dlvrd:001 submit date:${submit} done date:${done} stat:${stat} err:${error}${rest}`
      // The space in front is enough to be no longer Appendix B's.
      expect(read(written)).toEqual(read(` ${written}`))
    }),
  )
})
