import { AerospikeClient, key } from '../../src/aerospike/index.ts'
import { bins, load } from './aerospike_load.mjs'

// Our client under the load of aerospike_load.mjs.
const [hosts = '', namespace = 'test', inFlight, durationMs] = process.argv.slice(2)
const client = new AerospikeClient({
  hosts: hosts.split(',').map(address => ({
    host: address.split(':')[0] ?? '',
    port: Number(address.split(':')[1]),
  })),
})
await client.connect()
const record = (n: number) => key(namespace, 'bench', `key-${n}`)
const patient = { timeoutMs: 5000 }
for (let n = 0; n < 10_000; n += 100) {
  await Promise.all(Array.from({ length: 100 }, (_, i) => client.put(record(n + i), bins(n), patient)))
}
const act = (kind: 'put' | 'get', n: number) =>
  kind === 'put' ? client.put(record(n), bins(n), patient) : client.get(record(n), undefined, patient)
process.stdout.write(JSON.stringify(await load(act, Number(inFlight), Number(durationMs))))
client.close()
