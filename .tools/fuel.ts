/**
 * Makes `src/filters/quickjs.wasm`: QuickJS as its package ships it, with fuel.
 *
 * QuickJS asks its interrupt handler between steps of its own interpreter, and not in its native loops:
 * `[].indexOf.call({ length: 2 ** 53 - 1 }, 1)` runs for days, and no thread can stop it. So every loop of the
 * wasm pays fuel here, and when the tank is empty it calls the host, which throws once the deadline is past.
 *
 * - A loop that calls or holds another loop pays one unit a turn.
 * - An innermost loop without a call (a scan, a comparison) counts in a local, which costs next to nothing, and
 *   pays one unit every 64 turns; what is left over when its function returns is paid by whoever loops over it.
 * - Copies and fills pay by their length.
 * - The dispatch loops of the interpreter and of the matcher of regular expressions poll by themselves; they are
 *   the hot path and pay nothing.
 *
 * Exports get back their names in C, and those nobody calls are dropped with the code behind them.
 * The result is committed, so that neither a clone nor a build needs this step; a test makes it again and compares.
 *
 *     bun .tools/fuel.ts
 */
import binaryen from 'binaryen'

const SOURCE = new URL(import.meta.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'))
const TARGET = new URL('../src/filters/quickjs.wasm', import.meta.url)

/** The names below are those of this very file: a new version of the package wants a new look at them. */
const SOURCE_SHA256 = '105c3bed22d457e43e3d1c3c1c6959fda62a8fe06f0fc8a985303c3a2be72232'

const FEATURES =
  binaryen.Features.BulkMemory |
  binaryen.Features.BulkMemoryOpt |
  binaryen.Features.SignExt |
  binaryen.Features.MutableGlobals |
  binaryen.Features.NontrappingFPToInt

/** Wasm import → what it is. The last five are QuickJS's calls to its host. */
const IMPORTS: Readonly<Record<string, string>> = {
  a: 'memory',
  b: 'assert_fail',
  c: 'fd_write',
  d: 'fd_close',
  e: 'environ_get',
  f: 'environ_sizes_get',
  j: 'setitimer',
  k: 'resize_heap',
  l: 'keepalive_clear',
  m: 'localtime',
  n: 'tzset',
  o: 'fd_seek',
  p: 'date_now',
  q: 'abort',
  r: 'proc_exit',
  g: 'normalize_module',
  h: 'load_module',
  i: 'interrupt',
  s: 'call_host',
  t: 'free_host_ref',
}

/** Wasm export → the function of C behind it; those not listed are dropped. */
const EXPORTS: Readonly<Record<string, string>> = {
  u: 'initialize',
  v: 'malloc',
  y: 'set_memory_limit',
  z: 'compute_memory_usage',
  D: 'set_max_stack_size',
  E: 'get_undefined',
  K: 'new_runtime',
  M: 'free',
  N: 'new_context',
  P: 'free_value',
  S: 'free_c_string',
  X: 'new_array_buffer',
  _: 'new_string',
  $: 'get_string',
  fa: 'is_job_pending',
  ma: 'call',
  oa: 'dump',
  na: 'resolve_exception',
  pa: 'eval',
  Da: 'new_function',
  Fa: 'enable_interrupt_handler',
  Ka: 'bjson_decode',
}

/**
 * Loops that ask the interrupt handler by themselves, every 10,000 steps, and are the hot path: the bytecode
 * interpreter (JS_CallInternal) and the matcher of regular expressions (lre_exec). Their other loops pay.
 */
const POLLING = new Set(['$202', '$599'])

const PAY = `
(global.set $fuel (local.tee $left (i32.sub (global.get $fuel) (i32.const 1))))
(if (i32.lt_s (local.get $left) (i32.const 0)) (then (global.set $fuel (call $refuel))))`
const COUNT = `
(if (i32.eqz (i32.and (local.tee $turns (i32.add (local.get $turns) (i32.const 1))) (i32.const 63))) (then ${PAY}))`

/** A copy or a fill pays a unit for every 4 KiB; the loop around it sees to the asking. */
const bulk = (operation: string) => `
(func $paid.${operation} (param $0 i32) (param $1 i32) (param $2 i32)
 (global.set $fuel (i32.sub (global.get $fuel) (i32.shr_u (local.get $2) (i32.const 12))))
 (${operation} (local.get $0) (local.get $1) (local.get $2)))`

const LOOP = /^( *)\(loop(?: \$\S+)?(?: \((?:result|type) [^)]*\))*$/gm

/** One function's text with its loops paying. binaryen prints an expression a line and closes it on its own. */
export function instrument(func: string): string {
  const polls = POLLING.has(/\$\w+/.exec(func)?.[0] ?? '')
  const text = func
    .replace(LOOP, (head: string, indent: string, at: number) => {
      const start = at + head.length
      const body = func.slice(start, func.indexOf(`\n${indent})`, start))
      if (polls && body.includes('(br_table')) return head
      if (!polls && /\((?:call|call_indirect|loop)\b/.test(body)) return head + PAY
      return head + COUNT
    })
    .replace(/\((memory\.(?:copy|fill))$/gm, '(call $paid.$1')
  return text === func ? text : text.replace('\n', '\n  (local $left i32)\n  (local $turns i32)\n')
}

function rename(head: string): string {
  return head
    .replace(/^ \(import "a" "(\w+)"/gm, (_, letter: string) => ` (import "env" "${IMPORTS[letter]}"`)
    .replace(/^ \(export "([^"]+)" (.*)\n/gm, (_, letter: string, what: string) => {
      const name = EXPORTS[letter]
      return name === undefined ? '' : ` (export "${name}" ${what}\n`
    })
}

export async function build(): Promise<Uint8Array> {
  const source = await Bun.file(SOURCE).bytes()
  if (Bun.SHA256.hash(source, 'hex') !== SOURCE_SHA256) {
    throw new Error('the package holds another QuickJS: see to the names and numbers in .tools/fuel.ts')
  }
  const before = binaryen.readBinary(source)
  before.setFeatures(FEATURES)
  const [head = '', ...functions] = before.emitText().split(/\n(?= \(func )/)
  const named = rename(head)
    .replace(' (import "env"', ' (import "env" "refuel" (func $refuel (result i32)))\n (import "env"')
    .replace('\n (global ', '\n (global $fuel (mut i32) (i32.const 0))\n (global ')
  const paid = ['memory.copy', 'memory.fill'].map(bulk)
  const after = binaryen.parseText([named, ...paid, ...functions.map(instrument)].join('\n'))
  after.setFeatures(FEATURES)
  after.runPasses(['remove-unused-module-elements'])
  if (!after.validate()) throw new Error('the instrumented module is not valid')
  return after.emitBinary()
}

if (import.meta.main) await Bun.write(TARGET, await build())
