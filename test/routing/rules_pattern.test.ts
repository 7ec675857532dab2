import { expect, test } from 'bun:test'
import { readPattern } from '../../src/routing/rules_pattern.ts'

test.each([
  '/^49/',
  '/^44(70|71|72)\\d{8}$/',
  '/^(?:49|43)1[567]\\d+$/',
  '/^(?<country>49)?\\d*7$/',
  '/^[^\\d\\]]+$/i',
  '/\\(\\d+\\)/',
  '/^(?:\\d{2}(?:1|2)){3}$/',
  '/^\\d{1,2}1\\d{1,2}1\\d{1,2}1\\d{1,2}1\\d{1,2}$/',
  `/^(${Array.from({ length: 80 }, (_, i) => 1000 + i).join('|')})/`,
])('%s is taken', pattern => {
  expect(readPattern(pattern)).toBeInstanceOf(RegExp)
})

test.each([
  ['/(\\d+)+x/', 'would stall'],
  ['/^(\\d|\\d\\d)+x$/', 'would stall'],
  ['/^(\\d*)*x$/', 'would stall'],
  ['/(?:1|1|1|1|1){15}x/', 'would stall'],
  ['/\\d*\\d*\\d*\\d*\\d*x/', 'would stall'],
  ['/(1|(1|1)+)+x/', 'would stall'],
  ['/(?:\\d{1,})+x/', 'would stall'],
  ['/(?:\\d?){14}x/', 'would stall'],
  ['/(?:\\b){100000}x/', 'would stall'],
  ['/(?:(?:){1000}){1000}x/', 'would stall'],
  ['/^(?=49)\\d/', 'look-around'],
  ['/^(?<!49)\\d/', 'look-around'],
  ['/^(\\d)\\1/', 'back reference'],
  ['/^(?<a>\\d)\\k<a>/', 'back reference'],
  ['/[/', 'is no regular expression'],
  ['/49/g', 'is no pattern'],
  ['//', 'is no pattern'],
  [`/${'1'.repeat(501)}/`, 'is longer than 500'],
])('%s is not, and why', (pattern, why) => {
  expect(readPattern(pattern)).toContain(why)
})

test('the worst patterns that are taken answer, and do not hang', () => {
  for (const text of ['/(?:\\d|\\d){12}x/', '/\\d*\\d*\\d*x/', '/(?:\\d?){13}x/', '/(?:\\d\\d?){11}x/']) {
    const pattern = readPattern(text)
    if (typeof pattern === 'string') throw new Error(`${text} ${pattern}`)
    const started = performance.now()
    expect(pattern.test('111111111111111')).toBe(false)
    expect(performance.now() - started).toBeLessThan(5000)
  }
})
