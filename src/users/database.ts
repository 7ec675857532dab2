import { Database } from 'bun:sqlite'
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Random } from '../clock.ts'

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
const BUSY_TIMEOUT_MS = 5000

/** App 1: made at the first start, and never removed. */
export const DEFAULT_APP_ID = 1

/**
 * Opens the database, makes it on the first start, brings it to the current version. Ids come from
 * AUTOINCREMENT: one that was given away once never names another user or app. Readable by its owner alone:
 * the key that signs tokens lies in it.
 */
export function openDatabase(path: string, clock: Pick<Clock, 'now'>, random: Random): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  const db = new Database(path, { strict: true })
  try {
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
    db.run('PRAGMA journal_mode = WAL')
    db.run('PRAGMA synchronous = FULL')
    db.run('PRAGMA foreign_keys = ON')
    db.transaction(() => migrate(db, clock, random)).immediate()
  } catch (error) {
    db.close()
    throw error
  }
  return db
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
