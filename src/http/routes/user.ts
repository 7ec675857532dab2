import { Type } from '@sinclair/typebox'
import { GatewayError } from '../../errors.ts'
import { DEFAULT_APP_ID } from '../../users/index.ts'
import { ANYONE } from '../auth.ts'
import type { HttpDependencies } from '../dependencies.ts'
import { badRequest, ok, reply, unauthorised } from '../problem.ts'
import { json, type Route, route } from '../route.ts'
import { Id, userField } from '../shapes.ts'

const Credentials = { email: userField('email'), password: userField('password') }
const UserId = Type.Object({ user_id: Id }, { $id: 'UserId' })

/** The shape of success with zero values, for success and error alike (contract §2). */
const zeroed = <Zero extends Readonly<Record<string, unknown>>>(
  $id: string,
  zero: Zero,
  type: ReturnType<typeof Type.Boolean> | ReturnType<typeof Type.Integer> | ReturnType<typeof Type.String>,
) => {
  const [field = ''] = Object.keys(zero)
  const schema = Type.Object({ [field]: type, error: Type.String() }, { $id })
  return { schema, error: { errorSchema: schema, errorBody: (error: string) => ({ ...zero, error }) } }
}

const registered = zeroed('RegisterReply', { user_id: 0 }, Type.Integer({ minimum: 0 }))
const loggedIn = zeroed('LoginReply', { token: '' }, Type.String())
const validated = zeroed('ValidateReply', { is_admin: false }, Type.Boolean())
const deleted = zeroed('DeleteReply', { result: false }, Type.Boolean())

const group = { method: 'POST', tag: 'Auth', failure: 'internal error' } as const

export const userRoutes = ({ users }: Pick<HttpDependencies, 'users'>): readonly Route[] => [
  route({
    ...group,
    ...registered.error,
    path: '/api/v1/user/register',
    access: 'admin',
    operationId: 'registerUser',
    summary: 'Register a user',
    description:
      'The user belongs to app 1 (`default`), or to the app that `app_id` names (not where this route is open to anyone).',
    body: json(Type.Object({ ...Credentials, app_id: Type.Optional(Id) }), {
      email: 'user@example.com',
      password: 'secret',
    }),
    reply: {
      status: 201,
      description: 'Created',
      schema: registered.schema,
      example: { user_id: 42, error: '' },
    },
    errors: {
      400: 'Missing or wrong fields, the user exists, or an unknown app',
      503: 'Too many registrations at once',
    },
    async handle({ body, caller }) {
      // Where an operator opened this route, whoever comes would read and send in the name of the app of his choice.
      if (caller === ANYONE && body.app_id !== undefined && body.app_id !== DEFAULT_APP_ID)
        throw badRequest('app_id: this route is open to anyone, and puts users into app 1 alone')
      const user_id = await users.register(body.email, body.password, body.app_id, caller.who)
      return reply(201, { user_id, error: '' })
    },
  }),
  route({
    ...group,
    ...loggedIn.error,
    path: '/api/v1/user/login',
    access: 'public',
    operationId: 'login',
    summary: 'Get a token',
    description: 'The token goes into `Authorization: Bearer …`, beside the `X-App-ID` of its app.',
    body: json(Type.Object({ ...Credentials, app_id: Id }), {
      email: 'user@example.com',
      password: 'secret',
      app_id: 1,
    }),
    reply: {
      status: 200,
      description: 'A token',
      schema: loggedIn.schema,
      example: { token: 'eyJhbGciOi...', error: '' },
    },
    errors: {
      400: 'Missing fields, or an unknown app',
      401: 'Invalid email or password',
      503: 'Too many logins at once',
    },
    async handle({ body }) {
      const token = await users.login(body.email, body.password, body.app_id)
      if (token === undefined) throw unauthorised('invalid email or password', 'route', 'Bearer')
      return ok({ token, error: '' })
    },
  }),
  route({
    ...group,
    ...validated.error,
    path: '/api/v1/user/validate',
    access: 'admin',
    operationId: 'validateUser',
    summary: 'Ask whether a user is an admin',
    description: 'Answers `is_admin` of the user.',
    body: json(UserId, { user_id: 42 }),
    reply: {
      status: 200,
      description: 'The answer',
      schema: validated.schema,
      example: { is_admin: true, error: '' },
    },
    errors: { 400: 'Invalid or zero id, or no such user' },
    handle({ body }) {
      const user = users.user(body.user_id)
      if (!user) throw badRequest('user not found')
      return ok({ is_admin: user.isAdmin, error: '' })
    },
  }),
  route({
    ...group,
    ...deleted.error,
    path: '/api/v1/user/delete',
    access: 'admin',
    operationId: 'deleteUser',
    summary: 'Delete a user',
    description: 'Ends the tokens of the user at once. An admin is not deleted: take the role away first.',
    body: json(UserId, { user_id: 42 }),
    reply: {
      status: 200,
      description: 'Deleted',
      schema: deleted.schema,
      example: { result: true, error: '' },
    },
    errors: { 400: 'Zero id, or the user is an admin', 404: 'User not found' },
    failure: 'failed to check admin status',
    handle({ body, caller }) {
      const user = users.user(body.user_id)
      if (!user) throw new GatewayError('not_found', 'user not found')
      if (user.isAdmin) throw badRequest('the user is an admin: take the role away first')
      users.delete(user.id, caller.who)
      return ok({ result: true, error: '' })
    },
  }),
]
