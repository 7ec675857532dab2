import { type ErrorCode, GatewayError } from '../errors.ts'

/** The one place where an error's code becomes a status. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  refused: 403,
  licence_expired: 403,
  not_found: 404,
  key_reused: 409,
  unknown_esme: 500,
  not_sent: 500,
  store_failed: 500,
  internal: 500,
  unavailable: 503,
}

/** What is wrong with a request as HTTP, whichever route it is for. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'

  constructor(
    readonly status: number,
    readonly publicText: string,
    /**
     * `plain`: `{"error": …}`, as authentication, rate limits and routing answer; `route`: in the shape of the
     * route's own errors.
     */
    readonly shape: 'plain' | 'route',
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(publicText)
  }
}

export const badRequest = (text: string): HttpProblem => new HttpProblem(400, text, 'route')

/** RFC 9110 §15.5.2: a 401 says how to prove who one is. No scheme is registered for a key in a header of its own. */
export const unauthorised = (
  text: string,
  shape: HttpProblem['shape'],
  scheme: 'Bearer' | 'Key realm="X-Admin-Key"',
): HttpProblem => new HttpProblem(401, text, shape, { 'www-authenticate': scheme })

/** An error as the caller sees it. `body` is what was read of the request, for routes that echo some of it. */
export type ErrorBody = (text: string, body: unknown, code: ErrorCode | undefined) => object

export const plainError: ErrorBody = error => ({ error })

export interface Failing {
  readonly errorBody: ErrorBody
  /** What a 500 says when the cause is nothing for the caller. */
  readonly failure: string
}

/** An error's status and body; `unexpected` when its cause belongs into the log. */
export function toResponse(
  error: unknown,
  route: Failing,
  body: unknown,
): { response: Response; unexpected: boolean } {
  if (error instanceof HttpProblem) {
    const shape = error.shape === 'plain' ? plainError : route.errorBody
    const content = shape(error.publicText, body, undefined)
    return { response: reply(error.status, content, error.headers), unexpected: false }
  }
  if (error instanceof GatewayError) {
    const content = route.errorBody(error.publicText, body, error.code)
    return { response: reply(STATUS[error.code], content), unexpected: error.cause !== undefined }
  }
  return { response: reply(500, route.errorBody(route.failure, body, 'internal')), unexpected: true }
}

/** Shared: to make headers anew for each answer costs as much as to write its JSON. */
const JSON_HEADERS = new Headers({
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
})
const OK = { status: 200, headers: JSON_HEADERS }

export const ok = (content: object): Response => new Response(JSON.stringify(content), OK)

export function reply(
  status: number,
  content: object,
  extra: Readonly<Record<string, string>> = {},
): Response {
  const response = new Response(JSON.stringify(content), { status, headers: JSON_HEADERS })
  for (const [name, value] of Object.entries(extra)) response.headers.set(name, value)
  return response
}
