import { AerospikeClient, AerospikeError, type ClientOptions } from '../../src/aerospike/index.ts'
import { AerospikeServer, type ServerOptions } from '../support/aerospike_server.ts'

const closers: (() => void)[] = []

/** For `afterEach`. */
export function closeAll(): void {
  for (const close of closers.splice(0)) close()
}

/** Called at the end of the test. */
export function closing(...these: (() => void)[]): void {
  closers.push(...these)
}

/** A fake cluster, and a client that knows the first `seeds` of its nodes and has not connected. */
export function clientOf(
  server: ServerOptions,
  options: Partial<ClientOptions>,
  seeds = Number.POSITIVE_INFINITY,
) {
  const cluster = new AerospikeServer(server)
  const client = new AerospikeClient({ hosts: cluster.hosts.slice(0, seeds), ...options })
  closing(
    () => client.close(),
    () => cluster.stop(),
  )
  return { cluster, client }
}

/** The same, connected, and the first node of the cluster. */
export async function connectedTo(server: ServerOptions = {}, options: Partial<ClientOptions> = {}) {
  const { cluster, client } = clientOf(server, options)
  await client.connect()
  const [node] = cluster.nodes
  if (!node) throw new Error('a cluster without nodes')
  return { cluster, client, node }
}

/** The error that a call ends with; one that succeeds, or ends otherwise, fails the test. */
export async function failure(promise: Promise<unknown>): Promise<AerospikeError> {
  const error = await promise.then(
    value => new Error(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (error instanceof AerospikeError) return error
  throw error
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 50_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it did not come to be within 50 s')
    await Bun.sleep(1)
  }
}
