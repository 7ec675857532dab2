import { invalid } from './errors.ts'
import { info1, info2, info3 } from './protocol/header.ts'

export interface Policy {
  /** For the whole of it, all attempts and what lies between them. Default 1000. */
  readonly timeoutMs?: number
  /**
   * Attempts, the first included; between them lies a random pause that doubles. A write is tried again only
   * when nothing can have come of the last attempt. Default 6.
   */
  readonly attemptsMax?: number
}

export interface ReadPolicy extends Policy {
  /**
   * `master` (default); `sequence`: the master, then a replica at each further attempt; `any`: master and
   * replicas in turn, which spreads the load and may read what a write has just replaced. With either of these a
   * node that is silent for half of the time left is given up for the next.
   */
  readonly replica?: 'master' | 'sequence' | 'any'
  /**
   * While partitions migrate (a node came or went) the holder asked may not have what another has. `all` (default):
   * it asks the others first, and answers the newest. `one`: it answers what it has, and may miss what was written
   * with success. They are the same while nothing migrates.
   */
  readonly consistency?: 'one' | 'all'
}

export interface WritePolicy extends Policy {
  /** Apply only to a record of this generation, else GENERATION_ERROR. */
  readonly generation?: number
  /**
   * `create` (RECORD_EXISTS if it is there), `update` and `replace` (RECORD_NOT_FOUND if it is not; `replace`
   * drops the bins not given), `create-or-replace`. Default: create, or update the bins given.
   */
  readonly exists?: 'create' | 'update' | 'replace' | 'create-or-replace'
  /** Seconds until the record expires. Default: as its namespace says. */
  readonly ttlSeconds?: number | 'never' | 'unchanged'
  /** Leave a tombstone, so that a deleted record does not come back from a node that was away (Enterprise). */
  readonly durableDelete?: boolean
  /** Store the user key beside the record, so that queries answer it. Default false. */
  readonly sendKey?: boolean
  /** Answer when the master has it, before its replicas do. */
  readonly commitMaster?: boolean
}

export const readFlags = (policy: ReadPolicy | undefined): number =>
  info1.read | (policy?.consistency === 'one' ? 0 : info1.resolveDuplicates)

export const TIMEOUT_MS = 1000
export const ATTEMPTS_MAX = 6

const TTL_NEVER = 0xffffffff
const TTL_UNCHANGED = 0xfffffffe
/** Ten years, the most that the server takes. */
const TTL_SECONDS_MAX = 315_360_000
const GENERATION_MAX = 0xffff

/** The parts of a request's header that a write's policy decides. */
export interface WriteFlags {
  readonly info2: number
  readonly info3: number
  readonly generation: number
  readonly ttl: number
}

const plainWrite: WriteFlags = { info2: info2.write, info3: 0, generation: 0, ttl: 0 }

export function writeFlags(policy: WritePolicy | undefined): WriteFlags {
  if (!policy) return plainWrite
  const { exists, generation, ttlSeconds } = policy
  if (
    generation !== undefined &&
    !(Number.isInteger(generation) && generation >= 0 && generation <= GENERATION_MAX)
  ) {
    throw invalid(`The generation ${generation} is no whole number from 0 to ${GENERATION_MAX}.`)
  }
  return {
    info2:
      info2.write |
      (generation === undefined ? 0 : info2.generation) |
      (policy.durableDelete ? info2.durableDelete : 0) |
      (exists === 'create' ? info2.createOnly : 0),
    info3:
      (exists === 'update' ? info3.updateOnly : 0) |
      (exists === 'replace' ? info3.replaceOnly : 0) |
      (exists === 'create-or-replace' ? info3.createOrReplace : 0) |
      (policy.commitMaster ? info3.commitMaster : 0),
    generation: generation ?? 0,
    ttl: ttlOctets(ttlSeconds),
  }
}

function ttlOctets(ttlSeconds: WritePolicy['ttlSeconds']): number {
  if (ttlSeconds === undefined) return 0
  if (ttlSeconds === 'never') return TTL_NEVER
  if (ttlSeconds === 'unchanged') return TTL_UNCHANGED
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > TTL_SECONDS_MAX) {
    throw invalid(
      `A record cannot live ${ttlSeconds} seconds: it must be a whole number from 1 to ${TTL_SECONDS_MAX}.`,
    )
  }
  return ttlSeconds
}
