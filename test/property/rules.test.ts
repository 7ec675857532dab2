import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { compileRules, decide, explain, type RuleMessage } from '../../src/routing/rules.ts'

const digits = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom('1', '2', '3'), minLength: min, maxLength: max })
const listOf = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 3 })
const optional = { noNullPrototype: true, requiredKeys: [] as [] }

const hour = fc.nat(23).map(value => `${String(value).padStart(2, '0')}:00`)
const match = fc.record(
  {
    destination: listOf(
      fc.oneof(
        digits(1, 3),
        digits(1, 2).map(prefix => `/^${prefix}/`),
      ),
    ),
    source: listOf(digits(1, 2)),
    app_id: listOf(fc.integer({ min: 1, max: 3 })),
    encoding: listOf(fc.constantFrom('gsm7', 'latin1', 'ucs2')),
    parts: fc.record({ min: fc.integer({ min: 1, max: 3 }), max: fc.integer({ min: 1, max: 3 }) }, optional),
    time: fc.record({ from: hour, to: hour, zone: fc.constantFrom('UTC', 'Asia/Kolkata') }, optional),
  },
  optional,
)
const entry = fc.oneof(
  fc.record({ match, pool: fc.constant('p') }),
  fc.record({ match, refuse: fc.constant('no') }),
)
const message: fc.Arbitrary<RuleMessage> = fc.record({
  source: digits(3, 5),
  destination: digits(3, 5),
  app_id: fc.integer({ min: 1, max: 3 }),
  app_name: fc.constant('a'),
  campaign_uuid: fc.constant('c'),
  encoding: fc.constantFrom('gsm7', 'latin1', 'ucs2'),
  parts: fc.integer({ min: 1, max: 3 }),
  time: fc.integer({ min: 1_700_000_000, max: 1_800_000_000 }),
})

const shadowed = (problem: { message: string }): boolean => problem.message.includes('stands before it')

/** `entries` without what cannot be: rules wrong in themselves, then those that an earlier one hides. */
function possible(entries: readonly object[]): readonly object[] {
  const sound = entries.filter(one => 'rules' in compileRules([one], { pools: ['p'] }))
  const compiled = compileRules(sound, { pools: ['p'] })
  if ('rules' in compiled) return sound
  const hidden = new Set(compiled.problems.filter(shadowed).map(problem => problem.path))
  return sound.filter((_, index) => !hidden.has(`rules[${index}]`))
}

test('the index decides as a walk through all rules does', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 12 }),
      fc.array(message, { minLength: 1, maxLength: 20 }),
      (entries, messages) => {
        const compiled = compileRules(possible(entries), { pools: ['p'] })
        if ('problems' in compiled) throw new Error(JSON.stringify(compiled.problems))
        for (const one of messages) {
          const first = explain(compiled.rules, one).find(verdict => verdict.matches)
          expect(decide(compiled.rules, one)).toEqual(first?.matches ? first.decision : undefined)
        }
      },
    ),
  )
})

test('a rule that is said to be hidden matches no message that the other does not', () => {
  let hidden = 0
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 5, maxLength: 15 }),
      fc.array(message, { maxLength: 20 }),
      (entries, messages) => {
        const each = entries.map(one => compileRules([one], { pools: ['p'] }))
        const all = compileRules(entries, { pools: ['p'] })
        for (const { path, message: text } of 'problems' in all ? all.problems.filter(shadowed) : []) {
          const [narrow, wide] = [path, text].map(where => {
            const one = each[Number(/rules\[(\d+)\]/.exec(where)?.[1])]
            if (!one || 'problems' in one) throw new Error(`${where} is unsound by itself`)
            return one.rules
          })
          hidden++
          for (const one of messages) {
            if (narrow && decide(narrow, one)) expect(wide && decide(wide, one)).toBeDefined()
          }
        }
      },
    ),
  )
  expect(hidden).toBeGreaterThan(0)
})

test('whatever stands in the file, problems come out and nothing is thrown', () => {
  fc.assert(
    fc.property(fc.anything(), data => {
      const compiled = compileRules([{ match: data, pool: 'p' }, data], { pools: ['p'] })
      expect('rules' in compiled || compiled.problems.length > 0).toBe(true)
    }),
  )
})
