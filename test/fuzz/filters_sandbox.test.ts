import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { List } from '../../src/filters/list.ts'
import { FilterFault, Sandbox } from '../../src/filters/sandbox.ts'
import { limits, packed } from '../filters/support.ts'

/** `FUZZ_RUNS=2000 bun test test/fuzz/filters_sandbox.test.ts` looks longer. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 60)
const sms = packed({ message: 'a\0\ud800Ж' })

const value = fc.constantFrom(
  'sms',
  'sms.message',
  'sms.message.repeat(1e5)',
  '({ length: 2 ** 53 - 1 })',
  '({ length: 2 ** 32 - 1, 0: 1 })',
  'new Proxy([], {})',
  'new Uint8Array(1e6)',
  '[1, , 3]',
  'x',
  '(y => y)',
  '/(a|b?)*c/g',
  '2n ** 5000n',
  '-1',
  '2 ** 31',
  'Symbol.iterator',
  'null',
)
const builtIn = fc
  .constantFrom(
    'Array',
    'String',
    'RegExp',
    'Object',
    'Map',
    'Uint8Array',
    'BigInt',
    'JSON',
    'Reflect',
    'Promise',
    'Math',
    'Date',
  )
  .chain(name =>
    fc
      .nat(60)
      .map(
        at =>
          `(Object.getOwnPropertyNames(${name}.prototype ?? ${name}).map(k => (${name}.prototype ?? ${name})[k]))[${at}]`,
      ),
  )
const call = fc
  .tuple(builtIn, fc.array(value, { minLength: 1, maxLength: 4 }))
  .map(
    ([native, [self, ...rest]]) =>
      `try { x = ${native}.call(${[self, ...rest].join(', ')}) } catch (e) { x = e }`,
  )
const statement = fc.oneof(
  { weight: 6, arbitrary: call },
  { weight: 1, arbitrary: call.map(inner => `for (let i = 0; i < 1e9; i++) { ${inner} }`) },
  { weight: 1, arbitrary: fc.constant('Object.prototype.match = x') },
)

test('any chain of calls to built-ins ends with an answer or a fault, and the next sandbox is as good as new', () => {
  fc.assert(
    fc.property(fc.array(statement, { maxLength: 6 }), value, (statements, answer) => {
      const source = `export default sms => { let x; ${statements.join('; ')}; return ${answer} }`
      try {
        const sandbox = new Sandbox('fuzz', source, limits)
        sandbox.ask(sms)
      } catch (error) {
        if (!(error instanceof FilterFault)) throw error
      }
      expect(new Sandbox('after', 'export default () => true', limits).ask(sms).match).toBeTrue()
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: 60_000 },
  )
}, 240_000)

test('any text is a filter or a fault', () => {
  const token = fc.constantFrom(
    'export ',
    'default ',
    'async ',
    '=>',
    '(',
    ')',
    '{',
    '}',
    '`',
    '${',
    '/*',
    '//',
    '\n',
    '"',
    "'",
    'import ',
    'let a',
    '=',
    '\0',
    '\ud800',
    '#!',
    '/',
    '...',
    'class ',
    'yield ',
    '*',
  )
  fc.assert(
    fc.property(fc.array(token, { maxLength: 30 }), tokens => {
      try {
        new Sandbox('fuzz', tokens.join(''), limits)
      } catch (error) {
        expect(error).toBeInstanceOf(FilterFault)
      }
    }),
    { numRuns: RUNS * 5 },
  )
}, 240_000)

test('any octets are a list or an Error that names a line', async () => {
  const octet = fc.oneof(
    fc.constantFrom(10, 13, 32, 33, 35, 42, 43, 48, 57, 65),
    fc.integer({ min: 0, max: 255 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(octet, { maxLength: 400 }), async octets => {
      try {
        await List.read(new Uint8Array(octets), { entriesMax: 50, pause: () => Promise.resolve() })
      } catch (error) {
        expect(String(error)).toMatch(/^Error: (line \d+: |there are more than 50 entries)/)
      }
    }),
    { numRuns: RUNS * 20 },
  )
}, 240_000)
