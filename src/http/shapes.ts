import { type SchemaOptions, type TProperties, type TSchema, Type } from '@sinclair/typebox'
import { LICENCE_STATES } from '../licence/licence.ts'
import { LINK_STATES } from '../smpp/link.ts'
import { ENCODINGS } from '../smpp/text/segment.ts'
import { FIELD_LENGTHS } from '../users/index.ts'
import type { ErrorBody } from './problem.ts'
import { badRequest, plainError } from './problem.ts'
import type { Parameter } from './route.ts'

/** Shapes that more than one group of routes answers with. */

export const PlainError = Type.Object({ error: Type.String() }, { $id: 'Error' })

export const PLAIN_GROUP = {
  errorSchema: PlainError,
  errorBody: plainError,
  failure: 'internal error',
  errors: {},
} as const

const Failure = Type.Object({ success: Type.Literal(false), error: Type.String() }, { $id: 'Failure' })

/** `/admin/*`, `/settings/*`, `/smpp/*`, `/dashboard/*` (contract §2). */
const failureBody: ErrorBody = error => ({ success: false, error })

export const FAILURE_GROUP = {
  errorSchema: Failure,
  errorBody: failureBody,
  failure: 'internal error',
  errors: {},
} as const

export const success = <S extends TSchema>(data: S, extra: TProperties = {}) =>
  Type.Object({ success: Type.Literal(true), data, ...extra })

export const Integer = (options: { minimum?: number; maximum?: number } = { minimum: 0 }) =>
  Type.Integer(options)

/** One of these words. */
export const oneOf = <const T extends string>(words: readonly T[], options: SchemaOptions = {}) =>
  Type.Union(
    words.map(word => Type.Literal(word)),
    options,
  )

/** Any keys, with values of one kind. Not `Type.Record`: few generators of clients know its `patternProperties`. */
export const mapOf = (values: TSchema, description: string) =>
  Type.Object({}, { additionalProperties: values, description })

export const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

export const LinkState = oneOf(LINK_STATES)

export const Encoding = oneOf(ENCODINGS)

export const PassOrReject = oneOf(['pass', 'reject'])

export const LicenceInfo = Type.Object(
  {
    company: Type.String(),
    valid_until: Type.String({ description: 'The last day, or empty without a licence' }),
    max_connections: Integer(),
    max_tps: Integer(),
    status: oneOf(LICENCE_STATES),
  },
  { $id: 'Licence' },
)

/** Within bounds of what is looked at; `users/` has the rules, and the words for them. */
export const userField = (field: keyof typeof FIELD_LENGTHS) =>
  Type.String({ minLength: 1, maxLength: 1024, description: FIELD_LENGTHS[field] })

/** The number that stands for `:id` in a path. */
export interface IdParameter extends Parameter {
  /** 400 for what is no such number. */
  read(params: Readonly<Record<string, string>>): number
}

export function idParameter(description: string, minimum: 0 | 1): IdParameter {
  return {
    name: 'id',
    description,
    schema: Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER }),
    read({ id: text = '' }) {
      const id = /^\d{1,16}$/.test(text) ? Number(text) : -1
      if (id >= minimum && Number.isSafeInteger(id)) return id
      throw badRequest(`invalid id: the path needs a whole number from ${minimum}`)
    },
  }
}
