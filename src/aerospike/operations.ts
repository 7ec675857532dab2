import { type Operation, operationTypes } from './protocol/operations.ts'
import type { Value } from './value.ts'

export type { Operation } from './protocol/operations.ts'

/** Steps on plain bins, for `operate`. */
export const bins = {
  read: (bin: string): Operation => ({ type: operationTypes.read, bin }),
  /** `null` deletes the bin. */
  write: (bin: string, value: Value): Operation => ({ type: operationTypes.write, bin, value }),
  /** Adds to an integer or double; a bin that is not there counts as 0. */
  increment: (bin: string, by: number | bigint): Operation => ({
    type: operationTypes.increment,
    bin,
    value: by,
  }),
  /** To the end of a string or blob, of the same kind. */
  append: (bin: string, value: string | Uint8Array): Operation => ({
    type: operationTypes.append,
    bin,
    value,
  }),
  prepend: (bin: string, value: string | Uint8Array): Operation => ({
    type: operationTypes.prepend,
    bin,
    value,
  }),
  /** Counts as a write: a new generation, and the policy's time to live. */
  touch: (): Operation => ({ type: operationTypes.touch, bin: '' }),
} as const

/** Steps on a list; an index below 0 counts from the end. Numbers as in the server's proto.h (as_cdt_optype). */
export const lists = {
  /** Answers the new size, as do the next two. */
  append: (bin: string, value: Value): Operation => modify(bin, 1, value),
  appendItems: (bin: string, values: readonly Value[]): Operation => modify(bin, 2, values),
  insert: (bin: string, index: number, value: Value): Operation => modify(bin, 3, index, value),
  /** Removes and answers one element. */
  pop: (bin: string, index: number): Operation => modify(bin, 5, index),
  /** Removes and answers `count` elements, or all from `index`. */
  popRange: (bin: string, index: number, count?: number): Operation => modify(bin, 6, index, ...given(count)),
  /** Answers how many were removed, as do the next two. */
  removeRange: (bin: string, index: number, count?: number): Operation =>
    modify(bin, 8, index, ...given(count)),
  /** Keeps `count` elements from `index`. */
  trim: (bin: string, index: number, count: number): Operation => modify(bin, 10, index, count),
  removeByValue: (bin: string, value: Value): Operation => modify(bin, 35, returns.count, value),
  set: (bin: string, index: number, value: Value): Operation => modify(bin, 9, index, value),
  clear: (bin: string): Operation => modify(bin, 11),
  size: (bin: string): Operation => read(bin, 16),
  get: (bin: string, index: number): Operation => read(bin, 17, index),
  getRange: (bin: string, index: number, count?: number): Operation => read(bin, 18, index, ...given(count)),
} as const

/** What a step on a list or map answers (result_type_t in the server's proto.h). */
const returns = { count: 5, value: 7, keyValue: 8, exists: 13 } as const

/** `key`: kept in the order of their keys, the order in which ranges are read. */
export type MapOrder = 'none' | 'key'

const orders = { none: 0, key: 1 } as const

/** How a `put` treats a key that is there, or is not; and whether its refusal is an error or nothing. */
export interface MapWrite {
  readonly order?: MapOrder
  readonly only?: 'create' | 'update'
  readonly quiet?: boolean
}

/** Steps on a map. A map that is not there is made, in the order asked (`none` by default). */
export const maps = {
  /** Answers the new size, as does `putItems`. */
  put: (bin: string, key: Value, value: Value, how?: MapWrite): Operation =>
    modify(bin, 67, key, value, ...mapWrite(how)),
  putItems: (bin: string, items: ReadonlyMap<Value, Value>, how?: MapWrite): Operation =>
    modify(bin, 68, items, ...mapWrite(how)),
  /** Adds to the number under `key`, from 0 if there is none; answers the sum. */
  increment: (bin: string, key: Value, by: number | bigint, order: MapOrder = 'none'): Operation =>
    modify(bin, 73, key, by, orders[order]),
  clear: (bin: string): Operation => modify(bin, 75),
  /** Removes; answers the value that was there, or null. */
  removeByKey: (bin: string, key: Value): Operation => modify(bin, 76, returns.value, key),
  /** Removes; answers how many were there. */
  removeByKeys: (bin: string, keys: readonly Value[]): Operation => modify(bin, 81, returns.count, keys),
  /** Removes keys from `from` to below `to` (null: from the first; undefined: to the last); answers how many. */
  removeByKeyRange: (bin: string, from: Value, to?: Value): Operation =>
    modify(bin, 84, returns.count, from, ...given(to)),
  size: (bin: string): Operation => read(bin, 96),
  /** Answers the value, or null. */
  getByKey: (bin: string, key: Value): Operation => read(bin, 97, returns.value, key),
  hasKey: (bin: string, key: Value): Operation => read(bin, 97, returns.exists, key),
  /** Answer a map of those that are there. */
  getByKeys: (bin: string, keys: readonly Value[]): Operation => read(bin, 107, returns.keyValue, keys),
  getByKeyRange: (bin: string, from: Value, to?: Value): Operation =>
    read(bin, 103, returns.keyValue, from, ...given(to)),
  /** By place in the order of keys. */
  getByIndexRange: (bin: string, index: number, count?: number): Operation =>
    read(bin, 104, returns.keyValue, index, ...given(count)),
} as const

function read(bin: string, operation: number, ...parameters: Value[]): Operation {
  return { type: operationTypes.collectionRead, bin, collection: [operation, ...parameters] }
}

function modify(bin: string, operation: number, ...parameters: Value[]): Operation {
  return { type: operationTypes.collectionModify, bin, collection: [operation, ...parameters] }
}

function given(value: Value | undefined): Value[] {
  return value === undefined ? [] : [value]
}

/** The order for a map that is made, then flags: 1 never overwrite, 2 never create, 4 refuse without an error. */
function mapWrite(how: MapWrite = {}): Value[] {
  const flags = (how.only === 'create' ? 1 : 0) | (how.only === 'update' ? 2 : 0) | (how.quiet ? 4 : 0)
  return [orders[how.order ?? 'none'], ...(flags === 0 ? [] : [flags])]
}
