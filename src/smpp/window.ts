import { ChurningMap } from '../churning_map.ts'
import type { Pdu, Request } from './pdu.ts'
import { RESPONSES, SEQUENCE_MAX } from './pdu.ts'

export type Reply =
  /** The response of the request's kind, or a generic_nack. */
  | { readonly kind: 'response'; readonly pdu: Pdu }
  /** Written, and what became of it is not known. `unreadable`: it was answered, in octets that say nothing. */
  | { readonly kind: 'unknown'; readonly reason: 'timeout' | 'closed' | 'unreadable' }
  /** No octet of it was handed to the socket, and none will be. */
  | { readonly kind: 'unwritten' }

export interface Pending {
  readonly command: Request
  readonly sequence: number
  /** Monotonic, milliseconds. */
  readonly deadline: number
  /** Where its first octet stands in the stream of all octets of the session. */
  readonly position: number
  /** Takes a slot of the window; enquire_link, bind and unbind do not. */
  readonly counted: boolean
  /** The caller's, given back with a late response. */
  readonly tag: unknown
  readonly settle: (reply: Reply) => void
}

/** Requests without an answer, in the order in which they were made, which is that of their deadlines. */
export class Window {
  readonly #pending = new ChurningMap<number, Pending>()
  /** Requests that timed out, oldest first: a late response still has someone to tell. */
  readonly #late = new ChurningMap<number, Pending>()
  #counted = 0
  #sequence: number

  /** `lastSequence`: the number before the first. */
  constructor(
    public size: number,
    private readonly lateMax: number,
    lastSequence = 0,
  ) {
    this.#sequence = lastSequence
  }

  get room(): number {
    return Math.max(0, this.size - this.#counted)
  }

  /** Requests in the window without an answer. */
  get inFlight(): number {
    return this.#counted
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0
  }

  /** 1 to 0x7FFFFFFF, then 1 again; a number that still waits is passed over. */
  nextSequence(): number {
    do this.#sequence = this.#sequence === SEQUENCE_MAX ? 1 : this.#sequence + 1
    while (this.#pending.has(this.#sequence))
    return this.#sequence
  }

  add(pending: Pending): void {
    this.#pending.set(pending.sequence, pending)
    if (pending.counted) this.#counted++
  }

  /** The request that `response` (a command name) with `sequence` answers, taken out of the window. */
  take(sequence: number, response: string): Pending | undefined {
    const pending = this.#pending.get(sequence)
    if (!pending || !answers(response, pending.command)) return undefined
    this.#remove(pending)
    return pending
  }

  /** The same among those that timed out. */
  takeLate(sequence: number, response: string): Pending | undefined {
    const pending = this.#late.get(sequence)
    if (!pending || !answers(response, pending.command)) return undefined
    this.#late.delete(sequence)
    return pending
  }

  oldest(): Pending | undefined {
    for (const pending of this.#pending.values()) return pending
    return undefined
  }

  /** Frees the slot of a request that timed out, and remembers it for a late response. */
  expire(pending: Pending): void {
    this.#remove(pending)
    this.#late.set(pending.sequence, pending)
    if (this.#late.size <= this.lateMax) return
    for (const sequence of this.#late.keys()) {
      this.#late.delete(sequence)
      return
    }
  }

  /** Empties the window, for those whose session has ended. */
  drop(): Pending[] {
    const dropped = [...this.#pending.values()]
    this.#pending.clear()
    this.#late.clear()
    this.#counted = 0
    return dropped
  }

  #remove(pending: Pending): void {
    this.#pending.delete(pending.sequence)
    if (pending.counted) this.#counted--
  }
}

/** Matched on kind too: an enquire_link_resp never answers a submit_sm (SMPP 3.4 §3.2). */
const answers = (response: string, request: Request): boolean =>
  response === RESPONSES[request] || response === 'generic_nack'
