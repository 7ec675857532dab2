/** Times as SMPP writes them: 16 characters and the NUL (SMPP 3.4 §7.1.1). */

const two = (value: number): string => String(value).padStart(2, '0')

/** Absolute form `YYMMDDhhmmsst00+`, in UTC; tenths are 0. `at` in Unix milliseconds. */
export function absoluteTime(at: number): string {
  const date = new Date(at)
  const day = two(date.getUTCFullYear() % 100) + two(date.getUTCMonth() + 1) + two(date.getUTCDate())
  return `${day}${two(date.getUTCHours())}${two(date.getUTCMinutes())}${two(date.getUTCSeconds())}000+`
}

const DAY = 24 * 3600
/** What the relative form can hold without months, whose length each SMSC reads in its own way. */
const RELATIVE_MAX = 31 * DAY + DAY - 1

/**
 * A span from the SMSC's own now, `YYMMDDhhmmss000R`, so that a clock that differs does no harm; past 31
 * days, which the form cannot hold in days, an absolute time. `now` in Unix milliseconds.
 */
export function validityPeriod(seconds: number, now: number): string {
  if (seconds > RELATIVE_MAX) return absoluteTime(now + seconds * 1000)
  const days = Math.floor(seconds / DAY)
  const rest = seconds % DAY
  return `0000${two(days)}${two(Math.floor(rest / 3600))}${two(Math.floor(rest / 60) % 60)}${two(rest % 60)}000R`
}
