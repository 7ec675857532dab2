import type { Clock } from '../clock.ts'

const MINUTES = 60
const MINUTE_MS = 60_000

/** The `rps` and `errors` of GET /dashboard/stats. */
export interface TrafficStats {
  /** `current`: requests in the last full second. `data`: the mean of each minute. */
  readonly rps: { readonly current: number; readonly data: readonly RpsPoint[] }
  /** `rate`: errors of the hour, in per cent of its requests. */
  readonly errors: { readonly rate: number; readonly data: readonly ErrorPoint[] }
}

export interface RpsPoint {
  /** `HH:MM` in UTC, when the minute began. */
  readonly time: string
  readonly rps: number
}

export interface ErrorPoint {
  readonly time: string
  readonly errors: number
  /** In per cent of the minute's requests; 0 when there were none. */
  readonly rate: number
}

/** Requests and errors of the last hour, in as many octets whatever comes. */
export interface Traffic {
  /** `status` 500 and above is an error. */
  record(status: number): void
  /** 60 points, oldest first; the last is the minute that runs, by the seconds that it has run. */
  stats(): TrafficStats
}

export function createTraffic(clock: Pick<Clock, 'now'>): Traffic {
  const requests = new Float64Array(MINUTES)
  const errors = new Float64Array(MINUTES)
  let second = 0
  let minute = 0
  let thisSecond = 0
  let lastSecond = 0

  /** Empties what is past. A wall clock that jumps further than an hour, or back, empties what it jumped over. */
  function turnTo(now: number): void {
    const nextSecond = Math.floor(now / 1000)
    if (nextSecond === second) return
    lastSecond = nextSecond === second + 1 ? thisSecond : 0
    thisSecond = 0
    second = nextSecond
    const nextMinute = Math.floor(now / MINUTE_MS)
    const passed = Math.min(Math.abs(nextMinute - minute), MINUTES)
    const newest = Math.max(nextMinute, minute)
    for (let back = 0; back < passed; back++) {
      requests[(newest - back) % MINUTES] = 0
      errors[(newest - back) % MINUTES] = 0
    }
    minute = nextMinute
  }

  return {
    record(status) {
      turnTo(clock.now())
      thisSecond++
      const slot = minute % MINUTES
      requests[slot] = (requests[slot] ?? 0) + 1
      if (status >= 500) errors[slot] = (errors[slot] ?? 0) + 1
    },
    stats() {
      const now = clock.now()
      turnTo(now)
      const minutes = Array.from({ length: MINUTES }, (_, index) => {
        const at = minute - MINUTES + 1 + index
        const slot = at % MINUTES
        const seconds = at === minute ? Math.max((now % MINUTE_MS) / 1000, 1) : MINUTE_MS / 1000
        return { time: clockTime(at), seconds, requests: requests[slot] ?? 0, errors: errors[slot] ?? 0 }
      })
      return {
        rps: {
          current: lastSecond,
          data: minutes.map(point => ({ time: point.time, rps: hundredths(point.requests / point.seconds) })),
        },
        errors: {
          rate: perCent(errors.reduce(sum), requests.reduce(sum)),
          data: minutes.map(point => ({
            time: point.time,
            errors: point.errors,
            rate: perCent(point.errors, point.requests),
          })),
        },
      }
    },
  }
}

const sum = (a: number, b: number): number => a + b
const hundredths = (value: number): number => Math.round(value * 100) / 100
const perCent = (part: number, whole: number): number => (whole === 0 ? 0 : hundredths((100 * part) / whole))
const clockTime = (minute: number): string => new Date(minute * MINUTE_MS).toISOString().slice(11, 16)
