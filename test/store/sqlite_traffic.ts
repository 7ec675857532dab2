/** Saves messages until it is killed, and writes the id of each on stdout once its promise resolved. */

import { systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'

const store = await openSqliteStore({
  path: process.argv[2] ?? '',
  clock: systemClock,
  retentionMs: 3600_000,
})
const ids = createIds(systemClock, systemRandom)
let made = 0

async function client(): Promise<never> {
  for (;;) {
    const smscId = String(++made)
    const now = systemClock.now()
    const { id } = await store.save({
      id: ids.messageId(),
      taskId: ids.taskId(),
      appId: 1,
      esme: 1,
      campaign: 'spring',
      transactionId: '',
      source: '123',
      destination: '447700900123',
      state: 'submitted',
      parts: [{ state: 'submitted', smscId, account: 'a:1/x', error: 0 }],
      sentAt: now,
      updatedAt: now,
      error: '',
    })
    process.stdout.write(`saved ${id}\n`)
    await store.settle({
      account: 'a:1/x',
      ids: [smscId],
      address: '',
      state: 'delivered',
      error: 0,
      at: now,
    })
    process.stdout.write(`settled ${id}\n`)
  }
}

await Promise.all(Array.from({ length: 32 }, client))
