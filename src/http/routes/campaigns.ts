import { Type } from '@sinclair/typebox'
import type { HttpDependencies } from '../dependencies.ts'
import { badRequest, ok } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { FAILURE_GROUP, Integer, success } from '../shapes.ts'

const LIMIT_MAX = 100
const LIMIT_DEFAULT = 50
/** Past any page that exists, and its rows can still be counted exactly. */
const PAGE_MAX = Math.floor(Number.MAX_SAFE_INTEGER / LIMIT_MAX)

const Campaign = Type.Object(
  {
    campaign_uuid: Type.String(),
    messages_sent: Integer(),
    messages_failed: Integer(),
    messages_total: Integer(),
    sme: Integer(),
  },
  { $id: 'Campaign' },
)

export const campaignRoutes = ({ store }: Pick<HttpDependencies, 'store'>): readonly Route[] => [
  route({
    ...FAILURE_GROUP,
    method: 'GET',
    path: '/api/v1/admin/metrics/campaigns',
    access: 'admin',
    tag: 'Admin: Campaigns',
    operationId: 'campaigns',
    summary: 'Messages by campaign and link',
    description: 'Ordered by campaign, then link. A page past the end is empty.',
    query: [
      { name: 'page', description: 'From 1', schema: Type.Integer({ minimum: 1, default: 1 }) },
      {
        name: 'limit',
        description: `Rows a page; more than ${LIMIT_MAX} counts as ${LIMIT_MAX}`,
        schema: Type.Integer({ minimum: 1, default: LIMIT_DEFAULT }),
      },
    ],
    reply: {
      status: 200,
      description: 'A page of campaigns',
      schema: success(Type.Array(Campaign), {
        pagination: Type.Object({
          page: Integer(),
          limit: Integer(),
          total: Integer(),
          totalPages: Integer(),
        }),
      }),
      example: {
        success: true,
        data: [
          { campaign_uuid: 'abc-123', messages_sent: 1000, messages_failed: 5, messages_total: 1005, sme: 1 },
        ],
        pagination: { page: 1, limit: 50, total: 120, totalPages: 3 },
      },
    },
    errors: { 400: '`page` or `limit` is no positive integer' },
    failure: 'failed to get campaign metrics',
    async handle({ request }) {
      const query = new URL(request.url).searchParams
      const page = Math.min(positive(query, 'page', 1), PAGE_MAX)
      const limit = Math.min(positive(query, 'limit', LIMIT_DEFAULT), LIMIT_MAX)
      const { rows, total } = await store.campaigns({ offset: (page - 1) * limit, limit })
      const data = rows.map(({ campaign, sme, sent, failed }) => ({
        campaign_uuid: campaign,
        messages_sent: sent,
        messages_failed: failed,
        messages_total: sent + failed,
        sme,
      }))
      const pagination = { page, limit, total, totalPages: Math.ceil(total / limit) }
      return ok({ success: true, data, pagination })
    },
  }),
]

function positive(query: URLSearchParams, name: string, byDefault: number): number {
  const text = query.get(name)
  if (text === null) return byDefault
  if (/^0*[1-9]\d*$/.test(text)) return Number(text)
  throw badRequest(`${name} must be a positive integer`)
}
