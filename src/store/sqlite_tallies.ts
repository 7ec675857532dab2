import type { Database } from 'bun:sqlite'
import { type Message, taken } from '../message.ts'
import { tallyName } from './campaign_tally.ts'
import { type CampaignTally, OTHER_CAMPAIGNS } from './store.ts'

/** How a message is counted: its column `tallied`. */
export const NOT_TALLIED = 0
export const TALLIED_SENT = 1
export const TALLIED_FAILED = 2

export const kindOf = (message: Message): number => (taken(message) ? TALLIED_SENT : TALLIED_FAILED)

/** Campaigns and smes that are counted apart: some 150 MB. */
export const TALLIES_MAX = 1_000_000

/** Campaign counts and the total: collected while a transaction runs, added up in it just before its end. */
export class SqliteTallies {
  readonly #sql: ReturnType<typeof statements>
  /** Made anew, not cleared: see `churning_map.ts`. */
  #tallies = new Map<string, { campaign: string; sme: number; sent: number; failed: number }>()

  /** `rowsMax`: what would be one more counts under {@link OTHER_CAMPAIGNS}. */
  constructor(
    db: Database,
    private readonly rowsMax: number,
  ) {
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
    const key = tallyName({ campaign, sme })
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
    for (const tally of this.#tallies.values()) {
      const { sent, failed } = tally
      if (sent === 0 && failed === 0) continue
      const campaign = this.#put(tally)
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

  /** Answers the campaign that it counts under: what has no row is never given one later, since none goes. */
  #put({ campaign, sme, sent, failed }: CampaignTally): string {
    const counted = (name: string): boolean => this.#sql.addTo.run(sent, failed, name, sme).changes > 0
    if (counted(campaign)) return campaign
    const hasRoom = Number(this.#sql.rows.values()[0]?.[0]) < this.rowsMax
    if (!hasRoom && counted(OTHER_CAMPAIGNS)) return OTHER_CAMPAIGNS
    const name = hasRoom ? campaign : OTHER_CAMPAIGNS
    this.#sql.addTally.run(name, sme, sent, failed)
    this.#sql.addRow.run()
    return name
  }
}

const statements = (db: Database) => ({
  rows: db.query('SELECT tallies FROM total'),
  addTo: db.query('UPDATE tally SET sent = sent + ?, failed = failed + ? WHERE campaign = ? AND sme = ?'),
  addTally: db.query('INSERT INTO tally (campaign, sme, sent, failed) VALUES (?,?,?,?)'),
  addCampaign: db.query(
    `INSERT INTO campaign (name, messages) VALUES (?,?)
     ON CONFLICT DO UPDATE SET messages = messages + excluded.messages`,
  ),
  addRow: db.query('UPDATE total SET tallies = tallies + 1'),
  addTotal: db.query('UPDATE total SET messages = messages + ?'),
})
