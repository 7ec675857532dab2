import { Database, SQLiteError } from 'bun:sqlite'
import { StoreError } from './store.ts'

/** "SMSP": tells our files from other programs' (`PRAGMA application_id`). */
const APPLICATION_ID = 0x534d5350

/** Step n brings a file from version n to n + 1. What was released is never edited, only added to. */
const MIGRATIONS: readonly string[] = [
  `
  -- Keyed by UUIDv7: new rows go to the end of the tree, old ones leave at its beginning.
  CREATE TABLE message (
    id BLOB NOT NULL PRIMARY KEY,
    task_id INTEGER NOT NULL,
    app_id INTEGER NOT NULL,
    esme INTEGER NOT NULL,
    campaign TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    source TEXT NOT NULL,
    destination TEXT NOT NULL,
    state INTEGER NOT NULL,
    parts TEXT NOT NULL,    -- [[state, smsc id, account, error], …]
    sent_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    error TEXT NOT NULL,
    tallied INTEGER NOT NULL  -- 0 not yet, 1 as sent, 2 as failed
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX message_open ON message (sent_at) WHERE state = 0;

  -- SMSC accounts, so that rows name them by a small number.
  CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

  -- Finds a receipt's message. The id as text, not a hash: SMSCs that count upwards append to the tree.
  CREATE TABLE smsc_id (
    account INTEGER NOT NULL,
    key TEXT NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (account, key, message)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE held (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    ids TEXT NOT NULL,      -- JSON
    address TEXT NOT NULL,
    state INTEGER NOT NULL,
    error INTEGER NOT NULL,
    at INTEGER NOT NULL,
    held_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE held_key (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    form INTEGER NOT NULL,
    PRIMARY KEY (account, key, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE claim (
    app_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (app_id, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX claim_expiry ON claim (expires_at);

  CREATE TABLE inbound (
    id BLOB NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    link INTEGER NOT NULL,
    source TEXT NOT NULL,
    destination TEXT NOT NULL,
    text TEXT NOT NULL,
    received_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tally (
    campaign TEXT NOT NULL,
    sme INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (campaign, sme)
  ) STRICT, WITHOUT ROWID;
  -- Over all smes, so that the largest are read without reading all.
  CREATE TABLE campaign (name TEXT NOT NULL PRIMARY KEY, messages INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX campaign_size ON campaign (messages DESC, name);
  CREATE TABLE total (messages INTEGER NOT NULL) STRICT;
  INSERT INTO total VALUES (0);
  `,
  `
  -- A long MO message is one row, and its segments fill the gaps as they come.
  ALTER TABLE inbound ADD COLUMN reference INTEGER;             -- of its segments; null when it came whole
  ALTER TABLE inbound ADD COLUMN parts TEXT NOT NULL DEFAULT '[]';  -- JSON: a text a segment, null where one is missing
  UPDATE inbound SET parts = json_array(text);
  ALTER TABLE inbound DROP COLUMN text;
  CREATE INDEX inbound_segments ON inbound (account, source, reference) WHERE reference IS NOT NULL;
  `,
  `
  -- What copies between stores go by. This store, to others; no row until a copy asks.
  CREATE TABLE identity (id TEXT NOT NULL) STRICT;
  -- Of the tallies, what came from another store.
  CREATE TABLE received (
    store TEXT NOT NULL,
    campaign TEXT NOT NULL,
    sme INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (store, campaign, sme)
  ) STRICT, WITHOUT ROWID;
  -- How far a copy has come that is not at its end (JSON); forgotten when a gateway opens the file.
  CREATE TABLE copying (copy TEXT NOT NULL PRIMARY KEY, progress TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
]

/**
 * Opens the file for this process alone, in WAL mode, with the newest schema.
 * Throws a {@link StoreError} that says what is wrong with the file.
 */
export function openDatabase(path: string): Database {
  let db: Database | undefined
  try {
    db = new Database(path, { create: true, readwrite: true, strict: true })
    // Two gateways on one file end here, not in each other's counters. The lock ends with the process.
    db.run('PRAGMA locking_mode = EXCLUSIVE')
    refuseStrangers(db, path)
    db.run('PRAGMA journal_mode = WAL')
    // NORMAL syncs around checkpoints alone: the store itself syncs the log after each commit.
    db.run('PRAGMA synchronous = NORMAL')
    db.run('PRAGMA cache_size = -16000') // KiB
    db.run('PRAGMA journal_size_limit = 67108864') // octets of log that stay on disk after a checkpoint
    migrate(db)
    db.run('UPDATE total SET messages = messages') // makes the log, and shows that the disk takes writes
    return db
  } catch (cause) {
    db?.close()
    throw cause instanceof StoreError ? cause : new StoreError(openFault(path, cause), { cause })
  }
}

function refuseStrangers(db: Database, path: string): void {
  const application = pragma(db, 'application_id')
  const tables = db.query('SELECT count(*) FROM sqlite_schema').values()[0]?.[0]
  if (application !== APPLICATION_ID && tables !== 0) {
    throw new StoreError(`${path} is another program's database: name another file for the store`)
  }
  const version = pragma(db, 'user_version')
  if (version > MIGRATIONS.length) {
    throw new StoreError(
      `${path} was written by a newer version of this program (schema ${version}, known here up to ` +
        `${MIGRATIONS.length}): run that version, or start with another file`,
    )
  }
}

function migrate(db: Database): void {
  for (let version = pragma(db, 'user_version'); version < MIGRATIONS.length; version++) {
    db.transaction(() => {
      db.run(MIGRATIONS[version] ?? '')
      db.run(`PRAGMA application_id = ${APPLICATION_ID}`)
      db.run(`PRAGMA user_version = ${version + 1}`)
    }).immediate()
  }
}

const pragma = (db: Database, name: string): number => Number(db.query(`PRAGMA ${name}`).values()[0]?.[0])

function openFault(path: string, cause: unknown): string {
  const code = cause instanceof SQLiteError ? (cause.code ?? '') : ''
  if (code === 'SQLITE_NOTADB') return `${path} is no SQLite database: name another file for the store`
  if (code.startsWith('SQLITE_CANTOPEN'))
    return `${path} cannot be opened: check its folder and its permissions`
  return `${path} cannot be used: ${writeFault(cause)}`
}

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
