// @ts-nocheck: Node runs this as it stands, without a step in between that would take types out.
// The official client, under Node (it is a V8 addon): does what it is told on standard input, a JSON document
// a line, and answers on standard output. Its prebuilt binaries come inside the package, one a Node version.
import { createInterface } from 'node:readline'
import Aerospike from 'aerospike'

const [hosts, namespace] = process.argv.slice(2)
Aerospike.setDefaultLogging({ level: Aerospike.log.OFF, file: 1 })
const client = await Aerospike.connect({
  hosts,
  policies: { read: { totalTimeout: 5000 }, write: { totalTimeout: 5000 } },
})

/** A value in JSON: [type, text or parts]. */
function decode([type, value]) {
  switch (type) {
    case 'null':
      return null
    case 'boolean':
    case 'string':
      return value
    case 'integer':
      return Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value)
    case 'double':
      return Number.isInteger(value) ? new Aerospike.Double(value) : value
    case 'blob':
      return Buffer.from(value, 'base64')
    case 'geojson':
      return new Aerospike.GeoJSON(value)
    case 'list':
      return value.map(decode)
    case 'map':
      return new Map(value.map(([key, item]) => [decode(key), decode(item)]))
    default:
      throw new Error(`no type ${type}`)
  }
}

function encode(value) {
  if (value === null || value === undefined) return ['null']
  if (typeof value === 'boolean' || typeof value === 'string') return [typeof value, value]
  if (typeof value === 'bigint') return ['integer', String(value)]
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? ['integer', String(value)] : ['double', value]
  if (value instanceof Aerospike.Double) return ['double', value.value()]
  if (value instanceof Uint8Array) return ['blob', Buffer.from(value).toString('base64')]
  if (value instanceof Aerospike.GeoJSON) return ['geojson', value.toString()]
  if (Array.isArray(value)) return ['list', value.map(encode)]
  const entries = value instanceof Map ? [...value] : Object.entries(value)
  return ['map', entries.map(([key, item]) => [encode(key), encode(item)])]
}

const keyOf = ({ set, key }) => new Aerospike.Key(namespace, set, decode(key))
const binsOf = bins => Object.fromEntries(Object.entries(bins).map(([name, value]) => [name, decode(value)]))
const encodeBins = bins =>
  Object.fromEntries(Object.entries(bins).map(([name, value]) => [name, encode(value)]))
const { operations, lists, maps } = Aerospike

const orders = {
  async put({ bins, ttl, ...key }) {
    await client.put(keyOf(key), binsOf(bins), ttl === undefined ? {} : { ttl })
  },
  async get(key) {
    const { bins, gen, ttl } = await client.get(keyOf(key))
    return { bins: encodeBins(bins), gen, ttl }
  },
  async remove(key) {
    await client.remove(keyOf(key))
  },
  async digest(key) {
    // The digest is computed by the library when a key is first used.
    await client.exists(keyOf(key))
    const record = await client.get(keyOf(key))
    return Buffer.from(record.key.digest).toString('hex')
  },
  async operate(key) {
    const { bins } = await client.operate(keyOf(key), [
      operations.incr('count', 2),
      operations.append('text', '+'),
      lists.append('list', 'official'),
      maps.put('map', 'official', 1),
      operations.read('count'),
      operations.read('text'),
      operations.read('map'),
    ])
    return encodeBins(bins)
  },
  async batch({ set, keys }) {
    const rows = await client.batchRead(keys.map(key => ({ key: keyOf({ set, key }), readAllBins: true })))
    return rows.map(({ status, record }) => (status === 0 ? encodeBins(record.bins) : status))
  },
  async batchWrite({ set, keys, bins }) {
    const write = key => ({
      type: Aerospike.batchType.BATCH_WRITE,
      key: keyOf({ set, key }),
      ops: Object.entries(bins).map(([name, value]) => operations.write(name, decode(value))),
    })
    const rows = await client.batchWrite(keys.map(write))
    return rows.map(({ status }) => status)
  },
  async scan({ set }) {
    const found = []
    const stream = client.scan(namespace, set).foreach()
    await new Promise((resolve, reject) => {
      stream.on('data', ({ bins }) => found.push(encodeBins(bins)))
      stream.on('error', reject)
      stream.on('end', resolve)
    })
    return found
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { order, ...rest } = JSON.parse(line)
  const answer = await orders[order](rest).then(
    value => ({ value: value ?? null }),
    error => ({ error: `${error.code} ${error.message}` }),
  )
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
client.close()
process.exit(0)
