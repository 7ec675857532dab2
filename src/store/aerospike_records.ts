import {
  type AerospikeClient,
  AerospikeError,
  type Bins,
  type Key,
  key,
  type Operated,
  type Operation,
  type ReadBins,
  type StoredRecord,
} from '../aerospike/index.ts'
import { type Clock, nextTurn } from '../clock.ts'
import { StoreError } from './store.ts'

/**
 * `messages` by id; `ids` by account and SMSC id: the messages that carry it and the receipts that wait for it;
 * `held`: receipts without a message; `inbound`: MO messages; `claims` by app and key; `state`: leases of nodes,
 * their journals, and the tallies.
 */
export type SetName = 'messages' | 'ids' | 'held' | 'inbound' | 'claims' | 'state'

export type Life = number | 'never'

/** A longer wait for one answer than this is a node that is gone. */
const ANSWER_MS = 5000

export const TOO_LATE = 'the store did not answer in time'

/** The time that one call of the contract has, over all the requests that it takes. */
export class Deadline {
  readonly #endsAt: number

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    ms: number,
  ) {
    this.#endsAt = clock.monotonic() + ms
  }

  /** For the next request; throws when there is no time for one. */
  get policy(): { readonly timeoutMs: number } {
    const leftMs = Math.floor(this.#endsAt - this.clock.monotonic())
    if (leftMs < 1) throw new StoreError(TOO_LATE)
    return { timeoutMs: Math.min(leftMs, ANSWER_MS) }
  }
}

/** What to make of a record: `bins` to write (`null` deletes one), or nothing. */
export interface Decision<T> {
  readonly bins?: Bins
  readonly answer: T
}

/** Of the names of sets, where nothing else is asked for. */
export const PREFIX = 'sms-'

/** Where nothing else is set. */
const RECORD_OCTETS_MAX = 1024 ** 2

/** How large a record of the namespace may be, on the node that takes least: some versions bound it by what they write at once. */
export async function recordOctetsMax(client: AerospikeClient, namespace: string): Promise<number> {
  const answers = await client.info(`namespace/${namespace}`).catch(() => new Map<string, string>())
  const sizes = [...answers.values()]
    .flatMap(answer => [...answer.matchAll(/(?:^|[;.])(?:max-record-size|write-block-size)=(\d+)/g)])
    .map(([, size]) => Number(size))
    .filter(size => size > 0)
  return Math.min(RECORD_OCTETS_MAX, ...sizes)
}

/** The records of one installation, and how one of them is changed: as one, or not at all. */
export class Records {
  constructor(
    readonly client: AerospikeClient,
    private readonly namespace: string,
    private readonly prefix: string,
    private readonly clock: Pick<Clock, 'soon'>,
    /** That the cluster takes for one record. */
    readonly octetsMax = RECORD_OCTETS_MAX,
  ) {}

  key(set: SetName, value: string): Key {
    return key(this.namespace, `${this.prefix}${set}`, value)
  }

  get(of: Key, deadline: Deadline): Promise<StoredRecord | undefined> {
    return this.client.get(of, undefined, deadline.policy)
  }

  /** In the order of `keys`; undefined where there is no such record. Of the bins all, or `some`. */
  async getAll(
    keys: readonly Key[],
    deadline: Deadline,
    some?: readonly string[],
  ): Promise<(ReadBins | undefined)[]> {
    const found = await this.client.batch(
      keys.map(each => ({ kind: 'get', key: each, ...(some && { bins: some }) }) as const),
      deadline.policy,
    )
    return found.map(({ error, bins }) => {
      if (error && error.code !== 'RECORD_NOT_FOUND') throw error
      return error ? undefined : bins
    })
  }

  /**
   * Reads, lets `decide` say what becomes of the record, and writes if nobody wrote in between; else from the
   * start. A write without an answer (in doubt) goes the same way: the next read shows what became of it, and
   * whichever of two attempts comes late carries a generation that is past. `decide` sees its own work then,
   * and has to leave it as it is. `sent` is called once a write may have been done: when this fails without it,
   * none was.
   */
  async change<T>(
    of: Key,
    life: Life,
    deadline: Deadline,
    decide: (bins: ReadBins | undefined) => Decision<T>,
    sent: () => void = () => {},
  ): Promise<T> {
    for (;;) {
      const record = await this.get(of, deadline)
      const { bins, answer } = decide(record?.bins)
      if (!bins) return answer
      const done = await this.put(of, bins, life, deadline, record?.generation)
      sent()
      if (done) return answer
      await nextTurn(this.clock)
    }
  }

  /** False when it has to be looked at again: somebody was quicker, or nobody knows what became of it. */
  async put(of: Key, bins: Bins, life: Life, deadline: Deadline, generation?: number): Promise<boolean> {
    return took(this.client.put(of, bins, guarded(life, deadline, generation)))
  }

  /** The same with steps, where `put` has values. */
  async step(
    of: Key,
    operations: readonly Operation[],
    life: Life,
    deadline: Deadline,
    generation?: number,
  ): Promise<boolean> {
    return took(this.client.operate(of, operations, guarded(life, deadline, generation)))
  }

  /** Steps that may be done twice with the same result: in doubt they are simply done again. */
  async repeat(of: Key, operations: readonly Operation[], life: Life, deadline: Deadline): Promise<Operated> {
    for (;;) {
      try {
        return await this.client.operate(of, operations, { ...deadline.policy, ttlSeconds: life })
      } catch (error) {
        if (!(error instanceof AerospikeError && error.inDoubt)) throw error
        await nextTurn(this.clock)
      }
    }
  }

  async remove(of: Key, deadline: Deadline): Promise<void> {
    for (;;) {
      try {
        await this.client.remove(of, deadline.policy)
        return
      } catch (error) {
        if (!(error instanceof AerospikeError && error.inDoubt)) throw error
        await nextTurn(this.clock)
      }
    }
  }

  /** A record as it was read, and no other; false when it is another by now, or nobody knows what became of it. */
  removeRead({ key: of, generation }: StoredRecord, deadline: Deadline): Promise<boolean> {
    return took(this.client.remove(of, { ...deadline.policy, generation }))
  }

  /** Every record of a set, in no order; from each node no more than a limit a second, so that traffic goes first. */
  scan(set: SetName, bins: readonly string[]): AsyncGenerator<StoredRecord, void, void> {
    return this.client.query({
      namespace: this.namespace,
      set: `${this.prefix}${set}`,
      bins,
      recordsPerSecondMax: SCAN_RECORDS_PER_SECOND,
    })
  }

  /** Those in some partitions, as fast as they come: for who has the cluster to himself. */
  partitions(set: SetName, first: number, count: number): AsyncGenerator<StoredRecord, void, void> {
    return this.client.query({
      namespace: this.namespace,
      set: `${this.prefix}${set}`,
      partitions: { first, count },
    })
  }
}

const SCAN_RECORDS_PER_SECOND = 20_000

/** Only on the record as it was read; on none where there was none. */
const guarded = (ttlSeconds: Life, { policy }: Deadline, generation: number | undefined) => ({
  ...policy,
  ...(generation === undefined ? { exists: 'create' as const } : { generation }),
  ttlSeconds,
})

async function took(write: Promise<unknown>): Promise<boolean> {
  try {
    await write
    return true
  } catch (error) {
    if (looksAgain(error)) return false
    throw error
  }
}

export function looksAgain(error: unknown): boolean {
  if (!(error instanceof AerospikeError)) return false
  return (
    error.inDoubt ||
    error.code === 'GENERATION_ERROR' ||
    error.code === 'RECORD_EXISTS' ||
    error.code === 'RECORD_NOT_FOUND'
  )
}

/** Bins as they were written by this driver. */
export const textOf = (bins: ReadBins, bin: string): string => {
  const value = bins[bin]
  return typeof value === 'string' ? value : ''
}

export const numberOf = (bins: ReadBins, bin: string): number => {
  const value = bins[bin]
  return typeof value === 'number' ? value : 0
}

/** A map bin whose keys are text; empty when it is not there. */
export function mapOf<T>(bins: ReadBins, bin: string, is: (value: unknown) => value is T): Map<string, T> {
  const found = new Map<string, T>()
  const value = bins[bin]
  if (!(value instanceof Map)) return found
  for (const [name, item] of value) if (typeof name === 'string' && is(item)) found.set(name, item)
  return found
}

export const isNumber = (value: unknown): value is number => typeof value === 'number'
export const isText = (value: unknown): value is string => typeof value === 'string'
