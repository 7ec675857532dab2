import type { Key } from './key.ts'
import type { Clock } from './ports.ts'
import type { ReadBins, ReadValue } from './value.ts'

export interface RecordFacts {
  /** Counts the writes to the record, from 1; after 65535 comes 1 again. */
  readonly generation: number
  /** Seconds until it expires; undefined for never. */
  readonly ttlSeconds: number | undefined
}

export interface StoredRecord extends RecordFacts {
  readonly key: Key
  readonly bins: ReadBins
}

/** What the steps of an `operate` answered, in their order; null for a step that has no answer. */
export interface Operated extends RecordFacts {
  readonly results: readonly ReadValue[]
}

/** 2010-01-01T00:00:00Z: expiry is told in seconds since then. */
const EPOCH_SECONDS = 1_262_304_000

export function ttlSecondsOf(voidTime: number, clock: Clock): number | undefined {
  return voidTime === 0 ? undefined : Math.max(0, voidTime + EPOCH_SECONDS - Math.floor(clock.now() / 1000))
}

export function emptyBins(): ReadBins {
  // Without a prototype, so that a bin may have any name.
  return Object.create(null)
}
