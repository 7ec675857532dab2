import { readFileSync } from 'node:fs'
import wasmFile from './quickjs.wasm' with { type: 'file' }
import { FIELDS, WIRE_BYTES_MAX } from './sandbox_wire.ts'

/**
 * One QuickJS in one instance of the wasm: a runtime, a context, its own memory, and no way out but the imports
 * below. The wasm is QuickJS with fuel (see .tools/fuel.ts), so that every loop of it asks `poll` now and then.
 *
 * Past the deadline `poll` throws, which unwinds the wasm from wherever it is. Nothing inside can catch that,
 * and nothing inside can be trusted afterwards: whoever sees a machine throw drops it and makes another.
 */

/** A `JSValue *`: 8 octets in the machine's memory, which whoever holds it frees. */
export type Value = number

/** The C functions that are called here, of QuickJS by way of quickjs-emscripten's `interface.c`. */
interface Exports {
  initialize(): void
  malloc(bytes: number): number
  free(at: number): void
  new_runtime(): number
  new_context(runtime: number, intrinsics: number): number
  set_max_stack_size(runtime: number, bytes: number): void
  enable_interrupt_handler(runtime: number): void
  is_job_pending(runtime: number): number
  compute_memory_usage(runtime: number, context: number): Value
  get_undefined(): Value
  new_string(context: number, text: number): Value
  new_function(context: number, id: number, name: number): Value
  eval(context: number, code: number, bytes: number, file: number, detect: number, flags: number): Value
  call(context: number, func: Value, self: Value, count: number, args: number): Value
  resolve_exception(context: number, value: Value): Value
  dump(context: number, value: Value): number
  get_string(context: number, value: Value): number
  free_c_string(context: number, text: number): void
  free_value(context: number, value: Value): void
  /** Ours, see .tools/fuel.ts: one of the codes below, or where the answer lies. */
  ask(
    context: number,
    runtime: number,
    decide: Value,
    sample: Value,
    at: number,
    count: number,
    values: number,
  ): Value
}

const NO_ANSWER = 0
const FALSE = 1
const TRUE = 2
const PROMISE_LEFT = 3

/** The deadline came before the answer. */
export class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed'
}

/** The code inside threw; the text is QuickJS's dump of it, JSON where it can be. */
export class CodeThrew extends Error {
  override readonly name = 'CodeThrew'
}

export interface MachineOptions {
  /** What the code may allocate, what the allocator makes of it included. */
  readonly memoryBytes: number
  /** Milliseconds that never go back, and that pass while code runs: with a clock that stands still, nothing is late. */
  readonly monotonic: () => number
  /** Answers `lookup(list, value)` of the code inside: 1 when it is listed, 0 when not, 2 when there is no such list. */
  readonly lookup: (list: string, value: string) => number
}

const PAGE_BYTES = 65_536
/** The wasm's data and its C stack, which lie below the heap. */
const BASE_BYTES = 620_000
/** The least that the wasm wants. */
const PAGES_MIN = 16
/** Native frames of the host lie under those of the code: more than this could reach the end of its stack. */
const STACK_BYTES = 96 * 1024
/**
 * Loop turns (or 64 times as many of the innermost, or 4 KiB copied each) between two looks at the clock: some
 * microseconds, and some milliseconds while the host still interprets this part of the wasm.
 */
const FUEL = 250
/**
 * What lies between two looks counts for no more than this: running code looks far more often, so a longer gap is time
 * in which the whole process stood still, and no filter is late for that.
 */
const SLICE_MS = 2
/** The most that is read of any text from inside. */
const TEXT_BYTES_MAX = 16 * 1024

/** Instead of an answer: the code left a promise behind. */
export const PROMISE = Symbol('a promise')

export const EVAL_SCRIPT = 0
export const EVAL_MODULE = 1

const encoder = new TextEncoder()
const decoder = new TextDecoder()

let module: WebAssembly.Module | undefined

/** Compiled when the first filter asks for it: it takes some 7 ms and 8 MB, which a gateway without filters saves. */
function compiled(): WebAssembly.Module {
  module ??= new WebAssembly.Module(readFileSync(wasmFile))
  return module
}

export class Machine {
  readonly #memory: WebAssembly.Memory
  readonly #exports: Exports
  readonly #runtime: number
  readonly #context: number
  readonly #argument: number
  readonly #wire: number
  readonly #values: number
  readonly #undefined: Value
  readonly #monotonic: () => number
  #octets: Uint8Array
  #words: Uint32Array
  #leftMs = Number.POSITIVE_INFINITY
  #impatientBelowMs = 0
  #lookedAt = 0
  #twiceAt = 0
  #starved = false

  constructor(options: MachineOptions) {
    this.#monotonic = options.monotonic
    // The end of the memory is the limit: QuickJS's own counts next to nothing in a wasm, where malloc tells no sizes.
    const maximum = Math.ceil((BASE_BYTES + 2 * WIRE_BYTES_MAX + options.memoryBytes) / PAGE_BYTES)
    this.#memory = new WebAssembly.Memory({ initial: PAGES_MIN, maximum })
    this.#octets = new Uint8Array(this.#memory.buffer)
    this.#words = new Uint32Array(this.#memory.buffer)
    // The exports are those of the committed wasm, which a test makes again from its source.
    const x = new WebAssembly.Instance(compiled(), this.#imports(options)).exports as unknown as Exports
    this.#exports = x
    x.initialize()
    this.#runtime = x.new_runtime()
    x.set_max_stack_size(this.#runtime, STACK_BYTES)
    x.enable_interrupt_handler(this.#runtime)
    this.#context = x.new_context(this.#runtime, 0)
    this.#undefined = x.get_undefined()
    this.#argument = x.malloc(4)
    this.#wire = x.malloc(WIRE_BYTES_MAX)
    this.#values = x.malloc(8 * FIELDS.length)
  }

  /**
   * What runs from now on has `ms` to end; and twice that by the wall, if the process stood still meanwhile, unless it
   * has hardly run at all.
   */
  within(ms: number): void {
    this.#leftMs = ms
    this.#impatientBelowMs = 0.75 * ms
    this.#lookedAt = this.#monotonic()
    this.#twiceAt = this.#lookedAt + 1.9 * ms
    this.#starved = false
  }

  /** True when the code wanted more memory since `within` than there is; it may have none left to say so. */
  get starved(): boolean {
    return this.#starved
  }

  /** The value of `code`; throws a CodeThrew. */
  eval(code: string, file: string, flags: number): Value {
    const x = this.#exports
    const source = this.#text(code)
    const name = this.#text(file)
    const value = x.eval(this.#context, source.at, source.bytes, name.at, 0, flags)
    x.free(source.at)
    x.free(name.at)
    return this.#checked(value)
  }

  /** What `func` answers to `argument`; throws a CodeThrew. */
  call(func: Value, argument: Value): Value {
    this.#words[this.#argument >> 2] = argument
    return this.#checked(this.#exports.call(this.#context, func, this.#undefined, 1, this.#argument))
  }

  /**
   * What `decide` answers to the packed message, which it gets as an object like `sample`: undefined when it threw,
   * `PROMISE` when it left one behind.
   */
  ask(decide: Value, sample: Value, packed: Uint8Array): boolean | string | typeof PROMISE | undefined {
    const x = this.#exports
    this.#octets.set(packed, this.#wire)
    const code = x.ask(this.#context, this.#runtime, decide, sample, this.#wire, FIELDS.length, this.#values)
    if (code === FALSE) return false
    if (code === TRUE) return true
    if (code === NO_ANSWER) return undefined
    if (code === PROMISE_LEFT) return PROMISE
    const answer = this.string(code)
    x.free_value(this.#context, code)
    return answer
  }

  /** A function for the code inside, which asks `lookup` of the options. */
  lookupFunction(): Value {
    const name = this.#text('lookup')
    const value = this.#exports.new_function(this.#context, 0, name.at)
    this.#exports.free(name.at)
    return value
  }

  /** The value as text; lone surrogates come as U+FFFD, and it ends at a NUL. */
  string(value: Value): string {
    const at = this.#exports.get_string(this.#context, value)
    const text = this.#cString(at)
    if (at !== 0) this.#exports.free_c_string(this.#context, at)
    return text
  }

  free(value: Value): void {
    this.#exports.free_value(this.#context, value)
  }

  /** True when the code left a promise whose turn has not come; nothing here would ever give it one. */
  get jobPending(): boolean {
    return this.#exports.is_job_pending(this.#runtime) !== 0
  }

  /** What the code holds; walks its whole heap, so not for every message. */
  memory(): { readonly bytes: number; readonly allocations: number } {
    const usage = this.#exports.compute_memory_usage(this.#runtime, this.#context)
    const { memory_used_size: bytes, malloc_count: allocations } = JSON.parse(this.#dumped(usage))
    this.free(usage)
    return { bytes: Number(bytes) || 0, allocations: Number(allocations) || 0 }
  }

  #checked(value: Value): Value {
    const thrown = this.#exports.resolve_exception(this.#context, value)
    if (thrown === 0) return value
    throw new CodeThrew(this.#dumped(thrown))
  }

  #dumped(value: Value): string {
    const at = this.#exports.dump(this.#context, value)
    const text = this.#cString(at)
    if (at !== 0) this.#exports.free_c_string(this.#context, at)
    return text
  }

  #cString(at: number): string {
    if (at === 0) return ''
    const end = this.#octets.indexOf(0, at)
    return decoder.decode(this.#octets.subarray(at, Math.min(end, at + TEXT_BYTES_MAX)))
  }

  #text(text: string): { readonly at: number; readonly bytes: number } {
    const octets = encoder.encode(text)
    const at = this.#exports.malloc(octets.length + 1)
    if (at === 0) throw new Error('out of memory')
    this.#octets.set(octets, at)
    this.#octets[at + octets.length] = 0
    return { at, bytes: octets.length }
  }

  #imports({ lookup }: MachineOptions): Bun.WebAssembly.Imports {
    const poll = () => {
      const now = this.#monotonic()
      this.#leftMs -= Math.min(now - this.#lookedAt, SLICE_MS)
      this.#lookedAt = now
      if (this.#leftMs < (now > this.#twiceAt ? this.#impatientBelowMs : 0)) {
        throw new DeadlinePassed('no answer in time')
      }
    }
    const broken = () => {
      throw new Error('the sandbox broke down')
    }
    const nothing = () => 0
    const env: Bun.WebAssembly.ModuleImports = {
      memory: this.#memory,
      refuel: () => {
        poll()
        return FUEL
      },
      interrupt: () => {
        poll()
        return 0
      },
      resize_heap: (bytes: number) => this.#grow(bytes >>> 0),
      call_host: (_context: number, _self: Value, count: number, args: number) => {
        const found = count < 2 ? 0 : lookup(this.string(args), this.string(args + 8))
        return this.#number(found)
      },
      abort: broken,
      assert_fail: broken,
      proc_exit: broken,
    }
    // The rest of libc finds an empty world: no files, no environment, no time zone, and a clock that stands at 0.
    for (const { name } of WebAssembly.Module.imports(compiled())) env[name] ??= nothing
    return { env }
  }

  /** A fresh JSValue holding a small whole number. */
  #number(value: number): Value {
    const at = this.#exports.malloc(8)
    this.#words[at >> 2] = value
    this.#words[(at >> 2) + 1] = 0
    return at
  }

  #grow(bytes: number): number {
    try {
      this.#memory.grow(Math.ceil((bytes - this.#memory.buffer.byteLength) / PAGE_BYTES))
    } catch {
      this.#starved = true
      return 0
    }
    this.#octets = new Uint8Array(this.#memory.buffer)
    this.#words = new Uint32Array(this.#memory.buffer)
    return 1
  }
}
