import { orderOf, type SpoolEntry, type Spooled } from './spool_entry.ts'
import { StoreError } from './store.ts'

/** Writes under way together. */
const TOGETHER_MAX = 64

export interface Replayed {
  /** Entries that are in the cluster. */
  readonly done: readonly number[]
  /** Entries that it will never take. */
  readonly refused: readonly { readonly entry: SpoolEntry; readonly why: string }[]
  /** Why it ended before all were tried. */
  readonly failure: unknown
}

/**
 * Tells the cluster what was spooled. Any of it may be there already, since its answer was lost or the gateway
 * died before the entry was removed: each write says nothing new when it is told again. Entries that have to keep
 * their order wait for each other; after the first failure no more are begun.
 */
export async function replay(
  entries: readonly SpoolEntry[],
  apply: (write: Spooled) => Promise<unknown>,
): Promise<Replayed> {
  const done: number[] = []
  const refused: { entry: SpoolEntry; why: string }[] = []
  let failure: unknown
  /** By order key: false when it failed, and what comes after has to wait for another time. */
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

  for (const entry of entries) {
    if (underWay.size >= TOGETHER_MAX) await Promise.race(underWay)
    if (failure !== undefined) break
    const keys = orderOf(entry.write)
    const one: Promise<boolean> = tell(
      entry,
      keys.flatMap(key => last.get(key) ?? []),
    ).finally(() => underWay.delete(one))
    underWay.add(one)
    for (const key of keys) last.set(key, one)
  }
  await Promise.all(underWay)
  return { done, refused, failure }
}
