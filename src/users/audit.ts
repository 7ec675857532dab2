import type { Database } from 'bun:sqlite'
import type { Clock } from '../clock.ts'

export interface AuditEntry {
  /** Unix milliseconds. */
  readonly at: number
  /** `admin`, `user 42`, `cli`. */
  readonly who: string
  /** `disable link`, `delete user` … */
  readonly action: string
  /** What it was done to. */
  readonly subject: string
  readonly reason: string
}

export class Audit {
  readonly #insert
  readonly #newest

  constructor(
    db: Database,
    private readonly clock: Pick<Clock, 'now'>,
  ) {
    this.#insert = db.query<null, [number, string, string, string, string]>(
      'INSERT INTO audit (at, who, action, subject, reason) VALUES (?, ?, ?, ?, ?)',
    )
    this.#newest = db.query<AuditEntry, [number]>(
      'SELECT at, who, action, subject, reason FROM audit ORDER BY id DESC LIMIT ?',
    )
  }

  record(who: string, action: string, subject: string, reason = ''): void {
    this.#insert.run(this.clock.now(), who, action, subject, reason)
  }

  /** Newest first. */
  newest(count: number): readonly AuditEntry[] {
    return this.#newest.all(count)
  }
}
