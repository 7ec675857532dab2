import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { describeStore, RETENTION_MS } from '../conformance/store.ts'

describeStore(
  'SQLite store',
  async clock => {
    const folder = mkdtempSync(join(tmpdir(), 'store-'))
    const options = { path: join(folder, 'sms.db'), clock, retentionMs: RETENTION_MS, sweepRowsMax: 10 }
    let store = await openSqliteStore(options)
    return {
      store,
      async reopen() {
        await store.close()
        store = await openSqliteStore(options)
        return store
      },
      async close() {
        await store.close()
        rmSync(folder, { recursive: true })
      },
    }
  },
  { ordered: true, shared: false },
)
