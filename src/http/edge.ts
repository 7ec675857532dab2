import { clientIp, ipAllowed } from '../ip_list.ts'
import type { Taken } from '../rate_limit.ts'
import { type Caller, createAuthentication } from './auth.ts'
import { createBodyReader, parseJson, requireJsonType } from './body.ts'
import type { HttpDependencies } from './dependencies.ts'
import { HttpProblem, toResponse } from './problem.ts'
import type { Route } from './route.ts'
import { PLAIN_GROUP } from './shapes.ts'

/** What Bun's server knows of the connections that requests came by. */
export interface Connections {
  requestIP(request: Request): { readonly address: string } | null
  timeout(request: Request, seconds: number): void
}

/** A connection that says nothing is closed; a handler that thinks is not: it is lifted then. */
export const IDLE_TIMEOUT_SECONDS = 30
const JSON_BYTES_MAX = 64 * 1024
const FORM_BYTES_MAX = 1024 * 1024
const NO_BYTES = new Uint8Array()

/** What every request passes on its way to a handler, and every answer on its way back. */
export function createEdge(
  deps: HttpDependencies,
  /** Undefined: every admin route answers 503. */
  adminKey: string | undefined,
  /** Null before the server listens. */
  connections: () => Connections | null,
) {
  const { clock, metrics, rateLimits, ips, log } = deps
  const authenticate = createAuthentication(deps.users, adminKey)
  const readBody = createBodyReader(clock)

  /** L1: the cheapest refusal comes first, and counts requests to nowhere too. */
  const admit = () => refuseOver(rateLimits.global.take('all'))

  /** A request's way, in one function: each further async one on it cost half a microsecond. */
  async function answer(
    route: Route,
    request: Request,
    params: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const startedAt = clock.monotonic()
    let read: unknown
    try {
      admit()
      // Nothing of a body is read before the caller is known and within its limit.
      const known = authenticate[route.access](request)
      const caller = known instanceof Promise ? await known : known
      if (route.guarded && caller.app) {
        refuseOver(rateLimits.perApp.take(caller.app.id))
        refuseStranger(caller.app, request)
      }
      const bytes = route.body ? await bodyOf(route.body.kind, request) : NO_BYTES
      if (route.body?.kind === 'json') read = parseJson(bytes, request)
      const body = route.body?.kind === 'json' ? route.body.check(read) : undefined
      // The idle timeout is for clients that say nothing; while a handler works it is we who do.
      connections()?.timeout(request, 0)
      const response = await route.handle({ request, caller, params, body, bytes })
      return finish(request, route.path, response, startedAt)
    } catch (error) {
      return refuse(error, request, route, read, startedAt)
    }
  }

  /** Nobody stands behind it: what fails here is answered too. */
  function refuse(
    error: unknown,
    request: Request,
    route: Route,
    body: unknown,
    startedAt: number,
  ): Response {
    try {
      return finish(request, route.path, fail(error, request, route, body), startedAt)
    } catch (worse) {
      return broken(request, worse)
    }
  }

  /** What went wrong outside of every route. */
  function broken(request: Request, error: unknown): Response {
    return finish(request, 'unmatched', fail(error, request, PLAIN_GROUP, undefined), clock.monotonic())
  }

  function bodyOf(kind: 'json' | 'form', request: Request): Promise<Uint8Array> {
    if (kind === 'json') requireJsonType(request)
    const bytesMax = kind === 'json' ? JSON_BYTES_MAX : FORM_BYTES_MAX
    return readBody(request, bytesMax)
  }

  /** The address costs a microsecond to find out: where no list is kept, nobody asks. */
  function refuseStranger(app: NonNullable<Caller['app']>, request: Request): void {
    if (app.allowedIps.empty && ips.allowed.empty) return
    const peer = connections()?.requestIP(request)?.address ?? ''
    const ip = clientIp(peer, request.headers.get('x-forwarded-for'), ips.trustedProxies)
    if (ipAllowed(app.allowedIps, ip) && ipAllowed(ips.allowed, ip)) return
    throw new HttpProblem(403, 'IP not allowed', 'route')
  }

  function fail(
    error: unknown,
    request: Request,
    route: Pick<Route, 'errorBody' | 'failure'>,
    body: unknown,
  ): Response {
    const { response, unexpected } = toResponse(error, route, body)
    if (unexpected) {
      log.error({ err: error, method: request.method, url: pathOf(request.url) }, 'a request failed')
    }
    return response
  }

  function finish(request: Request, label: string, response: Response, startedAt: number): Response {
    connections()?.timeout(request, IDLE_TIMEOUT_SECONDS)
    metrics.observe(request.method, label, response.status, clock.monotonic() - startedAt)
    return response
  }

  return {
    answer,
    /** No route, or not by this method. */
    unmatched(request: Request, allowed: readonly string[]): Response {
      const problem =
        allowed.length === 0
          ? new HttpProblem(404, 'not found', 'plain')
          : new HttpProblem(405, 'method not allowed', 'plain', { allow: allowed.join(', ') })
      try {
        admit()
        throw problem
      } catch (error) {
        return broken(request, error)
      }
    },
    broken,
  }
}

function refuseOver({ allowed, limit, remaining, resetSeconds, retryAfterSeconds }: Taken): void {
  if (allowed) return
  throw new HttpProblem(429, 'rate limit exceeded', 'plain', {
    'retry-after': String(retryAfterSeconds),
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(resetSeconds),
  })
}

/** Without the query, which may hold what is nobody's business. */
export function pathOf(url: string): string {
  // Without a Host it is a path alone.
  const scheme = url.indexOf('://')
  const start = scheme < 0 ? 0 : url.indexOf('/', scheme + 3)
  const end = url.indexOf('?')
  return start < 0 ? '/' : url.slice(start, end < 0 ? undefined : end)
}
