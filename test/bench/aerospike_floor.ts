import { AerospikeClient, type Connect, key, type Socket } from '../../src/aerospike/index.ts'
import { socketConnector } from '../../src/aerospike/socket.ts'
import { bins, load } from './aerospike_load.mjs'

// What no client on Bun's sockets can go below with one request in flight: the frames of the load, made
// beforehand, over a bare socket. Nothing is encoded, decoded, timed or looked up.
const [hosts = '', namespace = 'test', , durationMs] = process.argv.slice(2)
const [host = '', port = ''] = (hosts.split(',')[0] ?? '').split(':')
const FRAMES = 1000

let written: Buffer = Buffer.alloc(0)
const tcp = socketConnector(undefined)
const overheard: Connect = async (to, handlers, late) => {
  const socket = await tcp(to, handlers, late)
  const write: Socket['write'] = (octets, count) => {
    written = Buffer.from(octets.subarray(0, count))
    return socket.write(octets, count)
  }
  return { ...socket, write }
}
const client = new AerospikeClient({ hosts: [{ host, port: Number(port) }], connect: overheard })
await client.connect()
const frames = { put: [] as Buffer[], get: [] as Buffer[] }
for (let n = 0; n < FRAMES; n++) {
  const record = key(namespace, 'bench', `key-${n}`)
  await client.put(record, bins(n))
  frames.put.push(written)
  await client.get(record)
  frames.get.push(written)
}
client.close()

let answered: () => void = () => {}
let missing = 0
const socket = await tcp(
  { host, port: Number(port) },
  {
    data(chunk) {
      if (missing === 0) missing = 8 + Buffer.from(chunk.buffer, chunk.byteOffset).readUInt32BE(4)
      missing -= chunk.length
      if (missing <= 0) answered()
    },
    drain() {},
    closed: cause => {
      throw cause
    },
  },
  new Promise<never>(() => {}),
)
const act = (kind: 'put' | 'get', n: number) => {
  const frame = frames[kind][n % FRAMES] ?? Buffer.alloc(0)
  missing = 0
  socket.write(frame, frame.length)
  return new Promise<void>(resolve => {
    answered = resolve
  })
}
process.stdout.write(JSON.stringify(await load(act, 1, Number(durationMs))))
process.exit(0)
