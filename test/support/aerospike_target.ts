import { afterAll } from 'bun:test'
import { AerospikeClient, type ClientOptions, type Host } from '../../src/aerospike/index.ts'
import { AerospikeServer } from './aerospike_server.ts'
import { patientClock } from './clock.ts'

/** `host:port,host:port` of a real cluster to run against, in place of the fake one. */
const real = process.env.AEROSPIKE_HOSTS

export const namespace = process.env.AEROSPIKE_NAMESPACE ?? 'test'
export const isReal = real !== undefined && real !== ''

/** The cluster of a test file: the real one when AEROSPIKE_HOSTS is set, else a fake of two nodes. */
export function target(): { hosts: readonly Host[] } {
  if (isReal) return { hosts: (real ?? '').split(',').map(parseHost) }
  const server = new AerospikeServer({ nodes: 2, replicas: 2, namespaces: [namespace] })
  afterAll(() => server.stop())
  return { hosts: server.hosts }
}

/** A client that is closed at the end of the test file. */
export async function connected(options: ClientOptions): Promise<AerospikeClient> {
  const client = new AerospikeClient(options)
  afterAll(() => client.close())
  await client.connect()
  return client
}

let sets = 0

/** A set that no other test uses, nor another run: the real cluster may keep what was written before. */
export function freshSet(): string {
  return `t${process.pid}-${Date.now().toString(36)}-${sets++}`
}

/** What one test of a store wrote is not there for the next. */
export async function clearSets(hosts: readonly Host[], prefix: string): Promise<void> {
  const client = new AerospikeClient({ hosts, clock: patientClock })
  await client.connect()
  for (const set of ['messages', 'ids', 'held', 'inbound', 'claims', 'state']) {
    for await (const record of client.query({ namespace, set: prefix + set, bins: [] })) {
      await client.remove(record.key)
    }
  }
  client.close()
}

function parseHost(text: string): Host {
  const [host = '127.0.0.1', port = '3000'] = text.trim().split(':')
  return { host, port: Number(port) }
}
