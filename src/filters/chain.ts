import { type FilterMessage, PASS, type Verdict } from './filter.ts'
import { type Answer, FilterFault, pack, type Sandbox } from './sandbox.ts'
import type { Tally } from './tally.ts'

/** One version of a filter, with the counters that outlive it. */
export interface ChainLink {
  readonly sandbox: Sandbox
  readonly tally: Tally
}

export interface ChainOptions {
  /** What a filter that does not answer does to the message. */
  readonly onError: 'reject' | 'pass'
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  /** Unix milliseconds. */
  readonly now: () => number
  /** Told of each failure of a filter, as often as they come; `trippedFor`: the app that it is out of use for by now. */
  readonly failed: (filter: ChainLink, fault: FilterFault, trippedFor: number | undefined) => void
}

/** What a caller hears of a filter that is out of use. */
export const TRIPPED = 'the filter is out of use for a while, having failed repeatedly'

/** What a caller hears of a filter that did not answer: why is the operator's business. */
export const callersWords = ({ kind }: FilterFault): string =>
  kind === 'timeout' ? 'the filter did not answer in time' : 'the filter failed'

/** Asks filters in the order of their names; which ones is replaced as a whole, between two messages. */
export class Chain {
  #links: readonly ChainLink[] = []

  constructor(private readonly options: ChainOptions) {}

  /** From the next message on, these decide; an inactive one is never asked. */
  replace(links: readonly ChainLink[]): void {
    this.#links = links
      .filter(({ sandbox }) => sandbox.declaration.active)
      .sort((a, b) => byName(a.sandbox, b.sandbox))
  }

  /** How many are asked. */
  get active(): number {
    return this.#links.length
  }

  check(sms: FilterMessage): Verdict {
    if (this.#links.length === 0) return PASS
    const packed = pack(sms)
    for (const link of this.#links) {
      const verdict = this.#verdict(link, sms, packed)
      if (!verdict.pass && link.sandbox.declaration.mode === 'enforce') return verdict
    }
    return PASS
  }

  #verdict(link: ChainLink, sms: FilterMessage, packed: Uint8Array | undefined): Verdict {
    const { sandbox, tally } = link
    const { monotonic, now, failed } = this.options
    const began = monotonic()
    tally.hits++
    if (tally.trippedAt(began, sms.app_id)) {
      return this.#unanswered(sandbox.name, TRIPPED)
    }
    let answer: Answer
    try {
      answer = sandbox.ask(packed)
    } catch (error) {
      if (!(error instanceof FilterFault)) throw error
      const fault = new FilterFault(error.kind, withoutText(error.message, sms.message, sandbox.source))
      tally.fault(fault, sms.app_id, monotonic(), now())
      failed(link, fault, tally.trippedAt(monotonic(), sms.app_id) ? sms.app_id : undefined)
      return this.#unanswered(sandbox.name, callersWords(fault))
    } finally {
      tally.answered(monotonic() - began)
    }
    if (answer.match) tally.matches++
    if (answer.match !== sandbox.declaration.blacklist) return PASS
    tally.refusals++
    return { pass: false, filter: sandbox.name, reason: answer.reason }
  }

  #unanswered(filter: string, reason: string): Verdict {
    return this.options.onError === 'pass' ? PASS : { pass: false, filter, reason }
  }
}

/**
 * Operators read what a filter throws, and a message's text is nobody's business: `JSON.parse(sms.message)` would put
 * its words into the error. Those that the filter's own source has are the filter's.
 */
const withoutText = (error: string, message: string, source: string): string =>
  error.replace(/[\p{L}\p{N}]{3,}/gu, word => (message.includes(word) && !source.includes(word) ? '…' : word))

export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0
