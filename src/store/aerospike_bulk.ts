/** Many records at once, for who copies a store. */

import type { AerospikeError, BatchEntry, Bins, Key } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { Deadline, looksAgain, type Records } from './aerospike_records.ts'

/** For all that one piece takes of one kind of request. */
export const CALL_MS = 10_000
/** Records in one request. */
const BATCH_MAX = 250
/** Tasks under way together. */
const TOGETHER_MAX = 64
/** Long enough for who is at it. */
const LIFE_SECONDS_MIN = 60

export interface BulkParts {
  readonly records: Records
  readonly clock: Pick<Clock, 'monotonic'>
}

/** A record to be made. */
export type Creation = { readonly key: Key; readonly seconds: number } & (
  | { readonly bins: Bins }
  | { readonly operations: Extract<BatchEntry, { kind: 'operate' }>['operations'] }
)

/** Makes records; answers the indexes of those that are there already, or of which nobody knows. */
export async function createAll(
  { records, clock }: BulkParts,
  creations: readonly Creation[],
): Promise<Set<number>> {
  const left = new Set<number>()
  const deadline = new Deadline(clock, CALL_MS)
  await together(batches(creations), async ({ at, some }) => {
    const entries = some.map((creation): BatchEntry => {
      const policy = { exists: 'create', ttlSeconds: creation.seconds } as const
      return 'bins' in creation
        ? { kind: 'put', key: creation.key, bins: creation.bins, policy }
        : { kind: 'operate', key: creation.key, operations: creation.operations, policy }
    })
    const results = await records.client.batch(entries, deadline.policy)
    for (const [index, { error }] of results.entries()) {
      if (!error) continue
      if (!looksAgain(error)) throw error
      left.add(at + index)
    }
  })
  return left
}

/** How many of these records are not there. */
export async function countMissing({ records, clock }: BulkParts, keys: readonly Key[]): Promise<number> {
  let missing = 0
  const deadline = new Deadline(clock, CALL_MS)
  await together(batches(keys), async ({ some }) => {
    const entries = some.map(key => ({ kind: 'get', key, bins: [] }) as const)
    for (const { error } of await records.client.batch(entries, deadline.policy)) {
      if (isMissing(error)) missing++
      else if (error) throw error
    }
  })
  return missing
}

const isMissing = (error: AerospikeError | undefined): boolean => error?.code === 'RECORD_NOT_FOUND'

const batches = <T>(all: readonly T[]): { readonly at: number; readonly some: readonly T[] }[] =>
  Array.from({ length: Math.ceil(all.length / BATCH_MAX) }, (_, index) => {
    const at = index * BATCH_MAX
    return { at, some: all.slice(at, at + BATCH_MAX) }
  })

/** Some tasks together, and no more; the first failure ends it. */
export async function together<T>(all: readonly T[], task: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < all.length) {
      const item = all[next++]
      if (item !== undefined) await task(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(TOGETHER_MAX, all.length) }, worker))
}

export const lifeSeconds = (endsAt: number, clock: Pick<Clock, 'now'>): number =>
  Math.max(LIFE_SECONDS_MIN, Math.ceil((endsAt - clock.now()) / 1000))
