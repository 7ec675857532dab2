import type { FilterState } from '../filters/index.ts'
import type { LicenceView } from '../licence/licence.ts'
import type { ReceiptCounts } from '../receipt.ts'
import type { LinkStats } from '../smpp/counters.ts'
import type { LinkState } from '../smpp/link.ts'
import type { SpoolCounts } from '../store/spooled_store.ts'
import type { StoreCounts } from '../store/store.ts'
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
  /** `faulty`: writes fail. */
  store(): Readonly<StoreCounts> & { readonly faulty: boolean }
  /** Undefined where there is none. */
  spool(): SpoolCounts | undefined
  /** Refusals by level, `global` and `app`. */
  rateLimits(): Iterable<readonly [level: string, refused: number]>
  receipts(): Readonly<ReceiptCounts>
  licence(): Omit<LicenceView, 'company'>
  process(): ProcessUsage
  openFiles(): Promise<number>
  /** Seconds that the loop was late. */
  loopLag(): HistogramData
}

export type FilterRow = Pick<
  FilterState,
  'name' | 'state' | 'error' | 'hits' | 'matches' | 'refusals' | 'errors' | 'timeouts' | 'p50_us' | 'p99_us'
>

export interface LinkRow {
  readonly name: string
  readonly state: LinkState
  readonly limitTps: number
  readonly stats: LinkStats
}
