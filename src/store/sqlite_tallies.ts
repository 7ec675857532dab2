import type { Database } from 'bun:sqlite'
import type { Message } from '../message.ts'

/** How a message is counted: its column `tallied`. */
export const NOT_TALLIED = 0
const TALLIED_SENT = 1
const TALLIED_FAILED = 2

/** Campaign counts and the total: collected while a transaction runs, added up in it just before its end. */
export class SqliteTallies {
  readonly #sql: ReturnType<typeof statements>
  readonly #tallies = new Map<string, { campaign: string; sme: number; sent: number; failed: number }>()

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  /** Counts a message as it now stands, or moves it; answers how it is counted. */
  tally(message: Message, before: number): number {
    const taken = message.parts.every(part => part.smscId !== '')
    const now = taken ? TALLIED_SENT : TALLIED_FAILED
    if (now === before) return now
    this.untally(message, before)
    this.#count(message, now, 1)
    return now
  }

  untally(message: Message, tallied: number): void {
    if (tallied !== NOT_TALLIED) this.#count(message, tallied, -1)
  }

  #count(message: Message, tallied: number, by: number): void {
    const key = `${message.esme} ${message.campaign}`
    let tally = this.#tallies.get(key)
    if (!tally) {
      tally = { campaign: message.campaign, sme: message.esme, sent: 0, failed: 0 }
      this.#tallies.set(key, tally)
    }
    if (tallied === TALLIED_SENT) tally.sent += by
    else tally.failed += by
  }

  write(): void {
    let messages = 0
    for (const { campaign, sme, sent, failed } of this.#tallies.values()) {
      if (sent === 0 && failed === 0) continue
      this.#sql.addTally.run(campaign, sme, sent, failed)
      if (sent + failed !== 0) this.#sql.addCampaign.run(campaign, sent + failed)
      messages += sent + failed
    }
    if (messages !== 0) this.#sql.addTotal.run(messages)
    this.#tallies.clear()
  }

  /** The transaction came to nothing. */
  forget(): void {
    this.#tallies.clear()
  }
}

const statements = (db: Database) => ({
  addTally: db.query(
    `INSERT INTO tally (campaign, sme, sent, failed) VALUES (?,?,?,?)
     ON CONFLICT DO UPDATE SET sent = sent + excluded.sent, failed = failed + excluded.failed`,
  ),
  addCampaign: db.query(
    `INSERT INTO campaign (name, messages) VALUES (?,?)
     ON CONFLICT DO UPDATE SET messages = messages + excluded.messages`,
  ),
  addTotal: db.query('UPDATE total SET messages = messages + ?'),
})
