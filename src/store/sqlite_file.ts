import { Database, SQLiteError } from 'bun:sqlite'
import { chmodSync, closeSync, openSync } from 'node:fs'
import { StoreError } from './store.ts'

/** What a file is to be. */
export interface FileKind {
  /** Tells our files from other programs', and from each other (`PRAGMA application_id`). */
  readonly application: number
  /** Step n brings a file from version n to n + 1. What was released is never edited, only added to. */
  readonly migrations: readonly string[]
  /** A write that changes nothing. */
  readonly touch: string
}

/**
 * Opens the file for this process and its owner alone, in WAL mode, with the newest schema, and
 * begins with it: a file that is damaged where `begin` reads is refused, and named. Throws a {@link StoreError}
 * that says what is wrong with the file.
 */
export function openFile<T>(path: string, kind: FileKind, begin: (db: Database) => T): T {
  let db: Database | undefined
  try {
    // Its log takes over who may read it: numbers, and texts of MO messages.
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
    db = new Database(path, { create: true, readwrite: true, strict: true })
    // Two gateways on one file end here, not in each other's counters. The lock ends with the process.
    db.run('PRAGMA locking_mode = EXCLUSIVE')
    refuseStrangers(db, path, kind)
    db.run('PRAGMA journal_mode = WAL')
    // NORMAL syncs around checkpoints alone: the store itself syncs the log after each commit.
    db.run('PRAGMA synchronous = NORMAL')
    db.run('PRAGMA journal_size_limit = 67108864') // octets of log that stay on disk after a checkpoint
    migrate(db, kind)
    db.run(kind.touch) // makes the log, and shows that the disk takes writes
    fitCache(db)
    return begin(db)
  } catch (cause) {
    db?.close()
    throw cause instanceof StoreError ? cause : new StoreError(openFault(path, cause), { cause })
  }
}

const CACHE_KIB_MIN = 16_000
const CACHE_KIB_MAX = 64_000
/** What lies above the leaves of the trees is a 130th of the file, and wants room for the leaves that pass by. */
const CACHE_SHARE = 1 / 50

/**
 * Lets the page cache follow the file. With 16 MB for ten million messages the inner pages of the trees did not stay, and
 * a receipt for an old message cost 48 µs of CPU in place of 19.
 */
export function fitCache(db: Pick<Database, 'query' | 'run'>): void {
  const kib = (pragma(db, 'page_count') * pragma(db, 'page_size')) / 1024
  const cache = Math.min(Math.max(CACHE_KIB_MIN, kib * CACHE_SHARE), CACHE_KIB_MAX)
  db.run(`PRAGMA cache_size = -${Math.round(cache)}`)
}

function refuseStrangers(db: Database, path: string, kind: FileKind): void {
  const application = pragma(db, 'application_id')
  const tables = db.query('SELECT count(*) FROM sqlite_schema').values()[0]?.[0]
  if (application !== kind.application && tables !== 0) {
    throw new StoreError(`${path} is another program's database: name another file for the store`)
  }
  const version = pragma(db, 'user_version')
  if (version > kind.migrations.length) {
    throw new StoreError(
      `${path} was written by a newer version of this program (schema ${version}, known here up to ` +
        `${kind.migrations.length}): run that version, or start with another file`,
    )
  }
}

function migrate(db: Database, { application, migrations }: FileKind): void {
  for (let version = pragma(db, 'user_version'); version < migrations.length; version++) {
    db.transaction(() => {
      db.run(migrations[version] ?? '')
      db.run(`PRAGMA application_id = ${application}`)
      db.run(`PRAGMA user_version = ${version + 1}`)
    }).immediate()
  }
}

const pragma = (db: Pick<Database, 'query'>, name: string): number =>
  Number(db.query(`PRAGMA ${name}`).values()[0]?.[0])

function openFault(path: string, cause: unknown): string {
  const code = cause instanceof SQLiteError ? (cause.code ?? '') : ''
  if (code === 'SQLITE_NOTADB') return `${path} is no SQLite database: name another file for the store`
  if (code.startsWith('SQLITE_CANTOPEN') || isOfFileSystem(cause))
    return `${path} cannot be opened: check its folder and its permissions`
  return `${path} cannot be used: ${writeFault(cause)}`
}

const isOfFileSystem = (cause: unknown): boolean => cause instanceof Error && 'syscall' in cause

/** Why a write failed, in words for an operator, without path or SQL. */
export function writeFault(cause: unknown): string {
  const code = cause instanceof SQLiteError ? (cause.code ?? '') : ''
  if (code.startsWith('SQLITE_FULL')) return 'the disk is full'
  if (code.startsWith('SQLITE_READONLY')) return 'the database is read-only: check its permissions'
  if (code.startsWith('SQLITE_BUSY')) return 'another process has it open: stop that, or name another file'
  if (code.startsWith('SQLITE_CORRUPT')) return 'the database is damaged: restore it from a backup'
  if (code.startsWith('SQLITE_NOTADB')) return 'the file is no database any more'
  if (code.startsWith('SQLITE_IOERR')) return 'the disk reports an error'
  return 'the database refuses to write'
}
