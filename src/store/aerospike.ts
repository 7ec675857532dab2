import type { Clock } from '../clock.ts'
import { openFault } from './aerospike_faults.ts'
import { type Holder, Lease, NODES, nodeLease, noteOpening, numberLease } from './aerospike_lease.ts'
import { Deadline, PREFIX, Records, recordOctetsMax } from './aerospike_records.ts'
import {
  AerospikeStore,
  type AerospikeStoreOptions,
  CALL_MS,
  LEASE_SECONDS,
  NUMBER_SECONDS,
} from './aerospike_store.ts'
import { StoreError } from './store.ts'

/** Connects and takes a node number. Throws a {@link StoreError} that tells the operator what is wrong. */
export async function openAerospikeStore(options: AerospikeStoreOptions): Promise<AerospikeStore> {
  const { client, namespace, prefix = PREFIX, clock, random } = options
  try {
    await client.connect()
    const octetsMax = await recordOctetsMax(client, namespace)
    const records = new Records(client, namespace, prefix, clock, octetsMax)
    const nonce = Buffer.from(random(6)).toString('hex')
    const holder = { nonce, instance: options.instance, name: options.name }
    const { node, lease, number } = await takeNode(records, holder, options.node, clock)
    await noteOpening(records, holder, new Deadline(clock, CALL_MS))
    if (!options.keepsNumber) return new AerospikeStore(options, records, holder, node, lease)
    await number.hold(new Deadline(clock, CALL_MS), true)
    return new AerospikeStore(options, records, holder, node, lease, number)
  } catch (cause) {
    client.close()
    throw cause instanceof StoreError ? cause : new StoreError(openFault(cause, namespace), { cause })
  }
}

/**
 * The number that this installation had before, else the one that it would like, else the next that is free; one
 * that is kept for another gateway only when there is no other.
 */
async function takeNode(
  records: Records,
  holder: Holder,
  wanted: number,
  clock: Pick<Clock, 'monotonic'>,
): Promise<{ node: number; lease: Lease; number: Lease }> {
  const leases = Array.from({ length: NODES }, (_, at) => {
    const node = (wanted + at) % NODES
    return {
      node,
      lease: new Lease(records, nodeLease(node), holder, LEASE_SECONDS),
      number: new Lease(records, numberLease(node), holder, NUMBER_SECONDS),
    }
  })
  const owned = await Promise.all(
    leases.map(async each => ({
      ...each,
      owner:
        (await each.lease.owner(new Deadline(clock, CALL_MS))) ??
        (await each.number.owner(new Deadline(clock, CALL_MS))),
    })),
  )
  const mine = owned.filter(({ owner }) => owner === holder.instance)
  const free = owned.filter(({ owner }) => owner === undefined)
  const others = owned.filter(({ owner }) => owner !== undefined && owner !== holder.instance)
  for (const each of [...mine, ...free, ...others]) {
    if (await each.lease.hold(new Deadline(clock, CALL_MS), true)) return each
  }
  throw new StoreError(`${NODES} gateways share this namespace already, and no more can: stop one`)
}
