import type { Database } from 'bun:sqlite'
import { type Message, taken } from '../message.ts'
import type { CampaignTally } from './store.ts'

/** How a message is counted: its column `tallied`. */
export const NOT_TALLIED = 0
export const TALLIED_SENT = 1
export const TALLIED_FAILED = 2

export const kindOf = (message: Message): number => (taken(message) ? TALLIED_SENT : TALLIED_FAILED)

/** Campaign counts and the total: collected while a transaction runs, added up in it just before its end. */
export class SqliteTallies {
  readonly #sql: ReturnType<typeof statements>
  /** Made anew, not cleared: see `churning_map.ts`. */
  #tallies = new Map<string, { campaign: string; sme: number; sent: number; failed: number }>()

  constructor(db: Database) {
    this.#sql = statements(db)
  }

  /** Counts a message as it now stands, or moves it; answers how it is counted. */
  tally(message: Message, before: number): number {
    const now = kindOf(message)
    if (now === before) return now
    this.untally(message, before)
    this.#count(message, now, 1)
    return now
  }

  untally(message: Message, tallied: number): void {
    if (tallied !== NOT_TALLIED) this.#count(message, tallied, -1)
  }

  add({ campaign, sme, sent, failed }: CampaignTally): void {
    const key = `${sme} ${campaign}`
    let tally = this.#tallies.get(key)
    if (!tally) {
      tally = { campaign, sme, sent: 0, failed: 0 }
      this.#tallies.set(key, tally)
    }
    tally.sent += sent
    tally.failed += failed
  }

  #count({ campaign, esme: sme }: Message, tallied: number, by: number): void {
    const taken = tallied === TALLIED_SENT
    this.add({ campaign, sme, sent: taken ? by : 0, failed: taken ? 0 : by })
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
    this.forget()
  }

  /** What was counted since the last transaction. */
  forget(): void {
    this.#tallies = new Map()
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
