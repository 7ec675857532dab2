// @ts-check
/**
 * No campaigns at night, by the clock of the country the number belongs to. Codes and notices, which name no
 * campaign, pass at any hour. Standard time all year: where clocks change, the quiet hours shift with them by one.
 */
export const description = 'No campaigns between 21:00 and 08:00 at the destination'
export const active = false

const QUIET_FROM = 21
const QUIET_UNTIL = 8

/**
 * Country prefix → hours ahead of UTC, from the westernmost zone to the easternmost.
 * @type {Record<string, [number, number]>}
 */
const zones = {
  1: [-10, -3.5],
  33: [1, 1],
  34: [0, 1],
  44: [0, 0],
  49: [1, 1],
  55: [-5, -2],
  7: [2, 12],
  77: [5, 5],
  91: [5.5, 5.5],
  971: [4, 4],
}

/** @param {number} hour */
const quiet = hour => hour >= QUIET_FROM || hour < QUIET_UNTIL

/** @type {import('./filter.d.ts').Filter} */
export default sms => {
  if (sms.campaign_uuid === `app-${sms.app_id}`) return false
  for (let digits = 3; digits > 0; digits--) {
    const zone = zones[sms.destination.slice(0, digits)]
    if (!zone) continue
    const hours = zone.map(ahead => (((sms.time / 3600 + ahead) % 24) + 24) % 24)
    return hours.some(quiet) ? { match: true, reason: 'quiet hours at the destination' } : false
  }
  return false
}
