import { type Bins, bins, type Key, type ReadBins } from '../aerospike/index.ts'
import { idTime } from '../message_id.ts'
import { type Deadline, type Records, textOf } from './aerospike_records.ts'
import { Newest } from './newest.ts'
import {
  type InboundMessage,
  type InboxMessage,
  type Page,
  type Rows,
  SEGMENTS_JOIN_MS,
  type Segment,
} from './store.ts'

/**
 * MO messages. One that came whole has a record; those whose segments share account, numbers, reference and total
 * share one, since they race for each other's segments. A record that grows moves those that nothing can join any
 * more, and the oldest of too many, to records of their own, first, and drops them then: what a crash leaves in both
 * places is shown once.
 */
export class Inbox {
  constructor(
    private readonly records: Records,
    private readonly retentionMs: number,
  ) {}

  async keep(mo: InboundMessage, deadline: Deadline): Promise<void> {
    const { segment, text, ...rest } = mo
    if (segment) await this.#join(mo, segment, deadline)
    else await this.#keepWhole({ ...rest, parts: [text] }, deadline)
  }

  /**
   * A message as another store has it; what is here stays. `reference`: of its segments. Only where others may
   * still join it does it share a record with them.
   */
  async bring(
    row: InboxMessage,
    reference: number | undefined,
    now: number,
    deadline: Deadline,
  ): Promise<void> {
    const joinable = row.receivedAt > now - SEGMENTS_JOIN_MS
    if (reference !== undefined && (await this.#bringTo(row, reference, joinable, deadline))) return
    const seconds = Math.max(1, Math.ceil((idTime(row.id) + this.retentionMs - now) / 1000))
    await this.records.change(this.records.key('inbound', row.id), seconds, deadline, record => {
      const [there] = rowsOf(record)
      const after = there ? filled(there, row) : row
      if (there && JSON.stringify(after) === JSON.stringify(there)) return { answer: undefined }
      return { bins: inboundBins([after], this.retentionMs), answer: undefined }
    })
  }

  /** Among those whose segments race for each other, if it is there or `joinable`; answers whether it is. */
  #bringTo(row: InboxMessage, reference: number, joinable: boolean, deadline: Deadline): Promise<boolean> {
    const key = segmentsKey(this.records, row, { reference, total: row.parts.length })
    return this.records.change<boolean>(key, this.#seconds, deadline, record => {
      const rows = rowsOf(record)
      const there = rows.find(each => each.id === row.id)
      if (!there && (!joinable || textOf(record ?? {}, 'rows').length > SHARED_LENGTH_MAX))
        return { answer: false }
      const after = there ? rows.map(each => (each === there ? filled(there, row) : each)) : [...rows, row]
      if (JSON.stringify(after) === JSON.stringify(rows)) return { answer: true }
      return { bins: inboundBins(after, this.retentionMs, reference), answer: true }
    })
  }

  /** One that was brought, wherever it lies. */
  async has({ id, ...row }: InboxMessage, reference: number, deadline: Deadline): Promise<boolean> {
    const shared = segmentsKey(this.records, row, { reference, total: row.parts.length })
    const found = await this.records.getAll([this.records.key('inbound', id), shared], deadline)
    return found.some(record => rowsOf(record).some(each => each.id === id))
  }

  async list({ offset, limit }: Page): Promise<Rows<InboxMessage>> {
    const newest = new Newest<InboxMessage>(offset + limit, row => row.id)
    for await (const record of this.records.scan('inbound', ['rows'])) {
      for (const row of rowsOf(record.bins)) newest.add(row)
    }
    const shown = newest.rows().filter((row, at, rows) => row.id !== rows[at - 1]?.id)
    return { rows: shown.slice(offset, offset + limit), total: newest.total }
  }

  async #keepWhole(row: InboxMessage, deadline: Deadline): Promise<void> {
    const steps = Object.entries(inboundBins([row], this.retentionMs)).map(([bin, value]) =>
      bins.write(bin, value),
    )
    await this.records.repeat(this.records.key('inbound', row.id), steps, this.#seconds, deadline)
  }

  async #join(mo: InboundMessage, segment: Segment, deadline: Deadline): Promise<void> {
    const key = segmentsKey(this.records, mo, segment)
    const since = mo.receivedAt - SEGMENTS_JOIN_MS
    for (let joins = false; !joins; ) {
      const leaving = moving(rowsOf((await this.records.get(key, deadline))?.bins), since)
      for (const row of leaving) await this.#keepWhole(row, deadline)
      const moved = new Map(leaving.map(row => [row.id, JSON.stringify(row)]))
      joins = await this.records.change<boolean>(key, this.#seconds, deadline, record => {
        const before = rowsOf(record)
        // Another segment came to one of them since.
        if (before.some(row => moved.has(row.id) && moved.get(row.id) !== JSON.stringify(row)))
          return { answer: false }
        const rest = before.filter(row => !moved.has(row.id))
        const rows = joined(rest, mo, segment, since)
        if (!rows && rest.length === before.length) return { answer: true }
        return { bins: inboundBins(rows ?? rest, this.retentionMs, segment.reference), answer: true }
      })
    }
  }

  get #seconds(): number {
    return Math.ceil(this.retentionMs / 1000)
  }
}

/** Of the rows that share a record, as JSON: it is read and written whole for each segment, and must stay a record. */
const SHARED_LENGTH_MAX = 64 * 1024

/** Those that nothing can join any more, and the oldest where a sender gives many messages one reference. */
function moving(rows: readonly InboxMessage[], since: number): readonly InboxMessage[] {
  let length = 0
  return newestFirst(rows).filter(row => {
    length += JSON.stringify(row).length
    return row.receivedAt <= since || length > SHARED_LENGTH_MAX
  })
}

const newestFirst = (rows: readonly InboxMessage[]): InboxMessage[] =>
  [...rows].sort((a, b) => (a.id < b.id ? 1 : -1))

/** With the segments that it lacks and `row` has. */
const filled = (there: InboxMessage, row: InboxMessage): InboxMessage => ({
  ...there,
  parts: there.parts.map((text, at) => text ?? row.parts[at] ?? null),
})

/** With the segment in the message that it belongs to; undefined when it is there already. */
function joined(
  rows: readonly InboxMessage[],
  { id, account, link, source, destination, text, receivedAt }: InboundMessage,
  { part, total }: Segment,
  since: number,
): readonly InboxMessage[] | undefined {
  for (const row of newestFirst(rows)) {
    if (row.receivedAt <= since) continue
    const there = row.parts[part - 1]
    if (there === text) return undefined
    if (there !== null) continue
    const parts = row.parts.with(part - 1, text)
    return rows.map(each => (each === row ? { ...row, parts } : each))
  }
  const parts = new Array<string | null>(total).fill(null).with(part - 1, text)
  return [...rows, { id, account, link, source, destination, parts, receivedAt }]
}

/** Of the messages whose segments race for each other. */
const segmentsKey = (
  records: Records,
  { account, source, destination }: Pick<InboundMessage, 'account' | 'source' | 'destination'>,
  { reference, total }: Pick<Segment, 'reference' | 'total'>,
): Key => records.key('inbound', JSON.stringify([account, source, destination, reference, total]))

/**
 * As JSON: a segment may end in half a surrogate pair, which UTF-8 cannot write. `reference`: of segments, for
 * who reads the whole set.
 */
export function inboundBins(rows: readonly InboxMessage[], retentionMs: number, reference?: number): Bins {
  const latest = Math.max(...rows.map(row => idTime(row.id)))
  const named = reference === undefined ? {} : { reference }
  return { rows: JSON.stringify(rows), count: rows.length, end: latest + retentionMs, ...named }
}

/** As `inboundBins` wrote them. */
export const rowsOf = (record: ReadBins | undefined): readonly InboxMessage[] =>
  record ? (JSON.parse(textOf(record, 'rows') || '[]') as InboxMessage[]) : []
