import { createHash, timingSafeEqual } from 'node:crypto'
import type { AppIdentity } from '../users/index.ts'
import type { HttpUsers } from './dependencies.ts'
import { HttpProblem, unauthorised } from './problem.ts'

/** Who a route is for: everybody, holders of the admin key, users of an app with their token. */
export type Access = 'public' | 'admin' | 'app'

/** Who calls; routes for everybody or for the admin have no app. */
export interface Caller {
  /** For the audit table and the log: `admin`, `user 42`. */
  readonly who: string
  readonly app: AppIdentity | undefined
}

/** Who calls a route for everybody. */
export const ANYONE: Caller = { who: 'anyone', app: undefined }
const ADMIN: Caller = { who: 'admin', app: undefined }

const INTEGER = /^-?\d+$/

const stranger = (text: string): HttpProblem => unauthorised(text, 'plain', 'Bearer')
const badToken = (): HttpProblem => stranger('invalid or expired token')

export type Authenticate = (request: Request) => Caller | Promise<Caller>

export function createAuthentication(
  users: HttpUsers,
  adminKey: string | undefined,
): Readonly<Record<Access, Authenticate>> {
  // Digests have one length, which timingSafeEqual needs, and tell nothing of the key's.
  const digest = (key: string): Buffer => createHash('sha256').update(key).digest()
  const expected = adminKey ? digest(adminKey) : undefined

  return {
    public: () => ANYONE,
    admin(request) {
      if (!expected) throw new HttpProblem(503, 'admin API key not configured', 'plain')
      if (timingSafeEqual(digest(request.headers.get('x-admin-key') ?? ''), expected)) return ADMIN
      throw unauthorised('invalid or missing admin key', 'plain', 'Key realm="X-Admin-Key"')
    },
    /** The checks in the order of the reference's table. */
    app({ headers }) {
      const authorization = headers.get('authorization')
      if (!authorization) throw stranger('authorization header required')
      const appId = headers.get('x-app-id')
      if (!appId) throw stranger('X-App-ID header required')
      if (!INTEGER.test(appId)) throw new HttpProblem(400, 'invalid X-App-ID', 'plain')
      const app = users.app(Number(appId))
      if (!app) throw stranger('unknown app_id')
      if (!authorization.startsWith('Bearer ')) throw badToken()
      const user = users.authenticate(app.id, authorization.slice(7).trim())
      // A token that was seen before is known at once.
      return user instanceof Promise ? user.then(userId => userOf(app, userId)) : userOf(app, user)
    },
  }
}

function userOf(app: Caller['app'], userId: number | undefined): Caller {
  if (userId === undefined) throw badToken()
  return { who: `user ${userId}`, app }
}
