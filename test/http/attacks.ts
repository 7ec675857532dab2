import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { raw as rawTo } from './raw.ts'
import { jsonOf } from './support.ts'

/** What is attacked: the edge by itself, or the whole binary. */
export interface Target {
  readonly url: string
  readonly port: number
  /** A user of app 1, and a token of his. */
  readonly email: string
  readonly password: string
  readonly token: string
  readonly asApp: Readonly<Record<string, string>>
  readonly asAdmin: Readonly<Record<string, string>>
  /** Messages that went on to be sent. */
  sent(): number
  /** What it logged as an error of its own, since it was opened. */
  faults(): readonly string[]
  close(): Promise<unknown>
}

const PASSWORD = 'strongpass'
type Headers = Readonly<Record<string, string>>

/** A line of a stack, a path of the host or of the binary, SQL that ran: what no stranger is told. */
const INSIDE = /\bat \S+[:(]|\.ts\b|\$bunfs|node_modules|\/(?:home|tmp|var|usr)\/|SQLITE|SELECT |INSERT INTO/

/** One suite of attacks, for every target. After each no answer has told of its inside, and nothing went wrong there. */
export function attacks(open: () => Promise<Target>): void {
  let target: Target
  const answers: string[] = []
  beforeAll(async () => {
    target = await open()
  })
  afterEach(() => {
    for (const answer of answers.splice(0)) expect(answer).not.toMatch(INSIDE)
    expect(target.faults()).toEqual([])
  })
  afterAll(() => target.close())

  const raw = async (...asked: Parameters<typeof rawTo>): Promise<string> => {
    const answer = await rawTo(...asked)
    answers.push(answer)
    return answer
  }
  const fetch: typeof globalThis.fetch = Object.assign(
    async (...asked: Parameters<typeof globalThis.fetch>) => {
      const response = await globalThis.fetch(...asked)
      answers.push(await response.clone().text())
      return response
    },
    globalThis.fetch,
  )
  const tokenOf = async (email: string, app_id: number): Promise<string> => {
    const answer = await post('/api/v1/user/login', { email, password: PASSWORD, app_id }, {})
    return ((await answer.json()) as { token: string }).token
  }
  const userOne = async () => (await post('/api/v1/user/validate', { user_id: 1 }, target.asAdmin)).status

  const SEND = { esme: 1, source: 'shop', destination: '+987654321', message: 'Hello' }
  const post = (path: string, content: unknown, headers: Headers = target.asApp) =>
    fetch(target.url + path, jsonOf(content, headers))
  const send = (body: RequestInit['body'], headers: Record<string, string> = {}) =>
    fetch(`${target.url}/api/v1/sms/send`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...target.asApp, ...headers },
      body,
    })

  describe('a caller with', () => {
    test('the token of another app reads and sends nothing', async () => {
      const other = {
        email: 'other@example.com',
        password: PASSWORD,
        app_name: 'other',
        app_secret: 'other-secret',
      }
      await post('/api/v1/admin/proxy-users/register', other, target.asAdmin)
      const users = await fetch(`${target.url}/api/v1/admin/proxy-users`, { headers: target.asAdmin })
      const { data } = (await users.json()) as { data: { email: string; app_id: number }[] }
      const appId = data.find(({ email }) => email === other.email)?.app_id ?? 0
      const token = await tokenOf(other.email, appId)
      const asForeigner = { authorization: `Bearer ${token}`, 'x-app-id': '1' }
      const refused = await post('/api/v1/sms/send', SEND, asForeigner)
      expect(refused.status).toBe(401)
      const { message_id } = (await (await post('/api/v1/sms/send', SEND)).json()) as { message_id: string }
      const ask = (headers: Headers) => post('/api/v1/sms/info', { esme: 1, message_id }, headers)
      expect((await ask(target.asApp)).status).toBe(200)
      expect((await ask({ authorization: `Bearer ${token}`, 'x-app-id': String(appId) })).status).toBe(404)
    })

    test('the token of a deleted user is out at once, in the middle of a connection', async () => {
      const leaver = { email: 'leaver@example.com', password: PASSWORD }
      const made = await post('/api/v1/user/register', leaver, target.asAdmin)
      const { user_id } = (await made.json()) as { user_id: number }
      const token = await tokenOf(leaver.email, 1)
      const headers = { authorization: `Bearer ${token}`, 'x-app-id': '1' }
      const links = () => fetch(`${target.url}/api/v1/dashboard/smpp-links`, { headers })
      expect((await links()).status).toBe(200)
      const gone = await post('/api/v1/user/delete', { user_id }, target.asAdmin)
      expect(gone.status).toBe(200)
      expect((await links()).status).toBe(401)
    })

    test.each([
      ['alg none', { alg: 'none' }],
      ['alg HS512', { alg: 'HS512' }],
      ['alg RS256', { alg: 'RS256' }],
      ['a key in its header', { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }],
    ])('a token with %s is refused', async (_, head) => {
      const [, payload, signature] = target.token.split('.')
      const forged = `${Buffer.from(JSON.stringify(head)).toString('base64url')}.${payload}.${signature}`
      const headers = { authorization: `Bearer ${forged}`, 'x-app-id': '1' }
      const response = await fetch(`${target.url}/api/v1/dashboard/smpp-links`, { headers })
      expect(response.status).toBe(401)
      expect(await response.json()).toEqual({ error: 'invalid or expired token' })
    })

    test.each(['1e0', '0x1', ' 1 1', '1;1', '٣', 'NaN', '1.0'])('X-App-ID %s is no number', async appId => {
      const response = await raw(
        target.port,
        `GET /api/v1/dashboard/metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${target.token}\r\nX-App-ID: ${appId}\r\n\r\n`,
      )
      expect(response).toStartWith('HTTP/1.1 400')
    })

    test.each(['-1', '0', '99999999999999999999999'])('X-App-ID %s is no app', async appId => {
      const headers = { ...target.asApp, 'x-app-id': appId }
      const response = await fetch(`${target.url}/api/v1/dashboard/metrics`, { headers })
      expect(response.status).toBe(401)
    })
  })

  describe('login', () => {
    const login = (email: string, password: string, app_id = 1) =>
      post('/api/v1/user/login', { email, password, app_id }, {})

    test('answers an unknown email, a wrong password and a foreign app alike', async () => {
      const other = { email: 'b@example.com', password: PASSWORD, app_name: 'b', app_secret: 'secret-of-b' }
      await post('/api/v1/admin/proxy-users/register', other, target.asAdmin)
      const answers = [
        await login('nobody@example.com', PASSWORD),
        await login(target.email, 'wrong-password'),
        await login(other.email, PASSWORD, 1),
      ]
      const told = await Promise.all(answers.map(async one => `${one.status} ${await one.text()}`))
      expect(new Set(told)).toEqual(new Set(['401 {"token":"","error":"invalid email or password"}']))
    })

    test.each(["' OR '1'='1", "admin'--", '"; DROP TABLE users; --', '%', '\u0000', 'a\u0000@b'])(
      'with %j in every field finds nobody and breaks nothing',
      async text => {
        expect((await login(text, text)).status).toBe(401)
        expect((await login(target.email, text)).status).toBe(401)
        expect((await login(target.email, target.password)).status).toBe(200)
      },
    )

    test.each([[{ $gt: '' }], [['caller@example.com']], [null], [true], [1]])(
      'takes no %j for an email',
      async email => {
        const response = await post('/api/v1/user/login', { email, password: PASSWORD, app_id: 1 }, {})
        expect(response.status).toBe(400)
      },
    )
  })

  describe('SQL in', () => {
    const sql = "x'; DELETE FROM users; --"
    test.each([
      [
        '/api/v1/admin/proxy-users/register',
        { email: `${sql}@x`, password: sql, app_name: sql, app_secret: sql },
      ],
      ['/api/v1/sms/info', { esme: 1, message_id: sql }],
      ['/api/v1/sms/send', { ...SEND, source: sql, message: sql, transaction_id: sql, campaign_uuid: sql }],
    ])('every string of %s stays a string', async (path, content) => {
      const response = await post(path, content, { ...target.asApp, ...target.asAdmin })
      expect(response.status).toBeLessThan(500)
      expect(await userOne()).toBe(200)
    })
  })

  describe('a body', () => {
    const before = () => target.sent()

    test.each([
      ['arrays', '['.repeat(10_000) + ']'.repeat(10_000)],
      ['open arrays', '['.repeat(60_000)],
      ['objects', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
      [
        'a deep message',
        `{"esme":1,"source":"a","destination":"1234567","message":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      ],
    ])('of depth 10,000 (%s) is 400', async (_, body) => {
      const count = before()
      const response = await send(body)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ success: false })
      expect(target.sent()).toBe(count)
    })

    test.each(['__proto__', 'constructor', 'prototype', 'toString'])(
      'with %s is refused and changes no prototype',
      async name => {
        const polluting = `{"esme":1,"source":"shop","destination":"+987654321","message":"x","${name}":{"flash":true,"polluted":1}}`
        const response = await send(polluting)
        expect(response.status).toBe(400)
        expect(((await response.json()) as { error: string }).error).toBe(`unknown field "${name}"`)
        expect('polluted' in {}).toBe(false)
        const harmless = await fetch(`${target.url}/api/v1/sms/check-esme`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...target.asApp },
          body: `{"esme":1,"${name}":{"polluted":1}}`,
        })
        expect(harmless.status).toBe(200)
        expect('polluted' in {}).toBe(false)
      },
    )

    test('of 10 MB is 413, with its length said or not; nothing more comes that way, and the server goes on', async () => {
      const said = await send('x'.repeat(10_000_000))
      expect(said.status).toBe(413)
      expect(await said.json()).toMatchObject({ success: false, error: expect.stringContaining('65536') })
      let sent = 0
      const unsaid = await send(
        new ReadableStream({
          pull(stream) {
            stream.enqueue(new Uint8Array(100_000).fill(32))
            if (++sent === 100) stream.close()
          },
        }),
      )
      expect(unsaid.status).toBe(413)
      // What is left of the body must not be taken for a request.
      for (const { headers } of [said, unsaid]) expect(headers.get('connection')).toBe('close')
      expect((await send(JSON.stringify(SEND))).status).toBe(200)
    })

    test('of a gigabyte is 413 by its length alone, in the shape of the route', async () => {
      const head = `POST /api/v1/sms/send HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${target.token}\r\nX-App-ID: 1\r\nContent-Type: application/json\r\nContent-Length: ${2 ** 30}\r\n\r\n`
      const answer = await raw(target.port, head)
      expect(answer).toStartWith('HTTP/1.1 413')
      expect(answer).toContain('{"success":false,')
    })

    test('of exactly 64 KiB is read, and one more octet is too many', async () => {
      const content = JSON.stringify(SEND)
      const fits = content + ' '.repeat(65_536 - content.length)
      // With its length said, and in chunks.
      const chunked = (text: string) =>
        (async function* () {
          yield Buffer.from(text.slice(0, 1000))
          yield Buffer.from(text.slice(1000))
        })()
      for (const sent of [(text: string) => text, chunked]) {
        expect((await send(sent(fits))).status).toBe(200)
        expect((await send(sent(`${fits} `))).status).toBe(413)
      }
    })

    test('of a stranger is not read: 401 comes before it', async () => {
      const head =
        'POST /api/v1/sms/send HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n'
      expect(await raw(target.port, head)).toStartWith('HTTP/1.1 401')
    })

    test('that comes slowly, a hundred times at once, keeps nobody else waiting', async () => {
      const head = `POST /api/v1/sms/send HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${target.token}\r\nX-App-ID: 1\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{`
      const slow = Array.from({ length: 100 }, () => raw(target.port, head, 1000))
      expect((await send(JSON.stringify(SEND))).status).toBe(200)
      // Nobody has answered them yet: their time is not over.
      expect(new Set(await Promise.all(slow))).toEqual(new Set(['']))
      expect((await send(JSON.stringify(SEND))).status).toBe(200)
    })

    test.each([
      ['', 400],
      ['{', 400],
      ['null', 400],
      ['[]', 400],
      ['"text"', 400],
      ['{"esme":1}', 400],
      ['\ufeff{}', 400],
    ])('%j is %d with the shape of the route', async (body, status) => {
      const response = await send(body)
      expect(response.status).toBe(status)
      expect(await response.json()).toMatchObject({ success: false, message_id: '', sms_ids: [], task_id: 0 })
    })

    test('that is no UTF-8 is refused, not repaired', async () => {
      const bytes = Buffer.from(JSON.stringify({ ...SEND, message: 'X' }))
      bytes[bytes.indexOf('X')] = 0xff
      expect((await send(bytes)).status).toBe(400)
    })

    test.each([
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/jsonp',
      'text/json;application/json',
    ])('as %s is 415', async type => {
      const response = await send(JSON.stringify(SEND), { 'content-type': type })
      expect(response.status).toBe(415)
      expect(await response.json()).toMatchObject({ success: false })
    })

    test('that is compressed is 415, and the answer says so', async () => {
      const bytes = Buffer.from(Bun.gzipSync(Buffer.from(JSON.stringify(SEND))))
      const response = await send(bytes, { 'content-encoding': 'gzip' })
      expect(response.status).toBe(415)
      expect(await response.json()).toMatchObject({
        error: expect.stringContaining('without Content-Encoding'),
      })
    })

    test.each(['application/json', 'Application/JSON; charset=utf-8', 'application/vnd.api+json'])(
      'as %s is taken',
      async type => {
        expect((await send(JSON.stringify(SEND), { 'content-type': type })).status).toBe(200)
      },
    )
  })

  describe('headers', () => {
    test('cannot be injected through what is echoed', async () => {
      const transaction_id = 'a\r\nSet-Cookie: a=b\r\n\r\n<script>'
      const response = await post('/api/v1/sms/send', { ...SEND, transaction_id })
      expect(response.headers.get('set-cookie')).toBeNull()
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
      expect(await response.json()).toMatchObject({ transaction_id })
    })

    test.each([
      ['a space', 'a b'],
      ['256 characters', 'x'.repeat(256)],
      ['more than ASCII', 'schlüssel'],
      ['nothing', ''],
    ])('an Idempotency-Key with %s is 400', async (_, key) => {
      const content = JSON.stringify(SEND)
      const answer = await raw(
        target.port,
        `POST /api/v1/sms/send HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${target.token}\r\nX-App-ID: 1\r\nContent-Type: application/json\r\nContent-Length: ${content.length}\r\nIdempotency-Key: ${key}\r\n\r\n${content}`,
      )
      expect(answer).toStartWith('HTTP/1.1 400')
      expect(answer).toContain('Idempotency-Key')
    })

    test('of 100 kB end the request, not the server', async () => {
      await raw(target.port, `GET /healthy HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`)
      expect((await fetch(`${target.url}/healthy`)).status).toBe(200)
    })
  })

  describe('a path', () => {
    test.each([
      '/api/v1/sms/send/',
      '/API/v1/sms/send',
      '//api/v1/sms/send',
      '/api/v1/../v1/sms/send',
      '/api/v1/%2e%2e/v1/sms/send',
      '/api/v1/sms%2fsend',
      '/api/v1/sms/send;admin',
      '/swagger/../../package.json',
      '/swagger/%2e%2e/%2e%2e/etc/passwd',
      '/healthy%00',
      '/healthy%0d%0aX:y',
      '/.env',
      '/',
    ])('%s leads nowhere', async path => {
      const answer = await raw(target.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 40[045]/)
      if (answer.startsWith('HTTP/1.1 404')) expect(answer).toEndWith('{"error":"not found"}')
    })

    test.each(['%ff', '%', '%00', '1%2f2', '1e3', '-1', '00000000000000001', "1'--", 'Infinity'])(
      'with the id %s is 400 and touches nothing',
      async id => {
        const answer = await raw(
          target.port,
          `DELETE /api/v1/admin/proxy-users/${id} HTTP/1.1\r\nHost: a\r\nX-Admin-Key: ${target.asAdmin['x-admin-key']}\r\n\r\n`,
        )
        expect(answer).toStartWith('HTTP/1.1 400')
        expect(await userOne()).toBe(200)
      },
    )

    test.each([
      ['a Host of three letters', 'HTTP/1.1', 'Host: sms\r\n'],
      ['no Host at all', 'HTTP/1.0', ''],
      ['a Host that is none', 'HTTP/1.0', 'Host: [\r\n'],
    ])('is found by a request with %s', async (_, version, host) => {
      const admin = `X-Admin-Key: ${target.asAdmin['x-admin-key']}\r\nConnection: close\r\n`
      const paths = ['/api/v1/admin/metrics/campaigns?page=1', '/api/v1/admin/proxy-users']
      // Without a name in it an address begins with its path, and Elysia's own router is at a loss.
      if (host.includes('sms')) paths.push('/api/v1/admin/proxy-users/')
      for (const path of paths) {
        const answer = await raw(target.port, `GET ${path} ${version}\r\n${host}${admin}\r\n`)
        expect(answer, path).toMatch(/^HTTP\/1\.[01] 200/)
      }
      const login = await raw(target.port, `DELETE /api/v1/user/login ${version}\r\n${host}\r\n`)
      expect(login).toMatch(/^HTTP\/1\.[01] 405/)
    })

    test('with dots in it is the path that it comes to, behind its key', async () => {
      const path = '/api/v1/admin/proxy-users/1/../../settings/server-config'
      const answer = await raw(target.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect(answer).toStartWith('HTTP/1.1 401')
    })

    test('with an admin route behind it is no way around its key', async () => {
      const paths = [
        '/api/v1/admin/settings/server-config?x=/healthy',
        '/api/v1/admin/settings/server-config#/healthy',
      ]
      for (const path of paths) {
        const answer = await raw(target.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
        expect(answer).toMatch(/^HTTP\/1\.1 40[14]/)
      }
    })
  })
}
