import type { Static, TSchema } from '@sinclair/typebox'
import type { Access, Caller } from './auth.ts'
import type { ErrorBody } from './problem.ts'
import { type Check, compile } from './schema.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** What a handler hears of a request; all of it was checked. */
export interface Call<Body> {
  readonly request: Request
  readonly caller: Caller
  readonly params: Readonly<Record<string, string>>
  readonly body: Body
  /** The octets of the body; empty for routes without one. */
  readonly bytes: Uint8Array
}

export interface JsonBody<Body> {
  readonly kind: 'json'
  readonly schema: TSchema
  readonly example: object
  readonly check: Check<Body>
}

/** A file in a field of a form; the handler reads it from `bytes`. */
export interface FormBody {
  readonly kind: 'form'
  readonly field: string
  readonly description: string
}

/** The answer of success. */
export interface Reply {
  readonly status: number
  readonly description: string
  /** Absent: no JSON, but `mediaType`. */
  readonly schema?: TSchema
  readonly mediaType?: string
  readonly example: unknown
}

/**
 * A row of the API: what it is, what it takes and answers, and what it does. The server, the checks and the
 * OpenAPI document are all made from it.
 */
export interface Route<Body = unknown> {
  readonly method: Method
  /** `:id` stands for one segment. */
  readonly path: string
  /** What `:id` is. */
  readonly id?: Parameter
  readonly access: Access
  /** Behind the limit of its app (L2) and the lists of addresses, as `/sms/*` is. */
  readonly guarded?: boolean
  readonly tag: string
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly query?: readonly Parameter[]
  readonly headers?: readonly Parameter[]
  readonly body?: JsonBody<Body> | FormBody
  readonly reply: Reply
  /** Status → why, for what the route itself refuses; access, limits and bodies add their own. */
  readonly errors: Readonly<Record<number, string>>
  readonly errorSchema: TSchema
  readonly errorBody: ErrorBody
  /** What a 500 says when its cause is nothing for the caller. */
  readonly failure: string
  handle(call: Call<Body>): Response | Promise<Response>
}

export interface Parameter {
  readonly name: string
  readonly description: string
  readonly schema: TSchema
}

export function json<S extends TSchema>(schema: S, example: Static<S> & object): JsonBody<Static<S>> {
  return { kind: 'json', schema, example, check: compile(schema) }
}

/** Lets a definition's handler know the type of its body. */
export const route = <Body>(definition: Route<Body>): Route<Body> => definition

/**
 * One definition, two rows: for users of an app under `/api/v1`, and for the admin under `/api/v1/admin`.
 * `path` is what stands behind.
 */
export function mirrored<Body>(definition: Omit<Route<Body>, 'access'>): readonly Route<Body>[] {
  const { path, operationId, summary, tag } = definition
  return [
    { ...definition, access: 'app', path: `/api/v1${path}` },
    {
      ...definition,
      access: 'admin',
      path: `/api/v1/admin${path}`,
      tag: `Admin: ${tag}`,
      operationId: `admin${operationId[0]?.toUpperCase()}${operationId.slice(1)}`,
      summary: `${summary} (admin)`,
    },
  ]
}
