import { type Static, type TSchema, Type } from '@sinclair/typebox'

/**
 * What the configuration's schema is made of. Each piece is a TypeBox schema of the value that the program
 * sees; `form` says how people write it.
 */
export type Form = 'duration' | 'size' | 'path' | 'endpoint' | 'secret' | 'rules'

/** The keywords that reading, `init` and the tests go by. */
export interface Described {
  readonly form?: Form
  readonly type?: string
  readonly description?: string
  /** As people write it. */
  readonly default?: unknown
  /** The first is what `init` writes where there is no default. */
  readonly examples?: readonly unknown[]
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly properties?: Readonly<Record<string, Described>>
  /** Names of the properties that are not optional. */
  readonly required?: readonly string[]
  readonly items?: Described
  readonly maxItems?: number
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

interface Hints<T> {
  readonly default?: T
  readonly example?: T
}

interface Range<T> extends Hints<T> {
  readonly minimum?: number
  readonly maximum?: number
}

const hints = <T>({ example, ...rest }: Hints<T>) =>
  example === undefined ? rest : { ...rest, examples: [example] }

export const text = (description: string, rest: Hints<string> & { minLength?: number; maxLength?: number }) =>
  Type.String({ description, ...hints(rest) })

export const whole = (description: string, rest: Range<number>) =>
  Type.Integer({ description, ...hints(rest) })

export const decimal = (description: string, rest: Range<number>) =>
  Type.Number({ description, ...hints(rest) })

export const flag = (description: string, fallback: boolean) =>
  Type.Boolean({ description, default: fallback })

export const oneOf = <const T extends readonly string[]>(
  description: string,
  names: T,
  fallback: T[number],
) => Type.Unsafe<T[number]>({ type: 'string', description, enum: [...names], default: fallback })

/** Milliseconds; the limits are in milliseconds too. */
export const duration = (description: string, rest: Range<string>) =>
  Type.Integer({ form: 'duration', description, ...hints(rest), default: rest.default })

/** Octets; the limits are in octets too. */
export const size = (description: string, rest: Range<string>) =>
  Type.Integer({ form: 'size', description, ...hints(rest), default: rest.default })

/** An absolute path; a relative one is relative to the file's folder. */
export const path = (description: string, rest: Hints<string>) =>
  Type.String({ form: 'path', description, minLength: 1, ...hints(rest) })

/** Text that is shown nowhere. */
export const secret = (description: string, rest: Hints<string> & { maxLength?: number }) =>
  Type.String({ form: 'secret', description, ...hints(rest) })

export const endpoint = (description: string, fallback: string) =>
  Type.Unsafe<Endpoint>({ form: 'endpoint', description, default: fallback })

export const list = <T extends TSchema>(description: string, items: T, maxItems: number) =>
  Type.Array(items, { description, default: [], maxItems })

export const section = <T extends Record<string, TSchema>>(description: string, properties: T) =>
  Type.Object(properties, { description, additionalProperties: false })

/** A section or value that may be absent, and is then undefined. */
export const optional = Type.Optional

export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

export type Read<T extends TSchema> = DeepReadonly<Static<T>>
