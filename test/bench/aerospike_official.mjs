// @ts-nocheck: Node runs this as it stands, without a step in between that would take types out.
// The official client under Node, under the load of aerospike_load.mjs.
import Aerospike from 'aerospike'
import { bins, load } from './aerospike_load.mjs'

const [hosts, namespace, inFlight, durationMs] = process.argv.slice(2)
Aerospike.setDefaultLogging({ level: Aerospike.log.OFF, file: 1 })
const client = await Aerospike.connect({
  hosts,
  maxConnsPerNode: 512,
  policies: { read: { totalTimeout: 5000 }, write: { totalTimeout: 5000 } },
})
const key = n => new Aerospike.Key(namespace, 'bench', `key-${n}`)
for (let n = 0; n < 10_000; n += 100)
  await Promise.all(Array.from({ length: 100 }, (_, i) => client.put(key(n + i), bins(n))))
const act = (kind, n) => (kind === 'put' ? client.put(key(n), bins(n)) : client.get(key(n)))
process.stdout.write(JSON.stringify(await load(act, Number(inFlight), Number(durationMs))))
client.close()
process.exit(0)
