import { type AerospikeClient, AerospikeError } from '../aerospike/index.ts'
import type { Clock, Random } from '../clock.ts'
import type { Message } from '../message.ts'
import { isId } from '../message_id.ts'
import { Beat } from './aerospike_beat.ts'
import { Claims } from './aerospike_claims.ts'
import { AWAY, DISPLACED, faultOf, isCallersFault, isOfOneRecord } from './aerospike_faults.ts'
import { Inbox } from './aerospike_inbox.ts'
import { Journal } from './aerospike_journal.ts'
import type { Holder, Lease } from './aerospike_lease.ts'
import { Receipts, toldBy, toWaiting, type WaitingReceipt } from './aerospike_receipts.ts'
import { Deadline, type Records } from './aerospike_records.ts'
import { Recovery } from './aerospike_recovery.ts'
import { SweepTurn } from './aerospike_sweep_turn.ts'
import { largest, Tallies } from './aerospike_tallies.ts'
import { type Left, Unfinished } from './aerospike_unfinished.ts'
import { type Attempt, type Saved, Writer } from './aerospike_writer.ts'
import { Lasting } from './lasting.ts'
import { Newest } from './newest.ts'
import {
  type CampaignTally,
  type Claim,
  type Claimed,
  type ClaimKey,
  type Earlier,
  HELD_MAX,
  type HeldReceipt,
  type MessageStore,
  type Page,
  type Rows,
  type StoreCounts,
  StoreError,
} from './store.ts'

export interface AerospikeStoreOptions {
  /** Not connected yet; the store closes it. */
  readonly client: AerospikeClient
  readonly namespace: string
  /** Of the names of sets, so that installations can share a namespace. */
  readonly prefix?: string
  readonly clock: Clock
  readonly random: Random
  readonly log: { warn(fields: object, text: string): void }
  /** How long messages and MO messages are kept. */
  readonly retentionMs: number
  /** This installation, and no other: the same after a restart. */
  readonly instance: string
  /** Shown where an operator has to know which gateway is meant. */
  readonly name: string
  /** The number that this gateway would like to have among those that share the store, 0 to 31. */
  readonly node: number
  /** It goes on while the cluster is away: its number has to stay its own meanwhile, or two would give one task id. */
  readonly keepsNumber?: boolean
  /** Writes under way; one more is refused at once. */
  readonly pendingMax?: number
  /** Receipts without a message; a sweep removes the oldest past it. */
  readonly heldMax?: number
  /** Between two sweeps of the cluster, by whichever gateway; undefined: each sweeps when it is told to. */
  readonly sweepMs?: number
}

/** For one call of the contract. */
export const CALL_MS = 10_000
/** A node that does not renew its lease for as long is taken for dead. */
export const LEASE_SECONDS = 30
/** A gateway that keeps its number does so for as long after it was last seen. */
export const NUMBER_SECONDS = 24 * 3600
const RENEW_MS = 5000
const RENEW_NUMBER_MS = 3600_000
/** While writes fail: what shows that the cluster is back when nobody writes. */
const PROBE_MS = 1000
/** A write that could end after the lease waits for its renewal. */
const LEASE_TRUSTED_MS = LEASE_SECONDS * 1000 - 2 * CALL_MS

/** Messages in an Aerospike cluster, shared by up to 32 gateways. */
export class AerospikeStore implements MessageStore {
  readonly #tallies: Tallies
  readonly #campaigns: Lasting<CampaignTally[]>
  readonly #receipts: Receipts
  readonly #writer: Writer
  readonly #claims: Claims
  readonly #inbox: Inbox
  readonly #journal: Journal
  readonly #recovery: Recovery
  readonly #sweepTurn: SweepTurn
  readonly #counts: StoreCounts = { commits: 0, writes: 0, failures: 0, seconds: 0 }
  /** Tokens of claims whose outcome is to come, by message. */
  readonly #claimed = new Map<string, string>()
  /** Tokens of calls under way. */
  readonly #underWay = new Set<string>()
  readonly #unfinished: Unfinished
  /** Entries that are looked after already. */
  readonly #ours = { has: (token: string) => this.#underWay.has(token) || this.#unfinished.has(token) }
  #journals = 0
  #pending = 0
  #idle: (() => void) | undefined
  #closed = false
  #fault: string | undefined
  #displaced = false
  #renewedAt: number
  #numberAt: number
  #renewal: Promise<void> | undefined
  readonly #beat: Beat

  constructor(
    private readonly options: AerospikeStoreOptions,
    private readonly records: Records,
    private readonly holder: Holder,
    /** The number of this gateway among those that share the store. */
    readonly node: number,
    private readonly lease: Lease,
    /** Undefined: another gateway may have it as soon as the lease is over. */
    private readonly number?: Lease,
  ) {
    const { clock, retentionMs } = options
    const { nonce } = holder
    this.#unfinished = new Unfinished(clock)
    this.#tallies = new Tallies(records, clock)
    this.#campaigns = new Lasting(clock, () => this.#tallies.all())
    this.#receipts = new Receipts(records, clock, retentionMs, nonce)
    this.#writer = new Writer(records, this.#receipts, clock, retentionMs)
    this.#claims = new Claims(records, clock)
    this.#inbox = new Inbox(records, retentionMs)
    this.#journal = this.#journalOf(node)
    this.#recovery = new Recovery(records, this.#writer, clock)
    this.#sweepTurn = this.#sweepTurnOf(options)
    this.#renewedAt = clock.monotonic()
    this.#numberAt = this.#renewedAt
    this.#beat = new Beat(clock, () => this.#lookAfter())
    this.#beat.within(RENEW_MS)
  }

  claim(claim: Claim, message: Message): Promise<Claimed> {
    return this.#write(message.id, async deadline => {
      const earlier = await this.#recall(claim, deadline)
      if (earlier) return earlier
      const token = await this.#journal.open(message.id)
      this.#underWay.add(token)
      try {
        // The message first: whoever finds the key taken finds its message.
        await this.#writer.begin(message, deadline)
        const holder = await this.#claims.take(claim, message.id, deadline)
        if (!holder) {
          this.#claimed.set(message.id, token)
          return { fresh: true }
        }
        await this.#writer.forget(message.id, deadline)
        await this.#close(token, message.id, undefined)
        const first = await this.#writer.find(holder.messageId, deadline)
        return { fresh: false, sameBody: holder.sameBody, message: first?.message }
      } catch (error) {
        this.#unfinished.leave({ token, id: message.id, claim })
        throw error
      } finally {
        this.#underWay.delete(token)
      }
    })
  }

  recall(key: ClaimKey): Promise<Earlier | undefined> {
    return this.#read(deadline => this.#recall(key, deadline))
  }

  save(message: Message): Promise<Message> {
    return this.#write(message.id, async deadline => {
      const claimed = this.#claimed.get(message.id)
      this.#claimed.delete(message.id)
      const saved = await this.#counted(message.id, claimed, attempt =>
        this.#writer.save(message, attempt, deadline),
      )
      return saved?.message ?? message
    })
  }

  find(id: string): Promise<Message | undefined> {
    return this.#read(async deadline =>
      isId(id) ? (await this.#writer.find(id, deadline))?.message : undefined,
    )
  }

  settle: MessageStore['settle'] = receipt =>
    this.#write(undefined, async deadline => {
      const naming = this.#receipts.naming()
      try {
        return await this.#writer.settle(receipt, naming, deadline)
      } catch (error) {
        if (naming.begun) this.#unfinished.leave({ held: naming.name })
        throw error
      }
    })

  resolve: MessageStore['resolve'] = late =>
    this.#write(late.messageId, async deadline => {
      const saved = await this.#counted(late.messageId, undefined, attempt =>
        this.#writer.resolve(late, attempt, deadline),
      )
      return saved?.message
    })

  keepInbound: MessageStore['keepInbound'] = inbound =>
    this.#write(inbound.id, deadline => this.#inbox.keep(inbound, deadline))

  unmatched({ offset, limit }: Page): Promise<Rows<HeldReceipt>> {
    return this.#read(async () => {
      const newest = new Newest<WaitingReceipt>(offset + limit, row => row.name)
      for await (const { bins } of this.records.scan('held', HELD_BINS)) {
        const waiting = toWaiting(bins)
        if (!waiting.taker) newest.add(waiting)
      }
      const rows = newest.rows().slice(offset)
      return {
        rows: rows.map(toldBy),
        total: newest.total,
      }
    })
  }

  inbox: MessageStore['inbox'] = page => this.#read(() => this.#inbox.list(page))

  totals: MessageStore['totals'] = () =>
    this.#read(async () => {
      return { messages: await this.#tallies.total() }
    })

  campaigns: MessageStore['campaigns'] = ({ offset, limit }) =>
    this.#read(async () => {
      const tallies = await this.#campaigns.get()
      return { rows: tallies.slice(offset, offset + limit), total: tallies.length }
    })

  topCampaigns: MessageStore['topCampaigns'] = count =>
    this.#read(async () => largest(await this.#campaigns.get(), count))

  recover: MessageStore['recover'] = before =>
    this.#write(undefined, async () => {
      const lost = await this.#recovery.settle(this.#journal, before, this.#ours)
      const open = new Map(await this.#journal.entries())
      for (const [id, token] of this.#claimed) if (!open.has(token)) this.#claimed.delete(id)
      return lost
    })

  /**
   * Of all gateways one at a time: removes what is past its time, ends what dead gateways left open, and rolls
   * up what they counted. Each rolls up its own.
   */
  sweep: MessageStore['sweep'] = now =>
    this.#write(undefined, async () => {
      await this.#roll(this.#journal)
      return await this.#sweepTurn.take(now, async () => {
        await this.#recovery.settleDead(this.node, node => this.#journalOf(node), this.#roll)
        // What was kept when this gateway recovered. No outcome is given up: claims are under way.
        await this.#recovery.settle(this.#journal, 0, this.#ours)
      })
    })

  /** Another gateway has its number: it writes no more. */
  get displaced(): boolean {
    return this.#displaced
  }

  fault(): string | undefined {
    if (this.#displaced) return DISPLACED
    if (this.records.client.fault() !== undefined) return AWAY
    return this.#fault
  }

  counts(): Readonly<StoreCounts> {
    return this.#counts
  }

  /** What was asked before comes to its end. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#beat.stop()
    if (this.#pending > 0) await new Promise<void>(idle => (this.#idle = idle))
    await this.#journal.idle()
    try {
      // One under way would take again what is let go of.
      await this.#renewal
      if (!this.#displaced) await this.lease.release(this.#deadline())
    } catch {
      // It expires by itself.
    }
    this.records.client.close()
  }

  async #recall(key: ClaimKey, deadline: Deadline): Promise<Earlier | undefined> {
    const holding = await this.#claims.read(key, deadline)
    if (!holding) return undefined
    const stored = await this.#writer.find(holding.messageId, deadline)
    return { fresh: false, sameBody: holding.sameBody, message: stored?.message }
  }

  /** Changes a message under an entry of the journal, and has it counted. */
  async #counted(
    id: string,
    claimed: string | undefined,
    change: (attempt: Attempt) => Promise<Saved | undefined>,
  ): Promise<Saved | undefined> {
    const earlier = claimed ?? this.#unfinished.takeOver(id)
    const token = earlier ?? (await this.#journal.open(id))
    const attempt = { token, mayBeDone: earlier !== undefined }
    this.#underWay.add(token)
    try {
      const saved = await change(attempt)
      await this.#close(token, id, saved?.count)
      return saved
    } catch (error) {
      if (attempt.mayBeDone) this.#unfinished.leave({ token, id, claim: undefined })
      else void this.#close(token, id, undefined)
      throw error
    } finally {
      this.#underWay.delete(token)
    }
  }

  /** The message is stored, and its mark keeps the count safe: a journal that fails now is written later. */
  #close(token: string, id: string, count: Saved['count']): Promise<void> {
    return this.#journal.close(token, id, count).catch(() => {})
  }

  async #read<T>(ask: (deadline: Deadline) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreError('the store is closed')
    try {
      return await ask(this.#deadline())
    } catch (cause) {
      throw cause instanceof StoreError ? cause : new StoreError('the store cannot be read', { cause })
    }
  }

  async #write<T>(id: string | undefined, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    const refusal = this.#refusal(id)
    if (refusal !== undefined) throw new StoreError(refusal)
    const startedAt = this.options.clock.monotonic()
    this.#pending++
    try {
      if (startedAt - this.#renewedAt > LEASE_TRUSTED_MS) await this.#renewOnce()
      const answer = await work(this.#deadline())
      this.#fault = undefined
      this.#counts.commits++
      this.#counts.writes++
      this.#counts.seconds += (this.options.clock.monotonic() - startedAt) / 1000
      return answer
    } catch (cause) {
      throw this.#failed(cause)
    } finally {
      if (--this.#pending === 0) this.#idle?.()
    }
  }

  #refusal(id: string | undefined): string | undefined {
    if (this.#closed) return 'the store is closed'
    if (this.#displaced) return DISPLACED
    if (this.#pending >= (this.options.pendingMax ?? 50_000)) return 'too many writes wait for the store'
    return id !== undefined && !isId(id) ? 'the id is no UUID' : undefined
  }

  #failed(cause: unknown): StoreError {
    if (cause instanceof StoreError && !(cause.cause instanceof AerospikeError)) return cause
    if (isCallersFault(cause))
      return new StoreError('the store cannot take this record', { cause, ofRecord: true })
    this.#counts.failures++
    if (isOfOneRecord(cause)) return new StoreError('the store did not take it', { cause })
    if (this.#fault === undefined) this.options.log.warn({ err: cause }, 'the store fails')
    this.#fault = faultOf(cause)
    this.#beat.within(PROBE_MS)
    return new StoreError('the store did not take it', { cause })
  }

  /** Keeps the lease, sees whether the cluster is back, and ends what failed in the middle. */
  async #lookAfter(): Promise<number> {
    try {
      await this.#renewOnce()
      this.#fault = undefined
      this.#journal.retry()
      await this.#unfinished.finish(
        RENEW_MS,
        left => this.#end(left),
        left => 'token' in left && this.#journal.closes(left.token, left.id),
      )
    } catch (cause) {
      // What a store that closes has not ended is ended by the next life: no fault.
      if (!this.#closed) {
        this.#failed(cause)
        this.#sweepTurn.cutIfFull(cause)
      }
    }
    return this.#fault === undefined ? RENEW_MS : PROBE_MS
  }

  /** Who comes while a renewal is under way waits for it. */
  #renewOnce(): Promise<void> {
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined
    })
    return this.#renewal
  }

  async #renew(): Promise<void> {
    const at = this.options.clock.monotonic()
    const held = await this.lease.hold(this.#deadline(), false)
    if (held === undefined) {
      // For good: whoever comes back under a number that another had meanwhile begins anew.
      this.#displaced = true
      this.#beat.stop()
      throw new StoreError(DISPLACED)
    }
    // It had expired: another may have given up what was open, and closed its entries.
    if (held === 'taken') {
      this.#claimed.clear()
      this.#unfinished.dropTakeable()
    }
    this.#renewedAt = at
    await this.#sweepTurn.renew()
    if (!this.number || at - this.#numberAt < RENEW_NUMBER_MS) return
    await this.number.hold(this.#deadline(), true)
    this.#numberAt = at
  }

  async #end(left: Left): Promise<void> {
    if ('held' in left) return this.#writer.complete(left.held, this.#deadline())
    const { token, id, claim } = left
    if (claim) {
      await this.#claims.release(claim, id, this.#deadline())
      await this.#writer.forget(id, this.#deadline())
      await this.#journal.close(token, id, undefined)
    } else await this.#recovery.settleEntry(this.#journal, token, id, Number.POSITIVE_INFINITY, false)
  }

  /** Counts that stay where they are are counted all the same: it is no reason to leave the rest of a sweep. */
  readonly #roll = async (journal: Journal): Promise<void> => {
    try {
      await journal.roll()
    } catch (err) {
      this.options.log.warn({ err }, 'what a journal counted could not be rolled up')
    }
  }

  #sweepTurnOf({ clock, random, log, sweepMs, heldMax = HELD_MAX }: AerospikeStoreOptions): SweepTurn {
    const { records, holder } = this
    const stopped = (): boolean => this.#closed
    const complete = (name: string): Promise<void> => this.#writer.complete(name, this.#deadline())
    const sweep = { records, receipts: this.#receipts, clock, heldMax, stopped, complete }
    return new SweepTurn({
      ...{ sweep, clock, random, holder, log },
      ...{ everyMs: sweepMs, deadline: () => this.#deadline() },
    })
  }

  #journalOf(node: number): Journal {
    // Its own, for tokens and the sequence of writes begin anew in each.
    const nonce = `${this.holder.nonce}${++this.#journals}`
    return new Journal(this.records, this.options.clock, node, nonce, roll => this.#tallies.add(roll))
  }

  #deadline(): Deadline {
    return new Deadline(this.options.clock, CALL_MS)
  }
}

const HELD_BINS = ['name', 'account', 'ids', 'address', 'state', 'error', 'at', 'since', 'taker']
