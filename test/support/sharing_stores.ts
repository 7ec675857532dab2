import type { MessageStore } from '../../src/store/store.ts'

/** Stores on one set of data, as gateways that share a cluster have them, for the conformance suite. */
export async function sharingStores(
  open: (instance: string) => Promise<MessageStore>,
  cleanUp: () => Promise<void>,
) {
  const first = await open('first')
  const stores = [first]
  return {
    store: first,
    async another() {
      const other = await open(`other-${stores.length}`)
      stores.push(other)
      return other
    },
    /** The first again, as after a restart. */
    async reopen() {
      await stores.shift()?.close()
      const again = await open('first')
      stores.unshift(again)
      return again
    },
    async close() {
      for (const each of stores) await each.close()
      await cleanUp()
    },
  }
}
