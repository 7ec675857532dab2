import type { Cancel, Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { AWAY, DISPLACED } from './aerospike_faults.ts'
import { nameOf, type Spooled } from './spool_entry.ts'
import { replay } from './spool_replay.ts'
import type { SqliteSpool } from './sqlite_spool.ts'
import type { MessageStore } from './store.ts'

/** A store that may be away. */
export interface ClusterStore extends MessageStore {
  /** The number of this gateway among those that share it. */
  readonly node: number
  /** Another gateway has this one's number: it writes no more. */
  readonly displaced: boolean
}

export interface SpoolOptions {
  readonly spool: SqliteSpool
  /** The number of this gateway, as the cluster says it or said it when it was last heard. */
  readonly node: number
  /** Undefined: it was away at the start. */
  readonly cluster: ClusterStore | undefined
  /** Tries to reach it then. */
  readonly open: () => Promise<ClusterStore>
  /** Entries that wait, at most. */
  readonly entriesMax: number
  readonly clock: Pick<Clock, 'monotonic' | 'after' | 'now'>
  readonly log: SpoolLog
}

export interface SpoolLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

/** Between two looks whether the cluster is back. */
const PROBE_MS = 1000
/** Entries told to the cluster before they are removed together. */
const ROUND_MAX = 256

/** Knows whether the cluster is there, and brings it what is spooled. */
export class SpoolRunner {
  /** Entries ever told to the cluster. */
  replayed = 0
  #cluster: ClusterStore | undefined
  /** The last write failed, or all of the last round. */
  #failed = false
  /** The entry that had its turn last, of those in their order; 0: the first is next. */
  #at = 0
  /** Since the first had its turn: something failed, and what has to come after it waits (its order keys). */
  #someFailed = false
  readonly #held = new Set<string>()
  /** Of a `recover` that was asked for while the cluster was away: it comes before all else. */
  #recoverBefore: number | undefined
  #displaced = false
  /** When this outage was first told of, monotonic, and how much was replayed since. */
  #since: number | undefined
  #replayedSince = 0
  #stopped = false
  #running: Promise<void> | undefined
  #endPause: Cancel = () => {}
  /** Why the cluster could not be opened, as it was logged last. */
  #openFault = ''

  constructor(private readonly options: SpoolOptions) {
    const { spool, cluster, clock, log } = options
    this.#cluster = cluster
    if (spool.depth > 0) {
      this.#since = clock.monotonic()
      log.warn({ waiting: spool.depth }, 'spooled in an earlier life, and on its way to the cluster')
    }
    this.run()
  }

  get cluster(): ClusterStore | undefined {
    return this.#cluster
  }

  get displaced(): boolean {
    return this.#displaced || this.#cluster?.displaced === true
  }

  /** It does not answer, as far as anybody knows, or is not yet to be asked. */
  get away(): boolean {
    return this.#recoverBefore !== undefined || !this.#cluster || this.#cluster.fault() !== undefined
  }

  /** Writes go to the spool: it is away, or the last one failed. */
  get spools(): boolean {
    return this.#failed || this.away
  }

  /** Why it is away. */
  get reason(): string {
    return this.#cluster?.fault() ?? AWAY
  }

  /** A write failed: others go to the spool until a round succeeds, which may `run` once this one is there, or cannot be. */
  failed(): void {
    this.#failed = true
  }

  recoverLater(before: number): void {
    this.#recoverBefore = before
    this.run()
  }

  /** Goes on until nothing is left to do. */
  run(): void {
    if (!this.#isBehind) return
    this.#running ??= this.#untilCaughtUp().finally(() => {
      this.#running = undefined
      // What came in between the last look and now.
      this.run()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#endPause()
    await this.#running
  }

  get #isBehind(): boolean {
    if (this.#stopped || this.displaced) return false
    return this.options.spool.depth > 0 || this.#failed || this.#recoverBefore !== undefined || !this.#cluster
  }

  async #untilCaughtUp(): Promise<void> {
    while (this.#isBehind) {
      const goesOn = await this.#round().catch((err: unknown) => {
        this.options.log.warn({ err }, 'what is spooled could not be told to the cluster')
        return false
      })
      if (goesOn || !this.#isBehind) continue
      this.#begun()
      await this.#pause()
    }
    if (!this.#stopped && !this.displaced) this.#ended()
  }

  /** False when it is better to wait a moment. */
  async #round(): Promise<boolean> {
    const { spool, log } = this.options
    const cluster = this.#cluster ?? (await this.#open())
    if (!cluster || cluster.fault() !== undefined) return false
    if (this.#recoverBefore !== undefined) {
      const messages = await cluster.recover(this.#recoverBefore)
      this.#recoverBefore = undefined
      if (messages > 0) log.warn({ messages }, 'left open by a crash: now unknown')
    }
    // What its disk does not let go of is told again: one is enough to show whether the cluster takes writes.
    const entries = spool.after(this.#at, spool.fault === undefined ? ROUND_MAX : 1)
    const { done, refused, failure, last } = await replay(
      entries,
      write => tell(cluster, write),
      this.#held,
      () => this.#stopped,
    )
    this.replayed += done.length
    this.#replayedSince += done.length
    this.#at = last
    this.#someFailed ||= failure !== undefined
    this.#failed = failure !== undefined && done.length + refused.length === 0
    if (done.length > 0) await spool.remove(done)
    for (const { entry, why } of refused) {
      log.error({ ...nameOf(entry.write), why }, 'the cluster refuses what was spooled: it is set aside')
      await spool.refuse(entry.seq, why)
    }
    return this.#goesOn() && !this.#failed
  }

  /** At the end the first is next, and what failed has its turn again: after a moment, then this is false. */
  #goesOn(): boolean {
    if (this.options.spool.after(this.#at, 1).length > 0) return true
    const failed = this.#someFailed
    this.#at = 0
    this.#someFailed = false
    this.#held.clear()
    return !failed
  }

  async #open(): Promise<ClusterStore | undefined> {
    const { open, log, node } = this.options
    try {
      const cluster = await open()
      if (!this.#stopped && cluster.node === node) {
        this.#cluster = cluster
        return cluster
      }
      await cluster.close()
      if (this.#stopped) return undefined
      this.#displaced = true
      log.error({ node }, DISPLACED)
    } catch (error) {
      const why = messageOf(error)
      if (why !== this.#openFault) log.warn({ err: error }, 'the cluster is away')
      this.#openFault = why
    }
    return undefined
  }

  #begun(): void {
    if (this.#since !== undefined) return
    this.#since = this.options.clock.monotonic()
    this.#replayedSince = 0
    this.options.log.warn({ reason: this.reason }, 'the cluster does not take writes: they are spooled')
  }

  #ended(): void {
    if (this.#since === undefined) return
    const { clock, log } = this.options
    const tookMs = Math.round(clock.monotonic() - this.#since)
    log.info({ replayed: this.#replayedSince, took_ms: tookMs }, 'all that was spooled is in the cluster')
    this.#since = undefined
  }

  #pause(): Promise<void> {
    return new Promise(resolve => {
      const cancel = this.options.clock.after(PROBE_MS, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
  }
}

function tell(cluster: ClusterStore, write: Spooled): Promise<unknown> {
  switch (write.kind) {
    case 'save':
      return cluster.save(write.message)
    case 'settle':
      return cluster.settle(write.receipt)
    case 'resolve':
      return cluster.resolve(write.late)
    case 'keepInbound':
      return cluster.keepInbound(write.inbound)
  }
}
