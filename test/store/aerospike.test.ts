import { AerospikeClient } from '../../src/aerospike/index.ts'
import { systemRandom } from '../../src/clock.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import { describeStore, RETENTION_MS } from '../conformance/store.ts'
import { clearSets, freshSet, namespace, target } from '../support/aerospike_target.ts'
import { patientClock } from '../support/clock.ts'
import { sharingStores } from '../support/sharing_stores.ts'

const { hosts } = target()
const prefix = `${freshSet()}-`

describeStore(
  'Aerospike store',
  async clock => {
    const open = (instance: string) =>
      openAerospikeStore({
        // The wire keeps to the time of the world.
        client: new AerospikeClient({ hosts, clock: patientClock }),
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
    return sharingStores(open, () => clearSets(hosts, prefix))
  },
  { ordered: false, shared: true },
)
