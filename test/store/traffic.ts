import { systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import type { MessageStore } from '../../src/store/store.ts'
import { messageOf } from '../support/message.ts'

const CLIENTS = 32

/** Saves messages until the process is killed, and writes the id of each on stdout once its promise resolved. */
export async function traffic(store: MessageStore): Promise<void> {
  const ids = createIds(systemClock, systemRandom)
  let made = 0
  const client = async (): Promise<never> => {
    for (;;) {
      const smscId = String(++made)
      const now = systemClock.now()
      const parts = [{ state: 'submitted', smscId, account: 'a:1/x', error: 0 }] as const
      const { id } = await store.save(messageOf(now, { id: ids.messageId(), taskId: ids.taskId(), parts }))
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
  await Promise.all(Array.from({ length: CLIENTS }, client))
}
