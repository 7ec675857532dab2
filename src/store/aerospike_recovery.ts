import type { Clock } from '../clock.ts'
import { idTime } from '../message_id.ts'
import { type Journal, readLanes } from './aerospike_journal.ts'
import { NODES, nodesAlive } from './aerospike_lease.ts'
import { countOf } from './aerospike_message.ts'
import { Deadline, type Records } from './aerospike_records.ts'
import { isLost, type Writer } from './aerospike_writer.ts'

/** For one entry. */
const ENTRY_MS = 5000
/** Entries looked at together. */
const TOGETHER_MAX = 64
/**
 * A process that is taken for dead may only have stood still, with a write on its way: its entry stays open for
 * as long after its message began, so that the write is counted whenever it arrives. No more than these of a
 * journal, the newest, since every write of a lane carries them along.
 */
const KEPT_MS = 86_400_000
const KEPT_MAX = 400

/** Ends what the entries of a journal were opened for, where their process did not come to it. */
export class Recovery {
  constructor(
    private readonly records: Records,
    private readonly writer: Writer,
    private readonly clock: Pick<Clock, 'monotonic' | 'now'>,
  ) {}

  /**
   * All entries but those of `underWay`. Messages that have no outcome and began before `before` become unknown:
   * answers how many.
   */
  async settle(
    journal: Journal,
    before: number,
    underWay: Pick<ReadonlySet<string>, 'has'>,
  ): Promise<number> {
    const entries = (await journal.entries()).filter(([token]) => !underWay.has(token))
    entries.sort(([, a], [, b]) => idTime(b) - idTime(a))
    const keptAfter = this.clock.now() - KEPT_MS
    let lost = 0
    for (let at = 0; at < entries.length; at += TOGETHER_MAX) {
      const some = entries.slice(at, at + TOGETHER_MAX)
      const ended = await Promise.all(
        some.map(([token, id], index) => {
          const kept = at + index < KEPT_MAX && idTime(id) > keptAfter
          return this.settleEntry(journal, token, id, before, kept)
        }),
      )
      lost += ended.filter(Boolean).length
    }
    return lost
  }

  /**
   * Of a message under which nothing was done yet the entry stays open if `kept`. True when the message had no
   * outcome, and is unknown now.
   */
  async settleEntry(
    journal: Journal,
    token: string,
    id: string,
    before: number,
    kept: boolean,
  ): Promise<boolean> {
    const deadline = new Deadline(this.clock, ENTRY_MS)
    const stored = await this.writer.find(id, deadline)
    const count = stored && countOf(stored, token)
    if (stored && count) {
      await this.writer.placeAgain(stored.message, deadline)
      await journal.close(token, id, count)
      return false
    }
    const lost = stored !== undefined && isLost(stored, before)
    // A claim that is younger: its outcome is to come.
    if (stored?.marks.length === 0 && !lost) return false
    if (lost) await this.#giveUp(journal, id, before, deadline)
    if (!kept) await journal.close(token, id, undefined)
    return lost
  }

  /** Under an entry of its own: the other is of whoever may still bring the outcome. */
  async #giveUp(journal: Journal, id: string, before: number, deadline: Deadline): Promise<void> {
    const token = await journal.open(id)
    const given = await this.writer.giveUp(id, before, token, deadline)
    await journal.close(token, id, given?.count)
  }

  /** Does it for the nodes that are no more, `own` aside. */
  async settleDead(
    own: number,
    journalOf: (node: number) => Journal,
    roll = (journal: Journal): Promise<void> => journal.roll(),
  ): Promise<void> {
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
      await roll(journal)
    }
  }
}
