import type { TSchema } from '@sinclair/typebox'
import { plainError } from './problem.ts'
import type { Parameter, Route } from './route.ts'
import { choicesOf } from './schema.ts'
import { PlainError } from './shapes.ts'

type Json = Readonly<Record<string, unknown>>

const ADMIN_KEY = 'AdminKey'
const TOKEN = 'Token'
const APP_ID = 'AppId'

const TAGS: Readonly<Record<string, string>> = {
  Monitoring: 'Health and metrics',
  Auth: 'Users and their tokens',
  Dashboard: 'Numbers for a dashboard',
  Settings: 'Licence and SMPP connections',
  'SMPP Control': 'Links on and off',
  'SMS Gateway': 'Messages',
}

/** The OpenAPI 3.1 document of these routes: each row, with its errors, made from what the server runs. */
export function openApi(routes: readonly Route[], version: string): Json {
  const components = new Map<string, unknown>()
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}').replace(/(?<=.)\/$/, '')
    paths[path] ??= {}
    paths[path][route.method.toLowerCase()] = operation(route, components)
  }
  const tags = [...new Set(routes.map(route => route.tag))]
  return {
    openapi: '3.1.0',
    info: {
      title: 'SMS Sender Proxy',
      version,
      description: 'SMS over SMPP by REST: send messages, follow them, run the gateway.',
      contact: { name: 'The operator of this gateway' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: tags.map(name => ({
      name,
      description: TAGS[name] ?? `${name.replace('Admin: ', '')}, by admin key`,
    })),
    paths,
    components: {
      schemas: Object.fromEntries(components),
      securitySchemes: {
        [TOKEN]: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The token of `/api/v1/user/login`',
        },
        [APP_ID]: { type: 'apiKey', in: 'header', name: 'X-App-ID', description: 'The id of your app' },
        [ADMIN_KEY]: { type: 'apiKey', in: 'header', name: 'X-Admin-Key', description: 'ADMIN_API_KEY' },
      },
    },
  }
}

function operation(route: Route, components: Map<string, unknown>): Json {
  const { tag, operationId, summary, description, id, body } = route
  const parameters = [
    ...(id ? [{ ...parameter('path')(id), required: true }] : []),
    ...(route.query ?? []).map(parameter('query')),
    ...(route.headers ?? []).map(parameter('header')),
  ]
  return {
    tags: [tag],
    operationId,
    summary,
    description,
    security: security(route),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: requestBody(body, components) }),
    responses: responses(route, components),
  }
}

const parameter =
  (place: string) =>
  ({ name, description, schema }: Parameter): Json => ({ name, in: place, description, schema })

function security({ access }: Route): readonly Json[] {
  if (access === 'public') return []
  return access === 'admin' ? [{ [ADMIN_KEY]: [] }] : [{ [TOKEN]: [], [APP_ID]: [] }]
}

function requestBody(body: NonNullable<Route['body']>, components: Map<string, unknown>): Json {
  if (body.kind === 'json') {
    const schema = referred(body.schema, components)
    return { required: true, content: { 'application/json': { schema, example: body.example } } }
  }
  const { field, description } = body
  const schema = {
    type: 'object',
    required: [field],
    properties: { [field]: { type: 'string', contentMediaType: 'application/octet-stream', description } },
  }
  return { required: true, content: { 'multipart/form-data': { schema } } }
}

function responses(route: Route, components: Map<string, unknown>): Json {
  const { reply } = route
  const success = {
    description: reply.description,
    content: {
      [reply.mediaType ?? 'application/json']: {
        schema: reply.schema ? referred(reply.schema, components) : { type: 'string' },
        example: reply.example,
      },
    },
  }
  const answers: Record<string, Json> = { [reply.status]: success }
  for (const [status, { text, plain, own }] of errorsOf(route)) {
    const schemas = [...(own ? [route.errorSchema] : []), ...(plain ? [PlainError] : [])]
    const distinct = [...new Set(schemas)].map(schema => referred(schema, components))
    const example = own ? route.errorBody(text, undefined, undefined) : plainError(text, undefined, undefined)
    answers[status] = {
      description: text,
      ...(status === '429' && { headers: LIMIT_HEADERS }),
      content: {
        'application/json': { schema: distinct.length === 1 ? distinct[0] : { anyOf: distinct }, example },
      },
    }
  }
  return answers
}

const header = (description: string): Json => ({ description, schema: { type: 'integer', minimum: 0 } })
const LIMIT_HEADERS = {
  'Retry-After': header('Seconds until the next request is allowed'),
  'RateLimit-Limit': header('Requests that may come at once'),
  'RateLimit-Remaining': header('Requests that may come now'),
  'RateLimit-Reset': header('Seconds until `RateLimit-Remaining` is full again'),
}

interface ErrorAnswer {
  readonly text: string
  /** In the plain shape of authentication, limits and routing. */
  readonly plain: boolean
  /** In the shape of the route. */
  readonly own: boolean
}

/** What the route refuses itself, and what stands before it on the way. */
function errorsOf({ errors, access, body }: Route): Map<string, ErrorAnswer> {
  const all = new Map<string, ErrorAnswer>()
  const add = (status: number, text: string, shape: 'plain' | 'own') => {
    const before = all.get(String(status))
    all.set(String(status), {
      text: before ? `${before.text}; or ${text}` : text,
      plain: shape === 'plain' || before?.plain === true,
      own: shape === 'own' || before?.own === true,
    })
  }
  for (const [status, text] of Object.entries(errors)) add(Number(status), text, 'own')
  if (access === 'app') {
    add(400, 'invalid X-App-ID', 'plain')
    add(401, 'a header is missing, the app is unknown, or the token is invalid or expired', 'plain')
  } else if (access === 'admin') {
    add(401, 'invalid or missing admin key', 'plain')
    add(503, 'admin API key not configured', 'plain')
  }
  if (body) {
    add(408, 'the body did not arrive in time', 'own')
    add(413, 'the body is too large', 'own')
    if (body.kind === 'json') add(415, 'the body must be JSON', 'own')
  }
  add(429, 'rate limit exceeded', 'plain')
  if (errors[500] === undefined) add(500, 'internal error', 'own')
  return all
}

/** The schema with each part that has a name moved to `components`, and a reference in its place. */
function referred(schema: TSchema, components: Map<string, unknown>): unknown {
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk)
    if (typeof node !== 'object' || node === null) return node
    const { $id, ...rest } = node as Record<string, unknown>
    const choices = choicesOf(rest)
    if (choices) {
      const { anyOf: _, ...about } = rest
      return { ...about, type: 'string', enum: choices }
    }
    const walked = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, walk(value)]))
    if (typeof $id !== 'string') return walked
    components.set($id, walked)
    return { $ref: `#/components/schemas/${$id}` }
  }
  return walk(schema)
}
