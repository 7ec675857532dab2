import type { Encoding } from '../smpp/text/segment.ts'

/** The narrow door of `filters/`: what a send asks, and what it hears. */

/** What a filter's code sees, as `sms`; addresses are digits without `+`. */
export interface FilterMessage {
  readonly source: string
  readonly destination: string
  readonly message: string
  readonly esme: number
  readonly app_id: number
  readonly app_name: string
  readonly transaction_id: string
  readonly campaign_uuid: string
  readonly encoding: Encoding
  readonly parts: number
  /** Unix seconds. */
  readonly time: number
}

export type Verdict =
  | { readonly pass: true }
  | { readonly pass: false; readonly filter: string; readonly reason: string }

export const PASS: Verdict = { pass: true }

export interface Filters {
  /** Asks every active filter, in the order of their names; the first that refuses decides. Never rejects. */
  check(sms: FilterMessage): Verdict | Promise<Verdict>
}
