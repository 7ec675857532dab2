import { type AerospikeClient, AerospikeError, type ErrorName } from '../aerospike/index.ts'
import type { Clock, Random } from '../clock.ts'
import { faultOf, isCallersFault, openFault } from './aerospike_faults.ts'
import { Journal } from './aerospike_journal.ts'
import { Lease, nodesAlive, openings } from './aerospike_lease.ts'
import { Receipts, toWaiting } from './aerospike_receipts.ts'
import { Received } from './aerospike_received.ts'
import { Deadline, PREFIX, Records, recordOctetsMax, TOO_LATE, textOf } from './aerospike_records.ts'
import { Recovery } from './aerospike_recovery.ts'
import { claimShelf, heldShelf, inboundShelf, messageShelf } from './aerospike_shelves.ts'
import { Tallies } from './aerospike_tallies.ts'
import { Writer } from './aerospike_writer.ts'
import type { CopySide, Failure, Shelves } from './copy.ts'
import { type CampaignTally, StoreError } from './store.ts'

export interface AerospikeCopyOptions {
  /** Not connected yet; the copy closes it. */
  readonly client: AerospikeClient
  readonly namespace: string
  readonly prefix?: string
  readonly clock: Clock
  readonly random: Random
  readonly retentionMs: number
  /** The same for each copy of this file, of which one runs at a time: it goes on where one that was killed swept. */
  readonly instance: string
  /** Partitions that are read together: what an interrupted copy has to read again. */
  readonly partitionsTogether?: number
  /** Rows that are copied together. */
  readonly rowsMax?: number
}

const CALL_MS = 10_000
/** As long as it may take to end what dead gateways left open. */
const LEASE_SECONDS = 600
const ID_OCTETS = 8
/** No gateway's. */
const NO_NODE = -1

/** Connects. Throws a {@link StoreError} that tells the operator what is wrong. */
export async function openAerospikeCopy(options: AerospikeCopyOptions): Promise<AerospikeCopy> {
  const { client, namespace, prefix = PREFIX, clock, random } = options
  try {
    await client.connect()
    const octetsMax = await recordOctetsMax(client, namespace)
    const records = new Records(client, namespace, prefix, clock, octetsMax)
    const deadline = new Deadline(clock, CALL_MS)
    const id = await identity(records, random, deadline)
    return new AerospikeCopy(options, records, id, await openings(records, deadline))
  } catch (cause) {
    client.close()
    throw cause instanceof StoreError ? cause : new StoreError(openFault(cause, namespace), { cause })
  }
}

/** A cluster as one side of a copy. Gateways may use it as a target; as a source none may. */
export class AerospikeCopy implements CopySide {
  readonly retentionMs: number
  readonly shelves: Shelves
  readonly #nonce: string
  readonly #tallies: Tallies
  readonly #received: Received
  readonly #writer: Writer

  constructor(
    private readonly options: AerospikeCopyOptions,
    private readonly records: Records,
    readonly id: string,
    readonly opening: string,
  ) {
    const { clock, random, retentionMs, partitionsTogether = 16, rowsMax = 4000 } = options
    this.retentionMs = retentionMs
    this.#nonce = random(6).toHex()
    const receipts = new Receipts(records, clock, retentionMs, this.#nonce)
    this.#writer = new Writer(records, receipts, clock, retentionMs)
    this.#tallies = new Tallies(records, clock)
    this.#received = new Received(records, clock)
    const parts = { records, receipts, writer: this.#writer, clock, retentionMs, partitionsTogether, rowsMax }
    this.shelves = {
      messages: messageShelf(parts),
      claims: claimShelf(parts),
      inbound: inboundShelf(parts),
      held: heldShelf(parts),
    }
  }

  /** What a sweep does for gateways that are dead, of all of them. */
  async prepare(): Promise<void> {
    await this.#refuseGateways()
    const { clock, instance } = this.options
    const holder = { nonce: this.#nonce, instance, name: 'store copy' }
    const lease = new Lease(this.records, 'sweep', holder, LEASE_SECONDS)
    if (!(await lease.hold(this.#deadline(), true)))
      throw new StoreError(
        `somebody sweeps the cluster: a gateway that was killed at it is dead in ${LEASE_SECONDS / 60} minutes`,
      )
    try {
      const recovery = new Recovery(this.records, this.#writer, clock)
      await recovery.settleDead(NO_NODE, node => this.#journalOf(node))
      for await (const { bins } of this.records.scan('held', ['name', 'taker'])) {
        const { name, taker } = toWaiting(bins)
        if (taker) await this.#writer.complete(name, this.#deadline())
      }
    } finally {
      await lease.release(this.#deadline()).catch(() => {})
    }
  }

  async undisturbed(): Promise<void> {
    await this.#refuseGateways()
    if ((await openings(this.records, this.#deadline())) === this.opening) return
    throw new StoreError('a gateway used the cluster meanwhile: copy again, to bring what is new')
  }

  tallies(): Promise<readonly CampaignTally[]> {
    return this.#tallies.all()
  }

  received(from: string): Promise<readonly CampaignTally[]> {
    return this.#received.from(from)
  }

  receive(from: string, tallies: readonly CampaignTally[]): Promise<void> {
    return this.#received.become(from, tallies)
  }

  failure(error: unknown): Failure | undefined {
    if (error instanceof StoreError && error.message === TOO_LATE)
      return { text: faultOf(error), mayPass: true }
    if (!(error instanceof AerospikeError)) return undefined
    if (isCallersFault(error))
      return { text: `the cluster cannot take a record: ${error.message}`, mayPass: false }
    return { text: faultOf(error), mayPass: PASSING.has(error.code) }
  }

  async close(): Promise<void> {
    this.records.client.close()
  }

  async #refuseGateways(): Promise<void> {
    const alive = await nodesAlive(this.records, this.#deadline())
    if (alive.size === 0) return
    const names = [...alive].map(([node, name]) => `${name} (node ${node})`).join(', ')
    throw new StoreError(
      `gateways use the cluster: ${names}. Stop them, and try again; one that was killed is dead after 30 s`,
    )
  }

  #journalOf(node: number): Journal {
    return new Journal(this.records, this.options.clock, node, this.#nonce, roll => this.#tallies.add(roll))
  }

  #deadline(): Deadline {
    return new Deadline(this.options.clock, CALL_MS)
  }
}

const PASSING: ReadonlySet<ErrorName> = new Set([
  'CLIENT_TIMEOUT',
  'CONNECTION_ERROR',
  'NO_NODE',
  'CLIENT_OVERLOADED',
  'PROTOCOL_ERROR',
  'PARTITION_UNAVAILABLE',
  'KEY_BUSY',
  'DEVICE_OVERLOAD',
  'SERVER_TIMEOUT',
])

/** Of the cluster's data: it goes when they go. */
async function identity(records: Records, random: Random, deadline: Deadline): Promise<string> {
  const key = records.key('state', 'identity')
  return await records.change(key, 'never', deadline, bins => {
    const known = bins && textOf(bins, 'id')
    if (known) return { answer: known }
    const id = random(ID_OCTETS).toHex()
    return { bins: { id }, answer: id }
  })
}
