/** Hours of the week in a time zone, as a table: one octet a minute, from Monday 00:00. */
export interface WeekHours {
  readonly zone: string
  /** 1 where the minute of the week is within. */
  readonly minutes: Uint8Array
  /** As it was written, for people. */
  readonly text: string
}

const DAY_MINUTES = 24 * 60
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

/** `mon`, or a span `fri-mon`; numbers from Monday 0. Undefined when it is neither. */
export function readDays(text: string): number[] | undefined {
  const [first, last, ...more] = text
    .toLowerCase()
    .split('-')
    .map(name => DAYS.indexOf(name.trim()))
  if (first === undefined || first < 0 || last === -1 || more.length > 0) return undefined
  const length = ((last ?? first) - first + DAYS.length) % DAYS.length
  return Array.from({ length: length + 1 }, (_, index) => (first + index) % DAYS.length)
}

/** `HH:MM`, `24:00` among them; minutes since midnight. */
export function readTimeOfDay(text: string): number | undefined {
  const [, hours, minutes] = /^(\d\d):([0-5]\d)$/.exec(text) ?? []
  const value = Number(hours) * 60 + Number(minutes)
  return value <= DAY_MINUTES ? value : undefined
}

export function isZone(zone: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}

/** From `from` (within) to `to` (not within); over midnight when `to` is earlier, on the day it begins. */
export function weekMinutes(days: readonly number[], from: number, to: number): Uint8Array {
  const minutes = new Uint8Array(DAYS.length * DAY_MINUTES)
  const length = to > from ? to - from : to + DAY_MINUTES - from
  for (const day of days) {
    for (let minute = 0; minute < length; minute++) {
      minutes[(day * DAY_MINUTES + from + minute) % minutes.length] = 1
    }
  }
  return minutes
}

/** The minute of the week, from Monday 00:00, that Unix second `at` is in `zone`. Intl is asked once a minute. */
export function weekMinuteIn(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  let known = Number.NaN
  let weekMinute = 0
  return at => {
    const minute = Math.floor(at / 60)
    if (minute === known) return weekMinute
    const parts = format.formatToParts(minute * 60_000)
    const read = (type: string): string => parts.find(part => part.type === type)?.value ?? ''
    const day = DAYS.indexOf(read('weekday').toLowerCase().slice(0, 3))
    weekMinute = day * DAY_MINUTES + Number(read('hour')) * 60 + Number(read('minute'))
    known = minute
    return weekMinute
  }
}
