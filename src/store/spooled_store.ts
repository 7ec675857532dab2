import { ChurningMap } from '../churning_map.ts'
import type { Message } from '../message.ts'
import { isId } from '../message_id.ts'
import { AWAY, DISPLACED } from './aerospike_faults.ts'
import { requireStorable } from './aerospike_message.ts'
import { nameOf, type Spooled } from './spool_entry.ts'
import { type ClusterStore, type SpoolOptions, SpoolRunner } from './spool_runner.ts'
import { isSaved, spooledMatch, spooledMessage } from './spool_view.ts'
import {
  type Claim,
  type Claimed,
  type ClaimKey,
  type Earlier,
  type MessageStore,
  type StoreCounts,
  StoreError,
} from './store.ts'

/** What a spool holds, for metrics. */
export interface SpoolCounts {
  readonly entries: number
  readonly entriesMax: number
  /** Of the entry that waits the longest. */
  readonly ageMs: number
  /** Ever put in, and ever told to the cluster, by this process. */
  readonly spooled: number
  readonly replayed: number
  /** Set aside: the cluster refused them for good. */
  readonly refused: number
}

/** A write that the cluster has not answered by then is spooled too: it may be done there all the same. */
const PATIENCE_MS = 2000

const NO_COUNTS: StoreCounts = { commits: 0, writes: 0, failures: 0, seconds: 0 }

/**
 * A cluster, and a file of this gateway for what the cluster does not take: see "With a spool" in the contract.
 *
 * A write goes to the cluster unless that is known to be away, or an earlier write that it has to come after is
 * in the spool; then, or when the cluster fails it, it goes to the spool and resolves when it is on disk. Nobody
 * knows of a write that failed whether it was done: it is told again, and the driver's writes say nothing new
 * when they are told again. Only where an outage outlasts `aerospike.ttl` may such a message be counted twice,
 * since its record has expired.
 */
export class SpooledStore implements MessageStore {
  readonly #runner: SpoolRunner
  #spooled = 0
  /** Ends the patience with each write that the cluster has not answered. */
  readonly #waiting = new ChurningMap<() => void, true>()
  #pending = 0
  #idle: (() => void) | undefined
  #closed = false

  constructor(private readonly options: SpoolOptions) {
    this.#runner = new SpoolRunner(options)
  }

  get node(): number {
    return this.options.node
  }

  save: MessageStore['save'] = message =>
    this.#write(
      { kind: 'save', message },
      async cluster => this.#seen(await cluster.save(message)),
      () => spooledMessage(this.options.spool, message.id) ?? message,
    )

  settle: MessageStore['settle'] = receipt =>
    this.#write(
      { kind: 'settle', receipt },
      cluster => cluster.settle(receipt),
      () => spooledMatch(this.options.spool, receipt),
    )

  resolve: MessageStore['resolve'] = late =>
    this.#write(
      { kind: 'resolve', late },
      cluster => cluster.resolve(late),
      () => spooledMessage(this.options.spool, late.messageId),
    )

  keepInbound: MessageStore['keepInbound'] = inbound =>
    this.#write(
      { kind: 'keepInbound', inbound },
      cluster => cluster.keepInbound(inbound),
      () => undefined,
    )

  async claim(claim: Claim, message: Message): Promise<Claimed> {
    const claimed = await this.#askForKey(cluster => cluster.claim(claim, message))
    return claimed.fresh ? claimed : this.#earlier(claimed)
  }

  async recall(key: ClaimKey): Promise<Earlier | undefined> {
    const earlier = await this.#askForKey(cluster => cluster.recall(key))
    return earlier && this.#earlier(earlier)
  }

  async find(id: string): Promise<Message | undefined> {
    const { spool } = this.options
    if (!this.#closed && isSaved(spool, id)) return spooledMessage(spool, id)
    const stored = await this.#ask(cluster => cluster.find(id))
    return this.#closed ? stored : spooledMessage(spool, id, stored)
  }

  unmatched: MessageStore['unmatched'] = page => this.#ask(cluster => cluster.unmatched(page))
  inbox: MessageStore['inbox'] = page => this.#ask(cluster => cluster.inbox(page))
  totals: MessageStore['totals'] = () => this.#ask(cluster => cluster.totals())
  campaigns: MessageStore['campaigns'] = page => this.#ask(cluster => cluster.campaigns(page))
  topCampaigns: MessageStore['topCampaigns'] = count => this.#ask(cluster => cluster.topCampaigns(count))
  sweep: MessageStore['sweep'] = now => this.#ask(cluster => cluster.sweep(now))

  /** With the cluster away this answers 0, and is done when that is back, before any claim. */
  async recover(before: number): Promise<number> {
    const { cluster, away } = this.#runner
    if (cluster && !away) {
      try {
        return await cluster.recover(before)
      } catch (error) {
        if (this.#runner.displaced) throw error
      }
    }
    this.#runner.recoverLater(before)
    return 0
  }

  fault(): string | undefined {
    const { displaced, spools, reason } = this.#runner
    if (displaced) return DISPLACED
    if (!spools) return undefined
    if (this.options.spool.fault !== undefined) return this.options.spool.fault
    return this.#isFull ? `${reason}, and the spool is full` : undefined
  }

  /** What an operator should know although messages are taken. */
  warning(): string | undefined {
    const { spool, entriesMax } = this.options
    const { spools, reason } = this.#runner
    const waiting = `${spool.depth} of at most ${entriesMax} writes wait in the spool`
    if (spools) return `${reason}: messages are spooled (${waiting})`
    if (spool.fault !== undefined) return `the spool takes no writes: ${spool.fault}`
    return spool.depth > 0 ? `the spool is on its way to the Aerospike cluster (${waiting})` : undefined
  }

  counts(): Readonly<StoreCounts> {
    return this.#runner.cluster?.counts() ?? NO_COUNTS
  }

  spoolCounts(): SpoolCounts {
    const { spool, entriesMax, clock } = this.options
    const ageMs = Math.max(0, clock.now() - (spool.oldestAt ?? clock.now()))
    const { depth: entries, refused } = spool
    const { replayed } = this.#runner
    return { entries, entriesMax, ageMs, spooled: this.#spooled, replayed, refused }
  }

  /** What was asked before comes to its end; what is spooled stays for the next life. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#pending > 0) await new Promise<void>(idle => (this.#idle = idle))
    await this.#runner.stop()
    await this.#runner.cluster?.close()
    await this.options.spool.close()
  }

  get #isFull(): boolean {
    return this.options.spool.depth >= this.options.entriesMax
  }

  async #write<T>(
    write: Spooled,
    direct: (cluster: ClusterStore) => Promise<T>,
    spooled: () => T,
  ): Promise<T> {
    this.#requireOpen()
    requireSound(write)
    const { spool } = this.options
    const { cluster, spools } = this.#runner
    this.#pending++
    try {
      if (cluster && !spools && !spool.precedes(write)) {
        try {
          return await this.#withPatience(direct(cluster))
        } catch (error) {
          if (this.#runner.displaced || (error instanceof StoreError && error.ofRecord)) throw error
          this.#runner.failed()
        }
      }
      // What the SMSC has by now has to go somewhere; `fault` keeps the next message from leaving.
      const mayWait = write.kind === 'settle' || write.kind === 'keepInbound'
      if (mayWait && this.#isFull) throw new StoreError('the spool is full')
      await spool.append(write)
      this.#spooled++
      return spooled()
    } finally {
      this.#runner.run()
      if (--this.#pending === 0) this.#idle?.()
    }
  }

  /** When the time of one is over, so it is for all that wait with it. */
  #withPatience<T>(call: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const giveUp = (): void => reject(new StoreError(AWAY))
    this.#waiting.set(giveUp, true)
    const cancel = this.options.clock.after(PATIENCE_MS, () => {
      for (const each of this.#waiting.keys()) each()
    })
    call.then(resolve, reject)
    return promise.finally(() => {
      cancel()
      this.#waiting.delete(giveUp)
    })
  }

  async #ask<T>(question: (cluster: ClusterStore) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreError('the store is closed')
    const { cluster } = this.#runner
    if (!cluster) throw new StoreError(AWAY)
    return question(cluster)
  }

  /** The cluster alone knows whether a key is taken. */
  async #askForKey<T>(question: (cluster: ClusterStore) => Promise<T>): Promise<T> {
    this.#requireOpen()
    const { cluster, away } = this.#runner
    if (!cluster || away) throw new StoreError(this.#keyless)
    try {
      return await question(cluster)
    } catch (cause) {
      throw cluster.fault() === undefined || this.#runner.displaced
        ? cause
        : new StoreError(this.#keyless, { cause })
    }
  }

  get #keyless(): string {
    return `${this.#runner.reason}, and it alone knows the keys: meanwhile only messages without one are taken`
  }

  #earlier(earlier: Earlier): Earlier {
    return { ...earlier, message: earlier.message && this.#seen(earlier.message) }
  }

  #seen(stored: Message): Message {
    return (this.#closed ? undefined : spooledMessage(this.options.spool, stored.id, stored)) ?? stored
  }

  #requireOpen(): void {
    if (this.#closed) throw new StoreError('the store is closed')
    if (this.#runner.displaced) throw new StoreError(DISPLACED)
  }
}

/** Throws when no cluster would ever take it: nothing of the kind is to come out at the replay. */
function requireSound(write: Spooled): void {
  const { message_id: id } = nameOf(write)
  if (id !== undefined && !isId(id)) throw new StoreError('the id is no UUID', { ofRecord: true })
  if (write.kind === 'save') requireStorable(write.message)
}
