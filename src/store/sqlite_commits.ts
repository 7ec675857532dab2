import type { Cancel, Clock } from '../clock.ts'
import { writeFault } from './sqlite_file.ts'
import type { Log } from './sqlite_log.ts'
import { type StoreCounts, StoreError } from './store.ts'

/** What a write answers, or why it was left out. */
export type Outcome = { readonly value: unknown } | { readonly refused: string }

export interface CommitOptions<Write> {
  /** One transaction for all of them: throws when the database fails, and nothing of them has happened then. */
  readonly run: (writes: readonly Write[]) => readonly Outcome[]
  /** A write that changes nothing, and shows whether writes succeed. */
  readonly probe: Write
  readonly log: Log
  readonly clock: Pick<Clock, 'monotonic' | 'soon' | 'after'>
  /** Writes that wait for their commit; one more is refused at once. */
  readonly pendingMax: number
  /**
   * After a batch that tells of load the next begins so much later at the earliest: an fsync costs the same for two
   * writes and for fifty, and those that come meanwhile share one. 0, or absent: as soon as the disk is free.
   */
  readonly paceMs?: number | undefined
}

/** What so many writes in one batch tell: with fewer under way, all would only wait for each other. */
const LOAD_WRITES = 40
/** Bounds how long one transaction holds the loop: about 10 µs a write. */
const BATCH_WRITES_MAX = 256
/** Between the tries that show whether writes succeed again when nobody else writes. */
const PROBE_MS = 1000

interface Pending<Write> {
  readonly write: Write
  readonly resolve: (value: never) => void
  readonly reject: (error: StoreError) => void
}

/**
 * Group commit: what is asked in a turn of the loop, and what is asked while the disk is busy, goes into one
 * transaction. The transaction runs in the thread and ends in the log's page cache; the fsync of the log, which
 * may take long, runs beside the loop, and the promises resolve after it.
 */
export class SqliteCommits<Write> {
  readonly #counts: StoreCounts = { commits: 0, writes: 0, failures: 0, seconds: 0 }
  #queue: Pending<Write>[] = []
  /** In the transaction whose fsync is under way. */
  #unsynced: readonly Pending<Write>[] = []
  #scheduled = false
  /** Monotonic milliseconds before which the next batch does not begin. */
  #nextAt = Number.NEGATIVE_INFINITY
  #closed = false
  #fault: string | undefined
  /** After a failed fsync nobody knows what the disk holds (the kernel forgets the pages): only a restart can tell. */
  #lost = false
  #idle: (() => void) | undefined
  #cancelProbe: Cancel = () => {}

  constructor(private readonly options: CommitOptions<Write>) {}

  /** Undefined while writes succeed, else why not. */
  get fault(): string | undefined {
    return this.#fault
  }

  get counts(): Readonly<StoreCounts> {
    return this.#counts
  }

  write<T>(write: Write): Promise<T> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal()
      if (refusal !== undefined) return reject(new StoreError(refusal))
      this.#queue.push({ write, resolve, reject })
      if (this.#unsynced.length === 0) this.#schedule()
    })
  }

  /** What was asked before still gets its commit. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelProbe()
    if (this.#queue.length + this.#unsynced.length > 0) await new Promise<void>(idle => (this.#idle = idle))
  }

  #refusal(): string | undefined {
    if (this.#closed) return 'the store is closed'
    if (this.#lost) return this.#fault
    const waiting = this.#queue.length + this.#unsynced.length
    return waiting >= this.options.pendingMax ? 'too many writes wait for the store' : undefined
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return
    this.#scheduled = true
    const { clock } = this.options
    const waitMs = this.#nextAt - clock.monotonic()
    if (waitMs > 0) clock.after(waitMs, () => this.#commit())
    else clock.soon(() => this.#commit())
  }

  #commit(): void {
    this.#scheduled = false
    const { clock, log, run, paceMs = 0 } = this.options
    const batch = this.#queue.splice(0, BATCH_WRITES_MAX)
    const startedAt = clock.monotonic()
    if (batch.length >= LOAD_WRITES) this.#nextAt = startedAt + paceMs
    let outcomes: readonly Outcome[]
    try {
      outcomes = run(batch.map(pending => pending.write))
    } catch (cause) {
      this.#fail(batch, writeFault(cause), cause)
      this.#next()
      return
    }
    this.#unsynced = batch
    log.sync(error => {
      this.#unsynced = []
      if (error) {
        this.#lost = true
        this.#fail(
          [...batch, ...this.#queue.splice(0)],
          'the disk lost a write: restart when it is sound',
          error,
        )
      } else {
        this.#fault = undefined
        this.#counts.commits++
        this.#counts.writes += batch.length
        this.#counts.seconds += (clock.monotonic() - startedAt) / 1000
        for (const [index, pending] of batch.entries()) answer(pending, outcomes[index])
      }
      this.#next()
    })
  }

  #next(): void {
    this.#schedule()
    if (this.#queue.length === 0) this.#idle?.()
  }

  #fail(batch: readonly Pending<Write>[], fault: string, cause: unknown): void {
    this.#fault = fault
    this.#counts.failures++
    this.#probeLater()
    for (const pending of batch) pending.reject(new StoreError('the store did not take it', { cause }))
  }

  /** A gateway that reports itself not ready gets no traffic that could show that the disk is well again. */
  #probeLater(): void {
    this.#cancelProbe()
    if (this.#closed) return
    this.#cancelProbe = this.options.clock.after(PROBE_MS, () => {
      if (this.#fault !== undefined) this.write(this.options.probe).catch(() => {})
    })
  }
}

function answer<Write>(pending: Pending<Write>, outcome: Outcome | undefined): void {
  if (!outcome || 'refused' in outcome)
    pending.reject(new StoreError(outcome?.refused ?? 'the store gave no answer'))
  else pending.resolve(outcome.value as never)
}
