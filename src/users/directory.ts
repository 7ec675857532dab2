import type { Database } from 'bun:sqlite'
import type { Clock } from '../clock.ts'
import type { IpList } from '../ip_list.ts'
import { DEFAULT_APP_ID } from './database.ts'
import { storedIps } from './fields.ts'

export interface App {
  readonly id: number
  readonly name: string
  readonly secretHash: string
  readonly allowedIps: IpList
}

export interface User {
  readonly id: number
  readonly email: string
  readonly passwordHash: string
  readonly isAdmin: boolean
  readonly appId: number
}

/** A user with the app that it belongs to. */
export interface Member extends Pick<User, 'id' | 'email' | 'isAdmin'> {
  readonly app: Pick<App, 'id' | 'name' | 'secretHash'>
}

interface AppRow {
  readonly id: number
  readonly name: string
  readonly secret_hash: string
  readonly allowed_ips: string
}

interface UserRow {
  readonly id: number
  readonly email: string
  readonly password_hash: string
  readonly is_admin: number
  readonly app_id: number
}

type MemberRow = Omit<UserRow, 'password_hash'> & Pick<AppRow, 'name' | 'secret_hash'>

/** How long a change that another process made (`sms-proxy user …`) may go unseen. */
const UNSEEN_MS_MAX = 100
const REMEMBERED_MAX = 10_000

const APP = 'SELECT id, name, secret_hash, allowed_ips FROM apps'
const USER = 'SELECT id, email, password_hash, is_admin, app_id FROM users'

/**
 * The rows of users and apps. Lookups by id, which every request makes, are remembered until anything changes,
 * here or in another process. Callers check fields before and hold a transaction where they write twice.
 */
export class Directory {
  readonly #apps = new Map<number, App>()
  readonly #users = new Map<number, User>()
  readonly #sql
  #checkedAt = Number.NEGATIVE_INFINITY
  #version: number | undefined

  constructor(
    db: Database,
    private readonly clock: Pick<Clock, 'now' | 'monotonic'>,
  ) {
    this.#sql = {
      version: db.query<{ data_version: number }, []>('PRAGMA data_version'),
      app: db.query<AppRow, [number]>(`${APP} WHERE id = ?`),
      appByName: db.query<AppRow, [string]>(`${APP} WHERE name = ?`),
      appCount: db.query<{ count: number }, []>('SELECT count(*) AS count FROM apps'),
      addApp: db.query<{ id: number }, [string, string, string, number]>(
        `INSERT INTO apps (name, secret_hash, allowed_ips, created_at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO NOTHING RETURNING id`,
      ),
      setIps: db.query<null, [string, number]>('UPDATE apps SET allowed_ips = ? WHERE id = ?'),
      deleteUnusedApp: db.query<{ id: number }, [number, number, number]>(
        'DELETE FROM apps WHERE id = ? AND id <> ? AND NOT EXISTS (SELECT 1 FROM users WHERE app_id = ?) RETURNING id',
      ),
      user: db.query<UserRow, [number]>(`${USER} WHERE id = ?`),
      userByEmail: db.query<UserRow, [string]>(`${USER} WHERE email = ?`),
      members: db.query<MemberRow, []>(
        `SELECT users.id, email, is_admin, app_id, name, secret_hash FROM users JOIN apps ON apps.id = app_id
         ORDER BY users.id`,
      ),
      addUser: db.query<{ id: number }, [string, string, number, number]>(
        `INSERT INTO users (email, password_hash, app_id, created_at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO NOTHING RETURNING id`,
      ),
      setAdmin: db.query<null, [number, number]>('UPDATE users SET is_admin = ? WHERE id = ?'),
      deleteUser: db.query<null, [number]>('DELETE FROM users WHERE id = ?'),
    }
  }

  app(id: number): App | undefined {
    this.#notice()
    return this.#apps.get(id) ?? remember(this.#apps, id, appOf(this.#sql.app.get(id)))
  }

  appNamed(name: string): App | undefined {
    return appOf(this.#sql.appByName.get(name))
  }

  appCount(): number {
    return this.#sql.appCount.get()?.count ?? 0
  }

  /** Undefined when the name is taken. */
  addApp(name: string, secretHash: string, allowedIps: readonly string[]): number | undefined {
    this.forget()
    return this.#sql.addApp.get(name, secretHash, JSON.stringify(allowedIps), this.clock.now())?.id
  }

  setAllowedIps(appId: number, allowedIps: readonly string[]): void {
    this.forget()
    this.#sql.setIps.run(JSON.stringify(allowedIps), appId)
  }

  /** True when the app had no user left and is gone; the default app stays. */
  deleteUnusedApp(appId: number): boolean {
    this.forget()
    return this.#sql.deleteUnusedApp.get(appId, DEFAULT_APP_ID, appId) !== null
  }

  user(id: number): User | undefined {
    this.#notice()
    return this.#users.get(id) ?? remember(this.#users, id, userOf(this.#sql.user.get(id)))
  }

  userWithEmail(email: string): User | undefined {
    return userOf(this.#sql.userByEmail.get(email))
  }

  /** All users, by id. In one go: to look each app up, with its networks, took most of the time of a long list. */
  members(): Member[] {
    return this.#sql.members.all().map(({ id, email, is_admin, app_id, name, secret_hash }) => {
      return { id, email, isAdmin: is_admin === 1, app: { id: app_id, name, secretHash: secret_hash } }
    })
  }

  /** Undefined when the email is taken. */
  addUser(email: string, passwordHash: string, appId: number): number | undefined {
    this.forget()
    return this.#sql.addUser.get(email, passwordHash, appId, this.clock.now())?.id
  }

  setAdmin(userId: number, isAdmin: boolean): void {
    this.forget()
    this.#sql.setAdmin.run(isAdmin ? 1 : 0, userId)
  }

  deleteUser(userId: number): void {
    this.forget()
    this.#sql.deleteUser.run(userId)
  }

  /** From here on lookups tell what is on disk now, whichever process wrote it. */
  forget(): void {
    this.#apps.clear()
    this.#users.clear()
  }

  /** The same, for who changes nothing: what no process has written since stays remembered. */
  refresh(): void {
    this.#checkedAt = Number.NEGATIVE_INFINITY
    this.#notice()
  }

  /** `data_version` changes when another connection wrote; asking takes 2 µs, too much for every request. */
  #notice(): void {
    const now = this.clock.monotonic()
    if (now - this.#checkedAt < UNSEEN_MS_MAX) return
    this.#checkedAt = now
    const version = this.#sql.version.get()?.data_version
    if (version !== this.#version) this.forget()
    this.#version = version
  }
}

function remember<T>(known: Map<number, T>, id: number, found: T | undefined): T | undefined {
  if (found === undefined) return undefined
  if (known.size >= REMEMBERED_MAX) known.clear()
  known.set(id, found)
  return found
}

function appOf(row: AppRow | null): App | undefined {
  if (row === null) return undefined
  const { id, name, secret_hash, allowed_ips } = row
  return { id, name, secretHash: secret_hash, allowedIps: storedIps(JSON.parse(allowed_ips) as string[]) }
}

function userOf(row: UserRow | null): User | undefined {
  if (row === null) return undefined
  const { id, email, password_hash, is_admin, app_id } = row
  return { id, email, passwordHash: password_hash, isAdmin: is_admin === 1, appId: app_id }
}
