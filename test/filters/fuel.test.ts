import { expect, test } from 'bun:test'
import { build, instrument } from '../../.tools/fuel.ts'

test('the committed wasm is what the build step makes of the package', async () => {
  const committed = await Bun.file(new URL('../../src/filters/quickjs.wasm', import.meta.url)).bytes()
  expect(Bun.SHA256.hash(await build(), 'hex')).toBe(Bun.SHA256.hash(committed, 'hex'))
}, 240_000)

const func = (name: string, body: string) => ` (func ${name} (param $0 i32)\n${body}\n )`
const loop = (label: string, body: string) => `  (loop $${label}\n${body}\n  )`

test('a loop that calls pays a unit a turn', () => {
  const paid = instrument(func('$1', loop('a', '   (call $2)\n   (br $a)')))
  expect(paid).toContain('(loop $a\n(global.set $fuel')
  expect(paid).not.toContain('(local.get $turns)')
})

test('an innermost loop counts its turns in a local and pays for 64 of them', () => {
  const paid = instrument(func('$1', loop('a', '   (br_if $a\n    (local.get $0)\n   )')))
  expect(paid).toContain('(local $turns i32)')
  expect(paid).toMatch(
    /\(if \(i32\.eqz \(i32\.and \(local\.tee \$turns .*\(i32\.const 63\)\)\) \(then \n\(global\.set \$fuel/,
  )
})

test('the dispatch loop of the interpreter pays nothing, and its other loops do', () => {
  const dispatch = loop('a', '   (br_table $a $a\n    (local.get $0)\n   )')
  expect(instrument(func('$202', dispatch))).toBe(func('$202', dispatch))
  expect(instrument(func('$202', loop('b', '   (call $2)\n   (br $b)')))).toContain('$fuel')
  expect(instrument(func('$1', dispatch))).toContain('$fuel')
})

test('copies and fills pay by their length', () => {
  const copy = '  (memory.copy\n   (local.get $0)\n   (local.get $0)\n   (local.get $0)\n  )'
  expect(instrument(func('$1', copy))).toContain('(call $paid.memory.copy')
})
