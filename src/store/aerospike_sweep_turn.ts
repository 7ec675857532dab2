import type { Clock, Random } from '../clock.ts'
import { isFull } from './aerospike_faults.ts'
import { type Holder, Lease } from './aerospike_lease.ts'
import type { Deadline } from './aerospike_records.ts'
import { cutReceipts, type Sweep, sweepRecords } from './aerospike_sweep.ts'

const LEASE_SECONDS = 600
/** By a clock that is further ahead of the cluster's no gateway judges what is past its time for all. */
const CLOCK_AHEAD_SECONDS_MAX = 300
/** Of `everyMs`, so that who swept last is not too early himself. */
const SWEPT_SHARE = 0.9
/** Between two cuts of a flood of receipts, while the cluster is full. */
const CUT_MS = 60_000

export interface SweepTurnParts {
  readonly sweep: Omit<Sweep, 'now'>
  readonly clock: Pick<Clock, 'monotonic'>
  readonly random: Random
  readonly holder: Holder
  readonly log: { warn(fields: object, text: string): void }
  /** Between two sweeps of the cluster, by whichever gateway; undefined: each sweeps when it is told to. */
  readonly everyMs: number | undefined
  readonly deadline: () => Deadline
}

/** Whose turn it is to sweep the cluster: one gateway's at a time, and of all gateways' once in a while. */
export class SweepTurn {
  #lease: Lease | undefined
  #renewal: Promise<unknown> | undefined
  #cutAt = Number.NEGATIVE_INFINITY

  constructor(private readonly parts: SweepTurnParts) {}

  /** `settle` ends what gateways left open, whoever sweeps. Answers how many rows were removed. */
  async take(now: number, settle: () => Promise<void>): Promise<number> {
    const { sweep, holder, log, deadline } = this.parts
    const lease = new Lease(sweep.records, 'sweep', holder, LEASE_SECONDS)
    if (!(await lease.hold(deadline(), true))) return 0
    this.#lease = lease
    try {
      const aheadSeconds = await lease.clockAhead(deadline())
      await settle()
      if (aheadSeconds <= CLOCK_AHEAD_SECONDS_MAX) return await this.#once(now)
      log.warn(
        { aheadSeconds },
        "this host's clock is ahead of the cluster's: it removes nothing that is past its time",
      )
      return 0
    } finally {
      this.#lease = undefined
      // It would take again what is let go of.
      await this.#renewal
      await lease.release(deadline()).catch(() => {})
    }
  }

  /** While it sweeps: to read tens of millions of records takes longer than its lease lasts. */
  async renew(): Promise<void> {
    const renewal = this.#lease?.hold(this.parts.deadline(), false)
    this.#renewal = renewal?.catch(() => {})
    await renewal
  }

  /** A flood of receipts can fill a cluster, which takes no lease then and no write, but lets anybody remove. */
  cutIfFull(cause: unknown): void {
    const now = this.parts.clock.monotonic()
    if (!isFull(cause) || now - this.#cutAt < CUT_MS) return
    this.#cutAt = now
    void cutReceipts(this.parts.sweep).catch(() => {})
  }

  /** Reads the whole cluster, unless a gateway did of late. */
  async #once(now: number): Promise<number> {
    const { sweep, everyMs = 0, random, holder, deadline } = this.parts
    const seconds = Math.floor((everyMs * SWEPT_SHARE) / 1000)
    // Nobody's, and not taken over by who took the last: it ends by itself.
    const mark = new Lease(sweep.records, 'swept', { ...holder, nonce: random(6).toHex() }, seconds)
    if (seconds > 0 && !(await mark.hold(deadline(), false))) return 0
    try {
      return await sweepRecords({ ...sweep, now })
    } catch (cause) {
      await mark.release(deadline()).catch(() => {})
      throw cause
    }
  }
}
