import { Database } from 'bun:sqlite'

export interface AuditLine {
  /** Unix milliseconds. */
  readonly at: number
  readonly who: string
  readonly action: string
  readonly subject: string
  readonly reason: string
}

/** The table `audit` of a database of users, newest first. */
export function auditOf(path: string): AuditLine[] {
  using db = new Database(path, { readonly: true })
  return db
    .query<AuditLine, []>('SELECT at, who, action, subject, reason FROM audit ORDER BY id DESC LIMIT 10')
    .all()
}
