/**
 * What a pool asks of a link (`network_link.ts` is one). Routing knows no sockets, so a test needs only a small fake.
 */
export interface Carrier<Pdu> {
  readonly id: number
  readonly name: string
  /** True while a `submit_sm` could go out, now or as soon as there is room. */
  bound(): boolean
  /** How many `submit_sm` may be written now: the lesser of free window and free TPS; 0 while not bound. */
  room(): number
  /** Share of the window in use, 0 to 1. */
  load(): number
  /** Tells `answered` once what became of the part, whatever happens, and never before it returns. */
  send(pdu: Pdu, tag: unknown, answered: (answer: Answer) => void): void
}

/** What became of one `submit_sm`. */
export type Answer =
  | { readonly kind: 'accepted'; readonly messageId: string }
  /** `command_status` of the error response. */
  | { readonly kind: 'refused'; readonly status: number }
  /** Written, and no answer: the SMSC may have it, so it is never written again. */
  | { readonly kind: 'unknown'; readonly reason: Unknown }
  /** No octet of it went to any socket: it may go over another link. */
  | { readonly kind: 'unwritten' }

/** No response in time, none before the connection was lost, or one that cannot be read. */
export type Unknown = 'timeout' | 'closed' | 'unreadable'

/** What became of a part in the end, and on which link. */
export type PartResult<Link> =
  | { readonly kind: 'accepted'; readonly messageId: string; readonly link: Link }
  | { readonly kind: 'refused'; readonly status: number; readonly link: Link }
  | { readonly kind: 'unknown'; readonly reason: Unknown; readonly link: Link }
  | { readonly kind: 'unsent'; readonly reason: Unsent }

/**
 * Why a part was never written: its time in the queue ran out with links bound or with none, the queue was
 * full, another part was not taken, the gateway stops, or a reload removed the pool.
 */
export type Unsent = 'no_room' | 'no_link' | 'queue_full' | 'abandoned' | 'closing' | 'removed'
