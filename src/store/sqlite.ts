import type { Database } from 'bun:sqlite'
import { closeSync, fdatasync, openSync, realpathSync } from 'node:fs'
import type { Cancel, Clock } from '../clock.ts'
import { SqliteAccounts } from './sqlite_accounts.ts'
import { SqliteReader } from './sqlite_reader.ts'
import { UUID } from './sqlite_rows.ts'
import { openDatabase, writeFault } from './sqlite_schema.ts'
import { type Outcome, SqliteWriter, type Write } from './sqlite_writer.ts'
import { type Claim, type Earlier, type MessageStore, type StoreCounts, StoreError } from './store.ts'

export interface SqliteStoreOptions {
  readonly path: string
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'soon' | 'after'>
  /** How long messages and MO messages are kept. */
  readonly retentionMs: number
  /** Writes that wait for their commit; one more is refused at once. */
  readonly pendingMax?: number
  /** Receipts without a message; past it the oldest is forgotten. */
  readonly heldMax?: number
  /** Rows that one `sweep` deletes: what bounds how long it holds the loop. */
  readonly sweepRowsMax?: number
}

/** Bounds how long one transaction holds the loop: about 10 µs a write. */
const BATCH_WRITES_MAX = 256
/** Between the tries that show whether writes succeed again when nobody else writes. */
const PROBE_MS = 1000

/** Throws a {@link StoreError} that tells the operator what is wrong with the file. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<MessageStore> {
  const db = openDatabase(options.path)
  // What was copied before may change from now on: a copy that was interrupted has to begin anew.
  db.run('DELETE FROM copying')
  return new SqliteStore(options, db, openLog(options.path))
}

/** SQLite's write-ahead log, which this store syncs by itself. */
export interface Log {
  /** Puts all that was written before on disk. */
  sync(done: (error: Error | null) => void): void
  close(): void
}

export function openLog(path: string): Log {
  const file = openSync(`${realpathSync(path)}-wal`, 'r+')
  return { sync: done => fdatasync(file, done), close: () => closeSync(file) }
}

interface Pending {
  readonly write: Write
  readonly resolve: (value: never) => void
  readonly reject: (error: StoreError) => void
}

/**
 * Group commit: what is asked in a turn of the loop, and what is asked while the disk is busy, goes into one
 * transaction. The transaction runs in the thread and ends in the log's page cache; the fsync of the log, which
 * may take long, runs beside the loop, and the promises resolve after it.
 */
export class SqliteStore implements MessageStore {
  readonly #writer: SqliteWriter
  readonly #reader: SqliteReader
  readonly #pendingMax: number
  readonly #counts: StoreCounts = { commits: 0, writes: 0, failures: 0, seconds: 0 }
  #queue: Pending[] = []
  /** In the transaction whose fsync is under way. */
  #unsynced: readonly Pending[] = []
  #scheduled = false
  #closed = false
  #fault: string | undefined
  /** After a failed fsync nobody knows what the disk holds (the kernel forgets the pages): only a restart can tell. */
  #lost = false
  #idle: (() => void) | undefined
  #cancelProbe: Cancel = () => {}

  constructor(
    private readonly options: SqliteStoreOptions,
    private readonly db: Database,
    private readonly log: Log,
  ) {
    const accounts = new SqliteAccounts(db)
    const { retentionMs, heldMax = 100_000, sweepRowsMax = 500, pendingMax = 50_000 } = options
    this.#reader = new SqliteReader(db, accounts)
    this.#writer = new SqliteWriter(db, accounts, this.#reader, { retentionMs, heldMax, sweepRowsMax })
    this.#pendingMax = pendingMax
  }

  claim: MessageStore['claim'] = (claim, message) => this.#write({ op: 'claim', claim, message }, message.id)
  save: MessageStore['save'] = message => this.#write({ op: 'save', message }, message.id)
  settle: MessageStore['settle'] = receipt => this.#write({ op: 'settle', receipt })
  resolve: MessageStore['resolve'] = late => this.#write({ op: 'resolve', late }, late.messageId)
  keepInbound: MessageStore['keepInbound'] = inbound =>
    this.#write({ op: 'keepInbound', inbound }, inbound.id)
  recover: MessageStore['recover'] = before => this.#write({ op: 'recover', before })
  sweep: MessageStore['sweep'] = now => this.#write({ op: 'sweep', now })

  find: MessageStore['find'] = id => this.#read(reader => reader.find(id))
  unmatched: MessageStore['unmatched'] = page => this.#read(reader => reader.unmatched(page))
  inbox: MessageStore['inbox'] = page => this.#read(reader => reader.inbox(page))
  totals: MessageStore['totals'] = () => this.#read(reader => reader.totals())
  campaigns: MessageStore['campaigns'] = page => this.#read(reader => reader.campaigns(page))
  topCampaigns: MessageStore['topCampaigns'] = count => this.#read(reader => reader.topCampaigns(count))

  fault(): string | undefined {
    return this.#fault
  }

  counts(): Readonly<StoreCounts> {
    return this.#counts
  }

  /** Who is answered from an earlier commit waits until that one is on disk too. */
  async recall(claim: Claim): Promise<Earlier | undefined> {
    const earlier = await this.#read(reader => reader.recall(claim, this.options.clock.now()))
    if (earlier) await this.#write({ op: 'probe' })
    return earlier
  }

  /** What was asked before still gets its commit. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#cancelProbe()
    if (this.#queue.length + this.#unsynced.length > 0) await new Promise<void>(idle => (this.#idle = idle))
    this.db.close()
    this.log.close()
  }

  async #read<T>(ask: (reader: SqliteReader) => T): Promise<T> {
    if (this.#closed) throw new StoreError('the store is closed')
    try {
      return ask(this.#reader)
    } catch (cause) {
      throw new StoreError('the store cannot be read', { cause })
    }
  }

  #write<T>(write: Write, id?: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(id)
      if (refusal) return reject(new StoreError(refusal))
      this.#queue.push({ write, resolve, reject })
      if (this.#unsynced.length === 0) this.#schedule()
    })
  }

  #refusal(id: string | undefined): string | undefined {
    if (this.#closed) return 'the store is closed'
    if (this.#lost) return this.#fault
    if (this.#queue.length + this.#unsynced.length >= this.#pendingMax)
      return 'too many writes wait for the store'
    return id !== undefined && !UUID.test(id) ? 'the id is no UUID' : undefined
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return
    this.#scheduled = true
    this.options.clock.soon(() => this.#commit())
  }

  #commit(): void {
    this.#scheduled = false
    const batch = this.#queue.splice(0, BATCH_WRITES_MAX)
    const startedAt = this.options.clock.monotonic()
    let outcomes: readonly Outcome[]
    try {
      outcomes = this.#writer.run(
        batch.map(pending => pending.write),
        this.options.clock.now(),
      )
    } catch (cause) {
      this.#fail(batch, writeFault(cause), cause)
      this.#next()
      return
    }
    this.#unsynced = batch
    this.log.sync(error => {
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
        this.#counts.seconds += (this.options.clock.monotonic() - startedAt) / 1000
        for (const [index, pending] of batch.entries()) answer(pending, outcomes[index])
      }
      this.#next()
    })
  }

  #next(): void {
    this.#schedule()
    if (this.#queue.length === 0) this.#idle?.()
  }

  #fail(batch: readonly Pending[], fault: string, cause: unknown): void {
    this.#fault = fault
    this.#counts.failures++
    this.#probeLater()
    for (const pending of batch) pending.reject(new StoreError('the store did not take it', { cause }))
  }

  /** A gateway that reports itself not ready gets no traffic that could show that the disk is well again. */
  #probeLater(): void {
    this.#cancelProbe()
    if (this.#closed || this.#lost) return
    this.#cancelProbe = this.options.clock.after(PROBE_MS, () => {
      if (this.#fault !== undefined) this.#write({ op: 'probe' }).catch(() => {})
    })
  }
}

function answer(pending: Pending, outcome: Outcome | undefined): void {
  if (!outcome || 'refused' in outcome)
    pending.reject(new StoreError(outcome?.refused ?? 'the store gave no answer'))
  else pending.resolve(outcome.value as never)
}
