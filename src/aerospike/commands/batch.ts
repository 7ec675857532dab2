import type { Cluster } from '../cluster.ts'
import type { Exchange } from '../connection.ts'
import type { Timed } from '../deadlines.ts'
import { AerospikeError, invalid, malformed, resultCodes, serverError } from '../errors.ts'
import type { Key } from '../key.ts'
import type { Node } from '../node.ts'
import {
  ATTEMPTS_MAX,
  type ReadPolicy,
  readFlags,
  TIMEOUT_MS,
  type WritePolicy,
  writeFlags,
} from '../policy.ts'
import {
  beginField,
  endField,
  fieldTypes,
  skipFields,
  textField,
  writeUserKeyField,
} from '../protocol/fields.ts'
import {
  beginFrame,
  endFrame,
  frameTypes,
  info1,
  info2,
  info3,
  MESSAGE_HEADER_BYTES,
  readAnswerHeader,
  writeMessageHeader,
} from '../protocol/header.ts'
import {
  alignResults,
  isWrite,
  type Operation,
  operationTypes,
  readOperations,
  writeOperation,
  writeOperations,
} from '../protocol/operations.ts'
import { Reader } from '../protocol/reader.ts'
import type { Writer } from '../protocol/writer.ts'
import { emptyBins, type RecordFacts, ttlSecondsOf } from '../record.ts'
import { judgeAnswer, judgeFailure, pauseMs, type Verdict } from '../retry.ts'
import type { Bins, ReadBins, ReadValue } from '../value.ts'

/** One entry of a batch. A `timeoutMs` or `attemptsMax` of its own policy is not looked at: the batch has one. */
export type BatchEntry =
  /** All bins, or those named; with `bins: []` generation and time to live alone. */
  | { readonly kind: 'get'; readonly key: Key; readonly bins?: readonly string[] }
  | { readonly kind: 'put'; readonly key: Key; readonly bins: Bins; readonly policy?: WritePolicy }
  | {
      readonly kind: 'operate'
      readonly key: Key
      readonly operations: readonly Operation[]
      readonly policy?: WritePolicy
    }
  | { readonly kind: 'remove'; readonly key: Key; readonly policy?: WritePolicy }

export interface BatchResult {
  readonly key: Key
  /** RECORD_NOT_FOUND is an error here too. */
  readonly error: AerospikeError | undefined
  /** Absent when there is an error. */
  readonly facts: RecordFacts | undefined
  /** By name: what a `get` read. */
  readonly bins: ReadBins
  /** In order: what the steps of an `operate` answered. */
  readonly results: readonly ReadValue[]
}

/** What comes before an entry's fields: that its flags follow, with a generation, with a time to live. */
const entryParts = { info: 0x02, generation: 0x04, ttl: 0x08 } as const
/** May run in the thread that took it; every entry is answered; a missing record ends nothing. */
const BATCH_FLAGS = 0x01 | 0x04 | 0x08

interface Entry {
  readonly index: number
  readonly key: Key
  readonly write: boolean
  readonly info1: number
  readonly info2: number
  readonly info3: number
  readonly generation: number
  readonly ttl: number
  readonly sendKey: boolean
  readonly operations: readonly Operation[]
}

/** Entries are tried again one by one as the rules for single requests allow, by attempts of the whole. */
export async function runBatch(
  cluster: Cluster,
  entries: readonly BatchEntry[],
  policy: ReadPolicy | undefined,
): Promise<readonly BatchResult[]> {
  const { clock, limits, random } = cluster.settings
  if (entries.length > limits.batchEntriesMax)
    throw invalid(`A batch has at most ${limits.batchEntriesMax} entries, not ${entries.length}.`)
  const deadlineMs = clock.monotonic() + (policy?.timeoutMs ?? TIMEOUT_MS)
  const attemptsMax = policy?.attemptsMax ?? ATTEMPTS_MAX
  const results = entries.map<BatchResult>(({ key }) =>
    failure(key, new AerospikeError('NO_NODE', 'Not tried')),
  )
  let left = entries.map((entry, index) => prepare(entry, index, readFlags(policy)))
  for (let attempt = 1; left.length > 0; attempt++) {
    const again: Entry[] = []
    const judge = (entry: Entry, verdict: Verdict, error: AerospikeError): void => {
      results[entry.index] = failure(entry.key, verdict === 'in-doubt' ? error.doubted() : error)
      if (verdict === 'again') again.push(entry)
    }
    const groups = new Map<Node, Entry[]>()
    for (const entry of left) {
      const role =
        policy?.replica === undefined || policy.replica === 'master' || entry.write ? 0 : attempt - 1
      const node = locate(cluster, entry.key, role)
      if (!node)
        judge(
          entry,
          'again',
          new AerospikeError(
            'NO_NODE',
            `No node is known for partition ${entry.key.partition} of ${entry.key.namespace}`,
          ),
        )
      else {
        const group = groups.get(node)
        if (group) group.push(entry)
        else groups.set(node, [entry])
      }
    }
    await Promise.all(
      [...groups].map(([node, group]) =>
        new GroupCommand(cluster, node, group, deadlineMs, results, judge).run(),
      ),
    )
    if (again.length === 0) break
    cluster.tendSoon()
    const waitMs = pauseMs(attempt, random)
    if (cluster.closed || attempt >= attemptsMax || clock.monotonic() + waitMs >= deadlineMs) break
    await new Promise<void>(resolve => void clock.after(waitMs, resolve))
    left = again
  }
  return results
}

function locate(cluster: Cluster, key: Key, role: number): Node | undefined {
  const { map } = cluster
  const partition = key.partition
  const replica = role % Math.max(1, map.replicas(key.namespace))
  return map.node(key.namespace, partition, replica) ?? map.node(key.namespace, partition, 0)
}

function prepare(entry: BatchEntry, index: number, reading: number): Entry {
  const { key } = entry
  if (entry.kind === 'get') {
    const part = entry.bins === undefined ? info1.getAll : entry.bins.length === 0 ? info1.noBins : 0
    const operations = (entry.bins ?? []).map(bin => ({ type: operationTypes.read, bin }))
    return {
      index,
      key,
      write: false,
      info1: reading | part,
      info2: 0,
      info3: 0,
      generation: 0,
      ttl: 0,
      sendKey: false,
      operations,
    }
  }
  const operations = operationsOf(entry)
  const sendKey = entry.policy?.sendKey ?? false
  if (entry.kind === 'operate' && !operations.some(isWrite)) {
    return {
      index,
      key,
      write: false,
      info1: reading,
      info2: info2.respondAllOps,
      info3: 0,
      generation: 0,
      ttl: 0,
      sendKey: false,
      operations,
    }
  }
  const flags = writeFlags(entry.policy)
  const also = entry.kind === 'remove' ? info2.delete | info2.respondAllOps : info2.respondAllOps
  const reads = operations.some(operation => !isWrite(operation)) ? info1.read : 0
  return { index, key, write: true, ...flags, info1: reads, info2: flags.info2 | also, sendKey, operations }
}

function operationsOf(entry: Exclude<BatchEntry, { kind: 'get' }>): readonly Operation[] {
  if (entry.kind === 'remove') return []
  const operations = entry.kind === 'operate' ? entry.operations : writeOperations(entry.bins)
  if (operations.length === 0) throw invalid(`The batch's entry for ${entry.key.set} has nothing to do.`)
  return operations
}

function failure(key: Key, error: AerospikeError): BatchResult {
  return { key, error, facts: undefined, bins: emptyBins(), results: [] }
}

/** The entries that one node holds, in one request; many messages answer it, in any order. */
class GroupCommand implements Exchange, Timed {
  readonly frameType = frameTypes.message
  streamEnd = 0
  slot = -1
  abandoned = false
  readonly #open: Map<number, Entry>
  readonly #over = Promise.withResolvers<void>()
  #encoded = false

  constructor(
    private readonly cluster: Cluster,
    private readonly node: Node,
    private readonly entries: readonly Entry[],
    readonly deadlineMs: number,
    private readonly results: BatchResult[],
    private readonly judge: (entry: Entry, verdict: Verdict, error: AerospikeError) => void,
  ) {
    this.#open = new Map(entries.map(entry => [entry.index, entry]))
  }

  run(): Promise<void> {
    this.node.submit(this)
    if (!this.abandoned) this.cluster.deadlines.add(this)
    return this.#over.promise
  }

  encode(writer: Writer, nowMs: number): void {
    const start = beginFrame(writer, frameTypes.message)
    const leftMs = Math.max(1, Math.ceil(this.deadlineMs - nowMs))
    writeMessageHeader(
      writer,
      { info1: info1.batch, info2: 0, info3: 0, generation: 0, ttl: 0 },
      leftMs,
      1,
      0,
    )
    const field = beginField(writer, fieldTypes.batch)
    writer.u32(this.entries.length)
    writer.u8(BATCH_FLAGS)
    for (const entry of this.entries) writeEntry(writer, entry)
    endField(writer, field)
    endFrame(writer, start)
    this.#encoded = true
  }

  message(bytes: Buffer, at: number, end: number): boolean {
    const reader = new Reader(bytes, at, end)
    while (reader.left > 0) {
      const header = readAnswerHeader(bytes, reader.at, end)
      reader.skip(MESSAGE_HEADER_BYTES)
      if (header.info3 & info3.last) {
        if (header.resultCode !== resultCodes.OK) this.#all(header.resultCode)
        else if (this.#open.size > 0 && !this.abandoned)
          throw malformed(`${this.node.address} left ${this.#open.size} entries of a batch unanswered.`)
        this.#end()
        return true
      }
      const bins = emptyBins()
      const values: ReadValue[] = []
      skipFields(reader, header.fields)
      readOperations(reader, header.operations, (bin, value) => {
        bins[bin] = value
        values.push(value)
      })
      const entry = this.#open.get(header.batchIndex)
      if (!entry) {
        if (this.abandoned) continue
        throw malformed(`${this.node.address} answered an entry of a batch that was not asked, or twice.`)
      }
      this.#open.delete(header.batchIndex)
      if (header.resultCode !== resultCodes.OK) {
        this.judge(
          entry,
          judgeAnswer(header.resultCode, entry.write),
          serverError(header.resultCode, this.node.address),
        )
        continue
      }
      const { clock } = this.cluster.settings
      const facts = { generation: header.generation, ttlSeconds: ttlSecondsOf(header.voidTime, clock) }
      const ordered = (entry.info2 & info2.respondAllOps) !== 0
      this.results[entry.index] = {
        key: entry.key,
        error: undefined,
        facts,
        bins: ordered ? emptyBins() : bins,
        results: ordered ? alignResults(entry.operations, values) : [],
      }
    }
    return false
  }

  failed(error: AerospikeError, applied: 'no' | 'maybe'): void {
    this.#rest(entry => this.judge(entry, judgeFailure(error, applied, entry.write), error))
  }

  expire(): void {
    const error = new AerospikeError(
      'CLIENT_TIMEOUT',
      `${this.node.address} did not answer a batch in time`,
      { node: this.node.address },
    )
    this.#rest(entry => this.judge(entry, entry.write && this.#encoded ? 'in-doubt' : 'final', error))
  }

  /** The batch as a whole was refused: none of the rest was done. */
  #all(resultCode: number): void {
    const error = serverError(resultCode, this.node.address)
    this.#rest(entry =>
      this.judge(
        entry,
        resultCode === resultCodes.BATCH_QUEUES_FULL ? 'again' : judgeAnswer(resultCode, entry.write),
        error,
      ),
    )
  }

  #rest(each: (entry: Entry) => void): void {
    for (const entry of this.#open.values()) each(entry)
    this.#open.clear()
    this.#end()
  }

  #end(): void {
    this.abandoned = true
    this.cluster.deadlines.delete(this)
    this.#over.resolve()
  }
}

function writeEntry(writer: Writer, entry: Entry): void {
  const { key, operations } = entry
  writer.u32(entry.index)
  writer.octets(key.digest)
  writer.u8(entryParts.info | entryParts.ttl | (entry.write ? entryParts.generation : 0))
  writer.u8(entry.info1)
  writer.u8(entry.info2)
  writer.u8(entry.info3)
  if (entry.write) writer.u16(entry.generation)
  writer.u32(entry.ttl)
  const withKey = entry.sendKey && key.value !== undefined
  writer.u16(withKey ? 3 : 2)
  writer.u16(operations.length)
  textField(writer, fieldTypes.namespace, key.namespace)
  textField(writer, fieldTypes.set, key.set)
  if (withKey && key.value !== undefined) writeUserKeyField(writer, key.value)
  for (const operation of operations) writeOperation(writer, operation)
}
