import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AerospikeClient } from '../../src/aerospike/index.ts'
import { systemRandom } from '../../src/clock.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import { openSpooledStore } from '../../src/store/spooled.ts'
import { openSpool } from '../../src/store/sqlite_spool.ts'
import { describeStore, RETENTION_MS } from '../conformance/store.ts'
import { clearSets, freshSet, namespace, target } from '../support/aerospike_target.ts'
import { patientClock } from '../support/clock.ts'
import { sharingStores } from '../support/sharing_stores.ts'
import { silent } from '../support/simulation_quiet.ts'

const { hosts } = target()
const prefix = `${freshSet()}-`

describeStore(
  'Aerospike store behind a spool',
  async clock => {
    const folder = mkdtempSync(join(tmpdir(), 'spool-'))
    const open = (instance: string) =>
      openSpooledStore({
        spool: openSpool(join(folder, `${instance}.db`), clock),
        open: () =>
          openAerospikeStore({
            client: new AerospikeClient({ hosts, clock: patientClock }),
            ...{ namespace, prefix, clock, random: systemRandom, log: silent, retentionMs: RETENTION_MS },
            ...{ instance, name: instance, node: 0, keepsNumber: true },
          }),
        ...{ instance, entriesMax: 1000, clock, log: silent },
      })
    return sharingStores(open, async () => {
      rmSync(folder, { recursive: true })
      await clearSets(hosts, prefix)
    })
  },
  { ordered: false, shared: true },
)
