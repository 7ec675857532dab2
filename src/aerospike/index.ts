/**
 * A client for the Aerospike database: its wire protocol over Bun's sockets, and nothing else.
 *
 *     const client = new AerospikeClient({ hosts: [{ host: '10.0.0.1', port: 3000 }] })
 *     await client.connect()
 *     const order = key('shop', 'orders', 42)
 *     await client.put(order, { state: 'open' }, { exists: 'create', ttlSeconds: 86_400 })
 *     const { results } = await client.operate(order, [bins.increment('views', 1), bins.read('views')])
 *     for await (const { bins } of client.query({ namespace: 'shop', set: 'orders' })) console.log(bins.state)
 *
 * Whatever fails is an {@link AerospikeError}; ask its `inDoubt` before you repeat a write.
 * Needs servers from 6.0 (batches with writes, queries by partition); tried with 8.1.
 */
export { AerospikeClient, type SecondaryIndex } from './client.ts'
export type { BatchEntry, BatchResult } from './commands/batch.ts'
export type { Query, Where } from './commands/query.ts'
export { AerospikeError, type ErrorName, resultCodes } from './errors.ts'
export { Key, key, PARTITIONS, type UserKey } from './key.ts'
export { bins, lists, type MapOrder, type MapWrite, maps, type Operation } from './operations.ts'
export type { ClientOptions, Limits } from './options.ts'
export type { Policy, ReadPolicy, WritePolicy } from './policy.ts'
export type { Clock, Connect, Host, Logger, Random, Socket, SocketHandlers } from './ports.ts'
export type { Operated, RecordFacts, StoredRecord } from './record.ts'
export type { TlsOptions } from './socket.ts'
export { type Bins, Double, GeoJson, type ReadBins, type ReadValue, type Value } from './value.ts'
