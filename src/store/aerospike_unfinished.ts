import type { Clock } from '../clock.ts'
import type { Claim } from './store.ts'

/** After a call that failed: by then nothing of it is on its way to the cluster any more. */
const UNFINISHED_MS = 20_000
/** Ended together. */
const TOGETHER_MAX = 64
/** Messages whose entries the next attempt at them may take over. */
const TAKEABLE_MAX = 50_000
/** Receipts that may be kept by half; of more than that some are listed for their day. */
const HALVES_MAX = 50_000

/** An entry of the journal, or the name of a receipt that may be kept by half. */
export type Left = LeftEntry | { readonly held: string }

interface LeftEntry {
  readonly token: string
  readonly id: string
  /** Nothing was sent under it: it is taken back. */
  readonly claim: Claim | undefined
}

/** What calls left behind when they failed in the middle. */
export class Unfinished {
  /** By token or name, the oldest failure first. */
  readonly #left = new Map<string, Left & { readonly since: number }>()
  /**
   * Tokens by message. An attempt that opened an entry of its own each time would fill the journal while a part
   * of the cluster is away.
   */
  readonly #takeable = new Map<string, string>()

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  has(token: string): boolean {
    return this.#left.has(token)
  }

  leave(left: Left): void {
    const known = this.#left.delete(keyOf(left))
    if ('held' in left && !known && this.#left.size >= HALVES_MAX) return
    this.#left.set(keyOf(left), { ...left, since: this.clock.monotonic() })
    if ('token' in left && !left.claim && this.#takeable.size < TAKEABLE_MAX)
      this.#takeable.set(left.id, left.token)
  }

  /** The token of an earlier attempt at a message, for one that goes on under it. */
  takeOver(id: string): string | undefined {
    const token = this.#takeable.get(id)
    this.#takeable.delete(id)
    if (token !== undefined) this.#left.delete(token)
    return token
  }

  /** Another may have closed them: no attempt goes on under them. */
  dropTakeable(): void {
    this.#takeable.clear()
  }

  /**
   * Ends those whose time has come, for as long as `forMs`. One that fails is left again unless `closes` says that
   * the journal goes on by itself to close it; at the end the first failure is thrown.
   */
  async finish(
    forMs: number,
    end: (left: Left) => Promise<void>,
    closes: (left: Left) => boolean,
  ): Promise<void> {
    const endsAt = this.clock.monotonic() + forMs
    let failure: unknown
    const endOne = async (left: Left): Promise<void> => {
      try {
        await end(left)
        this.#left.delete(keyOf(left))
      } catch (cause) {
        failure ??= cause
        // Nobody may go on under an entry that is closed.
        if (closes(left)) this.#left.delete(keyOf(left))
        else this.leave(left)
      }
    }
    while (this.clock.monotonic() < endsAt) {
      const some = this.#ripe()
      if (some.length === 0) break
      await Promise.all(some.map(endOne))
    }
    if (failure !== undefined) throw failure
  }

  /** Some whose time has come; no attempt goes on under these any more. */
  #ripe(): Left[] {
    const before = this.clock.monotonic() - UNFINISHED_MS
    const some: Left[] = []
    for (const left of this.#left.values()) {
      if (left.since > before || some.length >= TOGETHER_MAX) break
      some.push(left)
      if ('token' in left && this.#takeable.get(left.id) === left.token) this.#takeable.delete(left.id)
    }
    return some
  }
}

const keyOf = (left: Left): string => ('token' in left ? left.token : left.held)
