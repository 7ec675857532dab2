import type { Clock } from '../clock.ts'
import { openFault } from './aerospike_faults.ts'
import { type Holder, Lease, NODES, nodeLease, noteOpening } from './aerospike_lease.ts'
import { Deadline, Records } from './aerospike_records.ts'
import { AerospikeStore, type AerospikeStoreOptions, CALL_MS, LEASE_SECONDS } from './aerospike_store.ts'
import { StoreError } from './store.ts'

/** Connects and takes a node number. Throws a {@link StoreError} that tells the operator what is wrong. */
export async function openAerospikeStore(options: AerospikeStoreOptions): Promise<AerospikeStore> {
  const { client, namespace, prefix = 'sms-', clock, random } = options
  try {
    await client.connect()
    const records = new Records(client, namespace, prefix, clock)
    const nonce = Buffer.from(random(6)).toString('hex')
    const holder = { nonce, instance: options.instance, name: options.name }
    const { node, lease } = await takeNode(records, holder, options.node, clock)
    await noteOpening(records, holder, new Deadline(clock, CALL_MS))
    return new AerospikeStore(options, records, holder, node, lease)
  } catch (cause) {
    client.close()
    throw cause instanceof StoreError ? cause : new StoreError(openFault(cause, namespace), { cause })
  }
}

/** The number that this installation had before, else the one that it would like, else the next that is free. */
async function takeNode(
  records: Records,
  holder: Holder,
  wanted: number,
  clock: Pick<Clock, 'monotonic'>,
): Promise<{ node: number; lease: Lease }> {
  const leases = Array.from({ length: NODES }, (_, at) => {
    const node = (wanted + at) % NODES
    return { node, lease: new Lease(records, nodeLease(node), holder, LEASE_SECONDS) }
  })
  const owners = await Promise.all(leases.map(({ lease }) => lease.owner(new Deadline(clock, CALL_MS))))
  const before = owners.indexOf(holder.instance)
  const order = before < 0 ? leases : [...leases.splice(before, 1), ...leases]
  for (const each of order) {
    if (await each.lease.hold(new Deadline(clock, CALL_MS), true)) return each
  }
  throw new StoreError(`${NODES} gateways share this namespace already, and no more can: stop one`)
}
