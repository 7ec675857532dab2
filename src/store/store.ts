import type { Message, PartState } from '../message.ts'

/**
 * Where messages, receipts, idempotency keys, campaign tallies and MO messages live. Two drivers, one
 * conformance suite (`test/conformance/store.ts`).
 *
 * The promise of every method that writes: its promise is kept on disk (or in the cluster) *before* it
 * resolves, so that a 200 or a `deliver_sm_resp` that follows it is true after `kill -9`. Calls of one turn
 * of the loop share a commit. A write that fails rejects with a {@link StoreError} and has changed nothing;
 * those of the same commit fail with it, those of later commits are tried anew. Only when the disk fails while
 * it syncs does nobody know what it holds: then all later writes are refused, until a restart reads what is there.
 *
 * Questions do not wait for writes. They see what was committed, which may be a moment ahead of the disk.
 *
 * With a spool (`spooled_store.ts`) `save`, `settle`, `resolve` and `keepInbound` keep their promise on the disk of
 * this gateway while the cluster is away, and in the cluster once it is back: each is told to it then, exactly as
 * if it had been told before, whatever a lost answer or a crash leaves in doubt. Until then
 *   - this gateway alone knows of them: `find`, `recall` and `claim` see them here, lists, numbers and other
 *     gateways do not;
 *   - a `settle` or `resolve` whose message lies in the cluster answers as if there were none,
 * and while the cluster is away no key can be claimed or recalled.
 */
export interface MessageStore {
  /**
   * Takes an idempotency key and puts `message` (state `accepted`) beside it, in one commit, before anything
   * leaves. A key that is taken and not yet expired answers what stands under it and writes nothing.
   */
  claim(claim: Claim, message: Message): Promise<Claimed>

  /** What stands under a key that is taken and not yet expired; writes nothing. Asked before filters and rules. */
  recall(key: ClaimKey): Promise<Earlier | undefined>

  /**
   * Writes the outcome of a send: a new message, or the outcome of one that was claimed. Counts it in the
   * totals and in its campaign, exactly once. Receipts that came before are applied in the same commit; the
   * answer is the message as it then stands. Told again (or after `recover` gave it up), it adds what is news
   * and moves the count from failed to sent when every part has its id by now.
   */
  save(message: Message): Promise<Message>

  find(id: string): Promise<Message | undefined>

  /**
   * Applies a receipt to the part it belongs to, whichever gateway, link or life of this process sent it.
   * One that finds no message is kept for {@link RECEIPT_HELD_MS} under each of its forms: `save` and
   * `resolve` look for it. With several candidates the one whose destination is `address` (as `sameNumber`
   * sees it) wins, then the earlier form, then the newer message. A form after the first is a guess: it takes
   * no message whose destination is another number than `address`, now or later. Of hundreds that wait under one id
   * a driver may look at the newest alone.
   */
  settle(receipt: StoredReceipt): Promise<Settled>

  /**
   * A late `submit_sm_resp` tells what became of an `unknown` part without an SMSC id; receipts held for its id
   * are applied. Any other part stays as it is. Undefined when there is no such message.
   */
  resolve(late: LateAnswer): Promise<Message | undefined>

  /** Receipts that found no message, newest first; a flood of them pushes out the oldest. */
  unmatched(page: Page): Promise<Rows<HeldReceipt>>

  /**
   * Keeps an MO message, or a segment of one. For a segment the messages of the same account, sender,
   * destination, reference and total that began less than {@link SEGMENTS_JOIN_MS} before it are looked at,
   * newest first: one that lacks its part takes it; one that has the part with the same text shows that the SMSC
   * sent it again, and nothing changes. Else it begins a message, under its own id. Which link brought it makes
   * no difference.
   */
  keepInbound(message: InboundMessage): Promise<void>
  /** MO messages, newest first by id; an incomplete one among them from its first segment on. */
  inbox(page: Page): Promise<Rows<InboxMessage>>

  totals(): Promise<Totals>
  /** Ordered by campaign, then sme. */
  campaigns(page: Page): Promise<Rows<CampaignTally>>
  /** The largest by messages, over all smes, largest first; equal ones by name. */
  topCampaigns(count: number): Promise<readonly CampaignTotal[]>

  /**
   * Ends what a crash left open: messages `accepted` before `before` (Unix ms) become `unknown`, since the
   * SMSC may have them. Answers how many.
   */
  recover(before: number): Promise<number>
  /**
   * Deletes what is past its time: a bounded piece of it where the driver works in pieces (0 when nothing is
   * left), else all. Answers how many rows.
   */
  sweep(now: number): Promise<number>

  /** Undefined while writes succeed, else why not, in words for an operator. */
  fault(): string | undefined
  /** What was written since it was opened, for metrics. */
  counts(): Readonly<StoreCounts>
  close(): Promise<void>
}

/** A receipt may come long before its response is stored only in a fault; a day is generous. */
export const RECEIPT_HELD_MS = 24 * 3600 * 1000

/** Receipts without a message, of one store; past it the oldest is forgotten. */
export const HELD_MAX = 100_000

/**
 * Segments of one message come within minutes, also when the SMSC has to try one again; a handset that counts
 * its references in one octet takes longer to come to the same one.
 */
export const SEGMENTS_JOIN_MS = 3600 * 1000

/** An `Idempotency-Key` with the body that it came with. */
export interface ClaimKey {
  readonly appId: number
  readonly key: string
  /** SHA-256 of the body. */
  readonly bodyHash: Uint8Array
}

export interface Claim extends ClaimKey {
  /** Unix milliseconds. */
  readonly expiresAt: number
}

export type Claimed = { readonly fresh: true } | Earlier

export interface Earlier {
  readonly fresh: false
  readonly sameBody: boolean
  /** Undefined when it was swept before its key. */
  readonly message: Message | undefined
}

export interface StoredReceipt {
  readonly account: string
  /** Forms of the SMSC's id, the likeliest first, each as `idKey` writes it (lower case, no leading zeros). */
  readonly ids: readonly string[]
  /** The handset's number in digits, to tell two candidates apart; empty when the receipt has none. */
  readonly address: string
  readonly state: PartState
  readonly error: number
  /** Unix milliseconds. */
  readonly at: number
}

export type Settled =
  /** `form`: the index in `ids` that was right, so that the account's habit can be learned. */
  | { readonly matched: true; readonly form: number; readonly message: Message; readonly part: number }
  | { readonly matched: false }

export interface LateAnswer {
  readonly messageId: string
  /** From 0. */
  readonly part: number
  readonly state: 'submitted' | 'failed'
  readonly smscId: string
  readonly error: number
  /** Of a refusal, in words for the caller. */
  readonly reason?: string
  /** Unix milliseconds. */
  readonly at: number
}

export type HeldReceipt = StoredReceipt

/** What one `deliver_sm` or `data_sm` of a handset brought. */
export interface InboundMessage {
  /** UUIDv7. */
  readonly id: string
  readonly account: string
  readonly link: number
  readonly source: string
  readonly destination: string
  /** May end inside a surrogate pair when it is a segment. */
  readonly text: string
  /** Undefined: it is whole. */
  readonly segment: Segment | undefined
  /** Unix milliseconds. */
  readonly receivedAt: number
}

/** Which piece of a long message it is: User Data Header or SAR TLVs (SMPP 3.4 §5.3.2.22 to 24). */
export interface Segment {
  readonly reference: number
  /** 2 to 255. */
  readonly total: number
  /** From 1. */
  readonly part: number
}

/** An MO message as far as it has come; id, link and time are those of its first segment to come. */
export interface InboxMessage extends Omit<InboundMessage, 'text' | 'segment'> {
  /** In order, one a segment; null where it is missing. */
  readonly parts: readonly (string | null)[]
}

export interface Totals {
  /** Messages ever stored. */
  readonly messages: number
}

/** `sent`: the SMSC took every part; `failed`: all others. `unknown` counts as failed until it is known. */
export interface CampaignTally {
  readonly campaign: string
  readonly sme: number
  readonly sent: number
  readonly failed: number
}

/**
 * Counts what came under new names once a store keeps as many apart as it can, with a row for each sme: a client that
 * gives each message a campaign of its own would fill any disk, and an Aerospike record much sooner.
 */
export const OTHER_CAMPAIGNS = '(other campaigns)'

export interface CampaignTotal {
  readonly campaign: string
  readonly messages: number
}

export interface Page {
  readonly offset: number
  readonly limit: number
}

export interface Rows<T> {
  readonly rows: readonly T[]
  readonly total: number
}

export interface StoreCounts {
  commits: number
  /** Over all commits: `writes / commits` is the size of a batch. */
  writes: number
  /** Commits that failed. */
  failures: number
  /** From the first step of each commit to its end, all together. */
  seconds: number
}

export class StoreError extends Error {
  override readonly name = 'StoreError'
  /** True when it is the record that is wrong, and another try would end the same. */
  readonly ofRecord: boolean

  constructor(text: string, facts: { readonly cause?: unknown; readonly ofRecord?: boolean } = {}) {
    super(text, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.ofRecord = facts.ofRecord ?? false
  }
}
