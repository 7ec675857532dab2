import { invalid, malformed } from '../errors.ts'
import { Double, GeoJson, type ReadValue, type Value } from '../value.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/**
 * MessagePack as Aerospike writes it inside lists, maps and their operations: strings, blobs and GeoJSON are
 * all of the `str` family, their first octet the particle type. Extensions carry metadata: the order of a
 * list or map stands as its first element.
 * https://aerospike.com/docs/develop/data-types/collections, https://github.com/msgpack/msgpack/blob/master/spec.md
 */
const STRING = 3
const BLOB = 4
const GEO_JSON = 23

/** Deeper nesting is refused both ways: what the wire sends must not exhaust the stack. */
const DEPTH_MAX = 64

export function pack(writer: Writer, value: Value, depth = 0): void {
  if (typeof value === 'string') packText(writer, STRING, value)
  else if (typeof value === 'number') packNumber(writer, value)
  else if (typeof value === 'bigint') packBigInteger(writer, value)
  else if (typeof value === 'boolean') writer.u8(value ? 0xc3 : 0xc2)
  else if (value === null) writer.u8(0xc0)
  else if (typeof value !== 'object') throw invalid(`A ${typeof value} cannot be stored.`)
  else if (value instanceof Uint8Array) packBlob(writer, value)
  else if (value instanceof Double) packDouble(writer, value.value)
  else if (value instanceof GeoJson) packText(writer, GEO_JSON, value.json)
  else if (depth >= DEPTH_MAX) throw invalid(`A value is nested more than ${DEPTH_MAX} deep.`)
  else if (isList(value)) packList(writer, value, depth)
  else packMap(writer, value instanceof Map ? value : new Map(Object.entries(value)), depth)
}

function isList(value: object): value is readonly Value[] {
  return Array.isArray(value)
}

function packList(writer: Writer, list: readonly Value[], depth: number): void {
  packListHeader(writer, list.length)
  for (const item of list) pack(writer, item, depth + 1)
}

function packMap(writer: Writer, map: ReadonlyMap<Value, Value>, depth: number): void {
  if (map.size < 16) writer.u8(0x80 | map.size)
  else packSize(writer, map.size, 0xde, 0xdf)
  for (const [key, item] of map) {
    pack(writer, key, depth + 1)
    pack(writer, item, depth + 1)
  }
}

function packNumber(writer: Writer, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) packInteger(writer, value)
  else packDouble(writer, value)
}

function packDouble(writer: Writer, value: number): void {
  writer.u8(0xcb)
  writer.f64(value)
}

/** The shortest form, as the server compares them. */
export function packInteger(writer: Writer, value: number): void {
  if (value >= -32 && value < 0x80) {
    writer.u8(value & 0xff)
  } else if (value >= 0) {
    if (value < 0x100) writer.u16(0xcc00 | value)
    else if (value < 0x100000000) packSize(writer, value, 0xcd, 0xce)
    else {
      writer.u8(0xcf)
      writer.i64(value)
    }
  } else if (value >= -0x80) {
    writer.u16(0xd000 | (value & 0xff))
  } else if (value >= -0x80000000) {
    packSize(writer, value, 0xd1, 0xd2)
  } else {
    writer.u8(0xd3)
    writer.i64(value)
  }
}

function packBigInteger(writer: Writer, value: bigint): void {
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
    packInteger(writer, Number(value))
  } else {
    writer.u8(value > 0n ? 0xcf : 0xd3)
    writer.bigint64(value)
  }
}

function packText(writer: Writer, type: number, text: string): void {
  packStringHeader(writer, Buffer.byteLength(text, 'utf8') + 1)
  writer.u8(type)
  writer.text(text)
}

function packBlob(writer: Writer, octets: Uint8Array): void {
  packStringHeader(writer, octets.length + 1)
  writer.u8(BLOB)
  writer.octets(octets)
}

function packStringHeader(writer: Writer, size: number): void {
  if (size < 32) writer.u8(0xa0 | size)
  else if (size < 0x100) writer.u16(0xd900 | size)
  else packSize(writer, size, 0xda, 0xdb)
}

export function packListHeader(writer: Writer, count: number): void {
  if (count < 16) writer.u8(0x90 | count)
  else packSize(writer, count, 0xdc, 0xdd)
}

/** A type octet and its number, in 16 bits where they are enough. */
function packSize(writer: Writer, size: number, type16: number, type32: number): void {
  if (size >= -0x8000 && size < 0x10000) {
    writer.u8(type16)
    writer.u16(size & 0xffff)
  } else {
    writer.u8(type32)
    writer.u32(size)
  }
}

/** Stands for an extension while a list or map is read; never leaves this file. */
const EXTENSION = Symbol('extension')
type Item = ReadValue | typeof EXTENSION

/** Reads one value that ends at `end` or before. */
export function unpack(reader: Reader, end: number): ReadValue {
  const outer = reader.end
  reader.end = end
  try {
    const value = unpackItem(reader, 0)
    if (value === EXTENSION) throw malformed('An extension stands where a value should be.')
    return value
  } finally {
    reader.end = outer
  }
}

function unpackItem(reader: Reader, depth: number): Item {
  const type = reader.u8()
  if (type < 0x80) return type
  if (type >= 0xe0) return type - 0x100
  if (type < 0x90) return unpackMap(reader, type & 0x0f, depth)
  if (type < 0xa0) return unpackList(reader, type & 0x0f, depth)
  if (type < 0xc0) return unpackString(reader, type & 0x1f)
  switch (type) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
    case 0xd9:
      return unpackString(reader, reader.u8())
    case 0xc5:
    case 0xda:
      return unpackString(reader, reader.u16())
    case 0xc6:
    case 0xdb:
      return unpackString(reader, reader.u32())
    case 0xca:
      return reader.f32()
    case 0xcb:
      return reader.f64()
    case 0xcc:
      return reader.u8()
    case 0xcd:
      return reader.u16()
    case 0xce:
      return reader.u32()
    case 0xcf:
      return reader.u64()
    case 0xd0:
      return (reader.u8() << 24) >> 24
    case 0xd1:
      return (reader.u16() << 16) >> 16
    case 0xd2:
      return reader.i32()
    case 0xd3:
      return reader.i64()
    case 0xdc:
      return unpackList(reader, reader.u16(), depth)
    case 0xdd:
      return unpackList(reader, reader.u32(), depth)
    case 0xde:
      return unpackMap(reader, reader.u16(), depth)
    case 0xdf:
      return unpackMap(reader, reader.u32(), depth)
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      reader.skip(1 + (1 << (type - 0xd4)))
      return EXTENSION
    case 0xc7:
      reader.skip(reader.u8() + 1)
      return EXTENSION
    case 0xc8:
      reader.skip(reader.u16() + 1)
      return EXTENSION
    case 0xc9:
      reader.skip(reader.u32() + 1)
      return EXTENSION
    default:
      throw malformed(`MessagePack has no type 0x${type.toString(16)}.`)
  }
}

function unpackString(reader: Reader, size: number): ReadValue {
  if (size === 0) throw malformed('A string in a list or map lacks its type.')
  const type = reader.u8()
  if (type === STRING) return reader.text(size - 1)
  if (type === GEO_JSON) return new GeoJson(reader.text(size - 1))
  return reader.octets(size - 1)
}

function unpackList(reader: Reader, count: number, depth: number): ReadValue[] {
  descend(depth)
  // A claim of more elements than octets is a lie, and would cost memory to believe.
  if (count > reader.left) throw malformed('A list claims more elements than its message holds.')
  const list: ReadValue[] = []
  for (let index = 0; index < count; index++) {
    const item = unpackItem(reader, depth + 1)
    if (item !== EXTENSION) list.push(item)
    else if (index > 0) throw malformed('An extension stands inside a list.')
  }
  return list
}

function unpackMap(reader: Reader, count: number, depth: number): Map<ReadValue, ReadValue> {
  descend(depth)
  if (count * 2 > reader.left) throw malformed('A map claims more entries than its message holds.')
  const map = new Map<ReadValue, ReadValue>()
  for (let index = 0; index < count; index++) {
    const key = unpackItem(reader, depth + 1)
    const value = unpackItem(reader, depth + 1)
    if (key !== EXTENSION && value !== EXTENSION) map.set(key, value)
    else if (index > 0 || value === EXTENSION) throw malformed('An extension stands inside a map.')
  }
  return map
}

function descend(depth: number): void {
  if (depth >= DEPTH_MAX) throw malformed(`A value is nested more than ${DEPTH_MAX} deep.`)
}
