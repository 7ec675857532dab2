import { AerospikeClient } from '../../src/aerospike/index.ts'
import { systemRandom } from '../../src/clock.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import type { AerospikeStore } from '../../src/store/aerospike_store.ts'
import { describeStore, RETENTION_MS } from '../conformance/store.ts'
import { clearSets, freshSet, namespace, target } from '../support/aerospike_target.ts'

const { hosts } = target()
const prefix = `${freshSet()}-`

describeStore(
  'Aerospike store',
  async clock => {
    const open = (instance: string): Promise<AerospikeStore> =>
      openAerospikeStore({
        // The wire keeps to the time of the world.
        client: new AerospikeClient({ hosts }),
        namespace,
        prefix,
        clock,
        random: systemRandom,
        log: { warn: () => {} },
        retentionMs: RETENTION_MS,
        instance,
        name: instance,
        node: 0,
      })
    const stores = [await open('first')]
    const [store] = stores
    return {
      store: store as AerospikeStore,
      async another() {
        const other = await open(`other-${stores.length}`)
        stores.push(other)
        return other
      },
      async reopen() {
        await stores.shift()?.close()
        const again = await open('first')
        stores.unshift(again)
        return again
      },
      async close() {
        for (const each of stores) await each.close()
        await clearSets(hosts, prefix)
      },
    }
  },
  { ordered: false, shared: true },
)
