import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { certPem, keyPem } from '../smpp/certificate.ts'
import { startSmsc } from '../support/smsc.ts'
import { startGateway, TestGateway } from './gateway.ts'
import { run } from './rest.ts'

/** Who may come, how often, from where, and how. */

setDefaultTimeout(240_000)

const SEND = { esme: 1, source: '+123456789', destination: '+987654321', message: 'Hello world' }
const PASSWORD = 'strongpass'

/** A user of an app of his own; answers the headers that he calls with. */
async function newApp(
  gateway: TestGateway,
  name: string,
  allowedIps?: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const email = `${name}@example.com`
  await gateway.admin('POST', '/api/v1/admin/proxy-users/register', {
    ...{ email, password: PASSWORD, app_name: name, app_secret: `secret of ${name}` },
    ...(allowedIps && { allowed_ips: allowedIps }),
  })
  const { body } = await gateway.admin('GET', '/api/v1/admin/proxy-users/')
  const { app_id } = body.data.find((user: { email: string }) => user.email === email)
  const login = await gateway.fetch('POST', '/api/v1/user/login', {}, { email, password: PASSWORD, app_id })
  return { authorization: `Bearer ${login.body.token}`, 'x-app-id': String(app_id) }
}

describe('rate limits', () => {
  test("a flood of one app is refused with 429, and another's sends all go", async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({
      links: [{ port: smsc.port, more: 'limit_tps: 0' }],
      yaml: 'rate_limit: { per_app: { rps: 0.01, burst: 20 } }',
    })
    const loud = await newApp(gateway, 'loud')
    const quiet = await newApp(gateway, 'quiet')
    const send = (headers: Readonly<Record<string, string>>, text: string) =>
      gateway.fetch('POST', '/api/v1/sms/send', { ...headers }, { ...SEND, message: text })
    const flood = Array.from({ length: 1000 }, () => send(loud, 'loud'))
    const calm = Array.from({ length: 20 }, () => send(quiet, 'quiet'))
    const answers = await Promise.all(flood)
    expect((await Promise.all(calm)).map(reply => reply.status)).toEqual(new Array(20).fill(200))
    const went = answers.filter(reply => reply.status === 200)
    expect(went).toHaveLength(20)
    const refused = answers.filter(reply => reply.status === 429)
    expect(refused).toHaveLength(980)
    for (const { body, headers } of refused) {
      expect(body).toEqual({ error: 'rate limit exceeded' })
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
      expect(headers.get('ratelimit-limit')).toBe('20')
      expect(headers.get('ratelimit-remaining')).toBe('0')
      expect(Number(headers.get('ratelimit-reset'))).toBeGreaterThanOrEqual(1)
    }
    expect(smsc.received).toHaveLength(40)
    // L2 is for /sms alone.
    expect((await gateway.fetch('GET', '/api/v1/dashboard/metrics', { ...loud })).status).toBe(200)
    const metrics = await gateway.fetch('GET', '/metrics')
    expect(metrics.body).toContain('sms_proxy_rate_limit_refusals_total{level="app"} 980')
  })
})

describe('addresses', () => {
  test('an app with a list sends from there alone; the list is changed by command while it runs', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const near = await newApp(gateway, 'near', ['127.0.0.0/8', '::1'])
    const far = await newApp(gateway, 'far', ['10.0.0.0/8', '2001:db8::/32'])
    const send = async (headers: Readonly<Record<string, string>>) =>
      (await gateway.fetch('POST', '/api/v1/sms/send', { ...headers }, SEND)).status
    expect([await send(near), await send(far)]).toEqual([200, 403])
    expect(await send({ ...far, 'x-forwarded-for': '10.1.2.3' })).toBe(403)
    const appId = far['x-app-id'] ?? ''
    const words = ['user', 'allow-ips', appId, '127.0.0.1', '--config', gateway.configFile]
    expect(run(gateway.folder, ...words)).toMatchObject({ code: 0 })
    await gateway.until(
      () => send(far),
      status => status === 200,
    )
    expect(smsc.received).toHaveLength(2)
  })

  test('X-Forwarded-For counts from a trusted proxy, as far as proxies are trusted', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({
      links: [{ port: smsc.port }],
      yaml: 'security: { allowed_ips: [203.0.113.0/24], trusted_proxies: [127.0.0.1, 10.0.0.0/8] }',
    })
    const status = async (forwarded?: string): Promise<number> =>
      (await gateway.send({}, forwarded === undefined ? {} : { 'x-forwarded-for': forwarded })).status
    expect(await status()).toBe(403)
    expect(await status('203.0.113.7')).toBe(200)
    expect(await status('::ffff:203.0.113.7')).toBe(200)
    expect(await status('203.0.113.7:4711')).toBe(200)
    expect(await status('203.0.113.7, 10.1.2.3')).toBe(200)
    expect(await status('203.0.113.7, 192.0.2.1')).toBe(403)
    expect(await status('203.0.113.7, nonsense')).toBe(403)
    expect(smsc.received).toHaveLength(4)
  })

  const IPV6 = Object.values(networkInterfaces()).some(all => all?.some(({ address }) => address === '::1'))
  test.skipIf(!IPV6)(
    'over IPv6 ::1 is known, and an IPv4 peer of the same socket by its IPv4 address',
    async () => {
      await using smsc = startSmsc()
      await using gateway = await startGateway({
        links: [{ port: smsc.port }],
        env: { SMS_PROXY_ENDPOINT: '[::]:0' },
      })
      const six = await newApp(gateway, 'six', ['::1'])
      const four = await newApp(gateway, 'four', ['127.0.0.1'])
      const send = async (host: string, headers: Readonly<Record<string, string>>) => {
        const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }
        const url = `http://${host}:${gateway.port}/api/v1/sms/send`
        return (await fetch(url, { ...init, body: JSON.stringify(SEND) })).status
      }
      expect([await send('[::1]', six), await send('127.0.0.1', six)]).toEqual([200, 403])
      expect([await send('[::1]', four), await send('127.0.0.1', four)]).toEqual([403, 200])
    },
  )
})

describe('access', () => {
  test('routes that the operator opened need no key, all others do', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({
      links: [{ port: smsc.port }],
      yaml: 'security: { open_routes: [/dashboard/stats, /api/v1/user/register] }',
    })
    expect((await gateway.fetch('GET', '/dashboard/stats')).status).toBe(200)
    const user = { email: 'a@example.com', password: PASSWORD }
    expect((await gateway.fetch('POST', '/api/v1/user/register', {}, user)).status).toBe(201)
    expect((await gateway.fetch('POST', '/api/v1/user/validate', {}, { user_id: 1 })).status).toBe(401)
  })

  const numbers = async (gateway: TestGateway) =>
    (await gateway.fetch('GET', '/api/v1/dashboard/metrics', await gateway.asApp())).status

  test('a token holds over a restart', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    expect(await numbers(gateway)).toBe(200)
    await gateway.stop()
    await gateway.start()
    expect(await numbers(gateway)).toBe(200)
  })

  test('a token ends with security.token_ttl', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({
      links: [{ port: smsc.port }],
      yaml: 'security: { token_ttl: 1s }',
    })
    const headers = await gateway.asApp()
    const { iat, exp } = JSON.parse(
      Buffer.from(headers.authorization?.split('.')[1] ?? '', 'base64url').toString(),
    )
    expect(exp - iat).toBe(1)
    await gateway.until(
      () => numbers(gateway),
      status => status === 401,
    )
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp)
  })
})

test('TLS stands on the endpoint with the certificate that is configured, and nothing else does', async () => {
  await using smsc = startSmsc()
  await using gateway = new TestGateway({
    links: [{ port: smsc.port }],
    yaml: 'tls: { cert: ./tls.crt, key: ./tls.key }',
  })
  writeFileSync(join(gateway.folder, 'tls.crt'), certPem)
  writeFileSync(join(gateway.folder, 'tls.key'), keyPem)
  await gateway.start()
  const url = `https://127.0.0.1:${gateway.port}`
  const ask = (path: string, init: RequestInit = {}) => fetch(url + path, { ...init, tls: { ca: certPem } })
  expect(await (await ask('/healthy')).json()).toEqual({ status: 'ok' })
  const headers = { 'x-admin-key': 'admin-key-of-the-tests' }
  const config = (await (await ask('/api/v1/admin/settings/server-config', { headers })).json()) as {
    data: { tls: boolean }
  }
  expect(config.data.tls).toBe(true)
  await expect(fetch(`${url}/healthy`)).rejects.toThrow(/self.signed|certificate/i)
  await expect(gateway.fetch('GET', '/healthy')).rejects.toThrow()
})
