import type { Database } from 'bun:sqlite'
import { MESSAGE_COLUMNS } from './sqlite_rows.ts'

/** What the writer says to the database; the tables are in `sqlite_schema.ts`. */
export type WriterStatements = ReturnType<typeof writerStatements>

export const writerStatements = (db: Database) => ({
  probe: db.query('UPDATE total SET messages = messages'),

  insertMessage: db.query(
    `INSERT INTO message (${MESSAGE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`,
  ),
  replaceMessage: db.query(
    `INSERT OR REPLACE INTO message (${MESSAGE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
  ),
  updateMessage: db.query(
    'UPDATE message SET state = ?, parts = ?, updated_at = ?, error = ?, tallied = ? WHERE id = ?',
  ),
  findMessage: db.query(`SELECT ${MESSAGE_COLUMNS} FROM message WHERE id = ?`),
  findOpen: db.query(`SELECT ${MESSAGE_COLUMNS} FROM message WHERE state = 0 AND sent_at < ?`),
  findOldest: db.query('SELECT id, parts FROM message WHERE id < ? ORDER BY id LIMIT ?'),
  deleteMessage: db.query('DELETE FROM message WHERE id = ?'),

  findTwo: db.query('SELECT message FROM smsc_id WHERE account = ? AND key = ? LIMIT 2'),
  findSmscId: db.query(
    'SELECT message FROM smsc_id WHERE account = ? AND key = ? ORDER BY message DESC LIMIT ?',
  ),
  insertSmscId: db.query('INSERT INTO smsc_id (account, key, message) VALUES (?,?,?) ON CONFLICT DO NOTHING'),
  deleteSmscId: db.query('DELETE FROM smsc_id WHERE account = ? AND key = ? AND message = ?'),

  insertHeld: db.query(
    'INSERT INTO held (account, ids, address, state, error, at, held_at) VALUES (?,?,?,?,?,?,?) RETURNING seq',
  ),
  insertHeldKey: db.query(
    'INSERT INTO held_key (account, key, seq, form) VALUES (?,?,?,?) ON CONFLICT DO NOTHING',
  ),
  findHeld: db.query(
    `SELECT seq, form, ids, address, state, error, at FROM held_key JOIN held USING (seq)
     WHERE held_key.account = ? AND key = ? AND held_at > ? ORDER BY seq DESC LIMIT ?`,
  ),
  findOldestHeld: db.query('SELECT seq, account, ids FROM held WHERE held_at <= ? ORDER BY seq LIMIT ?'),
  deleteHeld: db.query('DELETE FROM held WHERE seq = ?'),
  deleteHeldKey: db.query('DELETE FROM held_key WHERE account = ? AND key = ? AND seq = ?'),
  countHeld: db.query('SELECT count(*) FROM held'),

  putClaim: db.query(
    'INSERT OR REPLACE INTO claim (app_id, key, body_hash, expires_at, message) VALUES (?,?,?,?,?)',
  ),
  deleteClaims: db.query(
    `DELETE FROM claim WHERE (app_id, key) IN
     (SELECT app_id, key FROM claim WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
  ),

  insertInbound: db.query(
    `INSERT INTO inbound (id, account, link, source, destination, reference, parts, received_at)
     VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`,
  ),
  // By the id too, which ends the walk: a handset may have sent a month of messages with one reference.
  findSegments: db.query(
    `SELECT id, parts FROM inbound WHERE account = ? AND source = ? AND reference = ? AND id >= ? AND destination = ?
     AND json_array_length(parts) = ? AND received_at > ? ORDER BY id DESC LIMIT ?`,
  ),
  updateInbound: db.query('UPDATE inbound SET parts = ? WHERE id = ?'),
  deleteInbound: db.query(
    'DELETE FROM inbound WHERE id IN (SELECT id FROM inbound WHERE id < ? ORDER BY id LIMIT ?)',
  ),
})
