import { type Database, SQLiteError } from 'bun:sqlite'
import type { Clock, Random } from '../clock.ts'
import { type Book, type CopySide, type Failure, parseProgress, type Shelves } from './copy.ts'
import { SqliteAccounts } from './sqlite_accounts.ts'
import { writeFault } from './sqlite_file.ts'
import { SqliteReader } from './sqlite_reader.ts'
import { openDatabase } from './sqlite_schema.ts'
import { claimShelf, heldShelf, inboundShelf, messageShelf } from './sqlite_shelves.ts'
import { SqliteTallies, TALLIES_MAX } from './sqlite_tallies.ts'
import { SqliteWriter } from './sqlite_writer.ts'
import { type CampaignTally, HELD_MAX } from './store.ts'

export interface SqliteCopyOptions {
  readonly path: string
  readonly retentionMs: number
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  /** Rows that are copied together. */
  readonly rowsMax?: number
}

const ID_OCTETS = 8

/** A file as one side of a copy. It belongs to this process meanwhile: no gateway can open it. */
export class SqliteCopy implements CopySide {
  readonly id: string
  readonly opening = ''
  readonly retentionMs: number
  readonly shelves: Shelves
  readonly #db: Database
  readonly #accounts: SqliteAccounts
  readonly #writer: SqliteWriter
  readonly #tallies: SqliteTallies

  /** Throws a {@link StoreError} that tells the operator what is wrong with the file. */
  constructor(private readonly options: SqliteCopyOptions) {
    const { path, retentionMs, clock, random, rowsMax = 2000 } = options
    const db = openDatabase(path)
    // Nobody waits for an answer here: the log is synced within each commit.
    db.run('PRAGMA synchronous = FULL')
    const accounts = new SqliteAccounts(db)
    const limits = { retentionMs, heldMax: HELD_MAX, sweepRowsMax: 0, talliesMax: TALLIES_MAX }
    this.#db = db
    this.#accounts = accounts
    this.#writer = new SqliteWriter(db, accounts, new SqliteReader(db, accounts), limits)
    // What a copy brings keeps its name: a copy back has to know it.
    this.#tallies = new SqliteTallies(db, Number.POSITIVE_INFINITY)
    this.retentionMs = retentionMs
    this.id = this.#identity(random)
    const transaction = (work: () => void) => this.#transaction(work)
    const parts = { db, accounts, writer: this.#writer, clock, id: this.id, rowsMax, transaction }
    this.shelves = {
      messages: messageShelf(parts),
      claims: claimShelf(parts),
      inbound: inboundShelf(parts),
      held: heldShelf(parts),
    }
  }

  async prepare(): Promise<void> {
    this.#writer.run([{ op: 'recover', before: Number.MAX_SAFE_INTEGER }], this.options.clock.now())
  }

  async undisturbed(): Promise<void> {}

  async tallies(): Promise<readonly CampaignTally[]> {
    return this.#db.query('SELECT campaign, sme, sent, failed FROM tally').all() as CampaignTally[]
  }

  async received(from: string): Promise<readonly CampaignTally[]> {
    const rows = this.#db.query('SELECT campaign, sme, sent, failed FROM received WHERE store = ?').all(from)
    return rows as CampaignTally[]
  }

  async receive(from: string, tallies: readonly CampaignTally[]): Promise<void> {
    const find = this.#db.query(
      'SELECT sent, failed FROM received WHERE store = ? AND campaign = ? AND sme = ?',
    )
    const put = this.#db.query(
      'INSERT OR REPLACE INTO received (store, campaign, sme, sent, failed) VALUES (?,?,?,?,?)',
    )
    this.#transaction(() => {
      for (const { campaign, sme, sent, failed } of tallies) {
        const before = find.get(from, campaign, sme) as { sent: number; failed: number } | null
        const news = {
          campaign,
          sme,
          sent: sent - (before?.sent ?? 0),
          failed: failed - (before?.failed ?? 0),
        }
        if (news.sent === 0 && news.failed === 0) continue
        this.#tallies.add(news)
        put.run(from, campaign, sme, sent, failed)
      }
      this.#tallies.write()
    })
  }

  failure(error: unknown): Failure | undefined {
    return error instanceof SQLiteError
      ? { text: `${this.options.path}: ${writeFault(error)}`, mayPass: false }
      : undefined
  }

  /** Keeps how far the copy of this name has come. */
  book(name: string): Book {
    const find = this.#db.query('SELECT progress FROM copying WHERE copy = ?')
    const put = this.#db.query('INSERT OR REPLACE INTO copying (copy, progress) VALUES (?,?)')
    const remove = this.#db.query('DELETE FROM copying WHERE copy = ?')
    return {
      read() {
        const text = find.values(name)[0]?.[0]
        return typeof text === 'string' ? parseProgress(text) : undefined
      },
      write: progress => void put.run(name, JSON.stringify(progress)),
      clear: () => void remove.run(name),
    }
  }

  async close(): Promise<void> {
    this.#db.close()
  }

  #identity(random: Random): string {
    const find = this.#db.query('SELECT id FROM identity')
    const known = find.values()[0]?.[0]
    if (typeof known === 'string') return known
    const id = random(ID_OCTETS).toHex()
    this.#db.query('INSERT INTO identity VALUES (?)').run(id)
    return id
  }

  #transaction(work: () => void): void {
    try {
      this.#db.transaction(work).immediate()
    } catch (cause) {
      this.#accounts.reload()
      this.#tallies.forget()
      throw cause
    }
  }
}
