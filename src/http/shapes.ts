import { type SchemaOptions, type TProperties, type TSchema, Type } from '@sinclair/typebox'
import type { ErrorBody } from './problem.ts'
import { badRequest, plainError } from './problem.ts'

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

export const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

export const LinkState = oneOf(['LOADED', 'CONNECTING', 'UNBOUND', 'DISABLED', 'THROTTLED'])

export const Encoding = oneOf(['gsm7', 'latin1', 'ucs2'])

export const PassOrReject = oneOf(['pass', 'reject'])

export const LicenceInfo = Type.Object(
  {
    company: Type.String(),
    valid_until: Type.String({ description: 'The last day, or empty without a licence' }),
    max_connections: Integer(),
    max_tps: Integer(),
    status: oneOf(['active', 'expired', 'none']),
  },
  { $id: 'Licence' },
)

/** The number in a path, from `minimum`; 400 for anything else. */
export function idOf(text: string | undefined, minimum: 0 | 1): number {
  const id = /^\d{1,15}$/.test(text ?? '') ? Number(text) : -1
  if (id < minimum) throw badRequest(`invalid id: the path needs a whole number from ${minimum}`)
  return id
}
