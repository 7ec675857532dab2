import { Type } from '@sinclair/typebox'
import type { HttpDependencies } from '../dependencies.ts'
import { ok } from '../problem.ts'
import { mirrored, type Route, route } from '../route.ts'
import { FAILURE_GROUP, Integer, LinkState, success } from '../shapes.ts'

type Dependencies = Pick<HttpDependencies, 'stats' | 'store' | 'users' | 'links' | 'pools'>

const TOP_CAMPAIGNS = 10
const SHORT_NAME_MAX = 24

const Link = Type.Object(
  {
    id: Integer(),
    name: Type.String(),
    status: LinkState,
    current_tps: Type.Number({ minimum: 0, description: 'Parts sent in the last second' }),
    limit_tps: Type.Number({ minimum: 0, description: 'Parts a second; 0 is no limit' }),
    enabled: Type.Boolean(),
  },
  { $id: 'Link' },
)

const Pool = Type.Object(
  {
    id: Integer(),
    name: Type.String(),
    links: Type.Array(Type.String()),
    total_tps: Type.Number({ minimum: 0, description: 'The limits of its links together; 0 is no limit' }),
  },
  { $id: 'Pool' },
)

const Time = Type.String({ description: 'Minute of the day, HH:MM' })
const Share = Type.Number({ minimum: 0, maximum: 100, description: 'Per cent' })

const Stats = Type.Object(
  {
    rps: Type.Object({
      current: Type.Number(),
      data: Type.Array(Type.Object({ time: Time, rps: Type.Number() })),
    }),
    errors: Type.Object({
      rate: Share,
      data: Type.Array(Type.Object({ time: Time, errors: Integer(), rate: Share })),
    }),
    topCampaignStats: Type.Array(
      Type.Object({
        index: Type.Integer({ minimum: 1 }),
        name: Type.String(),
        short_name: Type.String(),
        messages: Integer(),
      }),
    ),
    system: Type.Object({ cpu: Share, ram: Share, disk: Share }),
  },
  { $id: 'Stats' },
)

const group = { ...FAILURE_GROUP, method: 'GET', tag: 'Dashboard' } as const

export const dashboardRoutes = (deps: Dependencies): readonly Route[] => {
  const { stats, store, users, links, pools } = deps
  const statistics = {
    ...group,
    summary: 'Requests, errors, campaigns and the host',
    description:
      'One point a minute for the last hour, oldest first; the ten largest campaigns; the load of the host.',
    reply: {
      status: 200,
      description: 'Statistics',
      schema: success(Stats),
      example: {
        success: true,
        data: {
          rps: { current: 1200, data: [{ time: '14:30', rps: 1150.0 }] },
          errors: { rate: 0.5, data: [{ time: '14:30', errors: 3, rate: 0.26 }] },
          topCampaignStats: [{ index: 1, name: 'campaign-abc', short_name: 'campaign-abc', messages: 54321 }],
          system: { cpu: 23.4, ram: 65.0, disk: 41.2 },
        },
      },
    },
    failure: 'failed to get top campaigns',
    async handle() {
      const top = await store.topCampaigns(TOP_CAMPAIGNS)
      const topCampaignStats = top.map(({ campaign, messages }, at) => ({
        index: at + 1,
        name: campaign,
        short_name: shorten(campaign),
        messages,
      }))
      const data = { rps: stats.requests(), errors: stats.errors(), topCampaignStats, system: stats.system() }
      return ok({ success: true, data })
    },
  } as const

  return [
    route({ ...statistics, access: 'admin', path: '/dashboard/stats', operationId: 'stats' }),
    route({ ...statistics, access: 'app', path: '/api/v1/dashboard/stats', operationId: 'dashboardStats' }),
    ...mirrored({
      ...group,
      path: '/dashboard/metrics',
      operationId: 'dashboardMetrics',
      summary: 'Totals',
      description: 'Messages ever accepted, apps, and bound SMPP sessions.',
      reply: {
        status: 200,
        description: 'Totals',
        schema: success(
          Type.Object({
            total_messages: Integer(),
            total_companies: Integer(),
            active_connections: Integer(),
          }),
        ),
        example: {
          success: true,
          data: { total_messages: 1234567, total_companies: 45, active_connections: 12 },
        },
      },
      async handle() {
        const { messages } = await store.totals()
        return ok({
          success: true,
          data: {
            total_messages: messages,
            total_companies: users.appCount(),
            active_connections: links.sessions(),
          },
        })
      },
    }),
    ...mirrored({
      ...group,
      path: '/dashboard/smpp-links',
      operationId: 'smppLinks',
      summary: 'SMPP links and their state',
      description: 'All configured links, by id.',
      reply: {
        status: 200,
        description: 'Links',
        schema: success(Type.Array(Link)),
        example: {
          success: true,
          data: [
            { id: 1, name: 'smpp-link-1', status: 'LOADED', current_tps: 100, limit_tps: 100, enabled: true },
          ],
        },
      },
      handle() {
        const data = links.list().map(({ id, name, state, currentTps, limitTps, enabled }) => {
          return { id, name, status: state, current_tps: currentTps, limit_tps: limitTps, enabled }
        })
        return ok({ success: true, data })
      },
    }),
    ...mirrored({
      ...group,
      path: '/dashboard/load-balancers',
      operationId: 'loadBalancers',
      summary: 'Pools of links',
      description: 'The pools that messages are balanced over.',
      reply: {
        status: 200,
        description: 'Pools',
        schema: success(Type.Array(Pool)),
        example: {
          success: true,
          data: [{ id: 0, name: 'pool-1', links: ['smpp-link-1', 'smpp-link-2'], total_tps: 200 }],
        },
      },
      handle() {
        const data = pools().map(pool => {
          return { id: pool.id, name: pool.name, links: pool.links, total_tps: pool.totalTps }
        })
        return ok({ success: true, data })
      },
    }),
  ]
}

/** For the narrow column of a table. */
function shorten(name: string): string {
  const characters = [...name]
  return characters.length <= SHORT_NAME_MAX ? name : `${characters.slice(0, SHORT_NAME_MAX - 1).join('')}…`
}
