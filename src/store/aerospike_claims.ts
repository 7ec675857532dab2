import type { Bins, Key } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { type Deadline, numberOf, type Records, textOf } from './aerospike_records.ts'
import type { Claim, ClaimKey } from './store.ts'

/** Who holds an idempotency key. */
export interface Holding {
  readonly messageId: string
  readonly sameBody: boolean
}

/** Idempotency keys, a record each. */
export class Claims {
  constructor(
    private readonly records: Records,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  async read(claim: ClaimKey, deadline: Deadline): Promise<Holding | undefined> {
    const record = await this.records.get(this.#key(claim), deadline)
    if (!record || numberOf(record.bins, 'end') <= this.clock.now()) return undefined
    return holding(record.bins, claim)
  }

  /** Takes the key for a message, or answers who holds it. */
  take(claim: Claim, messageId: string, deadline: Deadline): Promise<Holding | undefined> {
    const now = this.clock.now()
    return this.records.change(this.#key(claim), claimSeconds(claim, now), deadline, bins => {
      const holder = bins && numberOf(bins, 'end') > now ? holding(bins, claim) : undefined
      if (holder?.messageId === messageId) return { answer: undefined }
      if (holder) return { answer: holder }
      return { bins: claimBins(claim, messageId), answer: undefined }
    })
  }

  /** Lets go of the key, if it is the message's. */
  async release(claim: ClaimKey, messageId: string, deadline: Deadline): Promise<void> {
    const record = await this.records.get(this.#key(claim), deadline)
    if (record && textOf(record.bins, 'message') === messageId) {
      await this.records.client.remove(record.key, { ...deadline.policy, generation: record.generation })
    }
  }

  #key({ appId, key }: ClaimKey): Key {
    return claimKey(this.records, appId, key)
  }
}

export const claimKey = (records: Records, appId: number, key: string): Key =>
  records.key('claims', `${appId} ${key}`)

/** `app` and `key` for who reads the whole set. */
export const claimBins = (claim: Claim, messageId: string): Bins => ({
  message: messageId,
  hash: hex(claim),
  end: claim.expiresAt,
  app: claim.appId,
  key: claim.key,
})

export const claimSeconds = ({ expiresAt }: Claim, now: number): number =>
  Math.max(1, Math.ceil((expiresAt - now) / 1000))

const holding = (bins: Parameters<typeof textOf>[0], claim: ClaimKey): Holding => ({
  messageId: textOf(bins, 'message'),
  sameBody: textOf(bins, 'hash') === hex(claim),
})

const hex = ({ bodyHash }: ClaimKey): string => Buffer.from(bodyHash).toString('hex')
