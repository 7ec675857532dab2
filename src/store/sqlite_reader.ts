import type { Database } from 'bun:sqlite'
import type { Message } from '../message.ts'
import { isId } from '../message_id.ts'
import type { SqliteAccounts } from './sqlite_accounts.ts'
import {
  INBOUND_COLUMNS,
  type InboundRow,
  idBytes,
  idText,
  MESSAGE_COLUMNS,
  type MessageRow,
  partStateOf,
  toInbound,
  toMessage,
} from './sqlite_rows.ts'
import type {
  CampaignTally,
  CampaignTotal,
  ClaimKey,
  Earlier,
  HeldReceipt,
  InboxMessage,
  Page,
  Rows,
  Totals,
} from './store.ts'

/** The questions of the contract. They pass the queue of writes by and see every commit. */
export class SqliteReader {
  readonly #sql: ReturnType<typeof statements>

  constructor(
    db: Database,
    private readonly accounts: SqliteAccounts,
  ) {
    this.#sql = statements(db)
  }

  find(id: string): Message | undefined {
    if (!isId(id)) return undefined
    const row = this.#sql.message.values(idBytes(id))[0] as MessageRow | undefined
    return row && toMessage(row, this.accounts)
  }

  newest(): Pick<Message, 'id' | 'taskId'> | undefined {
    const row = this.#sql.newest.values()[0] as [id: Uint8Array, taskId: number] | undefined
    return row && { id: idText(row[0]), taskId: row[1] }
  }

  /** What stands under a key at `now`. */
  recall(claim: ClaimKey, now: number): Earlier | undefined {
    const row = this.#sql.claim.values(claim.appId, claim.key, now)[0] as
      | [bodyHash: Uint8Array, message: Uint8Array]
      | undefined
    if (!row) return undefined
    const [bodyHash, message] = row
    const sameBody = Buffer.compare(bodyHash, claim.bodyHash) === 0
    return { fresh: false, sameBody, message: this.find(idText(message)) }
  }

  unmatched({ offset, limit }: Page): Rows<HeldReceipt> {
    const rows = this.#sql.held.values(limit, offset) as HeldRow[]
    return {
      rows: rows.map(([account, ids, address, state, error, at]) => ({
        account,
        ids: JSON.parse(ids),
        address,
        state: partStateOf(state),
        error,
        at,
      })),
      total: number(this.#sql.heldCount),
    }
  }

  inboxSize(): number {
    return number(this.#sql.inboundCount)
  }

  /** The id so many rows further down the list than `above`; past its end one that nothing is below. */
  inboxDown(above: Uint8Array, rows: number): Uint8Array {
    const id = this.#sql.inboundDown.values(above, rows - 1)[0]?.[0]
    return (id as Uint8Array | undefined) ?? new Uint8Array()
  }

  /** Of those below `above`. */
  inbox(above: Uint8Array, { offset, limit }: Page): InboxMessage[] {
    return (this.#sql.inbound.values(above, limit, offset) as InboundRow[]).map(toInbound)
  }

  totals(): Totals {
    return { messages: number(this.#sql.total) }
  }

  tallyCount(): number {
    return number(this.#sql.tallyCount)
  }

  /** The tally so many rows further down the list than `above`, which has as many below it. */
  tallyDown({ campaign, sme }: TallyPlace, rows: number): TallyPlace {
    return this.#sql.tallyDown.all(campaign, sme, rows - 1)[0] as TallyPlace
  }

  /** Of those below `above`. */
  tallies({ campaign, sme }: TallyPlace, { offset, limit }: Page): CampaignTally[] {
    return this.#sql.tallies.all(campaign, sme, limit, offset) as CampaignTally[]
  }

  topCampaigns(count: number): CampaignTotal[] {
    return this.#sql.top.all(count) as CampaignTotal[]
  }
}

/** Where a tally lies in the list. */
type TallyPlace = Pick<CampaignTally, 'campaign' | 'sme'>

type HeldRow = [account: string, ids: string, address: string, state: number, error: number, at: number]

const number = (statement: { values(): unknown[][] }): number => Number(statement.values()[0]?.[0])

const statements = (db: Database) => ({
  message: db.query(`SELECT ${MESSAGE_COLUMNS} FROM message WHERE id = ?`),
  newest: db.query('SELECT id, task_id FROM message ORDER BY id DESC LIMIT 1'),
  claim: db.query('SELECT body_hash, message FROM claim WHERE app_id = ? AND key = ? AND expires_at > ?'),
  held: db.query(
    'SELECT account, ids, address, state, error, at FROM held ORDER BY seq DESC LIMIT ? OFFSET ?',
  ),
  heldCount: db.query('SELECT count(*) FROM held'),
  inbound: db.query(`SELECT ${INBOUND_COLUMNS} FROM inbound WHERE id < ? ORDER BY id DESC LIMIT ? OFFSET ?`),
  inboundDown: db.query('SELECT id FROM inbound WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?'),
  inboundCount: db.query('SELECT inbound FROM total'),
  total: db.query('SELECT messages FROM total'),
  tallies: db.query(
    `SELECT campaign, sme, sent, failed FROM tally WHERE (campaign, sme) > (?, ?)
     ORDER BY campaign, sme LIMIT ? OFFSET ?`,
  ),
  tallyDown: db.query(
    `SELECT campaign, sme FROM tally WHERE (campaign, sme) > (?, ?)
     ORDER BY campaign, sme LIMIT 1 OFFSET ?`,
  ),
  tallyCount: db.query('SELECT tallies FROM total'),
  top: db.query('SELECT name AS campaign, messages FROM campaign ORDER BY messages DESC, name LIMIT ?'),
})
