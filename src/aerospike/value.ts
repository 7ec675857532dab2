/**
 * What a bin, or an element of a list or map, can hold.
 *
 * - `number`: a safe integer is stored as a 64-bit integer, any other (a fraction, NaN, -0, past 2^53) as a
 *   double; wrap in {@link Double} to store `1` as `1.0`.
 * - `bigint`: a 64-bit integer. Integers past 2^53 are read as `bigint`, all others as `number`.
 * - `Map` and plain objects are stored as maps; maps are always read as `Map`, in the server's order.
 * - `null` in a `put` deletes the bin.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Double
  | GeoJson
  | readonly Value[]
  | ReadonlyMap<Value, Value>
  | { readonly [key: string]: Value }

/** A number that is stored as a double whatever its value. */
export class Double {
  constructor(readonly value: number) {}
}

/** A GeoJSON document in its text form, stored as the server's own type, which it can index. */
export class GeoJson {
  constructor(readonly json: string) {}
}

export type Bins = { readonly [name: string]: Value }

/** A value as it is read. */
export type ReadValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | GeoJson
  | ReadValue[]
  | Map<ReadValue, ReadValue>

export type ReadBins = Record<string, ReadValue>
