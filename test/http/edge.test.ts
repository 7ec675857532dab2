import { afterEach, describe, expect, spyOn, test } from 'bun:test'
import { GatewayError } from '../../src/errors.ts'
import type { HttpOptions } from '../../src/http/app.ts'
import { createApp } from '../../src/http/app.ts'
import type { HttpDependencies } from '../../src/http/dependencies.ts'
import { createEdge } from '../../src/http/edge.ts'
import type { Route } from '../../src/http/route.ts'
import { PLAIN_GROUP } from '../../src/http/shapes.ts'
import { NO_IPS, parseIpList } from '../../src/ip_list.ts'
import { createRateLimiter } from '../../src/rate_limit.ts'
import { certPem, keyPem } from '../smpp/certificate.ts'
import { auditOf } from '../support/audit.ts'
import { TurnedClock } from '../support/clock.ts'
import { raw } from './raw.ts'
import { jsonOf, link, message, startEdge, type TestEdge } from './support.ts'

let edge: TestEdge
const start = async (fakes: Partial<HttpDependencies> = {}, options: Partial<HttpOptions> = {}) => {
  edge = await startEdge(fakes, options)
  return edge
}
afterEach(() => edge.stop(0))

const SEND = { esme: 1, source: 'shop', destination: '+987654321', message: 'Hello' }
const send = (content: object = SEND, headers: Record<string, string> = {}) =>
  fetch(`${edge.url}/api/v1/sms/send`, jsonOf(content, { ...edge.asApp, ...headers }))

const networks = (...entries: string[]) => {
  const parsed = parseIpList(entries)
  if ('problems' in parsed) throw new Error('bad list')
  return parsed.list
}

describe('routing', () => {
  test('an unknown path is 404, a known one by another method 405 with Allow, whoever asks', async () => {
    await start()
    const ask = async (method: string, path: string) => {
      const response = await fetch(edge.url + path, { method })
      return [response.status, response.headers.get('allow'), await response.text()]
    }
    const WRONG = '{"error":"method not allowed"}'
    expect(await ask('GET', '/nowhere')).toEqual([404, null, '{"error":"not found"}'])
    expect(await ask('GET', '/healthy/')).toEqual([404, null, '{"error":"not found"}'])
    expect(await ask('GET', '/api/v1/sms/send')).toEqual([405, 'POST', WRONG])
    expect(await ask('POST', '/healthy')).toEqual([405, 'GET, HEAD', WRONG])
    expect(await ask('PATCH', '/api/v1/admin/proxy-users/')).toEqual([405, 'GET, HEAD', WRONG])
    expect(await ask('PATCH', '/api/v1/admin/proxy-users')).toEqual([405, 'GET, HEAD', WRONG])
    expect(await ask('POST', '/api/v1/admin/proxy-users/1')).toEqual([405, 'DELETE', WRONG])
    expect(await ask('OPTIONS', '/api/v1/smpp/1/toggle')).toEqual([405, 'PUT', WRONG])
  })

  test('HEAD is GET without its body', async () => {
    await start()
    const response = await fetch(`${edge.url}/healthy`, { method: 'HEAD' })
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
      200,
      '15',
      '',
    ])
  })

  test('the list of proxy users is there with and without a slash at the end', async () => {
    await start()
    for (const path of ['/api/v1/admin/proxy-users', '/api/v1/admin/proxy-users/']) {
      expect((await fetch(edge.url + path, { headers: edge.asAdmin })).status).toBe(200)
    }
  })

  test('a host of one letter finds its routes', async () => {
    await start()
    expect(await raw(edge.port, 'GET /healthy HTTP/1.1\r\nHost: a\r\n\r\n')).toStartWith('HTTP/1.1 200')
  })

  test('a spelling that the router does not take is 404, and not 405 for the method it allows', async () => {
    await start()
    const answer = await raw(edge.port, 'GET /api/v1/admin/proxy-users/ HTTP/1.0\r\n\r\n')
    expect(answer).toStartWith('HTTP/1.1 404')
    expect(answer).toEndWith('{"error":"not found"}')
  })

  test('security.open_routes opens what it names, and nothing else', async () => {
    await start({}, { openRoutes: ['/dashboard/stats', '/api/v1/user/validate'] })
    expect((await fetch(`${edge.url}/dashboard/stats`)).status).toBe(200)
    expect((await fetch(`${edge.url}/api/v1/user/validate`, jsonOf({ user_id: 1 }))).status).toBe(200)
    expect((await fetch(`${edge.url}/api/v1/user/delete`, jsonOf({ user_id: 1 }))).status).toBe(401)
  })
})

describe('limits', () => {
  test('L1 stands before routing and authentication, and tells when to come again', async () => {
    const clock = new TurnedClock()
    await start({
      rateLimits: {
        global: createRateLimiter(clock, { rps: 0.5, burst: 2 }),
        perApp: createRateLimiter(clock, {}),
      },
    })
    for (let i = 0; i < 2; i++) expect((await fetch(`${edge.url}/nowhere`)).status).toBe(404)
    const refused = await fetch(`${edge.url}/api/v1/sms/send`, { method: 'POST' })
    expect(refused.status).toBe(429)
    expect(await refused.json()).toEqual({ error: 'rate limit exceeded' })
    expect(refused.headers.get('retry-after')).toBe('2')
    expect(refused.headers.get('ratelimit-limit')).toBe('2')
    expect(refused.headers.get('ratelimit-remaining')).toBe('0')
    expect(refused.headers.get('ratelimit-reset')).toBe('4')
    clock.skip(2000)
    expect((await fetch(`${edge.url}/healthy`)).status).toBe(200)
  })

  test('L2 counts an app by itself, on /sms alone, and only once it is known', async () => {
    const clock = new TurnedClock()
    await start({
      rateLimits: {
        global: createRateLimiter(clock, {}),
        perApp: createRateLimiter(clock, { rps: 1, burst: 1 }),
      },
    })
    await edge.users.registerProxyUser(
      { email: 'b@example.com', password: 'secret', appName: 'b', appSecret: 'secret-of-b' },
      'test',
    )
    const other = {
      authorization: `Bearer ${await edge.users.login('b@example.com', 'secret', 2)}`,
      'x-app-id': '2',
    }
    expect((await send(SEND, { authorization: 'Bearer x' })).status).toBe(401)
    expect((await send()).status).toBe(200)
    const refused = await send()
    expect([refused.status, await refused.json()]).toEqual([429, { error: 'rate limit exceeded' }])
    expect((await send(SEND, other)).status).toBe(200)
    expect((await fetch(`${edge.url}/api/v1/dashboard/metrics`, { headers: edge.asApp })).status).toBe(200)
  })
})

test('an upload may have 1 MiB, and not an octet more', async () => {
  await start()
  const head = '--b\r\ncontent-disposition: form-data; name="license"; filename="l"\r\n\r\n'
  const upload = async (octets: number) => {
    const file = 'x'.repeat(octets - head.length - '\r\n--b--\r\n'.length)
    const response = await fetch(`${edge.url}/api/v1/settings/license/upload`, {
      method: 'POST',
      headers: { ...edge.asApp, 'content-type': 'multipart/form-data; boundary=b' },
      body: `${head}${file}\r\n--b--\r\n`,
    })
    return [response.status, ((await response.json()) as { error: string }).error]
  }
  expect(await upload(1024 * 1024)).toEqual([400, 'the licence file is not JSON'])
  expect(await upload(1024 * 1024 + 1)).toEqual([413, 'the body must have at most 1048576 bytes'])
})

test('an uploaded file is known by its field, whether or not it has a name', async () => {
  await start()
  const upload = async (license: string | Blob): Promise<number> => {
    const form = new FormData()
    form.append('license', license)
    const request = { method: 'POST', headers: edge.asApp, body: form }
    return (await fetch(`${edge.url}/api/v1/settings/license/upload`, request)).status
  }
  expect([await upload('good'), await upload(new Blob(['good'])), await upload('')]).toEqual([200, 200, 400])
})

test.each([
  ['application/json', '{}'],
  ['multipart/form-data; boundary=b', '{}'],
  ['multipart/form-data', '--b\r\ncontent-disposition: form-data; name="license"\r\n\r\ngood\r\n--b--\r\n'],
])('an upload as %s that is no form is told what is wanted', async (type, body) => {
  await start()
  const response = await fetch(`${edge.url}/api/v1/settings/license/upload`, {
    method: 'POST',
    headers: { ...edge.asApp, 'content-type': type },
    body,
  })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ success: false, error: expect.stringContaining('"license"') })
})

test('an upload in a form that can hold no file is refused, and nothing reads its million fields', async () => {
  await start()
  const reading = spyOn(Response.prototype, 'formData')
  const response = await fetch(`${edge.url}/api/v1/settings/license/upload`, {
    method: 'POST',
    headers: { ...edge.asApp, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'a&'.repeat(500_000),
  })
  expect(response.status).toBe(400)
  expect(reading).not.toHaveBeenCalled()
  reading.mockRestore()
})

test('a link may have the id 0, and what could not be switched is no 200', async () => {
  const zero = link({ id: 0 })
  const toggle = async (_: number, enabled: boolean) => {
    if (!enabled) throw new Error('the disk is full')
  }
  await start({
    links: { list: () => [zero], byId: id => (id === 0 ? zero : undefined), sessions: () => 1, toggle },
  })
  const ask = async (enabled: boolean) => {
    const init = { ...jsonOf({ enabled }, edge.asApp), method: 'PUT' }
    const response = await fetch(`${edge.url}/api/v1/smpp/0/toggle`, init)
    return [response.status, await response.json()]
  }
  expect(await ask(true)).toEqual([200, { success: true, data: { id: 0, name: zero.name, enabled: true } }])
  expect(await ask(false)).toEqual([500, { success: false, error: 'the link could not be toggled' }])
})

describe('addresses', () => {
  test('the list of the app and the global one must both let a sender in', async () => {
    await start({
      ips: { allowed: networks('127.0.0.0/8', '10.0.0.0/8'), trustedProxies: networks('127.0.0.1') },
    })
    expect((await send()).status).toBe(200)
    edge.users.setAllowedIps(1, ['10.1.0.0/16'], 'test')
    expect((await send()).status).toBe(403)
    expect((await send(SEND, { 'x-forwarded-for': '10.1.2.3' })).status).toBe(200)
    expect((await send(SEND, { 'x-forwarded-for': '10.2.2.3' })).status).toBe(403)
    expect((await send(SEND, { 'x-forwarded-for': '10.1.2.3, 192.0.2.1' })).status).toBe(403)
  })

  test('X-Forwarded-For of a peer that is no trusted proxy counts for nothing', async () => {
    await start({ ips: { allowed: networks('127.0.0.1', '10.0.0.0/8'), trustedProxies: NO_IPS } })
    expect((await send()).status).toBe(200)
    edge.users.setAllowedIps(1, ['10.0.0.0/8'], 'test')
    const refused = await send(SEND, { 'x-forwarded-for': '10.1.2.3' })
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ success: false, error: 'IP not allowed', esme: 0 })
  })

  test('a caller who is gone, so that nobody knows his address, is on no list', async () => {
    await start()
    const clock = new TurnedClock()
    const unlimited = createRateLimiter(clock, {})
    const { answer } = createEdge(
      {
        clock,
        users: edge.users,
        rateLimits: { global: unlimited, perApp: unlimited },
        ips: { allowed: networks('127.0.0.1'), trustedProxies: networks('127.0.0.1') },
        metrics: { render: () => '', observe() {} },
      } as unknown as HttpDependencies,
      undefined,
      () => ({ requestIP: () => null, timeout() {} }),
    )
    const handle = () => new Response('handled')
    const route = { ...PLAIN_GROUP, path: '/x', access: 'app', guarded: true, handle } as unknown as Route
    const headers = { ...edge.asApp, 'x-forwarded-for': '127.0.0.1' }
    expect((await answer(route, new Request('http://a/x', { headers }), {})).status).toBe(403)
  })

  test('a stranger hears of his address before his body is looked at', async () => {
    await start({ ips: { allowed: networks('10.0.0.0/8'), trustedProxies: NO_IPS } })
    expect((await send({ nonsense: true })).status).toBe(403)
  })
})

test('an admin key that is empty is none, and lets nobody in', async () => {
  await start({}, { adminKey: '' })
  const refused = await fetch(`${edge.url}/api/v1/admin/proxy-users`, { headers: { 'x-admin-key': '' } })
  expect([refused.status, await refused.json()]).toEqual([503, { error: 'admin API key not configured' }])
})

test('a 401 says how one proves who one is', async () => {
  await start()
  const ask = async (path: string, init?: RequestInit) => {
    const { status, headers } = await fetch(edge.url + path, init)
    return [status, headers.get('www-authenticate')]
  }
  const stranger = jsonOf({ email: 'nobody@example.com', password: 'secret', app_id: 1 })
  expect(await ask('/api/v1/dashboard/metrics')).toEqual([401, 'Bearer'])
  expect(await ask('/api/v1/user/login', stranger)).toEqual([401, 'Bearer'])
  expect(await ask('/api/v1/admin/proxy-users')).toEqual([401, 'Key realm="X-Admin-Key"'])
})

test('what a route that was opened does is written down as done by anyone', async () => {
  await start({}, { openRoutes: ['/api/v1/user/register', '/api/v1/user/delete'] })
  const user = { email: 'b@example.com', password: 'secret' }
  const made = await fetch(`${edge.url}/api/v1/user/register`, jsonOf(user))
  const { user_id } = (await made.json()) as { user_id: number }
  await fetch(`${edge.url}/api/v1/user/delete`, jsonOf({ user_id }))
  expect(auditOf(edge.databasePath).slice(0, 2)).toMatchObject([
    { who: 'anyone', action: 'delete user' },
    { who: 'anyone', action: 'register user' },
  ])
})

test('whoever registers by a route that was opened gets into the default app, and into no other', async () => {
  await start({}, { openRoutes: ['/api/v1/user/register'] })
  const owner = { email: 'b@example.com', password: 'secret', app_name: 'b', app_secret: 'secret-of-b' }
  await fetch(`${edge.url}/api/v1/admin/proxy-users/register`, jsonOf(owner, edge.asAdmin))
  const register = async (email: string, app_id: number) => {
    const answer = await fetch(
      `${edge.url}/api/v1/user/register`,
      jsonOf({ email, password: 'secret', app_id }),
    )
    return [answer.status, await answer.json()]
  }
  expect(await register('stranger@example.com', 2)).toEqual([
    400,
    { user_id: 0, error: 'app_id: this route is open to anyone, and puts users into app 1 alone' },
  ])
  expect(await register('stranger@example.com', 1)).toEqual([201, { user_id: 3, error: '' }])
})

test('whether a user who is not there is an admin cannot be asked', async () => {
  await start()
  const answer = await fetch(`${edge.url}/api/v1/user/validate`, jsonOf({ user_id: 99 }, edge.asAdmin))
  expect([answer.status, await answer.json()]).toEqual([400, { is_admin: false, error: 'user not found' }])
})

test('a user who is registered for an app belongs to that, another to the default one', async () => {
  await start()
  const app = { email: 'b@example.com', password: 'secret', app_name: 'b', app_secret: 'secret-of-b' }
  const proxyUser = jsonOf({ ...app, allowed_ips: ['10.0.0.0/8'] }, edge.asAdmin)
  await fetch(`${edge.url}/api/v1/admin/proxy-users/register`, proxyUser)
  expect(edge.users.app(2)?.allowedIps.has('10.1.2.3')).toBe(true)
  const register = async (more: object) => {
    const body = { email: `${JSON.stringify(more).length}@example.com`, password: 'secret', ...more }
    const answer = await fetch(`${edge.url}/api/v1/user/register`, jsonOf(body, edge.asAdmin))
    return edge.users.user(((await answer.json()) as { user_id: number }).user_id)?.appId
  }
  expect([await register({}), await register({ app_id: 2 })]).toEqual([1, 2])
})

test('what is done is done in the name of who asked: the admin, or a user', async () => {
  const uploads: string[] = []
  const licence = { company: '', valid_until: '', max_connections: 0, max_tps: 0, status: 'none' } as const
  await start({
    licence: {
      current: () => licence,
      async upload(_, who) {
        uploads.push(who)
        return licence
      },
    },
  })
  const form = new FormData()
  form.append('license', 'x')
  for (const [path, headers] of [
    ['/api/v1/admin/settings/license/upload', edge.asAdmin],
    ['/api/v1/settings/license/upload', edge.asApp],
  ] as const)
    await fetch(edge.url + path, { method: 'POST', headers, body: form })
  expect(uploads).toEqual(['admin', 'user 1'])
  const body = JSON.stringify({ enabled: false, reason: 'maintenance' })
  for (const [path, access] of [
    ['/api/v1/admin/smpp/1/toggle', edge.asAdmin],
    ['/api/v1/smpp/1/toggle', edge.asApp],
  ] as const) {
    const headers = { ...access, 'content-type': 'application/json' }
    expect((await fetch(edge.url + path, { method: 'PUT', headers, body })).status).toBe(200)
  }
  expect(edge.toggled).toEqual([
    [1, false, 'maintenance', 'admin'],
    [1, false, 'maintenance', 'user 1'],
  ])
  const proxyUser = { email: 'b@example.com', password: 'secret', app_name: 'b', app_secret: 'secret-of-b' }
  await fetch(`${edge.url}/api/v1/admin/proxy-users/register`, jsonOf(proxyUser, edge.asAdmin))
  for (const [method, path] of [
    ['PUT', '/api/v1/admin/proxy-users/1/toggle-admin'],
    ['DELETE', '/api/v1/admin/proxy-users/1'],
  ] as const) {
    expect((await fetch(edge.url + path, { method, headers: edge.asAdmin })).status).toBe(200)
  }
  expect(auditOf(edge.databasePath).slice(0, 3)).toMatchObject([
    { who: 'admin', action: 'delete user' },
    { who: 'admin', action: 'make admin' },
    { who: 'admin', action: 'register user' },
  ])
})

test('every request is counted once, by its route and its status', async () => {
  await start()
  await fetch(`${edge.url}/healthy`)
  await fetch(`${edge.url}/api/v1/smpp/1/toggle`, { method: 'PUT' })
  await fetch(`${edge.url}/nowhere/12345`)
  await send()
  expect(edge.observed).toEqual([
    { method: 'GET', route: '/healthy', status: 200 },
    { method: 'PUT', route: '/api/v1/smpp/:id/toggle', status: 401 },
    { method: 'GET', route: 'unmatched', status: 404 },
    { method: 'POST', route: '/api/v1/sms/send', status: 200 },
  ])
})

test('a request is counted with the time from its coming to its answer', async () => {
  const clock = new TurnedClock()
  const took: number[] = []
  await start({
    clock,
    submit: async () => {
      clock.skip(250)
      return message()
    },
    metrics: {
      render: () => '',
      observe: (_method, _route, _status, durationMs) => void took.push(durationMs),
    },
  })
  await send()
  await fetch(`${edge.url}/nowhere`)
  expect(took).toEqual([250, 0])
})

test.each([
  ['invalid', 400, ''],
  ['refused', 403, 'rejected'],
  ['licence_expired', 403, ''],
  ['not_found', 404, ''],
  ['key_reused', 409, ''],
  ['unknown_esme', 500, 'failed'],
  ['not_sent', 500, 'failed'],
  ['store_failed', 500, 'unknown'],
  ['internal', 500, 'unknown'],
  ['unavailable', 503, ''],
] as const)('%s is %d, and a cause is for the log alone', async (code, status, state) => {
  let cause: Error | undefined
  await start({
    submit: async () => {
      throw new GatewayError(code, 'the public text', cause)
    },
  })
  for (cause of [undefined, new Error('the private cause')]) {
    const response = await send()
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ success: false, status: state, error: 'the public text' })
    expect(edge.logged).toHaveLength(cause ? 1 : 0)
  }
})

test('an answer is for who asked: nothing on the way keeps it, or takes it for another kind', async () => {
  await start()
  for (const response of [await send(), await send({})]) {
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('content-type')).toBe('application/json')
  }
})

test('the log of what fails inside says which route, and nothing of what was asked of it', async () => {
  const logged: object[] = []
  const error = new TypeError('broken')
  await start({
    log: { error: fields => void logged.push(fields) },
    submit: () => Promise.reject(error),
  })
  await fetch(`${edge.url}/api/v1/sms/send?token=secret`, jsonOf(SEND, edge.asApp))
  expect(logged).toEqual([{ err: error, method: 'POST', url: '/api/v1/sms/send' }])
})

test('what fails inside goes to the log, and nothing of it to the caller', async () => {
  await start({
    submit: async () => {
      throw new TypeError('secret of /etc/shadow')
    },
  })
  const response = await send()
  expect(response.status).toBe(500)
  const told = { success: false, status: 'unknown', error: 'internal error', esme: SEND.esme }
  expect(await response.json()).toMatchObject(told)
  expect(edge.logged).toEqual(['TypeError: secret of /etc/shadow'])
})

test('a port that is taken is an error, not a second server on it', async () => {
  await start()
  const again = createApp({ users: edge.users } as unknown as HttpDependencies, {
    version: '0',
    adminKey: undefined,
    openRoutes: [],
  })
  expect(() => again.listen(edge.port, '127.0.0.1')).toThrow()
})

test('TLS is served with the certificate given', async () => {
  await start({}, { tls: { cert: certPem, key: keyPem } })
  const response = await fetch(`${edge.url}/healthy`, { tls: { ca: certPem } })
  expect(await response.json()).toEqual({ status: 'ok' })
})
