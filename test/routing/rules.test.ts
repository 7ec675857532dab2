import { describe, expect, test } from 'bun:test'
import { parse } from 'yaml'
import {
  compileRules,
  decide,
  explain,
  NO_RULES,
  type RuleMessage,
  type Rules,
} from '../../src/routing/rules.ts'
import { quickestMs } from '../support/quickest.ts'

const pools = ['de', 'uk', 'rest']

function rulesOf(yaml: string): Rules {
  const compiled = compileRules(parse(yaml), { pools })
  if ('problems' in compiled) throw new Error(JSON.stringify(compiled.problems))
  return compiled.rules
}

function problemsOf(yaml: string): readonly { path: string; message: string }[] {
  const compiled = compileRules(parse(yaml), { pools })
  return 'problems' in compiled ? compiled.problems : []
}

const message = (fields: Partial<RuleMessage> = {}): RuleMessage => ({
  source: 'Acme',
  destination: '4917012345678',
  app_id: 1,
  app_name: 'default',
  campaign_uuid: 'app-1',
  encoding: 'gsm7',
  parts: 1,
  time: Date.UTC(2026, 0, 7, 12, 0) / 1000,
  ...fields,
})

describe('deciding', () => {
  test('the first rule that matches decides; without one nothing is decided', () => {
    const rules = rulesOf(`
      - { name: special, match: { destination: "49170" }, pool: uk }
      - { name: germany, match: { destination: "49" }, pool: de }
      - { match: { destination: ["44", "+35 3"] }, refuse: "not there" }
    `)
    expect(decide(rules, message())).toEqual({ rule: 'special', pool: 'uk' })
    expect(decide(rules, message({ destination: '4930123456' }))).toEqual({ rule: 'germany', pool: 'de' })
    expect(decide(rules, message({ destination: '353123456' }))).toEqual({
      rule: 'rule-3',
      refuse: 'not there',
    })
    expect(decide(rules, message({ destination: '33123456' }))).toBeUndefined()
    expect(decide(NO_RULES, message())).toBeUndefined()
  })

  test('the order holds between rules with prefixes, patterns and none', () => {
    const rules = rulesOf(`
      - { name: a, match: { destination: "/^4917.*8$/", app_id: 2 }, pool: uk }
      - { name: b, match: { destination: "4917", app_id: 3 }, pool: uk }
      - { name: c, match: { app_id: 4 }, pool: uk }
      - { name: d, match: { destination: ["49", "/^43/"] }, pool: de }
      - { name: e, pool: rest }
    `)
    const ruleFor = (fields: Partial<RuleMessage>): string | undefined => decide(rules, message(fields))?.rule
    expect([1, 2, 3, 4].map(app_id => ruleFor({ app_id }))).toEqual(['d', 'a', 'b', 'c'])
    expect(ruleFor({ destination: '43123' })).toBe('d')
    expect(ruleFor({ destination: '33123' })).toBe('e')
    expect(ruleFor({ destination: '' })).toBe('e')
  })

  test.each<[string, Partial<RuleMessage>, boolean]>([
    ['source: "Ac"', {}, true],
    ['source: "ac"', {}, false],
    ['source: "/^ac/i"', {}, true],
    ['source: "+4917"', { source: '491700' }, true],
    ['destination: "0049 17"', { destination: '491700' }, true],
    ['destination: "00"', { destination: '001234' }, true],
    ['source: ["/^\\\\d{3,6}$/", "Acme"]', { source: '12345' }, true],
    ['source: ["/^\\\\d{3,6}$/", "Acme"]', { source: '1234567' }, false],
    ['app_id: [2, 3]', { app_id: 3 }, true],
    ['app_id: [2, 3]', {}, false],
    ['app_name: shop', { app_name: 'shop' }, true],
    ['app_name: shop', { app_name: 'shop2' }, false],
    ['campaign_uuid: [spring]', { campaign_uuid: 'spring' }, true],
    ['campaign_uuid: [spring]', {}, false],
    ['encoding: ucs2', { encoding: 'ucs2' }, true],
    ['encoding: [ucs2, latin1]', {}, false],
    ['encoding: [ucs2, latin1, gsm7]', {}, true],
    ['parts: 2', { parts: 2 }, true],
    ['parts: 2', { parts: 3 }, false],
    ['parts: { min: 2 }', { parts: 9 }, true],
    ['parts: { min: 2 }', {}, false],
    ['parts: { min: 2, max: 2 }', { parts: 2 }, true],
    ['parts: { max: 3 }', { parts: 4 }, false],
    ['parts: { min: 2, max: 3 }', { parts: 4 }, false],
    ['parts: { max: 3 }', { parts: 3 }, true],
    ['{ app_id: 1, parts: 1 }', {}, true],
    ['{ app_id: 1, parts: 2 }', {}, false],
    ['{}', {}, true],
  ])('match %s on %p: %p', (match, fields, matches) => {
    const rules = rulesOf(`[{ match: ${match.startsWith('{') ? match : `{ ${match} }`}, pool: de }]`)
    expect(decide(rules, message(fields)) !== undefined).toBe(matches)
  })
})

describe('hours', () => {
  const within = (time: string, at: string): boolean =>
    decide(rulesOf(`[{ match: { time: ${time} }, pool: de }]`), message({ time: Date.parse(at) / 1000 })) !==
    undefined

  test.each([
    ['{ from: "08:00", to: "20:00" }', '2026-01-07T07:59:59Z', false],
    ['{ from: "08:00", to: "20:00" }', '2026-01-07T08:00:00Z', true],
    ['{ from: "08:00", to: "20:00" }', '2026-01-07T19:59:59Z', true],
    ['{ from: "08:00", to: "20:00" }', '2026-01-07T20:00:00Z', false],
    ['{ days: mon-fri }', '2026-01-09T23:59:59Z', true],
    ['{ days: mon-fri }', '2026-01-10T00:00:00Z', false],
    ['{ days: [sat, Sun] }', '2026-01-11T12:00:00Z', true],
    ['{ days: fri-mon }', '2026-01-12T12:00:00Z', true],
    ['{ days: fri-mon }', '2026-01-13T12:00:00Z', false],
    // Over midnight, the hours belong to the day on which they begin.
    ['{ from: "22:00", to: "06:00", days: fri }', '2026-01-10T05:59:00Z', true],
    ['{ from: "22:00", to: "06:00", days: fri }', '2026-01-09T05:59:00Z', false],
    ['{ from: "22:00", to: "06:00", days: sun }', '2026-01-12T05:59:00Z', true],
    // Summer time in Berlin begins on 29 March 2026 at 01:00 UTC, and ends on 25 October at 01:00 UTC.
    ['{ from: "08:00", to: "09:00", zone: Europe/Berlin }', '2026-03-28T07:30:00Z', true],
    ['{ from: "08:00", to: "09:00", zone: Europe/Berlin }', '2026-03-29T07:30:00Z', false],
    ['{ from: "08:00", to: "09:00", zone: Europe/Berlin }', '2026-03-29T06:30:00Z', true],
    ['{ from: "02:00", to: "03:00", zone: Europe/Berlin }', '2026-10-25T00:30:00Z', true],
    ['{ from: "02:00", to: "03:00", zone: Europe/Berlin }', '2026-10-25T01:30:00Z', true],
    ['{ from: "02:00", to: "03:00", zone: Europe/Berlin }', '2026-03-29T01:30:00Z', false],
    ['{ from: "00:00", to: "01:00", zone: Asia/Kathmandu, days: thu }', '2026-01-07T18:15:00Z', true],
    ['{ from: "00:00", to: "01:00", zone: Asia/Kathmandu, days: thu }', '2026-01-07T18:14:59Z', false],
  ])('%s at %s: %p', (time, at, matches) => {
    expect(within(time, at)).toBe(matches)
  })

  test('messages of other minutes, back and forth, are each judged by their own', () => {
    const rules = rulesOf('[{ match: { time: { to: "12:00" } }, pool: de }]')
    const at = (hour: number): boolean =>
      decide(rules, message({ time: Date.UTC(2026, 0, 7, hour, 30) / 1000 })) !== undefined
    expect([11, 12, 11, 0, 23].map(at)).toEqual([true, false, true, true, false])
  })
})

test('explain tells each rule’s verdict and the first condition that failed', () => {
  const rules = rulesOf(`
    - { name: uk, match: { destination: ["44", "/^353/"] }, pool: uk }
    - { name: austria, match: { destination: "/^43/" }, pool: de }
    - { name: swiss, match: { destination: "41" }, pool: de }
    - { name: big, match: { destination: "49", parts: { min: 2, max: 3 } }, pool: de }
    - { name: apps, match: { app_id: [2, 3, 4, 5, 6, 7] }, refuse: "no" }
    - { name: night, match: { time: { from: "22:00", to: "06:00", zone: Europe/Berlin } }, refuse: "at night" }
    - { name: all, pool: rest }
  `)
  expect(explain(rules, message())).toEqual([
    {
      rule: 'uk',
      matches: false,
      why: 'destination is "4917012345678", not one that begins with 44, or one that matches /^353/',
    },
    {
      rule: 'austria',
      matches: false,
      why: 'destination is "4917012345678", not one that matches /^43/',
    },
    {
      rule: 'swiss',
      matches: false,
      why: 'destination is "4917012345678", not one that begins with 41',
    },
    { rule: 'big', matches: false, why: 'parts is 1, not 2 to 3' },
    { rule: 'apps', matches: false, why: 'app_id is 1, not 2, 3, 4, 5, 6 … (6 in all)' },
    {
      rule: 'night',
      matches: false,
      why: 'time is 2026-01-07T12:00:00.000Z, not within 22:00 to 06:00 on mon-sun in Europe/Berlin',
    },
    { rule: 'all', matches: true, decision: { rule: 'all', pool: 'rest' } },
  ])
})

describe('problems', () => {
  test('all are told at once, each with its place', () => {
    const problems = problemsOf(`
      - { name: "", match: {}, pool: de }
      - { match: { destination: 49, sauce: x }, pool: de }
      - { match: { destination: [49, abc, "1234567890123456"] }, pool: de }
      - { pool: nowhere }
      - { match: { parts: 1 } }
      - { match: { app_id: x, app_name: 7, encoding: utf8 }, pool: de, refuse: no }
      - just text
    `)
    expect(problems.map(({ path }) => path)).toEqual([
      'rules[0].name',
      'rules[1].match.sauce',
      'rules[2].match.destination[0]',
      'rules[2].match.destination[1]',
      'rules[2].match.destination[2]',
      'rules[3].pool',
      'rules[4]',
      'rules[5].match.app_id',
      'rules[5].match.app_name',
      'rules[5].match.encoding',
      'rules[5]',
      'rules[6]',
    ])
  })

  test.each([
    ['{ a: 1 }', 'rules', 'must be a list of rules'],
    ['[{ match: { destination: 49 }, pool: de }]', 'rules[0].match.destination', '49 must be in quotes'],
    [
      '[{ match: { destination: [] }, pool: de }]',
      'rules[0].match.destination',
      'is an empty list, which no message can match',
    ],
    [
      '[{ match: { destination: Acme }, pool: de }]',
      'rules[0].match.destination',
      'can never match: a destination is digits',
    ],
    [
      '[{ match: { destination: "/^\\\\+49/" }, pool: de }]',
      'rules[0].match.destination',
      'digits without +',
    ],
    ['[{ match: { source: "" }, pool: de }]', 'rules[0].match.source', 'is empty'],
    ['[{ match: { source: "/(/" }, pool: de }]', 'rules[0].match.source', 'is no regular expression'],
    ['[{ match: { source: "/^49" }, pool: de }]', 'rules[0].match.source', 'is no pattern'],
    ['[{ match: { campaign_uuid: 12 }, pool: de }]', 'rules[0].match.campaign_uuid', 'in quotes'],
    [
      '[{ match: { parts: { min: 4, max: 2 } }, pool: de }]',
      'rules[0].match.parts',
      'no message has at least 4 and at most 2',
    ],
    [
      '[{ match: { source: "TWELVE CHARS" }, pool: de }]',
      'rules[0].match.source',
      'longer than 11 characters',
    ],
    ['[{ match: { app_id: 1.5 }, pool: de }]', 'rules[0].match.app_id', 'a whole number from 1'],
    ['[{ match: { app_id: 0 }, pool: de }]', 'rules[0].match.app_id', 'a whole number from 1'],
    [
      `[{ match: { campaign_uuid: ${'x'.repeat(65)} }, pool: de }]`,
      'rules[0].match.campaign_uuid',
      'at most 64 characters',
    ],
    [`[{ name: ${'x'.repeat(65)}, pool: de }]`, 'rules[0].name', '1 to 64 characters'],
    [`[{ refuse: ${'x'.repeat(201)} }]`, 'rules[0].refuse', '1 to 200 characters'],
    [`[${'{ pool: de },'.repeat(1001)}]`, 'rules', 'more than 1000 rules'],
    ['[{ match: { parts: 0 }, pool: de }]', 'rules[0].match.parts', '1 to 255'],
    ['[{ match: { time: { from: "8:00" } }, pool: de }]', 'rules[0].match.time.from', 'write it as "08:00"'],
    ['[{ match: { time: { to: "24:01" } }, pool: de }]', 'rules[0].match.time.to', 'is no time of day'],
    [
      '[{ match: { time: { from: "08:00", to: "08:00" } }, pool: de }]',
      'rules[0].match.time',
      'can never match',
    ],
    ['[{ match: { time: { days: [mo] } }, pool: de }]', 'rules[0].match.time.days[0]', 'mon, tue'],
    ['[{ match: { time: { days: [] } }, pool: de }]', 'rules[0].match.time.days', 'empty list'],
    ['[{ match: { time: { days: mon-fry } }, pool: de }]', 'rules[0].match.time.days', 'is no day'],
    ['[{ match: { time: { days: mon-tue-wed } }, pool: de }]', 'rules[0].match.time.days', 'is no day'],
    [
      '[{ match: { time: { zone: Mars/Olympus } }, pool: de }]',
      'rules[0].match.time.zone',
      'is no time zone',
    ],
    ['[{ pool: de, refuse: x }]', 'rules[0]', 'either `pool: NAME` or `refuse: REASON`'],
    ['[{ pool: fr }]', 'rules[0].pool', '"fr" is no pool; there are de, uk, rest'],
    ['[{ refuse: "" }]', 'rules[0].refuse', 'is no reason'],
    [
      '[{ name: a, match: { parts: 1 }, pool: de }, { name: a, pool: de }]',
      'rules[1].name',
      '"a" is the name of rules[0] too',
    ],
  ])('%s: %s %s', (yaml, path, text) => {
    expect(problemsOf(yaml)).toEqual([{ path, message: expect.stringContaining(text) }])
  })

  test.each(['^[\\+]?49', '^(\\+)?49', '^(?:\\+|00)?49', '^\\+?49', '^\\+*49'])(
    'a destination may match /%s/, with its plus or without',
    source => {
      const rules = rulesOf(`[{ match: { destination: '/${source}/' }, pool: de }]`)
      expect(decide(rules, message())).toEqual({ rule: 'rule-1', pool: 'de' })
    },
  )

  test('what is as long as it may be is taken', () => {
    const [name, reason] = ['x'.repeat(64), 'x'.repeat(200)]
    const longest = `match: { destination: "123456789012345", source: [ELEVENCHARS, "123456789012345"], campaign_uuid: ${name}, parts: 255 }`
    expect(problemsOf(`[{ name: ${name}, ${longest}, refuse: ${reason} }]`)).toEqual([])
    const prefixes = Array.from(
      { length: 1000 },
      (_, at) => `{ match: { destination: "${1000 + at}" }, pool: de }`,
    )
    expect(problemsOf(`[${prefixes.join()}]`)).toEqual([])
  })

  test('an empty list is no rules', () => {
    expect(compileRules(parse('[]'), { pools })).toEqual({ rules: NO_RULES })
  })

  test.each(['', '# nothing\n'])(
    'an empty file %p, as one that was cut off is, is no list of rules',
    text => {
      expect(problemsOf(text)).toEqual([{ path: 'rules', message: 'are empty: write [] for none' }])
    },
  )

  test.each([
    ['{}', '{ parts: 2 }'],
    ['{ destination: "49" }', '{ destination: ["4917", "+49 30"] }'],
    ['{ destination: ["49", "/^4[34]/"] }', '{ destination: ["491", "/^4[34]/"], parts: 1 }'],
    ['{ source: "Ac" }', '{ source: "Acme", destination: "49" }'],
    ['{ app_id: [1, 2] }', '{ app_id: 2 }'],
    ['{ encoding: [gsm7, latin1] }', '{ encoding: gsm7 }'],
    ['{ encoding: [gsm7, latin1, ucs2] }', '{ app_id: 1 }'],
    ['{ parts: { min: 2 } }', '{ parts: { min: 3, max: 4 } }'],
    ['{ parts: { min: 2, max: 4 } }', '{ parts: { min: 2, max: 4 } }'],
    ['{ time: { from: "08:00", to: "20:00" } }', '{ time: { from: "09:00", to: "19:00", days: sun } }'],
    ['{ time: { days: mon-sun } }', '{ time: { zone: Europe/Berlin, days: tue } }'],
  ])('after %s a rule for %s can never match, and that is said', (wide, narrow) => {
    expect(
      problemsOf(`[{ name: wide, match: ${wide}, pool: de }, { name: narrow, match: ${narrow}, pool: uk }]`),
    ).toEqual([
      {
        path: 'rules[1]',
        message:
          '"narrow" can never match: "wide" (rules[0]) stands before it and takes every message that it would; put it first, or narrow "wide"',
      },
    ])
  })

  test.each([
    ['{ destination: "4917" }', '{ destination: "49" }'],
    ['{ destination: "49" }', '{ source: "49" }'],
    ['{ destination: "49" }', '{ destination: ["49", "/^4/"] }'],
    ['{ destination: "49", parts: 1 }', '{ destination: "49" }'],
    ['{ app_id: 1 }', '{ app_name: a }'],
    ['{ app_id: 1 }', '{ app_id: 2 }'],
    ['{ app_name: a }', '{ campaign_uuid: a }'],
    ['{ parts: 2 }', '{ parts: { min: 2 } }'],
    ['{ parts: 2 }', '{ parts: { max: 2 } }'],
    ['{ time: { to: "12:00" } }', '{ time: { to: "12:00", zone: Europe/Berlin } }'],
  ])('after %s a rule for %s may match', (first, second) => {
    expect(
      problemsOf(
        `[{ name: first, match: ${first}, pool: de }, { name: second, match: ${second}, pool: uk }]`,
      ),
    ).toEqual([])
  })
})

describe('thousands of prefixes', () => {
  const prefixes = (count: number) =>
    Array.from({ length: count }, (_, n) => `44${String(n).padStart(6, '0')}`)
  const rule = (name: string, match: object) => ({ name, match, pool: 'uk' })

  test('are compared with those of another rule in no time', () => {
    const destination = prefixes(50_000)
    const time = { from: '08:00', to: '20:00' }
    const data = [rule('day', { destination, time }), rule('night', { destination })]
    expect(quickestMs(() => void compileRules(data, { pools }))).toBeLessThan(1000)
  })

  test('below the same rules share what they lead to', () => {
    const general = Array.from({ length: 900 }, (_, at) =>
      rule(`${at}`, { destination: '44', app_id: at + 1 }),
    )
    const compiled = compileRules([...general, rule('all', { destination: prefixes(1000) })], { pools })
    if ('problems' in compiled) throw new Error(JSON.stringify(compiled.problems))
    const { rules } = compiled
    expect(decide(rules, message({ destination: '4400012399', app_id: 1000 }))).toMatchObject({ rule: 'all' })
    expect(decide(rules, message({ destination: '4400012399', app_id: 7 }))).toMatchObject({ rule: '6' })
    const known = new Set<readonly number[]>()
    const walk = (node: Rules['byPrefix']): void => {
      known.add(node.rules)
      for (const below of node.next) if (below) walk(below)
    }
    walk(rules.byPrefix)
    expect(known.size).toBeLessThanOrEqual(3)
  })
})
