import { bins, type Key, maps, PARTITIONS, type StoredRecord } from '../aerospike/index.ts'
import type { Clock } from '../clock.ts'
import { CALL_MS, countMissing, createAll, lifeSeconds, together } from './aerospike_bulk.ts'
import { Claims, claimBins, claimKey, claimSeconds } from './aerospike_claims.ts'
import { Inbox, inboundBins, rowsOf } from './aerospike_inbox.ts'
import { kindOf, type Mark, type Stored, toBins, toStored } from './aerospike_message.ts'
import {
  heldKey,
  idsKey,
  type Receipts,
  toldBy,
  toWaiting,
  type WaitingReceipt,
} from './aerospike_receipts.ts'
import { Deadline, isNumber, numberOf, type Records, type SetName, textOf } from './aerospike_records.ts'
import type { Writer } from './aerospike_writer.ts'
import {
  type CopiedClaim,
  type CopiedInbound,
  type CopiedMessage,
  type CopiedReceipt,
  ENDS,
  type Piece,
  type Shelf,
} from './copy.ts'
import { idKey, isFindable } from './id_key.ts'
import { withNews } from './merged.ts'
import { Newest } from './newest.ts'
import { HELD_MAX } from './store.ts'

/**
 * The records of a cluster for a copy. Read by partitions, some together: their number is the place. Written in
 * batches of records that are not there yet, which one that copies for the first time writes; what is there
 * already goes the careful way of the driver, since gateways may be at it.
 */

/** Under which a copy marks how a message is counted: no journal has such an entry. */
const COPIED = 'copy'

export interface ShelfParts {
  readonly records: Records
  readonly receipts: Receipts
  readonly writer: Writer
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly retentionMs: number
  /** Partitions between two places. */
  readonly partitionsTogether: number
  /** In a piece. */
  readonly rowsMax: number
}

export function messageShelf(parts: ShelfParts): Shelf<CopiedMessage> {
  const { records, clock, retentionMs } = parts
  return {
    read: after =>
      readSet(parts, 'messages', after, ({ bins }) => {
        const { message, marks } = toStored(bins)
        return [{ message, counted: marks.at(-1)?.kind }]
      }),
    async write(rows) {
      const taken = await createAll(
        parts,
        rows.map(row => ({
          key: records.key('messages', row.message.id),
          bins: toBins(storedOf(row), retentionMs),
          seconds: lifeSeconds(ENDS.messages(row, retentionMs), clock),
        })),
      )
      const again = new Set(rows.filter((_, at) => taken.has(at)))
      const places = rows.filter(row => !again.has(row)).flatMap(row => placesOf(parts, row))
      const met = await createAll(parts, places)
      for (const [at, { row }] of places.entries()) if (met.has(at)) again.add(row)
      await together([...again], row => mergeMessage(parts, row))
    },
    missing: rows =>
      countMissing(
        parts,
        rows.map(({ message }) => records.key('messages', message.id)),
      ),
  }
}

const storedOf = ({ message, counted }: CopiedMessage): Stored => {
  const marks: Mark[] = counted === undefined ? [] : [{ token: COPIED, kind: counted }]
  return { message, marks }
}

/** A message under each of its ids, where nothing else is; see `aerospike_receipts.ts`. */
function placesOf({ records, clock, retentionMs }: ShelfParts, row: CopiedMessage) {
  const { id, destination, parts } = row.message
  const end = ENDS.messages(row, retentionMs)
  const keys = new Map(parts.map(({ account, smscId }) => [`${account}\0${idKey(smscId)}`, account]))
  return [...keys].flatMap(([name, account]) => {
    const key = name.slice(account.length + 1)
    if (!isFindable(key)) return []
    const operations = [maps.put('msgs', id, destination, { order: 'key' }), bins.write('end', end)]
    return [{ row, key: idsKey(records, account, key), operations, seconds: lifeSeconds(end, clock) }]
  })
}

/** The message, or one of its ids, is there already: it takes the news, and receipts that wait for it. */
async function mergeMessage(parts: ShelfParts, row: CopiedMessage): Promise<void> {
  const { records, writer, clock, retentionMs } = parts
  const deadline = new Deadline(clock, CALL_MS)
  const life = lifeSeconds(ENDS.messages(row, retentionMs), clock)
  const key = records.key('messages', row.message.id)
  const message = await records.change(key, life, deadline, bins => {
    if (!bins) return { bins: toBins(storedOf(row), retentionMs), answer: row.message }
    const before = toStored(bins)
    const after = withNews(before.message, row.message)
    if (after === before.message) return { answer: after }
    const counted = row.counted ?? before.marks.at(-1)?.kind
    const stored = storedOf({ message: after, counted: counted && kindOf(after) })
    return { bins: toBins(stored, retentionMs), answer: after }
  })
  await writer.placeAgain(message, deadline)
}

export function claimShelf(parts: ShelfParts): Shelf<CopiedClaim> {
  const { records, clock } = parts
  const claims = new Claims(records, clock)
  return {
    read: after =>
      readSet(parts, 'claims', after, ({ bins }) => [
        {
          claim: {
            appId: numberOf(bins, 'app'),
            key: textOf(bins, 'key'),
            bodyHash: Uint8Array.fromHex(textOf(bins, 'hash')),
            expiresAt: numberOf(bins, 'end'),
          },
          messageId: textOf(bins, 'message'),
        },
      ]),
    async write(rows) {
      const taken = await createAll(
        parts,
        rows.map(({ claim, messageId }) => ({
          key: claimKey(records, claim.appId, claim.key),
          bins: claimBins(claim, messageId),
          seconds: claimSeconds(claim, clock.now()),
        })),
      )
      const again = rows.filter((_, at) => taken.has(at))
      await together(again, ({ claim, messageId }) =>
        claims.take(claim, messageId, new Deadline(clock, CALL_MS)),
      )
    },
    missing: rows =>
      countMissing(
        parts,
        rows.map(({ claim }) => claimKey(records, claim.appId, claim.key)),
      ),
  }
}

export function inboundShelf(parts: ShelfParts): Shelf<CopiedInbound> {
  const { records, clock, retentionMs } = parts
  const inbox = new Inbox(records, retentionMs)
  const keyOf = ({ message }: CopiedInbound): Key => records.key('inbound', message.id)
  return {
    read: after =>
      readSet(parts, 'inbound', after, ({ bins }) => {
        const reference = isNumber(bins.reference) ? bins.reference : undefined
        return rowsOf(bins).map(message => ({ message, reference }))
      }),
    async write(rows) {
      const whole = rows.filter(({ reference }) => reference === undefined)
      const taken = await createAll(
        parts,
        whole.map(row => ({
          key: keyOf(row),
          bins: inboundBins([row.message], retentionMs),
          seconds: lifeSeconds(ENDS.inbound(row, retentionMs), clock),
        })),
      )
      const again = [...whole.filter((_, at) => taken.has(at)), ...rows.filter(row => !whole.includes(row))]
      await together(again, ({ message, reference }) =>
        inbox.bring(message, reference, clock.now(), new Deadline(clock, CALL_MS)),
      )
    },
    async missing(rows) {
      const lone = rows.filter(({ reference }) => reference === undefined)
      const shared = rows.filter(({ reference }) => reference !== undefined)
      const has = await Promise.all(
        shared.map(({ message, reference = 0 }) =>
          inbox.has(message, reference, new Deadline(clock, CALL_MS)),
        ),
      )
      return (await countMissing(parts, lone.map(keyOf))) + has.filter(there => !there).length
    },
  }
}

export function heldShelf(parts: ShelfParts): Shelf<CopiedReceipt> {
  const { records, receipts, writer, clock, rowsMax } = parts
  return {
    /** In the order in which they came; as many as there may be fit into memory, and a sweep would remove the others. */
    async *read(after) {
      const newest = new Newest<WaitingReceipt>(HELD_MAX, ({ name }) => name)
      for await (const { bins } of records.partitions('held', 0, PARTITIONS)) {
        const waiting = toWaiting(bins)
        if (!waiting.taker) newest.add(waiting)
      }
      const rows = newest.rows().toReversed()
      for (let at = rows.findIndex(({ name }) => name > after); at >= 0 && at < rows.length; at += rowsMax) {
        const some = rows.slice(at, at + rowsMax)
        yield {
          rows: some.map(toCopied),
          after: some.at(-1)?.name ?? '',
          share: Math.min(1, (at + rowsMax) / rows.length),
        }
      }
    },
    write: rows =>
      together(rows, ({ receipt, name, since }) =>
        writer.settle(receipt, { name, since }, new Deadline(clock, CALL_MS)),
      ),
    async missing(rows) {
      const deadline = new Deadline(clock, CALL_MS)
      const found = await records.getAll(
        rows.map(({ name }) => heldKey(records, name)),
        deadline,
      )
      const gone = rows.filter((_, at) => !found[at])
      const met = await Promise.all(gone.map(({ receipt }) => receipts.candidates(receipt, deadline)))
      return met.filter(candidates => candidates.length === 0).length
    },
  }
}

const toCopied = (waiting: WaitingReceipt): CopiedReceipt => ({
  receipt: toldBy(waiting),
  since: waiting.since,
  name: waiting.name,
})

/** A few partitions after the other; the place moves when they are behind. Small ones share a piece. */
async function* readSet<T>(
  { records, partitionsTogether, rowsMax }: ShelfParts,
  set: SetName,
  after: string,
  toRows: (record: StoredRecord) => readonly T[],
): AsyncGenerator<Piece<T>, void, void> {
  const piece = (rows: readonly T[], at: number): Piece<T> => ({
    rows,
    // The beginning has one name.
    after: at === 0 ? '' : String(at),
    share: at / PARTITIONS,
  })
  /** Of partitions that are behind. */
  let whole: T[] = []
  for (let first = Number(after); first < PARTITIONS; first += partitionsTogether) {
    const count = Math.min(partitionsTogether, PARTITIONS - first)
    let begun: T[] = []
    let split = false
    for await (const record of records.partitions(set, first, count)) {
      begun.push(...toRows(record))
      if (whole.length + begun.length < rowsMax) continue
      if (whole.length > 0) yield piece(whole, first)
      else {
        yield piece(begun, first)
        begun = []
        split = true
      }
      whole = []
    }
    whole.push(...begun)
    if (!split && whole.length < rowsMax / 2 && first + count < PARTITIONS) continue
    yield piece(whole, first + count)
    whole = []
  }
}
