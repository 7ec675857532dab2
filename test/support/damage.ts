import { Database } from 'bun:sqlite'
import { readFileSync, writeFileSync } from 'node:fs'

/** Spoils the first page of a table, as a bad disk would. The store that had the file is closed. */
export function damage(path: string, table: string): void {
  const db = new Database(path)
  const root = Number(db.query(`SELECT rootpage FROM sqlite_schema WHERE name = '${table}'`).values()[0]?.[0])
  const pageSize = Number(db.query('PRAGMA page_size').values()[0]?.[0])
  db.close()
  const octets = readFileSync(path)
  writeFileSync(path, octets.fill(0xff, (root - 1) * pageSize, root * pageSize))
}
