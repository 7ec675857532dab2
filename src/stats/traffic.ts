import type { Clock } from '../clock.ts'

const MINUTES = 60
const MINUTE_MS = 60_000

export interface RpsPoint {
  /** `HH:MM` in UTC, when the minute began. */
  readonly time: string
  /** The minute's mean. */
  readonly rps: number
}

export interface ErrorPoint {
  readonly time: string
  readonly errors: number
  /** In per cent of the minute's requests; 0 when there were none. */
  readonly rate: number
}

/**
 * Requests and errors of the last hour, in as much memory whatever comes: the `rps` and `errors` of GET
 * /dashboard/stats. 60 points, oldest first; the last is the minute that runs, by the seconds that it has run.
 */
export interface Traffic {
  /** `status` 500 and above is an error. */
  record(status: number): void
  /** `current`: requests in the last full second. */
  requests(): { readonly current: number; readonly data: readonly RpsPoint[] }
  /** `rate`: errors of the hour, in per cent of its requests. */
  errors(): { readonly rate: number; readonly data: readonly ErrorPoint[] }
}

export function createTraffic(clock: Pick<Clock, 'now'>): Traffic {
  const requestsIn = new Float64Array(MINUTES)
  const errorsIn = new Float64Array(MINUTES)
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
      requestsIn[(newest - back) % MINUTES] = 0
      errorsIn[(newest - back) % MINUTES] = 0
    }
    minute = nextMinute
  }

  function points<T>(read: (time: string, requests: number, errors: number, seconds: number) => T): T[] {
    return Array.from({ length: MINUTES }, (_, index) => {
      const at = minute - MINUTES + 1 + index
      const runs = at === minute
      const seconds = runs ? Math.max((clock.now() % MINUTE_MS) / 1000, 1) : MINUTE_MS / 1000
      return read(clockTime(at), requestsIn[at % MINUTES] ?? 0, errorsIn[at % MINUTES] ?? 0, seconds)
    })
  }

  return {
    record(status) {
      turnTo(clock.now())
      thisSecond++
      const slot = minute % MINUTES
      requestsIn[slot] = (requestsIn[slot] ?? 0) + 1
      if (status >= 500) errorsIn[slot] = (errorsIn[slot] ?? 0) + 1
    },
    requests() {
      turnTo(clock.now())
      const data = points((time, requests, _, seconds) => ({ time, rps: hundredths(requests / seconds) }))
      return { current: lastSecond, data }
    },
    errors() {
      turnTo(clock.now())
      const data = points((time, requests, errors) => ({ time, errors, rate: perCent(errors, requests) }))
      return { rate: perCent(errorsIn.reduce(sum), requestsIn.reduce(sum)), data }
    },
  }
}

const sum = (a: number, b: number): number => a + b
const hundredths = (value: number): number => Math.round(value * 100) / 100
const perCent = (part: number, whole: number): number => (whole === 0 ? 0 : hundredths((100 * part) / whole))
const clockTime = (minute: number): string => new Date(minute * MINUTE_MS).toISOString().slice(11, 16)
