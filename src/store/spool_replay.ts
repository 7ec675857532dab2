import { orderOf, type SpoolEntry, type Spooled } from './spool_entry.ts'
import { StoreError } from './store.ts'

/** Writes under way together. */
const TOGETHER_MAX = 64

export interface Replayed {
  /** Entries that are in the cluster. */
  readonly done: readonly number[]
  /** Entries that it will never take. */
  readonly refused: readonly { readonly entry: SpoolEntry; readonly why: string }[]
  /** Why the first of those that failed did. */
  readonly failure: unknown
  /** The last entry that had its turn; none was begun after it. */
  readonly last: number
}

/**
 * Tells the cluster what was spooled. Any of it may be there already, since its answer was lost or the gateway
 * died before the entry was removed: each write says nothing new when it is told again. Entries that have to keep
 * their order wait for each other. What comes after one that failed waits for another time: the order keys of
 * these are in `held`, and are added to it. Ends early when the first fail and none succeeds, or once `stopped` says so:
 * a node that hangs holds up each for ten seconds.
 */
export async function replay(
  entries: readonly SpoolEntry[],
  apply: (write: Spooled) => Promise<unknown>,
  held: Set<string>,
  stopped: () => boolean,
): Promise<Replayed> {
  const done: number[] = []
  const refused: { entry: SpoolEntry; why: string }[] = []
  let failure: unknown
  let seq = 0
  /** By order key: false when it failed. */
  const last = new Map<string, Promise<boolean>>()
  const underWay = new Set<Promise<boolean>>()

  const tell = async (entry: SpoolEntry, before: readonly Promise<boolean>[]): Promise<boolean> => {
    if ((await Promise.all(before)).includes(false)) return false
    try {
      await apply(entry.write)
    } catch (error) {
      if (!(error instanceof StoreError && error.ofRecord)) {
        failure ??= error
        return false
      }
      refused.push({ entry, why: error.message })
      return true
    }
    done.push(entry.seq)
    return true
  }
  const inTurn = async (entry: SpoolEntry, keys: readonly string[]): Promise<boolean> => {
    const told = keys.some(key => held.has(key))
      ? false
      : await tell(
          entry,
          keys.flatMap(key => last.get(key) ?? []),
        )
    if (!told) for (const key of keys) held.add(key)
    return told
  }

  for (const entry of entries) {
    if (underWay.size >= TOGETHER_MAX) await Promise.race(underWay)
    if (stopped() || (failure !== undefined && done.length + refused.length === 0)) break
    seq = entry.seq
    const keys = orderOf(entry.write)
    const one: Promise<boolean> = inTurn(entry, keys).finally(() => underWay.delete(one))
    underWay.add(one)
    for (const key of keys) last.set(key, one)
  }
  await Promise.all(underWay)
  return { done, refused, failure, last: seq }
}
