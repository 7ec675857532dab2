import type { Connection, Exchange } from '../connection.ts'
import { AerospikeError, malformed, resultCodes, serverError } from '../errors.ts'
import { Key, partitionOf } from '../key.ts'
import type { Settings } from '../options.ts'
import {
  beginField,
  endField,
  fieldTypes,
  octetsField,
  readFields,
  textField,
  u32Field,
} from '../protocol/fields.ts'
import {
  type AnswerHeader,
  beginFrame,
  endFrame,
  frameTypes,
  info1,
  info3,
  MESSAGE_HEADER_BYTES,
  readAnswerHeader,
  writeMessageHeader,
} from '../protocol/header.ts'
import { operationTypes, readOperations, writeOperation } from '../protocol/operations.ts'
import { writeParticle } from '../protocol/particles.ts'
import { Reader } from '../protocol/reader.ts'
import type { Writer } from '../protocol/writer.ts'
import { emptyBins, ttlSecondsOf } from '../record.ts'
import type { Query, Where } from './query.ts'
import type { RecordChannel, Source } from './record_channel.ts'

/** How far the reading of a partition has come. */
export interface PartitionProgress {
  readonly partition: number
  done: boolean
  /** Of the last record read: the next are after it. */
  digest: Uint8Array | undefined
  /** In a query by index: the value of the last record read. */
  indexValue: Uint8Array | undefined
}

/**
 * How long the server waits for a reader that has paused, before it drops the query (which is then resumed). And
 * how long the reader waits: a node that finds nothing for a while sends nothing.
 */
const SILENT_MS_MAX = 30_000

/** A query's part on one node, on a connection of its own. */
export class NodeQuery implements Exchange, Source {
  readonly frameType = frameTypes.message
  streamEnd = 0
  readonly abandoned = false
  readonly #over = Promise.withResolvers<void>()
  readonly #byPartition: Map<number, PartitionProgress>
  readonly #unavailable = new Set<number>()
  readonly #taskId: Uint8Array

  constructor(
    private readonly settings: Settings,
    private readonly query: Query,
    private readonly parts: readonly PartitionProgress[],
    private readonly connection: Connection,
    private readonly channel: RecordChannel,
  ) {
    this.#byPartition = new Map(parts.map(part => [part.partition, part]))
    this.#taskId = settings.random(8)
  }

  async run(): Promise<void> {
    const { connection } = this
    const { silentMsMax } = connection
    connection.silentMsMax = Math.max(silentMsMax, SILENT_MS_MAX)
    connection.send(this)
    this.channel.attach(this)
    try {
      await this.#over.promise
    } finally {
      this.channel.detach(this)
      connection.silentMsMax = silentMsMax
      connection.resume()
    }
  }

  pause(): void {
    this.connection.pause()
  }

  resume(): void {
    this.connection.resume()
  }

  cancel(): void {
    this.connection.close(new AerospikeError('CLIENT_CLOSED', 'The reader of the query has left'))
  }

  encode(writer: Writer): void {
    const { query, parts } = this
    const bins = query.bins ?? []
    const start = beginFrame(writer, frameTypes.message)
    const headerAt = writer.at
    writer.reserve(MESSAGE_HEADER_BYTES)
    writer.at += MESSAGE_HEADER_BYTES
    const fields = this.#writeFields(writer, parts)
    for (const bin of bins) writeOperation(writer, { type: operationTypes.read, bin })
    const end = writer.at
    writer.at = headerAt
    const flags = info1.read | (query.bins && bins.length === 0 ? info1.noBins : 0)
    writeMessageHeader(
      writer,
      { info1: flags, info2: 0, info3: info3.partitionDone, generation: 0, ttl: 0 },
      0,
      fields,
      bins.length,
    )
    writer.at = end
    endFrame(writer, start)
  }

  #writeFields(writer: Writer, parts: readonly PartitionProgress[]): number {
    const { namespace, set, where, recordsPerSecondMax } = this.query
    let fields = 3
    textField(writer, fieldTypes.namespace, namespace)
    if (set !== '') {
      textField(writer, fieldTypes.set, set)
      fields++
    }
    if (recordsPerSecondMax !== undefined) {
      u32Field(writer, fieldTypes.recordsPerSecond, recordsPerSecondMax)
      fields++
    }
    u32Field(writer, fieldTypes.socketTimeout, SILENT_MS_MAX)
    octetsField(writer, fieldTypes.taskId, this.#taskId)
    if (where) {
      writeWhere(writer, where)
      fields++
    }
    const whole = parts.filter(part => !part.digest)
    const begun = parts.filter(part => part.digest)
    if (whole.length > 0) {
      const field = beginField(writer, fieldTypes.partitions)
      for (const { partition } of whole) {
        writer.u8(partition & 0xff)
        writer.u8(partition >> 8)
      }
      endField(writer, field)
      fields++
    }
    if (begun.length > 0) {
      octetsField(
        writer,
        fieldTypes.resumeDigests,
        Buffer.concat(begun.map(part => part.digest ?? new Uint8Array())),
      )
      fields++
      if (where) {
        octetsField(
          writer,
          fieldTypes.resumeValues,
          Buffer.concat(begun.map(part => part.indexValue ?? new Uint8Array(8))),
        )
        fields++
      }
    }
    return fields
  }

  message(bytes: Buffer, at: number, end: number): boolean {
    const reader = new Reader(bytes, at, end)
    while (reader.left > 0) {
      const header = readAnswerHeader(bytes, reader.at, end)
      reader.skip(MESSAGE_HEADER_BYTES)
      if (header.info3 & info3.last) {
        this.#end(header.resultCode)
        return true
      }
      if (header.info3 & info3.partitionDone) {
        if (header.resultCode !== resultCodes.OK) this.#unavailable.add(header.generation)
        continue
      }
      if (header.resultCode !== resultCodes.OK) {
        this.#end(header.resultCode)
        return true
      }
      this.#record(header, reader)
    }
    return false
  }

  failed(error: AerospikeError): void {
    this.#over.reject(error)
  }

  #record(header: AnswerHeader, reader: Reader): void {
    const { key, indexValue } = readFields(reader, header.fields)
    const bins = emptyBins()
    readOperations(reader, header.operations, (bin, value) => {
      bins[bin] = value
    })
    if (!key) throw malformed('A record of a query has no digest.')
    const part = this.#byPartition.get(partitionOf(key.digest))
    if (!part) throw malformed('A record of a query is of a partition that was not asked for.')
    part.digest = key.digest
    part.indexValue = indexValue
    this.channel.push({
      key: new Key(this.query.namespace, key.set, key.value, key.digest),
      bins,
      generation: header.generation,
      ttlSeconds: ttlSecondsOf(header.voidTime, this.settings.clock),
    })
  }

  #end(resultCode: number): void {
    // A node that has nothing of the set says so with RECORD_NOT_FOUND.
    if (resultCode !== resultCodes.OK && resultCode !== resultCodes.RECORD_NOT_FOUND) {
      this.#over.reject(serverError(resultCode, this.connection.peer))
      return
    }
    for (const part of this.parts) part.done = !this.#unavailable.has(part.partition)
    this.#over.resolve()
  }
}

/** One range: the bin, the type of its ends, and both ends, each after its size in 32 bits. */
function writeWhere(writer: Writer, where: Where): void {
  const field = beginField(writer, fieldTypes.indexRange)
  writer.u8(1)
  const nameAt = writer.at
  writer.u8(0)
  writer.setU8(nameAt, writer.text(where.bin))
  const typeAt = writer.at
  writer.u8(0)
  for (const bound of 'equals' in where ? [where.equals, where.equals] : [where.from, where.to]) {
    const sizeAt = writer.at
    writer.u32(0)
    writer.setU8(typeAt, writeParticle(writer, bound))
    writer.setU32(sizeAt, writer.at - sizeAt - 4)
  }
  endField(writer, field)
}
