import { hkdfSync } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import type { Clock } from '../clock.ts'

/** What a token is signed for, with the stored form of the app's secret. */
export interface TokenApp {
  readonly id: number
  readonly secretHash: string
}

export interface TokenOptions {
  readonly ttlSeconds: number
  /** Verified tokens that are remembered, so that their signature is checked once. */
  readonly rememberedMax: number
}

interface Verified {
  readonly appId: number
  readonly userId: number
  /** Unix milliseconds. */
  readonly expiresAt: number
}

/**
 * Ends in a signature as `sign` writes it. The decoder of base64 skips blanks and padding: with them one token would be
 * remembered under thousands of spellings, each as long as a header may be.
 */
const SIGNED = /\.[\w-]{43}$/

/**
 * HS256 tokens, each app's under a key of its own: HKDF-SHA256 of the stored form of its secret with the
 * installation's random key as salt. Who knows a token and guesses at short secrets lacks both.
 */
export class Tokens {
  readonly #keys = new Map<number, Promise<CryptoKey>>()
  readonly #verified = new Map<string, Verified>()

  constructor(
    private readonly installationKey: Uint8Array,
    private readonly options: TokenOptions,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  async sign(app: TokenApp, userId: number): Promise<string> {
    const now = Math.floor(this.clock.now() / 1000)
    return new SignJWT({ app_id: app.id })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setSubject(String(userId))
      .setIssuedAt(now)
      .setExpirationTime(now + this.options.ttlSeconds)
      .sign(await this.#keyOf(app))
  }

  /**
   * The user that the token names, when `app` signed it and it has not expired. Whether that user still
   * exists is the caller's question. A token seen before answers at once, without a promise.
   */
  userOf(app: TokenApp, token: string): number | undefined | Promise<number | undefined> {
    const known = this.#verified.get(token)
    if (known === undefined) return this.#verify(app, token)
    return known.expiresAt > this.clock.now() && known.appId === app.id ? known.userId : undefined
  }

  async #verify(app: TokenApp, token: string): Promise<number | undefined> {
    if (!SIGNED.test(token)) return undefined
    const key = await this.#keyOf(app)
    const payload = await jwtVerify(token, key, {
      algorithms: ['HS256'],
      currentDate: new Date(this.clock.now()),
    }).then(
      result => result.payload,
      () => undefined,
    )
    const userId = Number(payload?.sub)
    if (payload?.exp === undefined || payload.app_id !== app.id || !Number.isSafeInteger(userId))
      return undefined
    this.#remember(token, { appId: app.id, userId, expiresAt: payload.exp * 1000 })
    return userId
  }

  #remember(token: string, verified: Verified): void {
    if (this.#verified.size >= this.options.rememberedMax) {
      const [oldest] = this.#verified.keys()
      if (oldest !== undefined) this.#verified.delete(oldest)
    }
    this.#verified.set(token, verified)
  }

  #keyOf({ id, secretHash }: TokenApp): Promise<CryptoKey> {
    const known = this.#keys.get(id)
    if (known) return known
    const bytes = new Uint8Array(hkdfSync('sha256', secretHash, this.installationKey, `app ${id}`, 32))
    const key = crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign',
      'verify',
    ])
    this.#keys.set(id, key)
    return key
  }

  /** Drops the key of an app that is gone. */
  forget(appId: number): void {
    this.#keys.delete(appId)
  }
}
