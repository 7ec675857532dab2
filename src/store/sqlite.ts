import type { Database } from 'bun:sqlite'
import { type Clock, nextTurn } from '../clock.ts'
import type { Message } from '../message.ts'
import { isId } from '../message_id.ts'
import { SqliteAccounts } from './sqlite_accounts.ts'
import { SqliteCommits } from './sqlite_commits.ts'
import { type Log, openLog } from './sqlite_log.ts'
import { SqliteReader } from './sqlite_reader.ts'
import { openDatabase } from './sqlite_schema.ts'
import { TALLIES_MAX } from './sqlite_tallies.ts'
import { SqliteWriter, type Write } from './sqlite_writer.ts'
import {
  type CampaignTally,
  type ClaimKey,
  type Earlier,
  HELD_MAX,
  type InboxMessage,
  type MessageStore,
  type Page,
  type Rows,
  type StoreCounts,
  StoreError,
} from './store.ts'

export interface SqliteStoreOptions {
  readonly path: string
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'soon' | 'after'>
  /** How long messages and MO messages are kept. */
  readonly retentionMs: number
  /** Writes that wait for their commit; one more is refused at once. */
  readonly pendingMax?: number
  /** Under load, from the beginning of one commit to the next: see `sqlite_commits.ts`. */
  readonly paceMs?: number
  /** Receipts without a message; past it the oldest is forgotten. */
  readonly heldMax?: number
  /** Rows that one `sweep` deletes, those of SMSC ids among them: what bounds how long it holds the loop. */
  readonly sweepRowsMax?: number
  /** Campaigns and smes that are counted apart; past it new ones are counted under one name. */
  readonly talliesMax?: number
}

/** Throws a {@link StoreError} that tells the operator what is wrong with the file. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const db = openDatabase(options.path)
  // What was copied before may change from now on: a copy that was interrupted has to begin anew.
  db.run('DELETE FROM copying')
  return new SqliteStore(options, db, openLog(options.path))
}

/** A deep page is looked for over so many rows at a time, for 2 ms in the inbox: more where messages are long. */
const STEP_ROWS = 2000
/** Greater than any id. */
const ABOVE_ALL = new Uint8Array(17).fill(0xff)
/** Before all tallies. */
const NO_TALLY = { campaign: '', sme: -1 }

/** One file, of this process alone: each call is a write of a group commit. */
export class SqliteStore implements MessageStore {
  readonly #reader: SqliteReader
  readonly #commits: SqliteCommits<Write>
  #closed = false

  constructor(
    private readonly options: SqliteStoreOptions,
    private readonly db: Database,
    private readonly log: Log,
  ) {
    const accounts = new SqliteAccounts(db)
    const { clock, retentionMs, heldMax = HELD_MAX, sweepRowsMax = 500, pendingMax = 50_000 } = options
    const { talliesMax = TALLIES_MAX } = options
    const limits = { retentionMs, heldMax, sweepRowsMax, talliesMax }
    this.#reader = new SqliteReader(db, accounts)
    const writer = new SqliteWriter(db, accounts, this.#reader, limits)
    this.#commits = new SqliteCommits<Write>({
      run: writes => writer.run(writes, clock.now()),
      probe: { op: 'probe' },
      log,
      clock,
      pendingMax,
      paceMs: options.paceMs,
    })
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
  totals: MessageStore['totals'] = () => this.#read(reader => reader.totals())
  topCampaigns: MessageStore['topCampaigns'] = count => this.#read(reader => reader.topCampaigns(count))

  /** The message with the greatest id. */
  newest(): Pick<Message, 'id' | 'taskId'> | undefined {
    return this.#reader.newest()
  }

  fault(): string | undefined {
    return this.#commits.fault
  }

  counts(): Readonly<StoreCounts> {
    return this.#commits.counts
  }

  async inbox({ offset, limit }: Page): Promise<Rows<InboxMessage>> {
    const total = await this.#read(reader => reader.inboxSize())
    if (offset >= total) return { rows: [], total }
    const { place, left } = await this.#down<Uint8Array>(ABOVE_ALL, offset, (reader, above) =>
      reader.inboxDown(above, STEP_ROWS),
    )
    return { rows: await this.#read(reader => reader.inbox(place, { offset: left, limit })), total }
  }

  async campaigns({ offset, limit }: Page): Promise<Rows<CampaignTally>> {
    const total = await this.#read(reader => reader.tallyCount())
    if (offset >= total) return { rows: [], total }
    const { place, left } = await this.#down(NO_TALLY, offset, (reader, above) =>
      reader.tallyDown(above, STEP_ROWS),
    )
    return { rows: await this.#read(reader => reader.tallies(place, { offset: left, limit })), total }
  }

  /** The way down to a deep page leads over all rows above it: it goes in steps, and the loop turns between two. */
  async #down<T>(
    from: T,
    rows: number,
    step: (reader: SqliteReader, place: T) => T,
  ): Promise<{ readonly place: T; readonly left: number }> {
    let place = from
    let left = rows
    for (; left > STEP_ROWS; left -= STEP_ROWS) {
      place = await this.#read(reader => step(reader, place))
      await nextTurn(this.options.clock)
    }
    return { place, left }
  }

  /** Who is answered from an earlier commit waits until that one is on disk too. */
  async recall(key: ClaimKey): Promise<Earlier | undefined> {
    const earlier = await this.#read(reader => reader.recall(key, this.options.clock.now()))
    if (earlier) await this.#write({ op: 'probe' })
    return earlier
  }

  /** What was asked before still gets its commit. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#commits.close()
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
    if (id !== undefined && !isId(id)) return Promise.reject(new StoreError('the id is no UUID'))
    return this.#commits.write(write)
  }
}
