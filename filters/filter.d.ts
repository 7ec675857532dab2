/**
 * The whole contract of a filter: a file `filters/<name>.js`, one ES module.
 *
 * ```js
 * // @ts-check
 * export const description = 'Premium-rate numbers'
 * export const blacklist = true  // refuses what matches (the default); false refuses what does not
 * export const active = true     // the default; false: loaded and checked, never asked
 * export const mode = 'enforce'  // the default; 'shadow' counts and refuses nothing
 *
 * /** @type {import('./filter.d.ts').Filter} *\/
 * export default sms => sms.destination.startsWith('1900')
 * ```
 *
 * Filters are asked in the order of their names, and a message has to pass every one of them. A change to a file
 * holds within a second; a file that is broken keeps its last good version, and the log says why.
 *
 * A filter lives in a sandbox of its own:
 * - The same message gets the same answer. There is no clock but `sms.time` (`new Date(sms.time * 1000)` works,
 *   in UTC; `new Date()`, `Date.now()` and `Math.random()` throw), no network, no file, no import, no timer.
 * - It answers at once: `async`, promises and a top-level `await` are errors.
 * - Time and memory are limited (`filters.timeout`, `filters.memory`). Whatever it does past them, a throw or an
 *   answer of another type is an error: counted, logged, and decided as `filters.on_error` says.
 * - Variables of the module live from message to message, and may vanish at any time. Count nothing in them that
 *   matters.
 *
 * Try it without a server: `sms-proxy filter test filters/premium.js --destination 19005551234`.
 */

export interface Sms {
  /** The sender: digits without `+`, or letters. */
  readonly source: string
  /** Digits without `+`. */
  readonly destination: string
  /** The text, before it is split into parts. */
  readonly message: string
  /** The id of the SMPP link that was asked for. */
  readonly esme: number
  readonly app_id: number
  readonly app_name: string
  /** The caller's own; may be empty. */
  readonly transaction_id: string
  /** `app-<app_id>` when the caller named no campaign. */
  readonly campaign_uuid: string
  readonly encoding: 'gsm7' | 'latin1' | 'ucs2'
  /** How many SMS it takes. */
  readonly parts: number
  /** When it came in: Unix seconds. */
  readonly time: number

  /**
   * Is `value` on the list `filters/<list>.txt`? One entry a line: `447700900123` exactly, `4477009*` all that
   * begin so, `!44770090012*` but not these; the longest entry that fits decides. Letters' case does not count, `#`
   * begins a comment. A list may have five million entries; one that is not there is an error.
   */
  in(list: string, value: string): boolean
}

/** `reason` goes to the caller, in one line of 160 characters at most. */
export type Answer = boolean | { readonly match: boolean; readonly reason?: string }

export type Filter = (sms: Sms) => Answer
