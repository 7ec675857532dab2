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

/** `entries` without those that are wrong in themselves. */
const soundOf = <T extends object>(entries: readonly T[]): readonly T[] =>
  entries.filter(one => 'rules' in compileRules([one], { pools: ['p'] }))

/** Each hidden rule of `entries`, with the one that hides it. */
function hiddenIn(entries: readonly object[]): { narrow: number; wide: number }[] {
  const compiled = compileRules(entries, { pools: ['p'] })
  const problems = 'problems' in compiled ? compiled.problems.filter(shadowed) : []
  const place = (text: string): number => Number(/rules\[(\d+)\]/.exec(text)?.[1])
  return problems.map(({ path, message }) => ({ narrow: place(path), wide: place(message) }))
}

function matches(entry: object | undefined, message: RuleMessage): boolean {
  const compiled = compileRules([entry], { pools: ['p'] })
  return 'rules' in compiled && decide(compiled.rules, message) !== undefined
}

const entries = fc.array(entry, { maxLength: 12 })
const messages = fc.array(message, { minLength: 1, maxLength: 20 })

test('the index decides as a walk through all rules does', () => {
  fc.assert(
    fc.property(entries, messages, (all, some) => {
      const sound = soundOf(all)
      const hidden = new Set(hiddenIn(sound).map(({ narrow }) => narrow))
      const possible = sound.filter((_, index) => !hidden.has(index))
      const compiled = compileRules(possible, { pools: ['p'] })
      if ('problems' in compiled) throw new Error(JSON.stringify(compiled.problems))
      for (const one of some) {
        const first = explain(compiled.rules, one).find(verdict => verdict.matches)
        expect(decide(compiled.rules, one)).toEqual(first?.matches ? first.decision : undefined)
      }
    }),
  )
})

test('a rule that is said to be hidden matches no message that the other does not', () => {
  fc.assert(
    fc.property(entries, messages, (all, some) => {
      const sound = soundOf(all)
      for (const { narrow, wide } of hiddenIn(sound)) {
        for (const one of some) if (matches(sound[narrow], one)) expect(matches(sound[wide], one)).toBe(true)
      }
    }),
  )
})

test('a rule with all the conditions of an earlier one, and more, is found', () => {
  fc.assert(
    fc.property(match, match, (wide, more) => {
      const pair = soundOf([
        { match: wide, pool: 'p' },
        { match: { ...more, ...wide }, pool: 'p' },
      ])
      fc.pre(pair.length === 2)
      expect(hiddenIn(pair)).toEqual([{ narrow: 1, wide: 0 }])
    }),
  )
})

test('whatever stands in the file, problems come out and nothing is thrown', () => {
  fc.assert(
    fc.property(fc.anything(), data => {
      const compiled = compileRules([{ match: data, pool: 'p' }, data], { pools: ['p'] })
      expect('rules' in compiled || compiled.problems.length > 0).toBe(true)
    }),
  )
})
