import type { Database } from 'bun:sqlite'
import { createHash } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import type { Audit } from './audit.ts'
import { DEFAULT_APP_ID } from './database.ts'
import type { App, Directory, User } from './directory.ts'
import {
  checkAllowedIps,
  checkAppName,
  checkAppSecret,
  checkEmail,
  checkPassword,
  invalid,
  normaliseEmail,
} from './fields.ts'
import { DUMMY_HASH, type Passwords } from './passwords.ts'
import type { Tokens } from './tokens.ts'

/** The app that calls, as the rest of the gateway needs it. */
export type AppIdentity = Omit<App, 'secretHash'>

export interface ProxyUser {
  readonly id: number
  readonly email: string
  readonly isAdmin: boolean
  readonly appId: number
  readonly appName: string
  /** Tells two secrets apart and nothing else. */
  readonly secretFingerprint: string
}

export interface NewProxyUser {
  readonly email: string
  readonly password: string
  readonly appName: string
  readonly appSecret: string
  /** Networks that the app may send from; undefined leaves an app's list as it is, empty lifts it. */
  readonly allowedIps?: readonly string[] | undefined
}

/**
 * Users, apps and who belongs where. A user belongs to one app. What is wrong with a request is a GatewayError
 * (`invalid`, `not_found`, `unavailable`); each change is on disk, with its line in the audit table, when the call returns.
 */
export class Users {
  constructor(
    private readonly db: Database,
    private readonly directory: Directory,
    private readonly tokens: Tokens,
    private readonly passwords: Passwords,
    private readonly audit: Audit,
  ) {}

  app(id: number): AppIdentity | undefined {
    return this.directory.app(id)
  }

  appCount(): number {
    return this.directory.appCount()
  }

  /** The user behind a token of app `appId`, while token, user and membership last. */
  authenticate(appId: number, token: string): number | undefined | Promise<number | undefined> {
    const app = this.directory.app(appId)
    if (!app) return undefined
    const named = this.tokens.userOf(app, token)
    return named instanceof Promise
      ? named.then(userId => this.#memberOf(appId, userId))
      : this.#memberOf(appId, named)
  }

  #memberOf(appId: number, userId: number | undefined): number | undefined {
    if (userId === undefined) return undefined
    return this.directory.user(userId)?.appId === appId ? userId : undefined
  }

  /**
   * A token, or undefined for an unknown email, a wrong password and a foreign app alike: each costs one
   * verification, so that none can be told from another by its time. An unknown app is `invalid`.
   */
  async login(email: string, password: string, appId: number): Promise<string | undefined> {
    const app = this.directory.app(appId)
    if (!app) throw invalid('failed to login: unknown app_id')
    const user = this.directory.userWithEmail(normaliseEmail(email))
    const fits = await this.passwords.verify(password, user?.passwordHash ?? DUMMY_HASH)
    if (!fits || user?.appId !== app.id) return undefined
    return this.tokens.sign(app, user.id)
  }

  /** Answers the new user's id. */
  async register(email: string, password: string, appId = DEFAULT_APP_ID, who = 'admin'): Promise<number> {
    const checked = { email: checkEmail(email), password: checkPassword(password) }
    const hash = await this.passwords.hash(checked.password)
    return this.#write(() => {
      if (!this.directory.app(appId)) throw invalid('unknown app_id')
      return this.#add(checked.email, hash, appId, who)
    })
  }

  /** Makes the app with its first user; an app that exists takes the user in when the secret is its own. */
  async registerProxyUser(request: NewProxyUser, who: string): Promise<number> {
    const email = checkEmail(request.email)
    const password = checkPassword(request.password)
    const name = checkAppName(request.appName)
    const secret = checkAppSecret(request.appSecret)
    const ips = request.allowedIps && checkAllowedIps(request.allowedIps)
    const existing = this.directory.appNamed(name)
    if (existing && !(await this.passwords.verify(secret, existing.secretHash))) {
      throw invalid('app_name is taken, and app_secret is not its own: give its secret or another name')
    }
    const secretHash = existing?.secretHash ?? (await this.passwords.hash(secret))
    const hash = await this.passwords.hash(password)
    return this.#write(() => {
      const appId = this.#joinOrMake(existing, name, secretHash, ips, who)
      return this.#add(email, hash, appId, who)
    })
  }

  /** Other requests ran while the hashes were made: what was found before may be gone, or taken. */
  #joinOrMake(
    existing: App | undefined,
    name: string,
    secretHash: string,
    ips: readonly string[] | undefined,
    who: string,
  ): number {
    if (existing && this.directory.app(existing.id)) {
      if (ips) this.#putAllowedIps(existing.id, ips, who)
      return existing.id
    }
    const made = this.directory.addApp(name, secretHash, ips ?? [])
    if (made === undefined) throw invalid('app_name was taken a moment ago: try again')
    this.audit.record(who, 'make app', `app ${made}`, ips?.join(' '))
    return made
  }

  #add(email: string, passwordHash: string, appId: number, who: string): number {
    const id = this.directory.addUser(email, passwordHash, appId)
    if (id === undefined) throw invalid('user already exists')
    this.audit.record(who, 'register user', `user ${id} of app ${appId}`)
    return id
  }

  /** As it is on disk: what is decided by it would else stand on what another process changed a moment ago. */
  user(id: number): Omit<User, 'passwordHash'> | undefined {
    this.directory.refresh()
    return this.directory.user(id)
  }

  /** All users, by id. */
  list(): readonly ProxyUser[] {
    const fingerprints = new Map<number, string>()
    return this.directory.members().map(({ id, email, isAdmin, app }) => {
      const secretFingerprint = fingerprints.get(app.id) ?? fingerprint(app.secretHash)
      fingerprints.set(app.id, secretFingerprint)
      return { id, email, isAdmin, appId: app.id, appName: app.name, secretFingerprint }
    })
  }

  /** Ends the user's tokens at once, and the app with its last user. */
  delete(userId: number, who: string): void {
    this.#write(() => {
      const { appId } = this.#existing(userId)
      this.directory.deleteUser(userId)
      this.audit.record(who, 'delete user', `user ${userId} of app ${appId}`)
      if (!this.directory.deleteUnusedApp(appId)) return
      this.tokens.forget(appId)
      this.audit.record(who, 'delete app', `app ${appId}`, 'its last user was deleted')
    })
  }

  /** Answers whether the user is an admin now. */
  toggleAdmin(userId: number, who: string): boolean {
    return this.#write(() => {
      const isAdmin = !this.#existing(userId).isAdmin
      this.directory.setAdmin(userId, isAdmin)
      this.audit.record(who, isAdmin ? 'make admin' : 'unmake admin', `user ${userId}`)
      return isAdmin
    })
  }

  /** Networks that the app may send from; an empty list lifts the limit. */
  setAllowedIps(appId: number, networks: readonly string[], who: string): void {
    const ips = checkAllowedIps(networks)
    this.#write(() => {
      if (!this.directory.app(appId)) throw new GatewayError('not_found', 'unknown app_id')
      this.#putAllowedIps(appId, ips, who)
    })
  }

  #putAllowedIps(appId: number, ips: readonly string[], who: string): void {
    this.directory.setAllowedIps(appId, ips)
    this.audit.record(who, 'set allowed ips', `app ${appId}`, ips.join(' '))
  }

  #existing(userId: number): User {
    const user = this.directory.user(userId)
    if (!user) throw new GatewayError('not_found', 'user not found')
    return user
  }

  #write<T>(change: () => T): T {
    const write = this.db.transaction(() => {
      this.directory.forget()
      return change()
    })
    return write.immediate()
  }
}

/** Of the stored form, which is salted: it says nothing about the secret itself. */
const fingerprint = (secretHash: string): string =>
  `sha256:${createHash('sha256').update(secretHash).digest('hex').slice(0, 16)}`
