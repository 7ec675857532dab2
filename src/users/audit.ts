import type { Database } from 'bun:sqlite'
import type { Clock } from '../clock.ts'

/** Some hundred octets each, and one a reload: past it the oldest goes. */
const ENTRIES_MAX = 1_000_000

/** The table `audit`, which operators read in the file. */
export class Audit {
  readonly #insert
  readonly #trim

  constructor(
    private readonly db: Database,
    private readonly clock: Pick<Clock, 'now'>,
  ) {
    this.#insert = db.query<null, [number, string, string, string, string]>(
      'INSERT INTO audit (at, who, action, subject, reason) VALUES (?, ?, ?, ?, ?)',
    )
    // Ids have no gaps: nothing else is ever deleted, and a number that a rollback took back is given again.
    this.#trim = db.query('DELETE FROM audit WHERE id <= last_insert_rowid() - ?')
  }

  /** `who`: `admin`, `user 42`, `cli`; `action`: `disable link`, `delete user` …; `subject`: what it was done to. */
  record(who: string, action: string, subject: string, reason = ''): void {
    this.db.transaction(() => {
      this.#insert.run(this.clock.now(), who, action, subject, reason)
      this.#trim.run(ENTRIES_MAX)
    })()
  }
}
