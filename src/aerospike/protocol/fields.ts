import { malformed } from '../errors.ts'
import { DIGEST_BYTES, Key, type UserKey, writeUserKey } from '../key.ts'
import { particleTypes, readParticle } from './particles.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** A field is its size in 32 bits (type included), its type, its octets (as_msg_field in the server's proto.h). */
export const fieldTypes = {
  namespace: 0,
  set: 1,
  key: 2,
  digest: 4,
  /** 64 bits that name a query, so that it can be found in the server's list of jobs. */
  taskId: 7,
  /** Milliseconds after which the server drops a query whose client does not read. */
  socketTimeout: 9,
  recordsPerSecond: 10,
  /** Little-endian 16-bit numbers of partitions to read whole. */
  partitions: 11,
  /** Digests after which to go on, each in its partition. */
  resumeDigests: 12,
  /** Little-endian 64 bits a digest: where in the index a query goes on. */
  resumeValues: 15,
  indexRange: 22,
  batch: 41,
} as const

export function beginField(writer: Writer, type: number): number {
  const start = writer.at
  writer.u32(0)
  writer.u8(type)
  return start
}

export function endField(writer: Writer, start: number): void {
  writer.setU32(start, writer.at - start - 4)
}

export function textField(writer: Writer, type: number, text: string): void {
  const start = beginField(writer, type)
  writer.text(text)
  endField(writer, start)
}

export function octetsField(writer: Writer, type: number, octets: Uint8Array): void {
  writer.u32(octets.length + 1)
  writer.u8(type)
  writer.octets(octets)
}

export function u32Field(writer: Writer, type: number, value: number): void {
  writer.u32(5)
  writer.u8(type)
  writer.u32(value)
}

/** Namespace, set, digest and, if asked, the user key: answers how many fields that is. */
export function writeKeyFields(writer: Writer, key: Key, sendKey: boolean): number {
  let fields = 2
  textField(writer, fieldTypes.namespace, key.namespace)
  if (key.set !== '') {
    textField(writer, fieldTypes.set, key.set)
    fields++
  }
  octetsField(writer, fieldTypes.digest, key.digest)
  if (sendKey && key.value !== undefined) {
    writeUserKeyField(writer, key.value)
    fields++
  }
  return fields
}

export function writeUserKeyField(writer: Writer, value: UserKey): void {
  const start = beginField(writer, fieldTypes.key)
  const typeAt = writer.at
  writer.u8(0)
  writer.setU8(typeAt, writeUserKey(writer, value))
  endField(writer, start)
}

/** What the fields of an answer say. */
export interface AnswerFields {
  readonly key: Key | undefined
  /** The value by which an index query found the record. */
  readonly indexValue: Uint8Array | undefined
}

export function readFields(reader: Reader, count: number): AnswerFields {
  let namespace = ''
  let set = ''
  let userKey: UserKey | undefined
  let digest: Uint8Array | undefined
  let indexValue: Uint8Array | undefined
  for (let index = 0; index < count; index++) {
    const size = reader.u32() - 1
    const type = reader.u8()
    const end = reader.at + size
    switch (type) {
      case fieldTypes.namespace:
        namespace = reader.text(size)
        break
      case fieldTypes.set:
        set = reader.text(size)
        break
      case fieldTypes.digest:
        if (size !== DIGEST_BYTES) throw malformed(`A digest has ${size} octets, not ${DIGEST_BYTES}.`)
        digest = reader.octets(size)
        break
      case fieldTypes.key:
        userKey = readUserKey(reader, size)
        break
      case fieldTypes.resumeValues:
        indexValue = reader.octets(size)
        break
      default:
        reader.skip(size)
    }
    if (reader.at !== end) throw malformed(`A field of type ${type} is shorter than it says.`)
  }
  return { key: digest && new Key(namespace, set, userKey, digest), indexValue }
}

export function skipFields(reader: Reader, count: number): void {
  for (let index = 0; index < count; index++) reader.skip(reader.u32())
}

function readUserKey(reader: Reader, size: number): UserKey {
  const type = reader.u8()
  if (type !== particleTypes.string && type !== particleTypes.integer && type !== particleTypes.blob) {
    throw malformed(`A key cannot be of type ${type}.`)
  }
  const value = readParticle(reader, type, size - 1)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value
  if (value instanceof Uint8Array) return value
  throw malformed('A key is of no type that keys have.')
}
