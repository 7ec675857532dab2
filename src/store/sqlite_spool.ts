import type { Database } from 'bun:sqlite'
import type { Clock } from '../clock.ts'
import { keysOf, orderOf, type SpoolEntry, type Spooled } from './spool_entry.ts'
import { type Outcome, SqliteCommits } from './sqlite_commits.ts'
import { openFile } from './sqlite_file.ts'
import { type Log, openLog } from './sqlite_log.ts'

/** "SMSQ". */
const APPLICATION_ID = 0x534d5351

const MIGRATIONS = [
  `
  CREATE TABLE entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    write TEXT NOT NULL,    -- JSON
    at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE entry_key (key TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (key, seq)) STRICT, WITHOUT ROWID;

  -- Writes that the cluster refused for good, for whoever looks into it.
  CREATE TABLE refused (seq INTEGER PRIMARY KEY, write TEXT NOT NULL, at INTEGER NOT NULL, why TEXT NOT NULL) STRICT;

  -- The number that this installation had among the gateways of the cluster.
  CREATE TABLE life (instance TEXT NOT NULL PRIMARY KEY, node INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE probe (mark INTEGER NOT NULL) STRICT;
  INSERT INTO probe VALUES (0);
  `,
]

const PROBE = 'UPDATE probe SET mark = mark'
const KIND = { application: APPLICATION_ID, migrations: MIGRATIONS, touch: PROBE }

/** Writes that wait for their commit; those past it are refused at once. */
const PENDING_MAX = 50_000

type Change =
  | { readonly op: 'append'; readonly write: Spooled }
  | { readonly op: 'remove'; readonly seqs: readonly number[] }
  | { readonly op: 'refuse'; readonly seq: number; readonly why: string }
  | { readonly op: 'node'; readonly instance: string; readonly node: number }
  | { readonly op: 'probe' }

/** Opens the file for this process alone. Throws a {@link StoreError} that tells what is wrong with it. */
export function openSpool(
  path: string,
  clock: Pick<Clock, 'now' | 'monotonic' | 'soon' | 'after'>,
): SqliteSpool {
  return openFile(path, KIND, db => {
    db.query('SELECT node FROM life').values()
    return new SqliteSpool(db, openLog(path), clock)
  })
}

/** Writes that wait for the cluster, in their order, in a file of this gateway. */
export class SqliteSpool {
  readonly #sql: ReturnType<typeof statements>
  readonly #commits: SqliteCommits<Change>
  /** Of entries that wait for their commit, by how many of them. */
  readonly #coming = new Map<string, number>()
  #depth: number

  constructor(
    private readonly db: Database,
    private readonly log: Log,
    private readonly clock: Pick<Clock, 'now' | 'monotonic' | 'soon' | 'after'>,
  ) {
    this.#sql = statements(db)
    this.#depth = this.#count()
    this.#commits = new SqliteCommits<Change>({
      run: changes => this.#run(changes),
      probe: { op: 'probe' },
      log,
      clock,
      pendingMax: PENDING_MAX,
    })
  }

  /** Entries that wait. */
  get depth(): number {
    return this.#depth
  }

  /** When the entry that waits the longest came, Unix milliseconds; undefined when there is none. */
  get oldestAt(): number | undefined {
    const at = this.#sql.oldest.values()[0]?.[0]
    return at === undefined ? undefined : Number(at)
  }

  /** Entries that the cluster refused for good. */
  get refused(): number {
    return Number(this.#sql.refusedCount.values()[0]?.[0])
  }

  /** Undefined while the disk takes writes, else why not. */
  get fault(): string | undefined {
    return this.#commits.fault
  }

  /** Resolves when it is on disk. */
  async append(write: Spooled): Promise<void> {
    const keys = keysOf(write)
    for (const key of keys) this.#coming.set(key, (this.#coming.get(key) ?? 0) + 1)
    try {
      await this.#commits.write({ op: 'append', write })
    } finally {
      for (const key of keys) {
        const left = (this.#coming.get(key) ?? 0) - 1
        if (left > 0) this.#coming.set(key, left)
        else this.#coming.delete(key)
      }
    }
  }

  /** True when a write has to come after an entry, on disk or on its way there. */
  precedes(write: Spooled): boolean {
    if (this.#depth === 0 && this.#coming.size === 0) return false
    return orderOf(write).some(key => this.#coming.has(key) || this.#sql.has.values(key).length > 0)
  }

  /** The entries with a key, in their order; of more than `max` the last. */
  under(key: string, max = Number.MAX_SAFE_INTEGER): SpoolEntry[] {
    return this.#depth === 0 ? [] : this.#entries(this.#sql.under.values(key, max)).reverse()
  }

  /** The first that wait after an entry; from 0 on all. */
  after(seq: number, count: number): SpoolEntry[] {
    return this.#entries(this.#sql.after.values(seq, count))
  }

  /** They are in the cluster. */
  remove(seqs: readonly number[]): Promise<void> {
    return this.#commits.write({ op: 'remove', seqs })
  }

  /** The cluster will never take it: it is set aside, in the file. */
  refuse(seq: number, why: string): Promise<void> {
    return this.#commits.write({ op: 'refuse', seq, why })
  }

  /** The number that this installation had when it last knew. */
  nodeOf(instance: string): number | undefined {
    const node = this.#sql.node.values(instance)[0]?.[0]
    return node === undefined ? undefined : Number(node)
  }

  keepNode(instance: string, node: number): Promise<void> {
    return this.#commits.write({ op: 'node', instance, node })
  }

  async close(): Promise<void> {
    await this.#commits.close()
    this.db.close()
    this.log.close()
  }

  /** One transaction. */
  #run(changes: readonly Change[]): Outcome[] {
    let by = 0
    this.db.run('BEGIN IMMEDIATE')
    try {
      for (const change of changes) by += this.#apply(change)
      this.db.run('COMMIT')
    } catch (cause) {
      if (this.db.inTransaction) this.db.run('ROLLBACK')
      throw cause
    }
    this.#depth += by
    return changes.map(() => ({ value: undefined }))
  }

  /** Answers by how many more entries wait. */
  #apply(change: Change): number {
    switch (change.op) {
      case 'append': {
        const json = JSON.stringify(change.write)
        const seq = Number(this.#sql.append.values(json, this.clock.now())[0]?.[0])
        for (const key of new Set(keysOf(change.write))) this.#sql.appendKey.run(key, seq)
        return 1
      }
      case 'remove':
        return -change.seqs.reduce((sum, seq) => sum + this.#remove(seq), 0)
      case 'refuse':
        this.#sql.refuse.run(change.why, change.seq)
        return -this.#remove(change.seq)
      case 'node':
        this.#sql.keepNode.run(change.instance, change.node)
        return 0
      case 'probe':
        this.#sql.probe.run()
        return 0
    }
  }

  #remove(seq: number): number {
    const json = this.#sql.remove.values(seq)[0]?.[0]
    if (json === undefined) return 0
    for (const key of new Set(keysOf(JSON.parse(String(json))))) this.#sql.removeKey.run(key, seq)
    return 1
  }

  #entries(rows: unknown[][]): SpoolEntry[] {
    return rows.map(([seq, json]) => ({ seq: Number(seq), write: JSON.parse(String(json)) as Spooled }))
  }

  #count(): number {
    return Number(this.#sql.count.values()[0]?.[0])
  }
}

const statements = (db: Database) => ({
  append: db.query('INSERT INTO entry (write, at) VALUES (?,?) RETURNING seq'),
  appendKey: db.query('INSERT INTO entry_key (key, seq) VALUES (?,?)'),
  remove: db.query('DELETE FROM entry WHERE seq = ? RETURNING write'),
  removeKey: db.query('DELETE FROM entry_key WHERE key = ? AND seq = ?'),
  refuse: db.query(
    'INSERT INTO refused (seq, write, at, why) SELECT seq, write, at, ? FROM entry WHERE seq = ?',
  ),
  refusedCount: db.query('SELECT count(*) FROM refused'),
  has: db.query('SELECT 1 FROM entry_key WHERE key = ? LIMIT 1'),
  under: db.query(
    'SELECT seq, write FROM entry_key JOIN entry USING (seq) WHERE entry_key.key = ? ORDER BY seq DESC LIMIT ?',
  ),
  after: db.query('SELECT seq, write FROM entry WHERE seq > ? ORDER BY seq LIMIT ?'),
  oldest: db.query('SELECT at FROM entry ORDER BY seq LIMIT 1'),
  count: db.query('SELECT count(*) FROM entry'),
  node: db.query('SELECT node FROM life WHERE instance = ?'),
  keepNode: db.query('INSERT OR REPLACE INTO life (instance, node) VALUES (?,?)'),
  probe: db.query(PROBE),
})
