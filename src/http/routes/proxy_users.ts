import { Type } from '@sinclair/typebox'
import { GatewayError } from '../../errors.ts'
import { FIELD_LENGTHS } from '../../users/index.ts'
import type { HttpDependencies } from '../dependencies.ts'
import { badRequest, ok, reply } from '../problem.ts'
import { json, type Route, route } from '../route.ts'
import { FAILURE_GROUP, Id, idParameter, success, userField } from '../shapes.ts'

const User = Type.Object(
  {
    id: Id,
    email: Type.String(),
    is_admin: Type.Boolean(),
    app_id: Id,
    app_name: Type.String(),
    app_secret: Type.String({ description: 'A fingerprint of the secret, never the secret' }),
  },
  { $id: 'ProxyUser' },
)

const USER_ID = idParameter('The id of a user', 1)

const group = { ...FAILURE_GROUP, access: 'admin', tag: 'Admin: Proxy users' } as const

export const proxyUserRoutes = ({ users }: Pick<HttpDependencies, 'users'>): readonly Route[] => [
  route({
    ...group,
    method: 'GET',
    path: '/api/v1/admin/proxy-users/',
    operationId: 'proxyUsers',
    summary: 'All users',
    description: 'Users with their apps, by id. `app_secret` is a fingerprint.',
    reply: {
      status: 200,
      description: 'Users',
      schema: success(Type.Array(User)),
      example: {
        success: true,
        data: [
          {
            id: 1,
            email: 'api-user@example.com',
            is_admin: false,
            app_id: 10,
            app_name: 'my-app',
            app_secret: 'secret-hash',
          },
        ],
      },
    },
    handle() {
      const data = users.list().map(user => ({
        id: user.id,
        email: user.email,
        is_admin: user.isAdmin,
        app_id: user.appId,
        app_name: user.appName,
        app_secret: user.secretFingerprint,
      }))
      return ok({ success: true, data })
    },
  }),
  route({
    ...group,
    method: 'POST',
    path: '/api/v1/admin/proxy-users/register',
    operationId: 'registerProxyUser',
    summary: 'Make a user with an app',
    description:
      'An app of that name takes the new user in when `app_secret` is its own. `allowed_ips` replaces the list of addresses and networks that the app may send from.',
    body: json(
      Type.Object({
        email: userField('email'),
        password: userField('password'),
        app_name: userField('app_name'),
        app_secret: userField('app_secret'),
        allowed_ips: Type.Optional(
          Type.Array(Type.String({ maxLength: 64 }), { description: FIELD_LENGTHS.allowed_ips }),
        ),
      }),
      {
        email: 'api-user@example.com',
        password: 'strongpass',
        app_name: 'my-app',
        app_secret: 'my-secret',
      },
    ),
    reply: {
      status: 201,
      description: 'Created',
      schema: success(Type.Object({ user_id: Id })),
      example: { success: true, data: { user_id: 42 } },
    },
    errors: {
      400: 'Missing or wrong fields, the user exists, or the app of that name has another secret',
      503: 'Too many registrations at once',
    },
    async handle({ body, caller }) {
      const { email, password, app_name: appName, app_secret: appSecret, allowed_ips: allowedIps } = body
      const request = { email, password, appName, appSecret, allowedIps }
      const user_id = await users.registerProxyUser(request, caller.who)
      return reply(201, { success: true, data: { user_id } })
    },
  }),
  route({
    ...group,
    method: 'DELETE',
    path: '/api/v1/admin/proxy-users/:id',
    id: USER_ID,
    operationId: 'deleteProxyUser',
    summary: 'Delete a user',
    description: 'Ends the tokens of the user at once; an app goes with its last user.',
    reply: {
      status: 200,
      description: 'Deleted',
      schema: Type.Object({ success: Type.Literal(true) }),
      example: { success: true },
    },
    errors: { 400: 'Invalid id, or no such user' },
    handle({ params, caller }) {
      const id = USER_ID.read(params)
      if (!users.user(id)) throw badRequest('user not found')
      users.delete(id, caller.who)
      return ok({ success: true })
    },
  }),
  route({
    ...group,
    method: 'PUT',
    path: '/api/v1/admin/proxy-users/:id/toggle-admin',
    id: USER_ID,
    operationId: 'toggleAdmin',
    summary: 'Give or take the admin role',
    description: 'Turns `is_admin` of the user over.',
    reply: {
      status: 200,
      description: 'Toggled',
      schema: success(Type.Object({ id: Id, is_admin: Type.Boolean() })),
      example: { success: true, data: { id: 42, is_admin: true } },
    },
    errors: { 400: 'Invalid id', 500: 'No such user, or the service failed' },
    handle({ params, caller }) {
      const id = USER_ID.read(params)
      if (!users.user(id)) throw new GatewayError('internal', 'user not found')
      return ok({ success: true, data: { id, is_admin: users.toggleAdmin(id, caller.who) } })
    },
  }),
]
