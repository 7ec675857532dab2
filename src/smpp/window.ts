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

const PLACES_MIN = 64

/** Requests without an answer. */
export class Window {
  /**
   * A power of two of them: the low bits of a number tell its place. A Map that requests come to and go from keeps those that
   * were answered until a full collection (`../churning_map.ts` says why), and made a `submit_sm` cost 1.2 µs in place of 0.75.
   */
  #places: (Pending | undefined)[] = emptyPlaces(PLACES_MIN)
  #waiting = 0
  /** Requests that timed out, oldest first: a late response still has someone to tell. */
  readonly #late = new Map<number, Pending>()
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

  /** 1 to 0x7FFFFFFF, then 1 again; a number whose place is taken by one that still waits is passed over. */
  nextSequence(): number {
    do this.#sequence = this.#sequence === SEQUENCE_MAX ? 1 : this.#sequence + 1
    while (this.#places[this.#placeOf(this.#sequence)])
    return this.#sequence
  }

  /** `pending.sequence` is what `nextSequence` answered last. */
  add(pending: Pending): void {
    this.#places[this.#placeOf(pending.sequence)] = pending
    if (pending.counted) this.#counted++
    // Never more than half full, so that the next free place is near.
    if (++this.#waiting * 2 > this.#places.length) this.#grow()
  }

  /** The request that `response` (a command name) with `sequence` answers, taken out of the window. */
  take(sequence: number, response: string): Pending | undefined {
    const pending = this.#places[this.#placeOf(sequence)]
    if (pending?.sequence !== sequence || !answers(response, pending.command)) return undefined
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

  /** In the order in which they were made, which is that of their deadlines. */
  inOrder(): Pending[] {
    const pending = this.#places.filter(place => place !== undefined)
    return pending.sort((one, other) => one.position - other.position)
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
    const dropped = this.inOrder()
    this.#places = emptyPlaces(PLACES_MIN)
    this.#waiting = 0
    this.#late.clear()
    this.#counted = 0
    return dropped
  }

  #placeOf(sequence: number): number {
    return sequence & (this.#places.length - 1)
  }

  #remove(pending: Pending): void {
    this.#places[this.#placeOf(pending.sequence)] = undefined
    this.#waiting--
    if (pending.counted) this.#counted--
  }

  /** Two that have places of their own by some bits have them by one bit more. */
  #grow(): void {
    const before = this.#places
    this.#places = emptyPlaces(2 * before.length)
    for (const pending of before) if (pending) this.#places[this.#placeOf(pending.sequence)] = pending
  }
}

const emptyPlaces = (count: number): (Pending | undefined)[] => new Array(count).fill(undefined)

/** Matched on kind too: an enquire_link_resp never answers a submit_sm (SMPP 3.4 §3.2). */
const answers = (response: string, request: Request): boolean =>
  response === RESPONSES[request] || response === 'generic_nack'
