import { malformed } from '../../src/aerospike/errors.ts'
import { fieldTypes } from '../../src/aerospike/protocol/fields.ts'
import {
  beginFrame,
  endFrame,
  frameTypes,
  MESSAGE_HEADER_BYTES,
} from '../../src/aerospike/protocol/header.ts'
import { Reader } from '../../src/aerospike/protocol/reader.ts'
import { Writer } from '../../src/aerospike/protocol/writer.ts'

/** The server's side of the message protocol: requests read, answers written. */

/** A value as it stands on the wire; `ordered` for a map kept by its keys. */
export interface Particle {
  readonly type: number
  readonly octets: Uint8Array
  readonly ordered?: boolean
}

export interface RequestOperation {
  readonly type: number
  readonly bin: string
  readonly value: Particle
}

export interface Request {
  readonly info1: number
  readonly info2: number
  readonly info3: number
  readonly generation: number
  readonly ttl: number
  readonly fields: ReadonlyMap<number, Uint8Array>
  readonly operations: readonly RequestOperation[]
}

export function readRequest(body: Uint8Array): Request {
  const reader = new Reader(body)
  if (reader.u8() !== MESSAGE_HEADER_BYTES) throw malformed('A request has no header of 22 octets.')
  const [info1, info2, info3] = [reader.u8(), reader.u8(), reader.u8()]
  reader.skip(2)
  const [generation, ttl] = [reader.u32(), reader.u32()]
  reader.skip(4)
  const fieldCount = reader.u16()
  const operationCount = reader.u16()
  const fields = readRequestFields(reader, fieldCount)
  const operations = readRequestOperations(reader, operationCount)
  if (reader.left > 0) throw malformed(`A request is followed by ${reader.left} octets.`)
  return { info1, info2, info3, generation, ttl, fields, operations }
}

function readRequestFields(reader: Reader, count: number): Map<number, Uint8Array> {
  const fields = new Map<number, Uint8Array>()
  for (let index = 0; index < count; index++) {
    const size = reader.u32() - 1
    fields.set(reader.u8(), reader.octets(size))
  }
  return fields
}

function readRequestOperations(reader: Reader, count: number): RequestOperation[] {
  return Array.from({ length: count }, () => {
    const size = reader.u32()
    const type = reader.u8()
    const particle = reader.u8()
    reader.skip(1)
    const nameBytes = reader.u8()
    return {
      type,
      bin: reader.text(nameBytes),
      value: { type: particle, octets: reader.octets(size - 4 - nameBytes) },
    }
  })
}

export interface BatchItem extends Request {
  readonly index: number
  readonly digest: Uint8Array
}

const REPEAT = 0x01
const INFO = 0x02
const GENERATION = 0x04
const TTL = 0x08
const INFO4 = 0x10

/** The entries of a batch; one that repeats is as the one before, of another record. */
export function readBatch(field: Uint8Array): BatchItem[] {
  const reader = new Reader(field)
  const count = reader.u32()
  reader.skip(1)
  const items: BatchItem[] = []
  for (let at = 0; at < count; at++) {
    const index = reader.u32()
    const digest = reader.octets(20)
    const parts = reader.u8()
    const before = items.at(-1)
    if (parts & REPEAT) {
      if (!before) throw malformed('The first entry of a batch repeats.')
      items.push({ ...before, index, digest })
      continue
    }
    const info1 = reader.u8()
    const [info2, info3] = parts & INFO ? [reader.u8(), reader.u8()] : [0, 0]
    if (parts & INFO4) reader.skip(1)
    const generation = parts & GENERATION ? reader.u16() : 0
    const ttl = parts & TTL ? reader.u32() : 0
    const fieldCount = reader.u16()
    const operationCount = reader.u16()
    const fields = readRequestFields(reader, fieldCount)
    const operations = readRequestOperations(reader, operationCount)
    items.push({ index, digest, info1, info2, info3, generation, ttl, fields, operations })
  }
  return items
}

export interface Answer {
  readonly resultCode: number
  readonly generation?: number
  readonly voidTime?: number
  readonly batchIndex?: number
  readonly info3?: number
  readonly fields?: readonly (readonly [type: number, octets: Uint8Array])[]
  readonly bins?: readonly (readonly [bin: string, value: Particle])[]
}

/** One frame with as many messages as there are answers. */
export function answerFrame(answers: readonly Answer[]): Uint8Array {
  const writer = new Writer(256)
  const start = beginFrame(writer, frameTypes.message)
  for (const answer of answers) writeAnswer(writer, answer)
  endFrame(writer, start)
  return new Uint8Array(writer.taken())
}

function writeAnswer(writer: Writer, answer: Answer): void {
  const { fields = [], bins = [] } = answer
  writer.u8(MESSAGE_HEADER_BYTES)
  writer.u8(0)
  writer.u8(0)
  writer.u8(answer.info3 ?? 0)
  writer.u8(0)
  writer.u8(answer.resultCode)
  writer.u32(answer.generation ?? 0)
  writer.u32(answer.voidTime ?? 0)
  writer.u32(answer.batchIndex ?? 0)
  writer.u16(fields.length)
  writer.u16(bins.length)
  for (const [type, octets] of fields) {
    writer.u32(octets.length + 1)
    writer.u8(type)
    writer.octets(octets)
  }
  for (const [bin, { type, octets }] of bins) {
    const name = Buffer.from(bin)
    writer.u32(4 + name.length + octets.length)
    writer.u8(1)
    writer.u8(type)
    writer.u8(0)
    writer.u8(name.length)
    writer.octets(name)
    writer.octets(octets)
  }
}

export function textOf(request: Request, field: number): string {
  return Buffer.from(request.fields.get(field) ?? new Uint8Array()).toString('utf8')
}

export function namespaceOf(request: Request): string {
  return textOf(request, fieldTypes.namespace)
}
