import { resultCodes } from '../../src/aerospike/errors.ts'
import { unpack } from '../../src/aerospike/protocol/msgpack.ts'
import { particleTypes, readParticle, writeParticle } from '../../src/aerospike/protocol/particles.ts'
import { Reader } from '../../src/aerospike/protocol/reader.ts'
import { Writer } from '../../src/aerospike/protocol/writer.ts'
import type { ReadValue, Value } from '../../src/aerospike/value.ts'
import type { Particle } from './aerospike_wire.ts'

/** What makes an operation, and with it the whole request, fail. */
export class Refusal extends Error {
  constructor(readonly resultCode: number) {
    super(`result code ${resultCode}`)
  }
}

export const nothing: Particle = { type: particleTypes.null, octets: new Uint8Array() }

export function particleOf(value: Value): Particle {
  const writer = new Writer(64)
  const type = writeParticle(writer, value)
  return { type, octets: new Uint8Array(writer.taken()) }
}

export function readValue(particle: Particle): ReadValue {
  return readParticle(new Reader(particle.octets), particle.type, particle.octets.length)
}

/** Applies a list or map operation: what becomes of the bin, and what it answers. */
export function collect(
  bin: Particle | undefined,
  payload: Uint8Array,
): { bin: Particle | undefined; answer: Particle } {
  const call = unpack(new Reader(payload), payload.length)
  if (!Array.isArray(call) || typeof call[0] !== 'number') throw new Refusal(resultCodes.PARAMETER_ERROR)
  const [operation, ...parameters] = call
  return operation < 64 ? onList(bin, operation, parameters) : onMap(bin, operation, parameters)
}

function whole(value: ReadValue | undefined, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}

function onList(bin: Particle | undefined, operation: number, parameters: readonly ReadValue[]) {
  if (bin && bin.type !== particleTypes.list) throw new Refusal(resultCodes.BIN_TYPE_ERROR)
  const value = bin ? readValue(bin) : []
  const list = Array.isArray(value) ? value : []
  const [first = null, second = null] = parameters
  const at = (index: ReadValue): number => {
    const place = whole(index, 0)
    return place < 0 ? place + list.length : place
  }
  const kept = (answer: Value) => ({ bin: particleOf(list), answer: particleOf(answer) })
  const read = (answer: Value) => ({ bin, answer: particleOf(answer) })
  switch (operation) {
    case 1:
      return kept(list.push(first))
    case 2:
      return kept(list.push(...(Array.isArray(first) ? first : [])))
    case 3:
      list.splice(at(first), 0, second)
      return kept(list.length)
    case 5: {
      const [popped] = list.splice(at(first), 1)
      if (popped === undefined) throw new Refusal(resultCodes.OP_NOT_APPLICABLE)
      return kept(popped)
    }
    case 6:
      return kept(list.splice(at(first), whole(second, list.length)))
    case 8:
      return kept(list.splice(at(first), whole(second, list.length)).length)
    case 9:
      list[at(first)] = second
      return kept(null)
    case 10: {
      const before = list.length
      const left = list.slice(at(first), at(first) + whole(second, 0))
      list.splice(0, before, ...left)
      return kept(before - left.length)
    }
    case 11:
      list.length = 0
      return kept(null)
    case 16:
      return read(bin ? list.length : null)
    case 17: {
      const item = list[at(first)]
      if (bin && item === undefined) throw new Refusal(resultCodes.OP_NOT_APPLICABLE)
      return read(item ?? null)
    }
    case 18:
      return read(bin ? list.slice(at(first), at(first) + whole(second, list.length)) : null)
    case 35: {
      const left = list.filter(item => compare(item, second) !== 0)
      const removed = list.length - left.length
      list.splice(0, list.length, ...left)
      return kept(removed)
    }
    default:
      throw new Refusal(resultCodes.PARAMETER_ERROR)
  }
}

const RETURN_COUNT = 5
const RETURN_VALUE = 7
const RETURN_EXISTS = 13

function onMap(bin: Particle | undefined, operation: number, parameters: readonly ReadValue[]) {
  if (bin && bin.type !== particleTypes.map) throw new Refusal(resultCodes.BIN_TYPE_ERROR)
  const value = bin ? readValue(bin) : new Map<ReadValue, ReadValue>()
  let entries: [ReadValue, ReadValue][] = value instanceof Map ? [...value] : []
  const [first = null, second = null, third = null, fourth = null] = parameters
  const find = (key: ReadValue) => entries.findIndex(([has]) => compare(has, key) === 0)
  const kept = (answer: Value, order: ReadValue = bin?.ordered ? 1 : 0) => {
    const ordered = whole(order, 0) === 1
    if (ordered) entries.sort(([one], [other]) => compare(one, other))
    return { bin: { ...particleOf(new Map(entries)), ordered }, answer: particleOf(answer) }
  }
  const put = (key: ReadValue, item: ReadValue, flags: number): void => {
    const at = find(key)
    const refused = at < 0 ? flags & 2 : flags & 1
    if (refused && flags & 4) return
    if (refused) throw new Refusal(at < 0 ? resultCodes.ELEMENT_NOT_FOUND : resultCodes.ELEMENT_EXISTS)
    if (at < 0) entries.push([key, item])
    else entries[at] = [key, item]
  }
  const order = (given: ReadValue): ReadValue => (bin ? (bin.ordered ? 1 : 0) : given)
  const chosen = (): [ReadValue, ReadValue][] => {
    const sorted = [...entries].sort(([one], [other]) => compare(one, other))
    switch (operation) {
      case 76:
      case 97:
        return sorted.filter(([key]) => compare(key, second) === 0)
      case 81:
      case 107:
        return sorted.filter(
          ([key]) => Array.isArray(second) && second.some(wanted => compare(key, wanted) === 0),
        )
      case 84:
      case 103:
        return sorted.filter(
          ([key]) =>
            (second === null || compare(key, second) >= 0) && (third === null || compare(key, third) < 0),
        )
      case 104: {
        const from = whole(second, 0) < 0 ? whole(second, 0) + sorted.length : whole(second, 0)
        return sorted.slice(from, from + whole(third, sorted.length))
      }
      default:
        throw new Refusal(resultCodes.PARAMETER_ERROR)
    }
  }
  switch (operation) {
    case 67:
      put(first, second, whole(fourth, 0))
      return kept(entries.length, order(third))
    case 68:
      if (first instanceof Map) for (const [key, item] of first) put(key, item, whole(third, 0))
      return kept(entries.length, order(second))
    case 73: {
      const at = find(first)
      const before = at < 0 ? 0 : (entries[at]?.[1] ?? 0)
      if (typeof before !== 'number' || typeof second !== 'number')
        throw new Refusal(resultCodes.BIN_TYPE_ERROR)
      put(first, before + second, 0)
      return kept(before + second, order(third))
    }
    case 75:
      entries = []
      return kept(null)
    case 96:
      return { bin, answer: particleOf(bin ? entries.length : null) }
  }
  if (!bin) return { bin, answer: nothing }
  const some = chosen()
  const answer = answerOf(some, whole(first, 0), operation === 76 || operation === 97)
  const removes = operation === 76 || operation === 81 || operation === 84
  if (!removes) return { bin, answer: particleOf(answer) }
  entries = entries.filter(([key]) => !some.some(([gone]) => compare(gone, key) === 0))
  return kept(answer)
}

function answerOf(some: readonly [ReadValue, ReadValue][], returns: number, single: boolean): Value {
  if (returns === RETURN_COUNT) return some.length
  if (returns === RETURN_EXISTS) return some.length > 0
  if (returns === RETURN_VALUE) return single ? (some[0]?.[1] ?? null) : some.map(([, item]) => item)
  return new Map(some)
}

/** The server's order: by kind first (null, boolean, integer, string, …), then by value. */
export function compare(one: ReadValue, other: ReadValue): number {
  const kinds = rank(one) - rank(other)
  if (kinds !== 0) return kinds
  const [a, b] = [particleOf(one).octets, particleOf(other).octets]
  if (typeof one === 'number' && typeof other === 'number') return one - other
  return Buffer.compare(a, b)
}

function rank(value: ReadValue): number {
  if (value === null) return 0
  const kinds = ['boolean', 'number', 'bigint', 'string']
  const at = kinds.indexOf(typeof value)
  return at < 0 ? kinds.length + 1 : at + 1
}
