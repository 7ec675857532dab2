import { type Cancel, type Clock, nextTurn } from '../clock.ts'
import { byName, Chain, type ChainLink, callersWords } from './chain.ts'
import type { FilterMessage, Filters, Verdict } from './filter.ts'
import { type FilterLogger, Loader, NO_FOLDER } from './loader.ts'
import { type Declaration, FilterFault, pack, Sandbox } from './sandbox.ts'
import { TRIP_APPS } from './tally.ts'

export { TRIPPED } from './chain.ts'
export type { FilterLogger } from './loader.ts'

export interface FiltersOptions {
  /** The folder of `<name>.js` and `<name>.txt`; one that is not there yet holds none. */
  readonly dir: string
  /** For one filter's answer to one message. */
  readonly timeoutMs: number
  /** What one filter's code may allocate. */
  readonly memoryBytes: number
  /** What becomes of a message when a filter does not answer. */
  readonly onError: 'reject' | 'pass'
  readonly clock: Clock
  readonly logger: FilterLogger
  /** Told how many filters are asked from now on. */
  readonly swapped?: (active: number) => void
}

/** `broken`: there is no good version of it. `tripped`: out of use for a while, for some apps or all, after it failed repeatedly. */
export const FILTER_STATES = ['active', 'shadow', 'inactive', 'tripped', 'broken'] as const

export interface FilterState extends Declaration {
  readonly name: string
  readonly state: (typeof FILTER_STATES)[number]
  /** While it is tripped: the apps whose messages it failed on, and is out of use for; empty when it is so for all. */
  readonly tripped_apps: readonly number[]
  /** Why the file as it stands is not in force (its last good version may be); empty when it is. */
  readonly error: string
  /** Messages it was asked about, or would have been but for being tripped. */
  readonly hits: number
  readonly matches: number
  /** Messages its answer refused or, in shadow mode, would have; `on_error` refuses others. */
  readonly refusals: number
  /** Questions it failed to answer, for whatever cause; `on_error` decided them. */
  readonly errors: number
  readonly timeouts: number
  /** Microseconds an answer. */
  readonly p50_us: number
  readonly p99_us: number
  /** Found by walking the filter's heap, which holds up what it does: 0 unless it is asked for. */
  readonly memory_bytes: number
  /** All of its answers together. */
  readonly seconds: number
  readonly last_error: string
  /** Unix seconds; 0 when there was none. */
  readonly last_error_at: number
  /** Unix seconds. */
  readonly changed_at: number
  readonly snippet: string
}

export interface ListState {
  readonly name: string
  readonly entries: number
  readonly error: string
  /** Unix seconds. */
  readonly changed_at: number
}

export interface Inspection {
  /** Why the folder could not be looked at the last time; empty when it could. */
  readonly folder_error: string
  /** By name. */
  readonly filters: readonly FilterState[]
  readonly lists: readonly ListState[]
}

/** A snippet or the name of a filter, and what to ask it about; what is left out is `SAMPLE_MESSAGE`'s. */
export interface TestRequest {
  readonly snippet?: string
  readonly name?: string
  readonly message: Partial<FilterMessage>
}

export interface TestResult {
  /** What the filter does to the message while it is active and enforces. */
  readonly verdict: 'pass' | 'reject'
  readonly match: boolean
  /** What the caller of a message that it refuses hears. */
  readonly reason: string
  readonly time_us: number
  /** Why there was no answer, in which case the verdict is that of `on_error`; empty when there was one. */
  readonly error: string
}

export interface InspectionRequest {
  /** Weighs them, which takes a while. */
  readonly memory?: boolean
  /** Their states are those for its messages. */
  readonly app?: number
}

/** What operators ask; filters in a thread of their own take a moment to answer. */
export interface FilterDesk {
  inspect(request?: InspectionRequest): Inspection | Promise<Inspection>
  /** Asks a filter apart from the live ones: nothing of it is counted or kept. */
  test(request: TestRequest): TestResult | Promise<TestResult>
}

export interface OpenFilters extends Filters, FilterDesk {
  check(sms: FilterMessage): Verdict
  inspect(request?: InspectionRequest): Inspection
  test(request: TestRequest): TestResult
  /** Looks at the folder now, and takes what it sees. */
  reload(): Promise<void>
  close(): Promise<void>
}

export const SAMPLE_MESSAGE: FilterMessage = {
  source: 'MyCompany',
  destination: '447700900123',
  message: 'Your code is 123456',
  esme: 1,
  app_id: 1,
  app_name: 'default',
  transaction_id: '',
  campaign_uuid: 'app-1',
  encoding: 'gsm7',
  parts: 1,
  time: 1_767_225_600,
}

/** What is not in force as it stands, a line each: files, and a folder that may hold filters which nobody can read. */
export function broken({ folder_error, filters, lists }: Inspection): readonly string[] {
  const none = folder_error === NO_FOLDER && filters.length + lists.length === 0
  const line =
    (suffix: string) =>
    ({ name, error }: { readonly name: string; readonly error: string }) =>
      error === '' ? [] : [`${name}${suffix}: ${error}`]
  const files = [...filters.flatMap(line('.js')), ...lists.flatMap(line('.txt'))]
  return folder_error === '' || none ? files : [folder_error, ...files]
}

/** In words for an operator. */
export const cannotBeUsed = (lines: readonly string[]): string =>
  ['filters that cannot be used:', ...lines].join('\n  ')

/** A change is taken at the second look that sees it: within two of these and the time to load it. */
export const LOOK_MS = 300
/** A filter that fails on every message is logged once in so long. */
const FAULT_LOG_MS = 10_000
const UNDECLARED: Declaration = { description: '', blacklist: true, active: false, mode: 'enforce' }

/**
 * Opens a folder of filters and keeps up with it. Rejects when it or a file in it is broken and `onError` is `reject`,
 * since messages would go past a check that the operator counts on; later a broken file keeps its last good version.
 */
export async function openFilters(options: FiltersOptions): Promise<OpenFilters> {
  const filters = new LiveFilters(options)
  await filters.reload()
  const lines = broken(filters.inspect())
  if (options.onError === 'reject' && lines.length > 0) {
    throw new Error(`${options.dir}: ${cannotBeUsed(lines)}`)
  }
  filters.watch()
  return filters
}

class LiveFilters implements OpenFilters {
  readonly #chain: Chain
  readonly #loader: Loader
  #scan: Promise<void> = Promise.resolve()
  #cancel: Cancel = () => {}
  #closed = false

  constructor(private readonly options: FiltersOptions) {
    const { clock, dir, logger, onError, swapped } = options
    this.#chain = new Chain({
      onError,
      monotonic: clock.monotonic,
      now: clock.now,
      failed: (filter, fault, trippedFor) => this.#logFault(filter, fault, trippedFor),
    })
    this.#loader = new Loader({
      dir,
      logger,
      now: clock.now,
      compile: (name, source) => this.#compile(name, source),
      swap: links => {
        this.#chain.replace(links)
        swapped?.(this.#chain.active)
      },
      pause: () => nextTurn(clock),
    })
  }

  check(sms: FilterMessage): Verdict {
    return this.#chain.check(sms)
  }

  inspect({ memory = false, app }: InspectionRequest = {}): Inspection {
    const now = this.options.clock.monotonic()
    const filters = [...this.#loader.filters].map(
      ([name, { sandbox, tally, error, changedAt }]): FilterState => {
        const declaration = sandbox?.declaration ?? UNDECLARED
        const tripped = tally.trippedApps(now)
        return {
          name,
          state: stateOf(sandbox, app === undefined ? tripped.length > 0 : tally.trippedAt(now, app)),
          tripped_apps: tripped.length < TRIP_APPS ? tripped : [],
          ...declaration,
          error,
          hits: tally.hits,
          matches: tally.matches,
          refusals: tally.refusals,
          errors: tally.errors,
          timeouts: tally.timeouts,
          p50_us: tenths(tally.took.percentile(0.5)),
          p99_us: tenths(tally.took.percentile(0.99)),
          seconds: Math.round(tally.tookSeconds * 1e6) / 1e6,
          memory_bytes: memory ? (sandbox?.memory().bytes ?? 0) : 0,
          last_error: tally.lastError,
          last_error_at: Math.floor(tally.lastErrorAt / 1000),
          changed_at: Math.floor(changedAt / 1000),
          snippet: sandbox?.source ?? '',
        }
      },
    )
    const lists = [...this.#loader.lists].map(
      ([name, { list, error, changedAt }]): ListState => ({
        name,
        entries: list?.entries ?? 0,
        error,
        changed_at: Math.floor(changedAt / 1000),
      }),
    )
    return {
      folder_error: this.#loader.folderError,
      filters: filters.sort(byName),
      lists: lists.sort(byName),
    }
  }

  test({ snippet, name, message }: TestRequest): TestResult {
    const { clock, onError } = this.options
    const loaded = this.#loader.filters.get(name ?? '')
    const source = snippet ?? loaded?.sandbox?.source
    const failed = (error: string, reason: string, time_us: number): TestResult => {
      const told = onError === 'reject' ? reason : ''
      return { verdict: onError, match: false, reason: told, time_us, error }
    }
    if (source === undefined) return failed(loaded?.error ?? 'there is no filter of that name', '', 0)
    const microsSince = (from: number): number => tenths((clock.monotonic() - from) * 1000)
    let began = clock.monotonic()
    try {
      const sandbox = this.#compile(name ?? 'snippet', source)
      const packed = pack({ ...SAMPLE_MESSAGE, time: Math.floor(clock.now() / 1000), ...message })
      began = clock.monotonic()
      const { match, reason } = sandbox.ask(packed)
      return {
        verdict: match === sandbox.declaration.blacklist ? 'reject' : 'pass',
        match,
        reason,
        time_us: microsSince(began),
        error: '',
      }
    } catch (error) {
      if (!(error instanceof FilterFault)) throw error
      return failed(error.message, callersWords(error), microsSince(began))
    }
  }

  reload(): Promise<void> {
    return this.#look(false)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancel()
    await this.#scan
  }

  watch(): void {
    if (this.#closed) return
    this.#cancel = this.options.clock.after(LOOK_MS, () => void this.#look(true).then(() => this.watch()))
  }

  /** One look at a time. */
  #look(settled: boolean): Promise<void> {
    this.#scan = this.#scan.then(() => this.#loader.scan(settled))
    return this.#scan
  }

  #compile(name: string, source: string): Sandbox {
    const { clock, memoryBytes, timeoutMs } = this.options
    const { lookup } = this.#loader
    return new Sandbox(name, source, { timeoutMs, memoryBytes, lookup, monotonic: clock.monotonic })
  }

  #logFault({ sandbox, tally }: ChainLink, fault: FilterFault, trippedFor: number | undefined): void {
    const { clock, logger, onError } = this.options
    const now = clock.monotonic()
    if (trippedFor === undefined && now - tally.loggedAt < FAULT_LOG_MS) return
    tally.loggedAt = now
    const fields = { filter: sandbox.name, kind: fault.kind, error: fault.message, on_error: onError }
    if (trippedFor === undefined) logger.warn(fields, 'filter failed')
    else
      logger.warn(
        { ...fields, app: trippedFor },
        'filter failed repeatedly and is out of use for a while for this app',
      )
  }
}

function stateOf(sandbox: Sandbox | undefined, tripped: boolean): FilterState['state'] {
  if (!sandbox) return 'broken'
  const { active, mode } = sandbox.declaration
  if (!active) return 'inactive'
  if (tripped) return 'tripped'
  return mode === 'shadow' ? 'shadow' : 'active'
}

/** Of a microsecond: more digits than that a clock does not tell. */
const tenths = (micros: number): number => Math.round(micros * 10) / 10
