import type { Clock } from './clock.ts'

/** `rps` 0 or absent: no limit. `burst` 0 or absent: as much as one second brings, at least 1. */
export interface RateLimit {
  readonly rps?: number
  readonly burst?: number
}

/** What a caller is told, in the terms of the `RateLimit-*` and `Retry-After` headers. */
export interface Taken {
  readonly allowed: boolean
  /** How many may come at once; 0: there is no limit, and no header says so. */
  readonly limit: number
  /** How many more may come right now. */
  readonly remaining: number
  /** Whole seconds, rounded up, until `remaining` is `limit` again. */
  readonly resetSeconds: number
  /** Whole seconds, rounded up, until the next one is allowed; 0 when this one is. */
  readonly retryAfterSeconds: number
}

/** A token bucket for each key: one key's flood takes nothing from another's. */
export interface RateLimiter {
  take(key: string | number): Taken
  /** How many were refused, over all keys, since the start. */
  readonly refused: number
  /** Changes the limit for all keys at once; what a key has used up stays used up. */
  configure(limit: RateLimit): void
}

const UNLIMITED: Taken = { allowed: true, limit: 0, remaining: 0, resetSeconds: 0, retryAfterSeconds: 0 }

/**
 * At most `burst + rps · t` are allowed in any span of t seconds. A bucket is one number, the moment at which
 * it will be full (the "theoretical arrival time" of GCRA): a full bucket needs no memory. Past `keysMax`
 * keys the one unseen for longest is forgotten, which fills its bucket.
 */
export function createRateLimiter(
  clock: Pick<Clock, 'monotonic'>,
  initial: RateLimit,
  keysMax = 10_000,
): RateLimiter {
  /** Key → the moment, in monotonic milliseconds, at which its bucket is full; longest unseen first. */
  const fullAt = new Map<string | number, number>()
  let { msEach, burst } = rateOf(initial)
  let refused = 0

  function forgetSome(now: number): void {
    let look = 2
    for (const [key, at] of fullAt) {
      if (look-- === 0 || (at > now && fullAt.size < keysMax)) return
      fullAt.delete(key)
    }
  }

  return {
    get refused() {
      return refused
    },
    take(key) {
      if (msEach === 0) return UNLIMITED
      const now = clock.monotonic()
      const before = fullAt.get(key)
      const emptyMs = Math.max((before ?? 0) - now, 0)
      const allowed = emptyMs + msEach <= burst * msEach + SLACK_MS
      if (!allowed) refused++
      const afterMs = allowed ? emptyMs + msEach : emptyMs
      if (before === undefined) forgetSome(now)
      else fullAt.delete(key)
      fullAt.set(key, now + afterMs)
      return {
        allowed,
        limit: burst,
        remaining: Math.max(Math.floor((burst * msEach - afterMs + SLACK_MS) / msEach), 0),
        resetSeconds: Math.ceil(afterMs / 1000),
        retryAfterSeconds: allowed ? 0 : Math.max(Math.ceil((emptyMs - (burst - 1) * msEach) / 1000), 1),
      }
    },
    configure(limit) {
      const now = clock.monotonic()
      const next = rateOf(limit)
      for (const [key, at] of fullAt) {
        const missing = msEach === 0 ? 0 : Math.max(at - now, 0) / msEach
        fullAt.set(key, now + Math.min(missing, next.burst) * next.msEach)
      }
      msEach = next.msEach
      burst = next.burst
    },
  }
}

/** Sums of fractions of a millisecond are off in the last digit: a bucket is not empty for that. */
const SLACK_MS = 1e-6

function rateOf({ rps = 0, burst = 0 }: RateLimit): { msEach: number; burst: number } {
  return {
    msEach: rps > 0 ? 1000 / rps : 0,
    burst: burst > 0 ? Math.max(burst, 1) : Math.max(Math.floor(rps), 1),
  }
}
