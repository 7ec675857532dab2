import { Database, SQLiteError } from 'bun:sqlite'
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Random } from '../clock.ts'
import { messageOf, systemCode } from '../errors.ts'

/** The step from version n to n + 1 stands at index n; what was once released is never edited. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE installation (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     token_key BLOB NOT NULL
   ) STRICT;
   CREATE TABLE apps (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     name TEXT NOT NULL UNIQUE,
     secret_hash TEXT NOT NULL,
     allowed_ips TEXT NOT NULL DEFAULT '[]',
     created_at INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE users (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     email TEXT NOT NULL UNIQUE,
     password_hash TEXT NOT NULL,
     is_admin INTEGER NOT NULL DEFAULT 0,
     app_id INTEGER NOT NULL REFERENCES apps (id),
     created_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX users_by_app ON users (app_id);
   CREATE TABLE link_switches (
     link_id INTEGER PRIMARY KEY,
     enabled INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE audit (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     at INTEGER NOT NULL,
     who TEXT NOT NULL,
     action TEXT NOT NULL,
     subject TEXT NOT NULL,
     reason TEXT NOT NULL
   ) STRICT;`,
]

const TOKEN_KEY_BYTES = 32
/** For another process that makes the file, or brings it to the current version. */
const OPENING_TIMEOUT_MS = 5000
/** While a change waits for one of another process, all links and requests do. `sms-proxy user …` takes milliseconds. */
const BUSY_TIMEOUT_MS = 500

/** Marks the file as ours. */
const APPLICATION_ID = 0x534d5355

/** App 1: made at the first start, and never removed. */
export const DEFAULT_APP_ID = 1

/**
 * Opens the database, makes it on the first start, brings it to the current version. Ids come from
 * AUTOINCREMENT: one that was given away once never names another user or app. Readable by its owner alone:
 * the key that signs tokens lies in it. Throws an Error that tells the operator what is wrong with the file.
 */
export function openDatabase(path: string, clock: Pick<Clock, 'now'>, random: Random): Database {
  let db: Database | undefined
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
    const opened = new Database(path, { strict: true })
    db = opened
    opened.run(`PRAGMA busy_timeout = ${OPENING_TIMEOUT_MS}`)
    refuseStrangers(opened, path)
    opened.run('PRAGMA journal_mode = WAL')
    opened.run('PRAGMA synchronous = FULL')
    opened.run('PRAGMA foreign_keys = ON')
    opened.transaction(() => migrate(opened, clock, random)).immediate()
    // What every start reads: a file that is damaged there is named.
    tokenKeyOf(opened)
    opened.query('SELECT * FROM link_switches').values()
    opened.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
    return opened
  } catch (cause) {
    db?.close()
    throw new Error(faultOf(path, cause), { cause })
  }
}

function refuseStrangers(db: Database, path: string): void {
  const tables = db.query('SELECT count(*) FROM sqlite_schema').values()[0]?.[0]
  const application = db.query('PRAGMA application_id').values()[0]?.[0]
  if (tables !== 0 && application !== APPLICATION_ID)
    throw new Error(`${path} is another program's database: name another file in storage.db_path`)
}

/** Why the file cannot be opened, in words for an operator. */
function faultOf(path: string, cause: unknown): string {
  const code = systemCode(cause) ?? ''
  const elsewhere = 'or name another file in storage.db_path'
  if (/^(EACCES|EPERM|EROFS|SQLITE_READONLY|SQLITE_CANTOPEN)/.test(code))
    return `${path} cannot be written: check the permissions of its folder and of the file, ${elsewhere}`
  if (code === 'EEXIST' || code === 'ENOTDIR')
    return `${path} cannot be made: ${dirname(path)} is no folder; take that file away, ${elsewhere}`
  if (code === 'EISDIR') return `${path} is a folder: storage.db_path names a file`
  if (code === 'ENOSPC' || code === 'SQLITE_FULL') return `${path} cannot be written: the disk is full`
  if (code === 'SQLITE_NOTADB') return `${path} is no SQLite database: restore a copy, ${elsewhere}`
  if (code.startsWith('SQLITE_CORRUPT')) return `${path} is damaged: restore a copy, ${elsewhere}`
  if (code.startsWith('SQLITE_BUSY'))
    return `${path} cannot be used: another process has it open; stop that, ${elsewhere}`
  if (cause instanceof SQLiteError || code !== '') return `${path} cannot be used: ${code}`
  return messageOf(cause)
}

function migrate(db: Database, clock: Pick<Clock, 'now'>, random: Random): void {
  const version = db.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0
  if (version > MIGRATIONS.length) {
    throw new Error(
      `the user database has schema version ${version}, and this program knows up to ${MIGRATIONS.length}: start the newer program that wrote it`,
    )
  }
  for (const step of MIGRATIONS.slice(version)) db.run(step)
  db.run(`PRAGMA user_version = ${MIGRATIONS.length}`)
  db.run(`PRAGMA application_id = ${APPLICATION_ID}`)
  if (version > 0) return
  db.query('INSERT INTO installation (id, token_key) VALUES (1, ?)').run(random(TOKEN_KEY_BYTES))
  // The secret of the default app is shown to nobody, so nothing is lost by keeping a form that no secret matches.
  db.query('INSERT INTO apps (id, name, secret_hash, created_at) VALUES (?, ?, ?, ?)').run(
    DEFAULT_APP_ID,
    'default',
    `random:${random(32).toHex()}`,
    clock.now(),
  )
}

export function tokenKeyOf(db: Database): Uint8Array {
  const row = db.query<{ token_key: Uint8Array }, []>('SELECT token_key FROM installation').get()
  if (!row) throw new Error('the user database has no installation key: it is damaged, restore a copy')
  return row.token_key
}
