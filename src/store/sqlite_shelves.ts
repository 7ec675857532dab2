import type { Database } from 'bun:sqlite'
import type { Clock } from '../clock.ts'
import type { CopiedClaim, CopiedInbound, CopiedMessage, CopiedReceipt, Piece, Shelf } from './copy.ts'
import { heldName } from './held_name.ts'
import { idKey, isFindable } from './id_key.ts'
import { withNews } from './merged.ts'
import type { SqliteAccounts } from './sqlite_accounts.ts'
import {
  INBOUND_COLUMNS,
  type InboundRow,
  idBytes,
  idText,
  MESSAGE_COLUMNS,
  type MessageRow,
  partStateNumber,
  partStateOf,
  toInbound,
  toMessage,
  toRow,
} from './sqlite_rows.ts'
import { type WriterStatements, writerStatements } from './sqlite_statements.ts'
import { kindOf, NOT_TALLIED, TALLIED_FAILED, TALLIED_SENT } from './sqlite_tallies.ts'
import type { SqliteWriter } from './sqlite_writer.ts'
import { RECEIPT_HELD_MS } from './store.ts'

/** The rows of a file for a copy, a shelf a table: read in the order of their keys, so that a key is a place. */

export interface ShelfParts {
  readonly db: Database
  readonly accounts: SqliteAccounts
  readonly writer: SqliteWriter
  readonly clock: Pick<Clock, 'now'>
  /** Of the store. */
  readonly id: string
  /** Of a piece: bounds what is in memory, and how long a transaction is. */
  readonly rowsMax: number
  /** All of it, or none. */
  readonly transaction: (work: () => void) => void
}

export function messageShelf(parts: ShelfParts): Shelf<CopiedMessage> {
  const { db, rowsMax, accounts, writer, clock, transaction } = parts
  const sql = writerStatements(db)
  const page = db.query(`SELECT ${MESSAGE_COLUMNS} FROM message WHERE id > ? ORDER BY id LIMIT ${rowsMax}`)
  const count = db.query('SELECT count(*) FROM message WHERE id > ?')
  const idOf = (after: string) => (after === '' ? new Uint8Array() : idBytes(after))
  return {
    read: after =>
      pieces(
        after,
        at => (page.values(idOf(at)) as MessageRow[]).map(row => toCopied(row, accounts)),
        ({ message }) => message.id,
        at => Number(count.values(idOf(at))[0]?.[0]),
      ),
    async write(rows) {
      transaction(() => {
        for (const row of rows) putMessage(row, sql, accounts)
      })
      writer.run(
        rows.map(({ message }) => ({ op: 'meet', id: message.id })),
        clock.now(),
      )
    },
    missing: async rows => rows.filter(row => !sql.findMessage.values(idBytes(row.message.id))[0]).length,
  }
}

const toCopied = (row: MessageRow, accounts: SqliteAccounts): CopiedMessage => {
  const tallied = row[13]
  const counted = tallied === NOT_TALLIED ? undefined : tallied === TALLIED_SENT ? 'sent' : 'failed'
  return { message: toMessage(row, accounts), counted }
}

function putMessage(
  { message, counted }: CopiedMessage,
  sql: WriterStatements,
  accounts: SqliteAccounts,
): void {
  const id = idBytes(message.id)
  const tallied = counted === undefined ? NOT_TALLIED : counted === 'sent' ? TALLIED_SENT : TALLIED_FAILED
  if (sql.insertMessage.run(...toRow(message, tallied, accounts)).changes === 0) {
    const row = sql.findMessage.values(id)[0] as MessageRow | undefined
    const before = row && toMessage(row, accounts)
    const after = before ? withNews(before, message) : message
    if (after === before) return
    const isCounted = tallied !== NOT_TALLIED || row?.[13] !== NOT_TALLIED
    sql.replaceMessage.run(...toRow(after, isCounted ? kindOf(after) : NOT_TALLIED, accounts))
  }
  for (const { smscId, account } of message.parts) {
    const key = idKey(smscId)
    if (isFindable(key)) sql.insertSmscId.run(accounts.number(account), key, id)
  }
}

type ClaimRow = [appId: number, key: string, bodyHash: Uint8Array, expiresAt: number, message: Uint8Array]

export function claimShelf({ db, rowsMax, clock, transaction }: ShelfParts): Shelf<CopiedClaim> {
  const columns = 'app_id, key, body_hash, expires_at, message'
  const page = db.query(
    `SELECT ${columns} FROM claim WHERE (app_id, key) > (?, ?) ORDER BY app_id, key LIMIT ${rowsMax}`,
  )
  const count = db.query('SELECT count(*) FROM claim WHERE (app_id, key) > (?, ?)')
  // Who took it first keeps it until it expires.
  const put = db.query(
    `INSERT INTO claim (${columns}) VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET body_hash = excluded.body_hash,
     expires_at = excluded.expires_at, message = excluded.message WHERE claim.expires_at <= ?`,
  )
  const find = db.query('SELECT 1 FROM claim WHERE app_id = ? AND key = ?')
  const keyOf = (after: string): [number, string] => (after === '' ? [-1, ''] : JSON.parse(after))
  return {
    read: after =>
      pieces(
        after,
        at =>
          (page.values(...keyOf(at)) as ClaimRow[]).map(([appId, key, bodyHash, expiresAt, message]) => ({
            claim: { appId, key, bodyHash, expiresAt },
            messageId: idText(message),
          })),
        ({ claim }) => JSON.stringify([claim.appId, claim.key]),
        at => Number(count.values(...keyOf(at))[0]?.[0]),
      ),
    write: async rows =>
      transaction(() => {
        const now = clock.now()
        for (const { claim, messageId } of rows)
          put.run(claim.appId, claim.key, claim.bodyHash, claim.expiresAt, idBytes(messageId), now)
      }),
    missing: async rows => rows.filter(({ claim }) => !find.values(claim.appId, claim.key)[0]).length,
  }
}

type CopiedRow = [reference: number | null, ...InboundRow]

export function inboundShelf({ db, rowsMax, transaction }: ShelfParts): Shelf<CopiedInbound> {
  const sql = writerStatements(db)
  const page = db.query(
    `SELECT reference, ${INBOUND_COLUMNS} FROM inbound WHERE id > ? ORDER BY id LIMIT ${rowsMax}`,
  )
  const count = db.query('SELECT count(*) FROM inbound WHERE id > ?')
  const find = db.query('SELECT parts FROM inbound WHERE id = ?')
  const idOf = (after: string) => (after === '' ? new Uint8Array() : idBytes(after))
  const put = ({ message, reference }: CopiedInbound): void => {
    const { account, link, source, destination, parts, receivedAt } = message
    const id = idBytes(message.id)
    const text = JSON.stringify(parts)
    const row = [id, account, link, source, destination, reference ?? null, text, receivedAt]
    if (sql.insertInbound.run(...row).changes > 0) return
    const there: (string | null)[] = JSON.parse(String(find.values(id)[0]?.[0]))
    sql.updateInbound.run(JSON.stringify(there.map((text, at) => text ?? parts[at] ?? null)), id)
  }
  return {
    read: after =>
      pieces(
        after,
        at =>
          (page.values(idOf(at)) as CopiedRow[]).map(([reference, ...row]) => ({
            message: toInbound(row),
            reference: reference ?? undefined,
          })),
        ({ message }) => message.id,
        at => Number(count.values(idOf(at))[0]?.[0]),
      ),
    write: async rows =>
      transaction(() => {
        for (const row of rows) put(row)
      }),
    missing: async rows => rows.filter(({ message }) => !find.values(idBytes(message.id))[0]).length,
  }
}

type HeldRow = [
  seq: number,
  account: string,
  ids: string,
  address: string,
  state: number,
  error: number,
  at: number,
  since: number,
]

export function heldShelf({ db, rowsMax, accounts, writer, clock, id }: ShelfParts): Shelf<CopiedReceipt> {
  const page = db.query(
    `SELECT seq, account, ids, address, state, error, at, held_at FROM held
     WHERE seq > ? ORDER BY seq LIMIT ${rowsMax}`,
  )
  const count = db.query('SELECT count(*) FROM held WHERE seq > ?')
  const find = db.query(
    `SELECT 1 FROM held_key JOIN held USING (seq) WHERE held_key.account = ? AND key = ? AND ids = ?
     AND address = ? AND state = ? AND error = ? AND at = ? AND held_at = ?`,
  )
  const message = db.query('SELECT 1 FROM smsc_id WHERE account = ? AND key = ?')
  const waits = ({ receipt, since }: CopiedReceipt): boolean => {
    const { account, ids, address, state, error, at } = receipt
    const row = [JSON.stringify(ids), address, partStateNumber(state), error, at, since]
    return find.values(account, ids[0] ?? '', ...row).length > 0
  }
  const found = ({ receipt }: CopiedReceipt): boolean => {
    const account = accounts.known(receipt.account)
    return account !== undefined && receipt.ids.some(key => message.values(account, key).length > 0)
  }
  return {
    async *read(after) {
      const seqs = new Map<string, number>()
      const place = after === '' ? '0' : after
      const rows = (at: string): CopiedReceipt[] => {
        seqs.clear()
        return (page.values(Number(at)) as HeldRow[]).map(
          ([seq, account, ids, address, state, error, time, since]) => {
            // As another store names it that has it from here, also after a resumed copy.
            const name = heldName(since, seq, id)
            seqs.set(name, seq)
            const receipt = {
              account,
              ids: JSON.parse(ids),
              address,
              state: partStateOf(state),
              error,
              at: time,
            }
            return { receipt, since, name }
          },
        )
      }
      yield* pieces(
        place,
        rows,
        ({ name }) => String(seqs.get(name)),
        at => Number(count.values(Number(at))[0]?.[0]),
      )
    },
    /** In the order given. One that finds its message here is applied to it. */
    async write(rows) {
      const news = rows.filter(row => !waits(row))
      if (news.length === 0) return
      writer.run(
        news.map(({ receipt, since }) => ({ op: 'settle', receipt, since })),
        clock.now(),
      )
    },
    missing: async rows =>
      rows.filter(row => row.since > clock.now() - RECEIPT_HELD_MS && !waits(row) && !found(row)).length,
  }
}

/** Page after page; each is read when the one before has been taken. */
async function* pieces<T>(
  from: string,
  page: (after: string) => T[],
  placeOf: (row: T) => string,
  countAfter: (after: string) => number,
): AsyncGenerator<Piece<T>, void, void> {
  const all = countAfter('')
  let left = from === '' ? all : countAfter(from)
  for (let after = from; ; ) {
    const rows = page(after)
    const last = rows.at(-1)
    if (last === undefined) return
    after = placeOf(last)
    left -= rows.length
    yield { rows, after, share: all === 0 ? 1 : 1 - left / all }
  }
}
