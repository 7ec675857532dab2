import { AerospikeClient } from '../../src/aerospike/index.ts'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import { traffic } from './traffic.ts'

const [port, namespace = ''] = process.argv.slice(2)
await traffic(
  await openAerospikeStore({
    client: new AerospikeClient({ hosts: [{ host: '127.0.0.1', port: Number(port) }] }),
    namespace,
    clock: systemClock,
    random: systemRandom,
    log: { warn: () => {} },
    retentionMs: 3600_000,
    instance: 'traffic',
    name: 'traffic',
    node: 0,
  }),
)
