import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { List } from '../../src/filters/list.ts'

const digits = fc.string({ unit: fc.constantFrom('0', '1', '7'), minLength: 1, maxLength: 18 })
const word = fc.string({ unit: fc.constantFrom('a', 'Ж', '1'), minLength: 1, maxLength: 6 })
const entry = fc.record({ text: fc.oneof(digits, word), prefix: fc.boolean(), listed: fc.boolean() })

test('a list answers as the longest entry that fits says, an exact one first, the later of two alike', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { maxLength: 40 }),
      fc.array(fc.oneof(digits, word)),
      async (entries, values) => {
        const lines = entries.map(
          ({ text, prefix, listed }) => `${listed ? '' : '!'}${text}${prefix ? '*' : ''}`,
        )
        const octets = new TextEncoder().encode(lines.join('\n'))
        const list = await List.read(octets, { entriesMax: 100, pause: () => Promise.resolve() })
        const isNumber = (text: string) => /^\d{1,15}$/.test(text)
        for (const spelling of [
          ...values,
          ...entries.map(({ text }) => `${text}1`),
          ...entries.map(({ text }) => text),
        ]) {
          const value = spelling.replace(/^00(?=\d{7,}$)/, '')
          // Numbers of E.164 have prefixes that are numbers; anything else is a text, with texts for prefixes.
          const fits = entries
            .map(({ text, ...each }, order) => ({
              ...each,
              text: text.toLowerCase().replace(each.prefix ? /^00(?=\d+$)/ : /^00(?=\d{7,}$)/, ''),
              order,
            }))
            .filter(({ text, prefix }) =>
              prefix
                ? value.toLowerCase().startsWith(text) && isNumber(value) === isNumber(text)
                : value.toLowerCase() === text,
            )
            .sort(
              (a, b) =>
                Number(a.prefix) - Number(b.prefix) || b.text.length - a.text.length || b.order - a.order,
            )
          expect(list.has(spelling)).toBe(fits[0]?.listed ?? false)
        }
      },
    ),
  )
})
