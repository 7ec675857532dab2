import { invalid, malformed } from '../errors.ts'
import { Double, GeoJson, type ReadValue, type Value } from '../value.ts'
import { pack, unpack } from './msgpack.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** The type octet of a value that stands alone: a bin's value, a key (as_particle_type in the server). */
export const particleTypes = {
  null: 0,
  integer: 1,
  double: 2,
  string: 3,
  blob: 4,
  bool: 17,
  hyperLogLog: 18,
  map: 19,
  list: 20,
  geoJson: 23,
} as const

/** Writes the value's octets and answers its type; lists and maps are msgpack. */
export function writeParticle(writer: Writer, value: Value): number {
  switch (typeof value) {
    case 'string':
      writer.text(value)
      return particleTypes.string
    case 'number':
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
        writer.i64(value)
        return particleTypes.integer
      }
      writer.f64(value)
      return particleTypes.double
    case 'bigint':
      writer.bigint64(value)
      return particleTypes.integer
    case 'boolean':
      writer.u8(value ? 1 : 0)
      return particleTypes.bool
  }
  if (typeof value !== 'object') throw invalid(`A ${typeof value} cannot be stored.`)
  if (value === null) return particleTypes.null
  if (value instanceof Uint8Array) {
    writer.octets(value)
    return particleTypes.blob
  }
  if (value instanceof Double) {
    writer.f64(value.value)
    return particleTypes.double
  }
  if (value instanceof GeoJson) {
    // One octet of flags and a count of index cells, which the server fills in.
    writer.u8(0)
    writer.u16(0)
    writer.text(value.json)
    return particleTypes.geoJson
  }
  pack(writer, value)
  return Array.isArray(value) ? particleTypes.list : particleTypes.map
}

/** Reads `size` octets as a value of `type`; types unknown here come as their octets. */
export function readParticle(reader: Reader, type: number, size: number): ReadValue {
  const end = reader.at + size
  switch (type) {
    case particleTypes.string:
      return reader.text(size)
    case particleTypes.integer:
      expectSize(size, 8, 'integer')
      return reader.i64()
    case particleTypes.double:
      expectSize(size, 8, 'double')
      return reader.f64()
    case particleTypes.bool:
      expectSize(size, 1, 'boolean')
      return reader.u8() !== 0
    case particleTypes.null:
      reader.skip(size)
      return null
    case particleTypes.list:
    case particleTypes.map: {
      if (end > reader.end) throw malformed('A value ends after its message.')
      const value = unpack(reader, end)
      if (reader.at !== end) throw malformed('A list or map is shorter than its field.')
      return value
    }
    case particleTypes.geoJson: {
      reader.u8()
      const cellBytes = reader.u16() * 8
      reader.skip(cellBytes)
      const left = end - reader.at
      if (left < 0) throw malformed('A GeoJSON value is shorter than its cells.')
      return new GeoJson(reader.text(left))
    }
    default:
      return reader.octets(size)
  }
}

function expectSize(size: number, expected: number, what: string): void {
  if (size !== expected) throw malformed(`A value of type ${what} has ${size} octets, not ${expected}.`)
}
