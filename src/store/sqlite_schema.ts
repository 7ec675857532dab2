import type { Database } from 'bun:sqlite'
import { openFile } from './sqlite_file.ts'

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
  `
  -- MO messages, counted as they come and go: to count the rows is to read all their texts.
  ALTER TABLE total ADD COLUMN inbound INTEGER NOT NULL DEFAULT 0;
  UPDATE total SET inbound = (SELECT count(*) FROM inbound);
  CREATE TRIGGER inbound_came AFTER INSERT ON inbound BEGIN UPDATE total SET inbound = inbound + 1; END;
  CREATE TRIGGER inbound_went AFTER DELETE ON inbound BEGIN UPDATE total SET inbound = inbound - 1; END;
  `,
  `
  -- Rows of tally, counted as they come: there may be a million.
  ALTER TABLE total ADD COLUMN tallies INTEGER NOT NULL DEFAULT 0;
  UPDATE total SET tallies = (SELECT count(*) FROM tally);
  `,
]

const KIND = {
  application: APPLICATION_ID,
  migrations: MIGRATIONS,
  touch: 'UPDATE total SET messages = messages',
}

/** What every start reads. */
const READS = ['SELECT id, name FROM account', 'SELECT id FROM identity', 'SELECT copy FROM copying']

/** The messages' file, for this process alone, with the newest schema. Throws a {@link StoreError}. */
export const openDatabase = (path: string): Database =>
  openFile(path, KIND, db => {
    for (const read of READS) db.query(read).values()
    return db
  })
