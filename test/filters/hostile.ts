/**
 * Filters that mean harm, one a row: at module level and against the compiled binary under traffic, each must end
 * within twice its deadline, leave its neighbours alone and give its memory back.
 *
 * `ends`: `refused` as it is loaded, `fault` when it is asked, or `answer` where the sandbox makes it harmless.
 */
export interface HostileFilter {
  readonly name: string
  readonly source: string
  readonly ends: 'refused' | 'fault' | 'answer'
}

/** A filter whose body is `code`; `sms` is in scope. */
const asked = (name: string, code: string, ends: HostileFilter['ends'] = 'fault'): HostileFilter => ({
  name,
  source: `export default sms => { ${code} }`,
  ends,
})
const whole = (name: string, source: string, ends: HostileFilter['ends']): HostileFilter => ({
  name,
  source,
  ends,
})

const ENDLESS = '({ length: 2 ** 53 - 1 })'

export const HOSTILE_FILTERS: readonly HostileFilter[] = [
  // Loops of every form.
  asked('while true', 'while (true) {}'),
  asked('for ever', 'for (;;) {}'),
  asked('do while', 'do {} while (1)'),
  asked('labelled continue', 'a: for (;;) for (;;) continue a'),
  asked('a loop that catches', 'for (;;) try { null.x } catch {}'),
  asked('a loop in finally', 'try { return true } finally { for (;;) {} }'),
  asked('catching what ends a loop', 'for (;;) try { for (;;) {} } catch { } finally { continue }'),
  asked('an endless generator', 'function* g() { for (;;) yield 1 } for (const x of g()) ;'),
  asked(
    'an endless iterator',
    'for (const x of { [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) }) ;',
  ),
  asked('spread of an endless iterator', 'return [...{ *[Symbol.iterator]() { for (;;) yield 0 } }].length'),
  asked(
    'a generator that will not return',
    'function* g() { try { yield 1 } finally { for (;;) {} } } for (const x of g()) break',
  ),

  // Native loops that no interpreter step interrupts.
  asked('indexOf over a huge length', `return [].indexOf.call(${ENDLESS}, 1) > 0`),
  asked('lastIndexOf over a huge length', `return [].lastIndexOf.call(${ENDLESS}, 1) > 0`),
  asked('includes over a huge length', `return [].includes.call(${ENDLESS}, 1)`),
  asked('join over a huge length', `return [].join.call(${ENDLESS}, '') === ''`),
  asked('reverse of a huge length', `return [].reverse.call(${ENDLESS}) === 1`),
  asked('forEach over a huge length', `return [].forEach.call(${ENDLESS}, () => 1) === 1`),
  asked('every over a huge length', `return [].every.call(${ENDLESS}, () => 1)`),
  asked('reduce over a huge length', `return [].reduce.call(${ENDLESS}, () => 1, 1) === 1`),
  asked('fill of a huge length', `return [].fill.call(${ENDLESS}, 1) === 1`),
  asked('copyWithin a huge length', `return [].copyWithin.call(${ENDLESS}, 1, 0) === 1`),
  asked('splice of a huge length', `return [].splice.call(${ENDLESS}, 0, 1) === 1`),
  asked('unshift to a huge length', 'return [].unshift.call({ length: 2 ** 53 - 3 }, 1) === 1'),
  asked('sort of a huge length', 'return [].sort.call({ length: 2 ** 32 - 2 }) === 1'),
  asked('flat of a huge length', `return [].flat.call(${ENDLESS}).length === 1`),
  asked(
    'concat of sparse giants',
    'const a = []; a.length = 2 ** 32 - 1; return [].concat(a, a, a).length === 1',
  ),
  asked('Array.from a huge length', `return Array.from(${ENDLESS}).length === 1`),
  asked('apply with a huge list', 'return Math.max.apply(null, { length: 2 ** 31 }) === 1'),
  asked(
    'a sort that compares for ever',
    'const a = Array.from({ length: 3e4 }, (_, i) => -i); for (;;) a.sort(() => 1)',
  ),
  asked(
    'sorting typed arrays',
    'const a = new Float64Array(5e5); for (;;) a.map((_, i) => (i * 7919) % 65536).sort()',
  ),

  // Text.
  asked('a quadratic search', "const a = 'a'.repeat(2e6); return a.indexOf('a'.repeat(1e6) + 'b') > 0"),
  asked(
    'a quadratic search from the end',
    "const a = 'a'.repeat(2e6); return a.lastIndexOf('a'.repeat(1e6) + 'b') > 0",
  ),
  asked('a quadratic split', "const a = 'a'.repeat(2e6); return a.split('a'.repeat(1e6) + 'b').length > 3"),
  asked('a doubling text', "let s = 'ab'; for (;;) s += s"),
  asked('a text bomb', "return 'a'.repeat(2 ** 30).length === 1"),
  asked('padding for ever', "for (;;) 'a'.padEnd(2e6, 'bc')"),
  asked('replacing for ever', "const a = 'a'.repeat(1e6); for (;;) a.replaceAll('a', 'bb')"),
  asked('normalizing for ever', "const a = '\\u0344'.repeat(2e5); for (;;) a.normalize('NFKD')"),
  asked('case for ever', "const a = '\\u0130'.repeat(3e5); for (;;) a.toLowerCase()"),
  asked(
    'comparing ropes',
    "let a = 'x', b = 'x'; for (let i = 0; i < 1e9; i++) { a = a + 'y'; b = b + 'y'; if (a !== b) return 1 }",
  ),
  asked(
    'JSON bomb',
    'let a = []; for (let i = 0; i < 20; i++) a = [a, a, a, a]; return JSON.stringify(a) === 1',
  ),
  asked('parsing JSON for ever', "const a = '[' + '1,'.repeat(1e5) + '1]'; for (;;) JSON.parse(a)"),
  asked('escaping for ever', "const a = 'Ж'.repeat(1e5); for (;;) encodeURIComponent(a)"),

  // Regular expressions.
  asked('nested quantifiers', "return /(a+)+b/.test('a'.repeat(5e3))"),
  asked('alternatives that overlap', "return /^(a|a)*$/.test('a'.repeat(200) + 'b')"),
  asked('back references', "return /(a*)\\1\\1b/.test('a'.repeat(3e5))"),
  asked('look-behind', "return /(?<=(a+)+)b/.test('a'.repeat(5e3) + 'c')"),
  asked(
    'a regular expression of every size',
    "for (let i = 1; ; i++) new RegExp('(?:a{0,' + i + '}){0,' + i + '}')",
  ),
  asked('matching all', "const a = 'a'.repeat(1e6); for (;;) a.match(/a/g)"),
  asked('searching a long text for ever', "const a = 'x'.repeat(4e6); for (;;) /a|b/.test(a)"),
  asked(
    'reading a long pattern for ever',
    "const a = new RegExp('[^a]|'.repeat(120) + 'b'); for (;;) a.test('')",
  ),
  asked('case folding', "return /((?:ſ|K|.)*)*x/iu.test('K'.repeat(200))"),
  whole(
    'a regular expression of 100 kB',
    `const r = /${'(?:a|b)*'.repeat(12_000)}c/\nexport default sms => r.test('ab'.repeat(1000))`,
    'fault',
  ),

  // Numbers.
  asked('a huge BigInt', 'return 7n ** (2n ** 24n) === 1n'),
  asked('BigInt powers for ever', 'for (let x = 3n; ; x = x * x) ;'),
  asked('a BigInt in decimal', 'return String(3n ** 600000n).length === 1'),
  asked('a BigInt from text', "return BigInt('7'.repeat(300000)) === 1n"),
  asked('dividing BigInts', 'const a = 3n ** 300000n, b = 7n ** 100000n; for (;;) a / b'),

  // Recursion and memory.
  asked('recursion', 'const f = () => f() + 1; return f() > 0'),
  asked('recursion by getters', 'const o = { get x() { return this.x } }; return o.x'),
  asked('recursion by toString', 'const o = { toString() { return `${this}` } }; return o > 1'),
  asked('recursion by a proxy', 'const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x'),
  asked('recursion that catches', 'const f = () => { try { f() } catch { f() } }; f()'),
  asked('branching recursion', 'const f = n => n && f(n - 1) + f(n - 1); return f(60) > 0'),
  asked('deep JSON', "return JSON.parse('['.repeat(1e6)) === 1"),
  asked('deep source', "return new Function('return ' + '('.repeat(1e5) + ')'.repeat(1e5))() === 1"),
  asked('an array that grows', 'const a = []; for (;;) a.push({})'),
  asked('a map that grows', 'const m = new Map(); for (let i = 0; ; i++) m.set(i, {})'),
  asked('buffers', 'const a = []; for (;;) a.push(new ArrayBuffer(1e6))'),
  asked('a buffer too large', 'return new ArrayBuffer(2 ** 31).byteLength === 1'),
  asked('memory that is kept', 'globalThis.kept ??= []; for (;;) kept.push(new Uint8Array(1e4))'),
  asked('symbols', 'for (let i = 0; ; i++) Symbol.for(String(i))'),
  asked('property names', 'const o = {}; for (let i = 0; ; i++) o[`k${i}`] = 1'),
  asked('rings', 'for (;;) { const a = {}; const b = { a }; a.b = b }'),

  // Answers that are none.
  asked('nothing', 'return undefined'),
  asked('a number', 'return 1'),
  asked('a text', "return 'true'"),
  asked('null', 'return null'),
  asked('a boxed boolean', 'return new Boolean(true)'),
  asked('a getter that never answers', 'return { get match() { for (;;) {} } }'),
  asked('a reason that never ends', 'return { match: true, get reason() { for (;;) {} } }'),
  asked('a proxy for an answer', 'return new Proxy({}, { get() { for (;;) {} } })'),
  asked('a reason of 200,000 letters', "return { match: true, reason: 'x'.repeat(2e5) }", 'answer'),
  asked(
    'a reason with line ends',
    "return { match: true, reason: 'a\\r\\nSet-Cookie: x\\u0000\\u202e' }",
    'answer',
  ),
  asked('a reason of half characters', "return { match: true, reason: '\\ud83d\\udc00\\ud83d' }", 'answer'),
  asked('a promise', 'return Promise.resolve(true)'),
  asked('a thenable', 'return { match: true, then() {} }'),
  whole('an async function', 'export default async () => true', 'fault'),
  whole('a generator', 'export default function* () { yield true }', 'fault'),
  asked('a job left behind', 'Promise.resolve().then(() => { for (;;) {} }); return true'),

  // Things thrown.
  asked('throwing undefined', 'throw undefined'),
  asked('throwing a getter', 'throw { get message() { for (;;) {} } }'),
  asked('throwing a proxy', 'throw new Proxy({}, { get() { throw 1 } })'),
  asked('throwing megabytes', "throw new Error('x'.repeat(2e6))"),
  asked('an error whose text throws', 'throw { get name() { throw this } }'),
  whole('throwing as it loads', 'throw { toString() { for (;;) {} } }\nexport default () => true', 'refused'),
  whole(
    'a stack of its own as it loads',
    "throw { name: 'Error', message: 'm', stack: 'x'.repeat(15000) }\nexport default () => true",
    'refused',
  ),

  // Reaching out.
  whole('an import', "import fs from 'fs'\nexport default () => true", 'refused'),
  asked('a dynamic import', "return import('fs')"),
  asked('require', "return require('fs') !== 1"),
  asked('process', 'return process.exit(1)'),
  asked('Bun', "return Bun.spawn(['id'])"),
  asked('fetch', "return fetch('http://127.0.0.1')"),
  asked('timers', 'return setTimeout(() => 1, 1)'),
  asked('the clock', 'return Date.now() > 0'),
  asked('the clock behind the clock', 'return new (Object.getPrototypeOf(Date))().getTime() === 0', 'answer'),
  asked('chance', 'return Math.random() < 2'),
  asked(
    'the constructor of constructors',
    "return sms.constructor.constructor('return this')() !== globalThis",
    'answer',
  ),
  asked('Atomics', 'return Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0) > 0'),
  asked('the list of nobody', "return sms.in('../../etc/passwd', 'root')"),
  asked('a list with a NUL', "return sms.in('a\\0b', '\\0')"),
  asked('a list of odd things', 'return sms.in({ toString() { for (;;) {} } }, 1)'),

  // Spoiling what others stand on.
  asked(
    'a polluted prototype',
    'Object.prototype.match = true; Array.prototype.push = () => { for (;;) {} }; return false',
    'answer',
  ),
  asked('a broken JSON', 'JSON.parse = JSON.stringify = () => { for (;;) {} }; return false', 'answer'),
  asked(
    'a broken Reflect',
    "Reflect.apply = () => { for (;;) {} }; String.prototype.slice = () => 1; return { match: true, reason: 'r' }",
    'answer',
  ),
  asked(
    'an empty world',
    'const { ownKeys, deleteProperty } = Reflect, world = globalThis; for (const k of ownKeys(world)) deleteProperty(world, k); return false',
    'answer',
  ),
  asked(
    'a setter on what is made',
    "Object.defineProperty(Object.prototype, 'source', { set() { for (;;) {} } }); return false",
    'answer',
  ),
  asked('writing to the message', "sms.destination = '1'; sms.message = null; return false", 'answer'),
  asked('another way to "in"', "Object.getPrototypeOf(sms).in = () => true; return sms.in('none', '1')"),

  // Modules.
  whole('no default', 'export const active = true', 'refused'),
  whole('a default that is no function', 'export default true', 'refused'),
  whole('not JavaScript', 'export default sms =>', 'refused'),
  whole('a loop as it loads', 'for (;;) {}', 'refused'),
  whole('waiting as it loads', 'await new Promise(() => {})\nexport default () => true', 'refused'),
  whole('a job as it loads', 'Promise.resolve().then(() => 1)\nexport default () => true', 'refused'),
  whole(
    'a description that is no text',
    'export const description = { toString() { for (;;) {} } }\nexport default () => true',
    'refused',
  ),
  whole(
    'a description of a megabyte',
    "export const description = 'x'.repeat(1e6)\nexport default () => true",
    'refused',
  ),
  whole('a mode of its own', "export const mode = 'off'\nexport default () => true", 'refused'),
  whole('a NUL in the source', 'export default sms => "\0" === "\\0"', 'answer'),
]
