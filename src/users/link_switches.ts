import type { Database } from 'bun:sqlite'
import type { Audit } from './audit.ts'

/** What operators said of links, over what the configuration says, kept over restarts. */
export class LinkSwitches {
  readonly #set
  readonly #get

  constructor(
    private readonly db: Database,
    private readonly audit: Audit,
  ) {
    this.#set = db.query<null, [number, number]>(
      'INSERT INTO link_switches (link_id, enabled) VALUES (?, ?) ON CONFLICT (link_id) DO UPDATE SET enabled = excluded.enabled',
    )
    this.#get = db.query<{ enabled: number }, [number]>('SELECT enabled FROM link_switches WHERE link_id = ?')
  }

  /** Undefined: no operator spoke, the configuration holds. */
  enabled(linkId: number): boolean | undefined {
    const row = this.#get.get(linkId)
    return row === null ? undefined : row.enabled === 1
  }

  /** On disk, with its line in the audit table, when it returns. */
  set(linkId: number, enabled: boolean, who: string, reason: string): void {
    this.db.transaction(() => {
      this.#set.run(linkId, enabled ? 1 : 0)
      this.audit.record(who, enabled ? 'enable link' : 'disable link', String(linkId), reason)
    })()
  }
}
