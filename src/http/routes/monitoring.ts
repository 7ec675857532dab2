import { Type } from '@sinclair/typebox'
import type { HttpDependencies } from '../dependencies.ts'
import { ok, reply } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { PLAIN_GROUP } from '../shapes.ts'

const group = { ...PLAIN_GROUP, method: 'GET', access: 'public', tag: 'Monitoring' } as const

export const monitoringRoutes = (deps: Pick<HttpDependencies, 'metrics' | 'ready'>): readonly Route[] => [
  route({
    ...group,
    path: '/healthy',
    operationId: 'healthy',
    summary: 'Liveness',
    description: 'Answers while the process serves requests.',
    reply: {
      status: 200,
      description: 'Alive',
      schema: Type.Object({ status: Type.Literal('ok') }),
      example: { status: 'ok' },
    },
    handle: () => ok({ status: 'ok' }),
  }),
  route({
    ...group,
    path: '/ready',
    operationId: 'ready',
    summary: 'Readiness',
    description:
      'Answers 200 while messages can be taken: for load balancers. `warning` says what an operator should know ' +
      'although they are.',
    reply: {
      status: 200,
      description: 'Ready',
      schema: Type.Object({ status: Type.Literal('ready'), warning: Type.Optional(Type.String()) }),
      example: { status: 'ready' },
    },
    errors: { 503: 'Not ready; `error` says why' },
    handle() {
      const { ready, reason } = deps.ready()
      if (!ready) return reply(503, { error: `not ready: ${reason}` })
      return ok({ status: 'ready', ...(reason !== '' && { warning: reason }) })
    },
  }),
  route({
    ...group,
    path: '/metrics',
    operationId: 'metrics',
    summary: 'Prometheus metrics',
    description: 'The Prometheus text format, version 0.0.4.',
    reply: {
      status: 200,
      description: 'Metrics',
      mediaType: 'text/plain',
      example: '# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.5\n',
    },
    async handle() {
      return new Response(await deps.metrics.render(), {
        headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
      })
    },
  }),
]
