// @ts-check
/**
 * A brake on an app that runs wild: so many messages a day, roughly.
 *
 * What a filter cannot do is keep an exact count. Its variables vanish when this file changes, when the gateway starts
 * anew and when the filter is out of time or memory; another node counts for itself; and a message that a later filter
 * refuses, or that the SMSC does, has been counted all the same. For a limit that holds use `rate_limit.per_app`.
 */
export const description = 'At most so many messages a day and app, roughly'
export const active = false

const CAP = 100_000
/** @type {Record<string, number>} */
const caps = { 'my-app': 10_000 }

let day = 0
/** @type {Map<string, number>} */
let counts = new Map()

/** @type {import('./filter.d.ts').Filter} */
export default sms => {
  const today = Math.floor(sms.time / 86_400)
  if (today !== day) {
    day = today
    counts = new Map()
  }
  const count = (counts.get(sms.app_name) ?? 0) + 1
  counts.set(sms.app_name, count)
  const cap = caps[sms.app_name] ?? CAP
  return count > cap ? { match: true, reason: `more than ${cap} messages today` } : false
}
