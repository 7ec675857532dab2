import { bins, type Key } from '../aerospike/index.ts'
import type { Deadline, Records } from './aerospike_records.ts'
import { textOf } from './aerospike_records.ts'

/** As many gateways share a store: 5 bits of a task id (`src/ids.ts`). */
export const NODES = 32

/** Who wants a lease. */
export interface Holder {
  /** Of this process alone. */
  readonly nonce: string
  /** Of this installation, the same after a restart: it takes its old lease over at once. */
  readonly instance: string
  /** For people. */
  readonly name: string
}

/**
 * A record that expires unless its holder renews it, by the cluster's clock alone: gateways whose clocks differ
 * agree on who is alive.
 */
export class Lease {
  readonly #key: Key

  constructor(
    private readonly records: Records,
    name: string,
    private readonly holder: Holder,
    private readonly seconds: number,
  ) {
    this.#key = records.key('state', `lease/${name}`)
  }

  /** Takes it or renews it; undefined when somebody else has it. */
  async hold(deadline: Deadline, takeOver: boolean): Promise<'taken' | 'renewed' | undefined> {
    const { nonce, instance, name } = this.holder
    // Seen at any look: what is found after a write in doubt may be that write.
    let taken = false
    for (;;) {
      const record = await this.records.get(this.#key, deadline)
      const renewed = record !== undefined && textOf(record.bins, 'nonce') === nonce
      const free = !record || (takeOver && textOf(record.bins, 'instance') === instance)
      if (!renewed && !free) return undefined
      taken ||= !renewed
      if (
        await this.records.put(
          this.#key,
          { nonce, instance, name },
          this.seconds,
          deadline,
          record?.generation,
        )
      ) {
        return taken ? 'taken' : 'renewed'
      }
    }
  }

  /** The installation that has it. */
  async owner(deadline: Deadline): Promise<string | undefined> {
    const record = await this.records.get(this.#key, deadline)
    return record && textOf(record.bins, 'instance')
  }

  /** Seconds by which this host's clock is ahead of the cluster's, up to those of the lease: of one just taken or renewed. */
  async clockAhead(deadline: Deadline): Promise<number> {
    const record = await this.records.get(this.#key, deadline)
    return this.seconds - (record?.ttlSeconds ?? this.seconds)
  }

  /** Lets go of it, if it is held. */
  async release(deadline: Deadline): Promise<void> {
    const record = await this.records.get(this.#key, deadline)
    if (!record || textOf(record.bins, 'nonce') !== this.holder.nonce) return
    await this.records.client.remove(this.#key, { ...deadline.policy, generation: record.generation })
  }
}

/** The gateways that are alive: names by number. */
export async function nodesAlive(records: Records, deadline: Deadline): Promise<ReadonlyMap<number, string>> {
  const keys = Array.from({ length: NODES }, (_, node) => records.key('state', `lease/${nodeLease(node)}`))
  const found = await records.getAll(keys, deadline)
  return new Map(found.flatMap((each, node) => (each ? [[node, textOf(each, 'name')] as const] : [])))
}

/** Another after each gateway that opened the store. */
export async function openings(records: Records, deadline: Deadline): Promise<string> {
  const record = await records.get(openingsKey(records), deadline)
  return record ? textOf(record.bins, 'nonce') : ''
}

export async function noteOpening(records: Records, { nonce }: Holder, deadline: Deadline): Promise<void> {
  await records.repeat(openingsKey(records), [bins.write('nonce', nonce)], 'never', deadline)
}

const openingsKey = (records: Records): Key => records.key('state', 'openings')

export const nodeLease = (node: number): string => `node/${node}`

/** Of the number alone: whose it stays while its gateway is not seen to be alive. */
export const numberLease = (node: number): string => `number/${node}`
