import { Type } from '@sinclair/typebox'
import { GatewayError } from '../../errors.ts'
import type { HttpDependencies } from '../dependencies.ts'
import { ok } from '../problem.ts'
import { json, mirrored, type Route } from '../route.ts'
import { FAILURE_GROUP, Integer, idParameter, success } from '../shapes.ts'

const REASON_MAX = 500
const LINK_ID = idParameter('The id of an SMPP link', 0)

export const smppRoutes = ({ links }: Pick<HttpDependencies, 'links'>): readonly Route[] =>
  mirrored({
    ...FAILURE_GROUP,
    method: 'PUT',
    path: '/smpp/:id/toggle',
    id: LINK_ID,
    tag: 'SMPP Control',
    operationId: 'toggleLink',
    summary: 'Enable or disable a link',
    description:
      'Disabling lets what is in flight come home and unbinds; it holds over a restart. Who, when and why is kept.',
    body: json(
      Type.Object({ enabled: Type.Boolean(), reason: Type.Optional(Type.String({ maxLength: REASON_MAX })) }),
      { enabled: false, reason: 'maintenance window' },
    ),
    reply: {
      status: 200,
      description: 'Toggled',
      schema: success(Type.Object({ id: Integer(), name: Type.String(), enabled: Type.Boolean() })),
      example: { success: true, data: { id: 1, name: 'smpp-link-1', enabled: false } },
    },
    errors: { 400: 'Invalid id or request body', 500: 'Link not found, or it could not be toggled' },
    failure: 'the link could not be toggled',
    async handle({ params, body, caller }) {
      const id = LINK_ID.read(params)
      const link = links.byId(id)
      if (!link) throw new GatewayError('unknown_esme', 'link not found')
      await links.toggle(id, body.enabled, body.reason ?? '', caller.who)
      return ok({ success: true, data: { id, name: link.name, enabled: body.enabled } })
    },
  })
