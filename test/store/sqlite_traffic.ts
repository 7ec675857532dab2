import { systemClock } from '../../src/clock.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { traffic } from './traffic.ts'

const path = process.argv[2] ?? ''
await traffic(await openSqliteStore({ path, clock: systemClock, retentionMs: 3600_000 }))
