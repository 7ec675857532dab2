// @ts-check
/**
 * Numbers that cost whoever is called. In shadow mode: it counts what it would refuse (GET /api/v1/admin/filters)
 * and lets everything pass, until you make the mode 'enforce'.
 */
export const description = 'Premium-rate numbers'
export const mode = 'shadow'

const prefixes = ['1900', '1976', '44871', '44872', '44873', '4490', '4491', '4498', '49900', '33899']

/** @type {import('./filter.d.ts').Filter} */
export default sms => {
  for (const prefix of prefixes) {
    if (sms.destination.startsWith(prefix)) return { match: true, reason: `premium-rate prefix ${prefix}` }
  }
  return false
}
