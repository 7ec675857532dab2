import {
  CodeThrew,
  DeadlinePassed,
  EVAL_MODULE,
  EVAL_SCRIPT,
  Machine,
  PROMISE,
  type Value,
} from './sandbox_machine.ts'
import { DECIDE, DECLARE, SAMPLE, WITHOUT_CLOCK } from './sandbox_prelude.ts'
import { pack } from './sandbox_wire.ts'

export { pack }

export interface SandboxOptions {
  /** For one answer; reading the module may take `LOAD_TIMES` as long. */
  readonly timeoutMs: number
  /** What the filter's code may allocate. */
  readonly memoryBytes: number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  /** `sms.in(list, value)`: undefined when there is no such list. */
  readonly lookup: (list: string, value: string) => boolean | undefined
}

/** What a filter's module says of itself. */
export interface Declaration {
  readonly description: string
  /** True: what matches is refused. False: what does not match is. */
  readonly blacklist: boolean
  readonly active: boolean
  readonly mode: 'enforce' | 'shadow'
}

export interface Answer {
  readonly match: boolean
  /** One line, at most `REASON_CHARACTERS_MAX`; empty when the filter gave none. */
  readonly reason: string
}

/** A filter did not answer. The text is for the operator who wrote it, and names its lines. */
export class FilterFault extends Error {
  override readonly name = 'FilterFault'

  constructor(
    /** All but `error` cost its machine: no answer in time, or (`costly`) out of memory, a promise left behind. */
    readonly kind: 'error' | 'timeout' | 'costly',
    text: string,
  ) {
    super(text)
  }
}

const REASON_CHARACTERS_MAX = 160
const TEXT_CHARACTERS_MAX = 400
/**
 * The code of a module runs cold, once. From the ninth machine of a process on, JavaScriptCore has no fast memory for it,
 * and what is not compiled yet takes five to ten times as long: a table of 10,000 built in 30 ms took over 100.
 */
const LOAD_MS_MIN = 500
/** Of a longer deadline so many. */
const LOAD_TIMES = 5
const loadMs = (timeoutMs: number): number => Math.max(LOAD_MS_MIN, LOAD_TIMES * timeoutMs)

const WAITS = 'it waits for something as it loads: a filter answers at once'

const MATCH: Answer = { match: true, reason: '' }
const NO_MATCH: Answer = { match: false, reason: '' }
const NO_MEMORY = { bytes: 0, allocations: 0 }

interface Booted {
  readonly machine: Machine
  readonly decide: Value
  /** What every message looks like. */
  readonly sample: Value
}

/**
 * A filter's module in a machine of its own: nothing is shared with another filter, and when the machine has to
 * be thrown away the next question starts a fresh one (some 2 ms), with all that the filter kept gone.
 */
export class Sandbox {
  readonly declaration: Declaration
  #booted: Booted | undefined

  /** Throws a FilterFault when the module cannot be read. `name` stands in the places that errors name. */
  constructor(
    readonly name: string,
    readonly source: string,
    private readonly options: SandboxOptions,
  ) {
    const { declaration, ...booted } = this.#boot()
    this.declaration = declaration
    this.#booted = booted
  }

  /** What the filter says of a message, as `pack` gave it; throws a FilterFault when it says nothing of use. */
  ask(packed: Uint8Array | undefined): Answer {
    if (packed === undefined) throw new FilterFault('error', 'the message is longer than a filter can take')
    this.#booted ??= this.#boot()
    const { machine, decide, sample } = this.#booted
    try {
      machine.within(this.options.timeoutMs)
      const answer = machine.ask(decide, sample, packed)
      if (typeof answer === 'boolean') return answer ? MATCH : NO_MATCH
      if (answer === undefined) throw new FilterFault('costly', 'out of memory')
      if (answer === PROMISE) throw new FilterFault('costly', 'it left a promise: a filter answers at once')
      return told(answer, machine.starved)
    } catch (error) {
      if (!(error instanceof FilterFault) || error.kind === 'costly') this.#booted = undefined
      throw faultOf(error, `no answer within ${this.options.timeoutMs} ms`)
    }
  }

  /** What the filter's code holds at this moment; zeros while it has no machine, or will not tell. */
  memory(): { readonly bytes: number; readonly allocations: number } {
    try {
      // The figures come as an object of the code's own world, which may have spoilt it.
      this.#booted?.machine.within(LOAD_TIMES * this.options.timeoutMs)
      return this.#booted?.machine.memory() ?? NO_MEMORY
    } catch {
      this.#booted = undefined
      return NO_MEMORY
    }
  }

  #boot(): Booted & { readonly declaration: Declaration } {
    const { timeoutMs, memoryBytes, monotonic, lookup } = this.options
    try {
      const machine = new Machine({
        memoryBytes,
        monotonic,
        lookup: (list, value) => Number(lookup(list, value) ?? 2),
      })
      machine.free(machine.eval(WITHOUT_CLOCK, 'sandbox', EVAL_SCRIPT))
      const declare = machine.eval(DECLARE, 'sandbox', EVAL_SCRIPT)
      const sample = machine.call(machine.eval(SAMPLE, 'sandbox', EVAL_SCRIPT), machine.lookupFunction())
      const decide = machine.eval(DECIDE, 'sandbox', EVAL_SCRIPT)
      machine.within(loadMs(timeoutMs))
      const module = machine.eval(this.source, `${this.name}.js`, EVAL_MODULE)
      if (machine.jobPending) throw new FilterFault('costly', WAITS)
      const declaration = declared(machine.string(machine.call(declare, module)))
      return { machine, decide: machine.call(decide, module), sample, declaration }
    } catch (error) {
      throw faultOf(error, `it did not load within ${loadMs(timeoutMs)} ms`)
    }
  }
}

function faultOf(error: unknown, late: string): FilterFault {
  if (error instanceof FilterFault) return error
  if (error instanceof DeadlinePassed) return new FilterFault('timeout', late)
  if (error instanceof CodeThrew) return new FilterFault('costly', fromDump(error.message))
  // A stack that ran over, or a trap of the wasm. Whatever it is, the machine is gone and the message goes on.
  const overran = error instanceof RangeError || error instanceof WebAssembly.RuntimeError
  return new FilterFault(
    'costly',
    overran ? 'it ran out of its stack or memory' : `the sandbox broke down: ${error}`,
  )
}

/**
 * The answer that a text stands for: see `DECIDE`. A filter that fails for want of memory would fail on the next message
 * too, and on all after it: its machine goes.
 */
function told(answer: string, starved: boolean): Answer {
  const reason = oneLine(answer.slice(1), REASON_CHARACTERS_MAX)
  if (answer.startsWith('y')) return { match: true, reason }
  if (answer.startsWith('n')) return { match: false, reason }
  const [text = '', stack = ''] = answer.slice(1).split('\u0001')
  const what = starved && !text.includes('out of memory') ? `out of memory, and ${text}` : text
  throw new FilterFault(starved ? 'costly' : 'error', oneLine(withPlace(what, stack), TEXT_CHARACTERS_MAX))
}

/** The text of an exception as QuickJS dumps it: JSON of its name, message and stack, or something else. */
function fromDump(dump: string): string {
  let text = `it threw ${dump}`
  try {
    const { name, message, stack }: Record<string, unknown> = JSON.parse(dump)
    if (typeof message === 'string') {
      text = withPlace(name === 'Error' ? message : `${name}: ${message}`, String(stack))
    }
  } catch {
    // Not JSON: a filter may throw anything, and the text is all there is to tell.
  }
  return oneLine(text, TEXT_CHARACTERS_MAX)
}

/**
 * The first line of the stack that is the filter's own says where: `name.js:3:14`. The stack may be of the filter's
 * making, so the expression is one that no text makes slow: a name has at most 64 characters.
 */
function withPlace(text: string, stack: string): string {
  const place = /[\w.-]{1,64}\.js:\d+:\d+/.exec(stack)?.[0]
  return place === undefined ? text : `${text} (${place})`
}

function declared(json: string): Declaration {
  const { description, blacklist, active, mode }: Record<string, unknown> = JSON.parse(json)
  return {
    description: oneLine(String(description), TEXT_CHARACTERS_MAX),
    blacklist: blacklist === true,
    active: active === true,
    mode: mode === 'shadow' ? 'shadow' : 'enforce',
  }
}

/** What came from inside, fit for a log, a header or an answer: no control characters, no line ends, bounded. */
function oneLine(text: string, charactersMax: number): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ').trim()
  return clean.length > charactersMax ? `${clean.slice(0, charactersMax - 1).toWellFormed()}…` : clean
}
