// @ts-check
/** People who asked to be left alone: the list beside this file, blocked-numbers.txt, which may be very long. */
export const description = 'Numbers that must not be written to'
export const active = false

/** @type {import('./filter.d.ts').Filter} */
export default sms => sms.in('blocked-numbers', sms.destination)
