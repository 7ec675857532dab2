import type { BunRequest } from 'bun'
import { Elysia } from 'elysia'
import type { HttpDependencies } from './dependencies.ts'
import { documentationRoutes } from './documentation.ts'
import { createEdge, IDLE_TIMEOUT_SECONDS, pathOf } from './edge.ts'
import type { Method, Route } from './route.ts'
import { adminRoutes } from './routes/admin.ts'
import { campaignRoutes } from './routes/campaigns.ts'
import { dashboardRoutes } from './routes/dashboard.ts'
import { explainRoutes } from './routes/explain.ts'
import { filterRoutes } from './routes/filters.ts'
import { inboundRoutes } from './routes/inbound.ts'
import { monitoringRoutes } from './routes/monitoring.ts'
import { proxyUserRoutes } from './routes/proxy_users.ts'
import { settingsRoutes } from './routes/settings.ts'
import { smppRoutes } from './routes/smpp.ts'
import { smsRoutes } from './routes/sms.ts'
import { userRoutes } from './routes/user.ts'

export interface HttpOptions {
  /** For the OpenAPI document. */
  readonly version: string
  /** Undefined: every admin route answers 503 `admin API key not configured`. */
  readonly adminKey: string | undefined
  /** `security.open_routes`: paths that need no admin key; the configuration says which may be among them. */
  readonly openRoutes: readonly string[]
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
}

export interface HttpApp {
  /** Throws when the port is taken. `port` 0 takes a free one. */
  listen(port: number, hostname: string): HttpServer
}

export interface HttpServer {
  readonly port: number
  /**
   * Takes no more requests and lets those in flight finish for up to `graceMs`. Then calls `lastCall`, after which
   * what only waits should be answered, and soon closes every connection.
   */
  stop(graceMs: number, lastCall?: () => void): Promise<void>
}

/** For the answers that only waited to hear that the server stops. */
const LAST_CALL_MS = 500

/**
 * The HTTP edge. A request passes, in this order:
 *
 * 1. the global limit (L1): the cheapest refusal comes first, and counts requests to nowhere too;
 * 2. the routes: an unknown path is 404, a known one by another method 405, whoever asks;
 * 3. authentication, before anything of the body is read: strangers cost neither memory nor a parse;
 * 4. the limit of the app (L2) and the lists of addresses: they need to know the app;
 * 5. the body: its type, its size, its time, its JSON;
 * 6. its schema, so that a handler sees only what is documented;
 * 7. the handler;
 * 8. the answer: whatever was thrown on the way becomes a status and a body (`problem.ts`), and each request
 *    is counted, once, with its route and status.
 *
 * 2 is here (Bun's router looks a path up before any code of ours runs, and its 404 waits for 1); the rest is
 * `edge.ts`, top to bottom.
 */
export function createApp(deps: HttpDependencies, options: HttpOptions): HttpApp {
  const edge = createEdge(deps, options.adminKey, () => app.server)
  const api = open(routesOf(deps), options.openRoutes)
  const routes = [...api, ...documentationRoutes(api, options.version)]

  const app = new Elysia({
    strictPath: true,
    // Else a path is looked for past a Host of some length, and a short one (`sms`, as nginx names an upstream) has none.
    handler: { standardHostname: false },
    serve: {
      // In place of the functions that Elysia gives Bun's router: their context, their `set` and one more async
      // function took 1 µs of a send, and the edge uses none of them. What the router misses goes by Elysia's.
      routes: directly(routes, edge.answer),
      // Else a second gateway on the same port would start without a word and take half of the requests.
      reusePort: false,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      // Bun's own 413 has no body: `body.ts` has the limit.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      ...(options.tls && { tls: options.tls }),
    },
  }).onError(({ code, error, request }) =>
    code === 'NOT_FOUND' ? edge.unmatched(request, methodsOf(routes, request)) : edge.broken(request, error),
  )
  for (const route of routes) {
    for (const path of spellings(route.path)) {
      // `parse: 'none'`: the edge reads the body, once its reader is known and within bounds.
      // No `onRequest` and no `server` in the context: what Elysia builds for them was 27 % of a send here.
      app.route(route.method, path, ({ request, params }) => edge.answer(route, request, params), {
        parse: 'none',
      })
    }
  }

  return {
    listen(port, hostname) {
      app.listen({ port, hostname })
      const { server } = app
      if (!server) throw new Error('the HTTP server did not start')
      return {
        port: server.port ?? port,
        async stop(graceMs, lastCall = () => undefined) {
          // Bun closes the port and what is idle at once, and is done when the rest is answered.
          const answered = server.stop(false).then(() => true)
          const within = (delayMs: number): Promise<boolean> => {
            const late = Promise.withResolvers<boolean>()
            const cancel = deps.clock.after(delayMs, () => late.resolve(false))
            return Promise.race([answered, late.promise]).finally(cancel)
          }
          if (!(await within(graceMs))) {
            lastCall()
            await within(LAST_CALL_MS)
          }
          await server.stop(true)
        },
      }
    },
  }
}

function routesOf(deps: HttpDependencies): readonly Route[] {
  return [
    ...monitoringRoutes(deps),
    ...userRoutes(deps),
    ...dashboardRoutes(deps),
    ...settingsRoutes(deps),
    ...smppRoutes(deps),
    ...smsRoutes(deps),
    ...campaignRoutes(deps),
    ...inboundRoutes(deps),
    ...filterRoutes(deps),
    ...explainRoutes(deps),
    ...adminRoutes(deps),
    ...proxyUserRoutes(deps),
  ]
}

type Answer = (route: Route, request: Request, params: Readonly<Record<string, string>>) => Promise<Response>

/** What Bun's router calls, by path and method. */
function directly(routes: readonly Route[], answer: Answer) {
  const byPath: Record<string, Partial<Record<Method, (request: BunRequest) => Promise<Response>>>> = {}
  for (const route of routes) {
    for (const path of spellings(route.path)) {
      const handle = (request: BunRequest) => answer(route, request, request.params)
      byPath[path] = { ...byPath[path], [route.method]: handle }
    }
  }
  return byPath
}

const open = (routes: readonly Route[], paths: readonly string[]): readonly Route[] =>
  routes.map(route => (paths.includes(route.path) ? { ...route, access: 'public' } : route))

/** A path that the reference writes with a slash at its end is known without one too. */
const spellings = (path: string): readonly string[] =>
  path.length > 1 && path.endsWith('/') ? [path, path.slice(0, -1)] : [path]

/** The methods of a path that was asked for by another one; empty when there is no such path. */
function methodsOf(routes: readonly Route[], request: Request): readonly string[] {
  const asked = pathOf(request.url).split('/')
  const matches = (path: string): boolean => {
    const segments = path.split('/')
    return (
      segments.length === asked.length &&
      segments.every((segment, at) => (segment.startsWith(':') ? asked[at] !== '' : segment === asked[at]))
    )
  }
  const methods = new Set<string>()
  for (const { method, path } of routes) {
    if (!spellings(path).some(matches)) continue
    methods.add(method)
    if (method === 'GET') methods.add('HEAD')
  }
  // Asked for by a method it has, the path was spelled in a way (a slash at its end, and no Host) that the router does
  // not take.
  return methods.has(request.method) ? [] : [...methods]
}
