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
 * Exports get back their names in C, and those nobody calls are dropped with the code behind them. One is added: `ask`,
 * which makes a message and puts it to a filter in one go. And a search for a regular expression looks only where a match
 * may begin (`regexp.ts`).
 *
 * The result is committed, so that neither a clone nor a build needs this step; a test makes it again and compares.
 *
 *     bun .tools/fuel.ts
 */
import binaryen from 'binaryen'
import { GLOBALS, MATCHER, REPLACED, regexpFunctions } from './regexp.ts'

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
  _: 'new_string',
  $: 'get_string',
  fa: 'is_job_pending',
  ma: 'call',
  oa: 'dump',
  na: 'resolve_exception',
  pa: 'eval',
  Da: 'new_function',
  Fa: 'enable_interrupt_handler',
}

/**
 * Loops that ask the interrupt handler by themselves, every 10,000 steps, and are the hot path: the bytecode
 * interpreter (JS_CallInternal) and the matcher of regular expressions (lre_exec). Their other loops pay.
 */
const POLLING = new Set(['$202', MATCHER])

/** Functions of QuickJS that `ask` calls, and two of its values: high word the tag, low word the rest. */
const JS = {
  freeValue: 0,
  call: 9,
  /** `jsvalue_to_heap` of interface.c. */
  toHeap: 28,
  newString8: 98,
  newObjectFromShape: 235,
  newString16: 377,
  isJobPending: 1186,
}
const UNDEFINED = 3n << 32n
const EXCEPTION = 6n << 32n

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

/**
 * A message and the answer to it, without the detour by an array and an object literal, which took three times as long.
 * `at` holds `count` fields as `sandbox_wire.ts` packs them; `values` is room for as many JSValues. The message gets the
 * shape (prototype, names, order) of `*sample`, and is as good as one that a literal made.
 *
 * Gives 0 when there is no answer (thrown, or out of memory), 1 for false, 2 for true, 3 when a promise was left
 * behind, or where another answer lies. What it leaves allocated at 0 goes with the machine, or is the exception's.
 */
const ASK = `
(func $ask (export "ask") (param $context i32) (param $runtime i32) (param $decide i32) (param $sample i32)
 (param $at i32) (param $count i32) (param $values i32) (result i32)
 (local $header i32) (local $to i32) (local $value i64) (local $message i64) (local $shape i32)
 (local.set $to (local.get $values))
 (loop $next
  (local.set $header (i32.load align=1 (local.get $at)))
  (local.set $at (i32.add (local.get $at) (i32.const 4)))
  (if (i32.eq (local.get $header) (i32.const -1))
   (then
    (local.set $value (i64.load align=1 (local.get $at)))
    (local.set $at (i32.add (local.get $at) (i32.const 8))))
   (else
    (if (i32.and (local.get $header) (i32.const 1))
     (then
      (local.set $value (call $${JS.newString16} (local.get $context) (local.get $at) (i32.shr_u (local.get $header) (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.and (local.get $header) (i32.const -2)))))
     (else
      (local.set $value (call $${JS.newString8} (local.get $context) (local.get $at) (i32.shr_u (local.get $header) (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.shr_u (local.get $header) (i32.const 1))))))))
  (if (i64.eq (local.get $value) (i64.const ${EXCEPTION})) (then (return (i32.const 0))))
  (i64.store (local.get $to) (local.get $value))
  (local.set $to (i32.add (local.get $to) (i32.const 8)))
  (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
 (local.set $shape (i32.load offset=20 (i32.load (local.get $sample))))
 (i32.store (local.get $shape) (i32.add (i32.load (local.get $shape)) (i32.const 1)))
 (local.set $message (call $${JS.newObjectFromShape} (local.get $context) (local.get $shape) (i32.const 1) (local.get $values)))
 (if (i64.eq (local.get $message) (i64.const ${EXCEPTION})) (then (return (i32.const 0))))
 (i64.store (local.get $values) (local.get $message))
 (local.set $value (call $${JS.call} (local.get $context) (i64.load (local.get $decide)) (i64.const ${UNDEFINED}) (i32.const 1) (local.get $values)))
 (call $${JS.freeValue} (local.get $context) (local.get $message))
 (if (call $${JS.isJobPending} (local.get $runtime)) (then (return (i32.const 3))))
 (if (i64.eq (local.get $value) (i64.const ${EXCEPTION})) (then (return (i32.const 0))))
 (if (i64.eq (i64.shr_u (local.get $value) (i64.const 32)) (i64.const 1))
  (then (return (i32.add (i32.wrap_i64 (local.get $value)) (i32.const 1)))))
 (call $${JS.toHeap} (local.get $value)))`

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

/**
 * The package sets 16 MiB aside for an instance, 5 of them for C's stack, of which the sandbox lets code use 96 KiB (and
 * no hostile filter took 100 KB). JavaScriptCore counts an instance's memory, touched or not, twice as part of its own
 * heap, and lets that grow in proportion before it collects: with two filters a gateway took 400 MB at full load, not 190.
 */
const STACK_BYTES = 512 * 1024
const STACK_END = 90_208 + STACK_BYTES
const PAGES_MIN = 16

/** Text of the package's wasm → ours; each stands there once. */
const SMALLER: readonly (readonly [string, string])[] = [
  ['(memory $mimport$0 256 ', `(memory $mimport$0 ${PAGES_MIN} `],
  [
    '(global $global$0 (mut i32) (i32.const 5333088))',
    `(global $global$0 (mut i32) (i32.const ${STACK_END}))`,
  ],
  // What the C library believes of its stack, and where its heap begins (0x516060, little-endian).
  ['   (i32.const 5242880)', `   (i32.const ${STACK_BYTES})`],
  ['   (i32.const 5333088)', `   (i32.const ${STACK_END})`],
  ['(i32.const 86864) "``Q")', `(i32.const 86864) "${littleEndian(STACK_END)}")`],
]

function littleEndian(value: number): string {
  return [0, 8, 16].map(bits => `\\${((value >> bits) & 0xff).toString(16).padStart(2, '0')}`).join('')
}

function change(text: string): string {
  return [...SMALLER, ...REPLACED].reduce((changed, [old, ours]) => {
    if (changed.split(old).length !== 2) throw new Error(`${old} does not stand there once`)
    return changed.replace(old, () => ours)
  }, text)
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
  const [head = '', ...functions] = change(before.emitText()).split(/\n(?= \(func )/)
  const named = rename(head)
    .replace(' (import "env"', ' (import "env" "refuel" (func $refuel (result i32)))\n (import "env"')
    .replace('\n (global ', `\n (global $fuel (mut i32) (i32.const 0))${GLOBALS}\n (global `)
  const paid = ['memory.copy', 'memory.fill'].map(bulk)
  const after = binaryen.parseText(
    [named, ...paid, ASK, ...regexpFunctions(PAY, COUNT), ...functions.map(instrument)].join('\n'),
  )
  after.setFeatures(FEATURES)
  after.runPasses(['remove-unused-module-elements'])
  if (!after.validate()) throw new Error('the instrumented module is not valid')
  return after.emitBinary()
}

if (import.meta.main) await Bun.write(TARGET, await build())
