import { invalid, malformed } from '../errors.ts'
import type { Bins, ReadValue, Value } from '../value.ts'
import { pack, packInteger, packListHeader } from './msgpack.ts'
import { particleTypes, readParticle, writeParticle } from './particles.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** What an operation does to its bin (as_msg_op in the server's proto.h). */
export const operationTypes = {
  read: 1,
  write: 2,
  collectionRead: 3,
  collectionModify: 4,
  increment: 5,
  append: 9,
  prepend: 10,
  touch: 11,
} as const

const BIN_NAME_BYTES_MAX = 15

/** One step of a request; made by the functions of `operations.ts`. */
export interface Operation {
  readonly type: number
  /** Empty when the operation is of the whole record. */
  readonly bin: string
  readonly value?: Value
  /** A list or map operation: its number, then its arguments, sent as one msgpack list. */
  readonly collection?: readonly [operation: number, ...parameters: Value[]]
}

/** One for each bin. Keys alone are read by a fast path of the engine's, entries are not. */
export function writeOperations(bins: Bins): readonly Operation[] {
  return Object.keys(bins).map(bin => ({ type: operationTypes.write, bin, value: bins[bin] ?? null }))
}

export function isWrite(operation: Operation): boolean {
  return operation.type !== operationTypes.read && operation.type !== operationTypes.collectionRead
}

/** Size in 32 bits (of what follows), operation, type of the value, 0, length of the name, name, value. */
export function writeOperation(writer: Writer, operation: Operation): void {
  const { type, bin, value, collection } = operation
  const start = writer.at
  writer.reserve(8)
  writer.u32(0)
  writer.u8(type)
  writer.u8(particleTypes.null)
  writer.u8(0)
  writer.u8(0)
  const nameBytes = writer.text(bin)
  if (nameBytes > BIN_NAME_BYTES_MAX)
    throw invalid(`A bin's name has at most ${BIN_NAME_BYTES_MAX} octets: "${bin}".`)
  let particle: number = particleTypes.null
  if (collection) {
    particle = particleTypes.blob
    packListHeader(writer, collection.length)
    packInteger(writer, collection[0])
    for (let index = 1; index < collection.length; index++) pack(writer, collection[index] ?? null)
  } else if (value !== undefined) {
    particle = writeParticle(writer, value)
  }
  const { bytes } = writer
  bytes[start + 5] = particle
  bytes[start + 7] = nameBytes
  writer.setU32(start, writer.at - start - 4)
}

/**
 * Lines the values of an answer that has one for each operation up with them: the server leaves `touch` out.
 */
export function alignResults(
  operations: readonly Operation[],
  values: readonly ReadValue[],
): readonly ReadValue[] {
  let next = 0
  return operations.map(({ type }) => (type === operationTypes.touch ? null : (values[next++] ?? null)))
}

/** Calls `each` with every bin of an answer. */
export function readOperations(
  reader: Reader,
  count: number,
  each: (bin: string, value: ReadValue) => void,
): void {
  for (let index = 0; index < count; index++) {
    const size = reader.u32()
    const end = reader.at + size
    reader.skip(1)
    const type = reader.u8()
    reader.skip(1)
    const nameBytes = reader.u8()
    const valueBytes = size - 4 - nameBytes
    if (valueBytes < 0 || end > reader.end)
      throw malformed('An operation is shorter than its name, or ends after its message.')
    each(reader.name(nameBytes), readParticle(reader, type, valueBytes))
    if (reader.at !== end) throw malformed('An operation is longer than its value.')
  }
}
