// @ts-check
/** A whitelist: each app writes under its own names only. An app that is not in the table may use any. */
export const description = 'Senders that an app may use'
export const blacklist = false
export const active = false

/** @type {Record<string, string[]>} */
const senders = {
  'my-app': ['MyCompany', 'MyShop', '447700900999'],
}

/** @type {import('./filter.d.ts').Filter} */
export default sms => {
  const allowed = senders[sms.app_name]
  if (!allowed || allowed.includes(sms.source)) return true
  return { match: false, reason: `the sender "${sms.source}" is not one of this app's` }
}
