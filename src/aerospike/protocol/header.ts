import { malformed } from '../errors.ts'
import type { Writer } from './writer.ts'

/**
 * Every frame begins with 8 octets: version (2), type, and the size of what follows in 48 bits.
 * https://aerospike.com/docs/database/reference/wire-protocol (as_proto in the server's proto.h)
 */
export const PROTO_HEADER_BYTES = 8
const PROTO_VERSION = 2

export const frameTypes = { info: 1, admin: 2, message: 3 } as const

/** The header of a message (frame type 3) is 22 octets, its own length first. */
export const MESSAGE_HEADER_BYTES = 22

export const info1 = {
  read: 1 << 0,
  getAll: 1 << 1,
  batch: 1 << 3,
  /** The record's generation and expiry alone. */
  noBins: 1 << 5,
  /** Ask the other holders of a partition that migrates, and answer the newest record. */
  resolveDuplicates: 1 << 6,
} as const

export const info2 = {
  write: 1 << 0,
  delete: 1 << 1,
  /** Apply only if the record's generation is the one given. */
  generation: 1 << 2,
  /** Leave a tombstone (Enterprise). */
  durableDelete: 1 << 4,
  createOnly: 1 << 5,
  /** A result for each operation, in the order of the request. */
  respondAllOps: 1 << 7,
} as const

export const info3 = {
  /** In an answer: no more messages follow. */
  last: 1 << 0,
  commitMaster: 1 << 1,
  /** Asked: say nothing of partitions that went well. Answered: what became of a partition. */
  partitionDone: 1 << 2,
  updateOnly: 1 << 3,
  createOrReplace: 1 << 4,
  replaceOnly: 1 << 5,
} as const

/** Writes a frame's header with a size of 0; answers where it begins, for {@link endFrame}. */
export function beginFrame(writer: Writer, type: number): number {
  const start = writer.at
  writer.reserve(PROTO_HEADER_BYTES)
  writer.u8(PROTO_VERSION)
  writer.u8(type)
  writer.u16(0)
  writer.u32(0)
  return start
}

/** Fills in the size; frames of this side stay below 4 GiB, so that the upper 16 bits stay 0. */
export function endFrame(writer: Writer, start: number): void {
  writer.setU32(start + 4, writer.at - start - PROTO_HEADER_BYTES)
}

/** The size of a frame's body; `limit` in octets. */
export function frameSize(bytes: Buffer, at: number, limit: number): number {
  const version = bytes[at]
  if (version !== PROTO_VERSION)
    throw malformed(`A frame has protocol version ${version}, not ${PROTO_VERSION}.`)
  const size = bytes.readUInt16BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 4)
  if (size > limit) throw malformed(`A frame of ${size} octets is over the limit of ${limit}.`)
  return size
}

export interface MessageHeader {
  readonly info1: number
  readonly info2: number
  readonly info3: number
  readonly generation: number
  /** Seconds; 0 the namespace's default, 0xffffffff never, 0xfffffffe unchanged. */
  readonly ttl: number
}

/** `timeoutMs`: how long the server may work on it. */
export function writeMessageHeader(
  writer: Writer,
  header: MessageHeader,
  timeoutMs: number,
  fields: number,
  operations: number,
): void {
  writer.reserve(MESSAGE_HEADER_BYTES)
  writer.u8(MESSAGE_HEADER_BYTES)
  writer.u8(header.info1)
  writer.u8(header.info2)
  writer.u8(header.info3)
  writer.u8(0) // info4: transactions, not used here
  writer.u8(0) // the result code of an answer
  writer.u32(header.generation)
  writer.u32(header.ttl)
  writer.u32(timeoutMs)
  writer.u16(fields)
  writer.u16(operations)
}

/** An answer's header. */
export interface AnswerHeader {
  readonly info3: number
  readonly resultCode: number
  /** In a message about a partition: the partition. */
  readonly generation: number
  /** When the record expires, in seconds since 2010-01-01 UTC; 0 never. */
  readonly voidTime: number
  /** In a batch: which of its entries this answers. */
  readonly batchIndex: number
  readonly fields: number
  readonly operations: number
}

export function readAnswerHeader(bytes: Buffer, at: number, end: number): AnswerHeader {
  if (end - at < MESSAGE_HEADER_BYTES) throw malformed('A message is shorter than its header of 22 octets.')
  if (bytes[at] !== MESSAGE_HEADER_BYTES)
    throw malformed(`A message has a header of ${bytes[at]} octets, not 22.`)
  return {
    info3: bytes[at + 3] ?? 0,
    resultCode: bytes[at + 5] ?? 0,
    generation: bytes.readUInt32BE(at + 6),
    voidTime: bytes.readUInt32BE(at + 10),
    batchIndex: bytes.readUInt32BE(at + 14),
    fields: bytes.readUInt16BE(at + 18),
    operations: bytes.readUInt16BE(at + 20),
  }
}
