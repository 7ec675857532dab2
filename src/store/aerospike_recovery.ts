import type { Clock } from '../clock.ts'
import { type Journal, readLanes } from './aerospike_journal.ts'
import { NODES, nodesAlive } from './aerospike_lease.ts'
import { countOf } from './aerospike_message.ts'
import { Deadline, type Records } from './aerospike_records.ts'
import type { Writer } from './aerospike_writer.ts'

/** For one entry. */
const ENTRY_MS = 5000
/** Entries looked at together. */
const TOGETHER_MAX = 64

/** Ends what the entries of a journal were opened for, where their process did not come to it. */
export class Recovery {
  constructor(
    private readonly records: Records,
    private readonly writer: Writer,
    private readonly clock: Pick<Clock, 'monotonic'>,
  ) {}

  /**
   * All entries but those of `underWay`. Messages that have no outcome and began before `before` become unknown:
   * answers how many.
   */
  async settle(journal: Journal, before: number, underWay: ReadonlySet<string>): Promise<number> {
    const entries = (await journal.entries()).filter(([token]) => !underWay.has(token))
    let lost = 0
    for (let at = 0; at < entries.length; at += TOGETHER_MAX) {
      const some = entries.slice(at, at + TOGETHER_MAX)
      const ended = await Promise.all(some.map(([token, id]) => this.settleEntry(journal, token, id, before)))
      lost += ended.filter(Boolean).length
    }
    return lost
  }

  /** True when the message had no outcome, and is unknown now. */
  async settleEntry(journal: Journal, token: string, id: string, before: number): Promise<boolean> {
    const deadline = new Deadline(this.clock, ENTRY_MS)
    const stored = await this.writer.find(id, deadline)
    const count = stored && countOf(stored, token)
    if (stored && count) {
      await this.writer.placeAgain(stored.message, deadline)
      await journal.close(token, id, count)
      return false
    }
    const lost = stored && (await this.writer.giveUp(id, before, token, deadline))
    const waits = stored && stored.marks.length === 0 && !lost
    // A claim that is younger: its outcome is to come.
    if (waits) return false
    await journal.close(token, id, lost?.count)
    return lost !== undefined
  }

  /** Does it for the nodes that are no more, `own` aside. */
  async settleDead(own: number, journalOf: (node: number) => Journal): Promise<void> {
    const deadline = new Deadline(this.clock, ENTRY_MS)
    const lanes = await readLanes(this.records, NODES, deadline)
    const alive = await nodesAlive(this.records, deadline)
    const left = lanes.filter(
      ({ open, sent, failed, rolling }) => open.size + sent.size + failed.size > 0 || rolling,
    )
    const dead = new Set(left.map(({ lane }) => Number.parseInt(lane, 10)).filter(node => !alive.has(node)))
    dead.delete(own)
    for (const node of dead) {
      const journal = journalOf(node)
      await this.settle(journal, Number.POSITIVE_INFINITY, new Set())
      await journal.roll()
    }
  }
}
