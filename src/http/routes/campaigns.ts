import { Type } from '@sinclair/typebox'
import type { HttpDependencies } from '../dependencies.ts'
import { answerPage, PAGE_ERRORS, PAGE_QUERY, paged } from '../page.ts'
import { type Route, route } from '../route.ts'
import { FAILURE_GROUP, Integer } from '../shapes.ts'

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
    query: PAGE_QUERY,
    reply: {
      status: 200,
      description: 'A page of campaigns',
      schema: paged(Campaign),
      example: {
        success: true,
        data: [
          { campaign_uuid: 'abc-123', messages_sent: 1000, messages_failed: 5, messages_total: 1005, sme: 1 },
        ],
        pagination: { page: 1, limit: 50, total: 120, totalPages: 3 },
      },
    },
    errors: PAGE_ERRORS,
    failure: 'failed to get campaign metrics',
    handle: ({ request }) =>
      answerPage(
        request,
        page => store.campaigns(page),
        ({ campaign, sme, sent, failed }) => ({
          campaign_uuid: campaign,
          messages_sent: sent,
          messages_failed: failed,
          messages_total: sent + failed,
          sme,
        }),
      ),
  }),
]
