import { describe, expect, test } from 'bun:test'
import { generateKeyPairSync, hkdfSync, sign } from 'node:crypto'
import { SignJWT } from 'jose'
import { Tokens } from '../../src/users/tokens.ts'
import { TurnedClock } from '../support/clock.ts'

const APP = { id: 1, secretHash: 'stored form' }
const OTHER = { id: 2, secretHash: 'stored form' }
const INSTALLATION = new Uint8Array(32).fill(7)

function tokens(rememberedMax = 10) {
  const clock = new TurnedClock()
  return { clock, all: new Tokens(INSTALLATION, { ttlSeconds: 60, rememberedMax }, clock) }
}

const base64 = (content: object): string => Buffer.from(JSON.stringify(content)).toString('base64url')
const keyOf = (app: typeof APP): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', app.secretHash, INSTALLATION, `app ${app.id}`, 32))

describe('a token', () => {
  test('names its user, to its own app, until it expires', async () => {
    const { clock, all } = tokens()
    const token = await all.sign(APP, 42)
    expect(await all.userOf(APP, token)).toBe(42)
    expect(all.userOf(APP, token)).toBe(42)
    clock.skip(59_000)
    expect(all.userOf(APP, token)).toBe(42)
    clock.skip(1000)
    expect(all.userOf(APP, token)).toBeUndefined()
    expect(await all.userOf(APP, token)).toBeUndefined()
  })

  test('carries sub, app_id, iat and exp, and is never of a second to come', async () => {
    const { clock, all } = tokens()
    clock.skip(999)
    const [, payload = ''] = (await all.sign(APP, 42)).split('.')
    const now = Math.floor(clock.now() / 1000)
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toEqual({
      sub: '42',
      app_id: 1,
      iat: now,
      exp: now + 60,
    })
  })

  test('of another app with the same secret is worth nothing, remembered or not', async () => {
    const { all } = tokens()
    const token = await all.sign(OTHER, 42)
    expect(await all.userOf(APP, token)).toBeUndefined()
    expect(await all.userOf(OTHER, token)).toBe(42)
    expect(all.userOf(APP, token)).toBeUndefined()
  })

  test('of another installation is worth nothing', async () => {
    const { clock, all } = tokens()
    const elsewhere = new Tokens(new Uint8Array(32), { ttlSeconds: 60, rememberedMax: 10 }, clock)
    expect(await all.userOf(APP, await elsewhere.sign(APP, 42))).toBeUndefined()
  })

  test('is remembered while there is room, and verified anew after', async () => {
    const { all } = tokens(2)
    const three = await Promise.all([1, 2, 3].map(user => all.sign(APP, user)))
    for (const [at, token] of three.entries()) expect(await all.userOf(APP, token)).toBe(at + 1)
    const [oldest = '', ...younger] = three
    for (const token of younger) expect(all.userOf(APP, token)).toBeNumber()
    expect(all.userOf(APP, oldest)).toBeInstanceOf(Promise)
    expect(await all.userOf(APP, oldest)).toBe(1)
  })
})

test.each([
  ['a blank', (signature: string) => `${signature.slice(0, 9)} ${signature.slice(9)}`],
  [
    'ten thousand tabs',
    (signature: string) => `${signature.slice(0, 9)}${'\t'.repeat(10_000)}${signature.slice(9)}`,
  ],
  ['padding', (signature: string) => `${signature}=`],
])('a token with %s in its signature is none: it is remembered in one spelling', async (_, respell) => {
  const { all } = tokens()
  const token = await all.sign(APP, 42)
  const signature = token.slice(token.lastIndexOf('.') + 1)
  expect(await all.userOf(APP, token.replace(signature, respell(signature)))).toBeUndefined()
  expect(await all.userOf(APP, token)).toBe(42)
})

describe('a forged token is refused:', () => {
  const claims = (clock: TurnedClock) => ({
    sub: '1',
    app_id: 1,
    iat: Math.floor(clock.now() / 1000),
    exp: Math.floor(clock.now() / 1000) + 60,
  })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

  const forgeries: Record<string, (clock: TurnedClock) => string | Promise<string>> = {
    'alg none': clock => `${base64({ alg: 'none' })}.${base64(claims(clock))}.`,
    'alg NONE with the signature kept': async clock => {
      const right = await new SignJWT(claims(clock)).setProtectedHeader({ alg: 'HS256' }).sign(keyOf(APP))
      return `${base64({ alg: 'NONE' })}.${right.split('.').slice(1).join('.')}`
    },
    'HS512 with the right key': clock =>
      new SignJWT(claims(clock))
        .setProtectedHeader({ alg: 'HS512' })
        .sign(Buffer.concat([keyOf(APP), keyOf(APP)])),
    'RS256 of a stranger': clock => {
      const signed = `${base64({ alg: 'RS256' })}.${base64(claims(clock))}`
      return `${signed}.${sign('sha256', Buffer.from(signed), rsa).toString('base64url')}`
    },
    'the stored form as the key': clock =>
      new SignJWT(claims(clock))
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(APP.secretHash)),
    'no exp': clock => {
      const { exp: _, ...rest } = claims(clock)
      return new SignJWT(rest).setProtectedHeader({ alg: 'HS256' }).sign(keyOf(APP))
    },
    'an app_id that is not its own': clock =>
      new SignJWT({ ...claims(clock), app_id: 2 }).setProtectedHeader({ alg: 'HS256' }).sign(keyOf(APP)),
    'a sub that is no number': clock =>
      new SignJWT({ ...claims(clock), sub: 'root' }).setProtectedHeader({ alg: 'HS256' }).sign(keyOf(APP)),
    'a changed payload': async clock => {
      const right = await new SignJWT(claims(clock)).setProtectedHeader({ alg: 'HS256' }).sign(keyOf(APP))
      const [head, , signature] = right.split('.')
      return `${head}.${base64({ ...claims(clock), sub: '2' })}.${signature}`
    },
    'no dots': () => 'token',
    nothing: () => '',
  }

  test.each(Object.entries(forgeries))('%s', async (_, forge) => {
    const { clock, all } = tokens()
    expect(await all.userOf(APP, await forge(clock))).toBeUndefined()
  })

  test('while the same claims, signed as they should be, are taken', async () => {
    const { clock, all } = tokens()
    const right = await new SignJWT(claims(clock)).setProtectedHeader({ alg: 'HS256' }).sign(keyOf(APP))
    expect(await all.userOf(APP, right)).toBe(1)
  })
})
