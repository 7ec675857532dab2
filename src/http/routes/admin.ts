import { Type } from '@sinclair/typebox'
import type { HttpDependencies } from '../dependencies.ts'
import { ok } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { FAILURE_GROUP, Integer, mapOf, success } from '../shapes.ts'

const ServerConfig = Type.Object(
  {
    env: Type.String(),
    server_name: Type.String(),
    endpoint: Type.String(),
    tls: Type.Boolean(),
    storage: Type.Object({ db_path: Type.String() }),
    aerospike: Type.Object({
      hosts: Type.String(),
      port: Integer(),
      namespace: Type.String(),
      sweep_time: Type.String(),
      ttl: Type.String(),
      spool: Type.Optional(Type.Literal(true, { description: 'Left out while it is off' })),
      spool_max: Type.Optional(Integer()),
    }),
    security: Type.Object({ token_ttl: Type.String() }),
    grpc: Type.Object({ port: Integer(), timeout: Type.String() }),
    smpp: Type.Object({
      rules_loaded: Type.Boolean(),
      rules_error: Type.Optional(
        Type.String({ description: 'Why the file of rules is not in force: the last good ones are' }),
      ),
    }),
    filters: mapOf(
      Type.Object({
        active: Type.Boolean(),
        blacklist: Type.Boolean(),
        description: Type.String(),
        snippet: Type.String(),
        error: Type.Optional(Type.String({ description: 'Why its file as it stands is not in force' })),
      }),
      'By name',
    ),
    statistic_exporter: Type.Object({
      enabled: Type.Boolean(),
      target: Type.String(),
      bucket: Type.String(),
      tls: Type.Boolean(),
    }),
    monitoring: Type.Object({ otel: Type.Boolean(), sampling: Type.Number(), collector: Type.String() }),
  },
  { $id: 'ServerConfig', description: 'Durations as Go prints them' },
)

const group = { ...FAILURE_GROUP, access: 'admin' } as const

export const adminRoutes = (deps: Pick<HttpDependencies, 'serverConfig' | 'reload'>): readonly Route[] => [
  route({
    ...group,
    method: 'GET',
    path: '/api/v1/admin/settings/server-config',
    tag: 'Admin: Settings',
    operationId: 'serverConfig',
    summary: 'The effective configuration',
    description: 'What is in force, defaults included, with no secret in it.',
    reply: {
      status: 200,
      description: 'The configuration',
      schema: success(ServerConfig),
      example: {
        success: true,
        data: {
          env: 'production',
          server_name: 'sms-proxy-01',
          endpoint: '0.0.0.0:8088',
          tls: false,
          storage: { db_path: '/data/sms.db' },
          aerospike: {
            hosts: 'aero-1.local',
            port: 3000,
            namespace: 'sms',
            sweep_time: '1h0m0s',
            ttl: '86400s',
          },
          security: { token_ttl: '24h0m0s' },
          grpc: { port: 50051, timeout: '5s' },
          smpp: { rules_loaded: true },
          filters: {
            filter_name: {
              active: true,
              blacklist: false,
              description: 'Filter description',
              snippet: 'code snippet',
            },
          },
          statistic_exporter: {
            enabled: true,
            target: 'export.example.com',
            bucket: 'sms-stats',
            tls: true,
          },
          monitoring: { otel: true, sampling: 0.1, collector: 'otel-collector:4317' },
        },
      },
    },
    handle: async () => ok({ success: true, data: await deps.serverConfig() }),
  }),
  route({
    ...group,
    method: 'POST',
    path: '/api/v1/admin/reload',
    tag: 'Admin: Settings',
    operationId: 'reload',
    summary: 'Read rules, filters, links and limits again',
    description: 'As SIGHUP does. What is wrong is refused whole, and what was in force stays.',
    reply: {
      status: 200,
      description: 'In force',
      schema: Type.Object({ success: Type.Literal(true) }),
      example: { success: true },
    },
    errors: { 400: 'The configuration is wrong; `error` says where', 503: 'The gateway is stopping' },
    failure: 'reload failed, what was in force stays',
    async handle({ caller }) {
      await deps.reload(caller.who)
      return ok({ success: true })
    },
  }),
]
