import type { HistogramData } from './histogram.ts'
import type { HttpRow } from './http_tally.ts'
import type { ProcessUsage } from './process.ts'

/** Where the numbers live. Each part keeps plain counters; they are read when somebody scrapes, and not before. */
export interface MetricsSources {
  readonly build: { readonly version: string; readonly commit: string }
  http(): Iterable<HttpRow>
  /** Sends by their result, of a bounded set. */
  sends(): Iterable<readonly [result: string, count: number]>
  /** Asked once a scrape. */
  filters(): Iterable<FilterRow> | Promise<Iterable<FilterRow>>
  /** `broken`: their file as it stands is not in force. */
  rules(): { readonly count: number; readonly broken: boolean }
  links(): Iterable<LinkRow>
  /** Messages that wait, by pool. */
  queues(): Iterable<{ readonly name: string; readonly queued: number }>
  store(): StoreCounts
  /** Undefined where there is none. */
  spool(): SpoolCounts | undefined
  /** Refusals by level, `global` and `app`. */
  rateLimits(): Iterable<readonly [level: string, refused: number]>
  receipts(): ReceiptCounts
  licence(): LicenceRow
  process(): ProcessUsage
  openFiles(): Promise<number>
  /** Seconds that the loop was late. */
  loopLag(): HistogramData
}

export interface FilterRow {
  readonly name: string
  readonly state: string
  /** Why the file as it stands is not in force; empty when it is. */
  readonly error: string
  /** Messages shown to it. */
  readonly hits: number
  readonly matches: number
  readonly refusals: number
  /** Of every kind, timeouts among them. */
  readonly errors: number
  readonly timeouts: number
  /** Microseconds an answer. */
  readonly p50_us: number
  readonly p99_us: number
}

export interface LinkRow {
  readonly name: string
  readonly state: string
  readonly limitTps: number
  readonly stats: {
    readonly inFlight: number
    readonly window: number
    readonly sentLastSecond: number
    readonly rttMs: number
    readonly submitted: number
    readonly accepted: number
    readonly refused: ReadonlyMap<number, number>
    readonly refusedOtherwise: number
    readonly unknown: number
    readonly unwritten: number
    readonly delivered: number
  }
}

export interface StoreCounts {
  readonly commits: number
  /** Writes over all commits: `writes / commits` is the size of a batch. */
  readonly writes: number
  readonly failures: number
  /** Time spent in commits. */
  readonly seconds: number
  /** True while writes fail. */
  readonly faulty: boolean
}

export interface SpoolCounts {
  readonly entries: number
  readonly entriesMax: number
  /** Of the entry that waits the longest. */
  readonly ageMs: number
  readonly spooled: number
  readonly replayed: number
  readonly refused: number
}

export interface ReceiptCounts {
  readonly matched: number
  /** Kept, for want of a message. */
  readonly held: number
  /** The store did not take it. */
  readonly failed: number
  /** No receipts, but MO messages and their segments. */
  readonly inbound: number
}

export interface LicenceRow {
  readonly status: 'active' | 'expired' | 'none'
  readonly max_connections: number
  readonly max_tps: number
  /** `YYYY-MM-DD`, or empty. */
  readonly valid_until: string
}
