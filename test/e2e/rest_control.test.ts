import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { startSmsc } from '../support/smsc.ts'
import { type GatewayOptions, startGateway, type TestGateway } from './gateway.ts'
import { audited } from './rest.ts'

/** What an operator does to a running gateway: links off and on, a configuration read anew. */

setDefaultTimeout(240_000)

const QUICK = '  queue_timeout: 100ms'

const linkStates = async (gateway: TestGateway): Promise<readonly string[]> => {
  const { body } = await gateway.admin('GET', '/api/v1/admin/dashboard/smpp-links')
  return body.data.map((link: { status: string }) => link.status)
}
/** The first line of the log that says so: it may come after the answer. */
const logged = async (gateway: TestGateway, words: string): Promise<unknown> => {
  const line = await gateway.until(
    () => gateway.log.find(text => text.includes(words)),
    found => found !== undefined,
  )
  return JSON.parse(line ?? '')
}

describe('a link that is switched off', () => {
  test('lets what is in flight come home, unbinds, and says who, when and why', async () => {
    await using smsc = startSmsc({ delay: '300ms' })
    await using gateway = await startGateway({ links: [{ port: smsc.port }], smpp: QUICK })
    const sending = gateway.send()
    await smsc.arrived(1)
    const row = '/api/v1/smpp/1/toggle'
    const off = await gateway.app('PUT', row, { enabled: false, reason: 'maintenance window' })
    expect(off.body).toEqual({ success: true, data: { id: 1, name: 'link-1', enabled: false } })
    expect((await sending).body).toMatchObject({ success: true, status: 'submitted' })
    await gateway.until(
      () => linkStates(gateway),
      ([state]) => state === 'DISABLED',
    )
    expect(smsc.smsc.sessions).toEqual([])
    const refused = await gateway.send()
    expect([refused.status, refused.body.status]).toEqual([500, 'failed'])
    expect(refused.body.error).toContain('no link of the pool was bound')
    expect(audited(gateway)).toEqual({
      who: 'user 1',
      action: 'disable link',
      subject: '1',
      reason: 'maintenance window',
    })
    expect(await logged(gateway, 'link switched')).toMatchObject({
      ...{ link: 1, enabled: false, reason: 'maintenance window', who: 'user 1' },
      time: expect.anything(),
    })
  })

  test('stays off over a restart and a kill, and binds again when it is switched on', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }], smpp: QUICK })
    await gateway.admin('PUT', '/api/v1/admin/smpp/1/toggle', { enabled: false })
    for (const end of ['stop', 'kill'] as const) {
      await gateway[end]()
      await gateway.start()
      expect(await linkStates(gateway)).toEqual(['DISABLED'])
      const check = await gateway.app('POST', '/api/v1/sms/check-esme', { esme: 1 })
      expect(check.body).toEqual({ persist: false, system_id: 'tester', error: '' })
    }
    await gateway.admin('PUT', '/api/v1/admin/smpp/1/toggle', { enabled: true, reason: 'over' })
    await gateway.bound()
    expect((await gateway.send()).status).toBe(200)
    expect(audited(gateway)).toEqual({ who: 'admin', action: 'enable link', subject: '1', reason: 'over' })
  })
})

/** Each answers whether it was done. */
const RELOADS: readonly [string, (gateway: TestGateway) => Promise<boolean>][] = [
  [
    'POST /api/v1/admin/reload',
    async gateway => (await gateway.admin('POST', '/api/v1/admin/reload')).status === 200,
  ],
  [
    'SIGHUP',
    async gateway => {
      const before = gateway.log.length
      gateway.signal('SIGHUP')
      const said = () => gateway.log.slice(before).some(line => /read anew|not reloaded/.test(line))
      await gateway.until(said, done => done)
      return gateway.log.slice(before).some(line => line.includes('read anew'))
    },
  ],
]

describe.each(RELOADS)('%s', (_, reload) => {
  test('brings a new link, another limit, lists of addresses and a new pool, and leaves the sessions that are', async () => {
    await using first = startSmsc()
    await using second = startSmsc()
    await using gateway = await startGateway({ links: [{ port: first.port }] })
    const sessions = first.smsc.sessions
    const rules = `  rules:
    - { name: spring, match: { campaign_uuid: spring }, pool: pool-2 }`
    writeFileSync(
      gateway.configFile,
      `endpoint: 127.0.0.1:0
log: { level: debug, format: json }
security: { allowed_ips: [192.0.2.0/24], trusted_proxies: [127.0.0.1] }
rate_limit: { per_app: { rps: 0.001, burst: 4 } }
smpp:
${rules}
  max_parts: 2
  links:
    - { id: 1, name: link-1, host: 127.0.0.1, port: ${first.port}, system_id: tester, password: secret, limit_tps: 7 }
    - { id: 5, name: link-5, host: 127.0.0.1, port: ${second.port}, system_id: tester, password: secret }
  pools:
    - { id: 0, name: pool-1, links: [link-1] }
    - { id: 1, name: pool-2, links: [link-5] }
`,
    )
    expect(await reload(gateway)).toBe(true)
    expect(audited(gateway)).toMatchObject({ action: 'reload', subject: 'configuration' })
    await gateway.bound()
    const links = await gateway.admin('GET', '/api/v1/admin/dashboard/smpp-links')
    expect(links.body.data.map(({ id, limit_tps }: never) => [id, limit_tps])).toEqual([
      [1, 7],
      [5, 100],
    ])
    const pools = await gateway.admin('GET', '/api/v1/admin/dashboard/load-balancers')
    expect(pools.body.data).toEqual([
      { id: 0, name: 'pool-1', links: ['link-1'], total_tps: 7 },
      { id: 1, name: 'pool-2', links: ['link-5'], total_tps: 100 },
    ])
    expect(first.smsc.sessions).toEqual(sessions)
    expect((await gateway.send()).status).toBe(403)
    const send = async (fields: object = {}): Promise<number> =>
      (await gateway.send(fields, { 'x-forwarded-for': '192.0.2.7' })).status
    expect(await send({ campaign_uuid: 'spring' })).toBe(200)
    expect([first.received.length, second.received.length]).toEqual([0, 1])
    expect(await send({ message: 'x'.repeat(307) })).toBe(400)
    expect(await send()).toBe(200)
    expect(await send()).toBe(429)
    const config = await gateway.admin('GET', '/api/v1/admin/settings/server-config')
    expect(config.body.data.smpp).toEqual({ rules_loaded: true })
  })

  test('takes a link away, and what it had in flight comes home first', async () => {
    await using smsc = startSmsc({ delay: '200ms' })
    await using other = startSmsc()
    const links = [{ port: smsc.port }, { port: other.port }]
    await using gateway = await startGateway({ links: [...links].reverse() })
    const sending = gateway.send({ esme: 2 })
    await smsc.arrived(1)
    gateway.configure({ links: [{ port: other.port }] })
    expect(await reload(gateway)).toBe(true)
    expect((await sending).body.status).toBe('submitted')
    await gateway.until(
      () => smsc.smsc.sessions.length,
      count => count === 0,
    )
    const gone = await gateway.send({ esme: 2 })
    expect([gone.status, gone.body.error]).toEqual([500, 'unknown esme'])
  })
})

describe('a configuration that is wrong', () => {
  const wrong = (port: number): GatewayOptions => ({
    links: [
      { port, more: 'limit_tps: many' },
      { port: 99_999, more: 'widnow: 5' },
    ],
    yaml: 'rate_limt: {}\ntls: { cert: /etc/ssl/none.crt, key: none.key }',
  })

  test('is refused whole, with all that is wrong and no folder of the host, and the old stays', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    gateway.configure(wrong(smsc.port))
    const refused = await gateway.admin('POST', '/api/v1/admin/reload')
    expect([refused.status, refused.body.success]).toEqual([400, false])
    const problems = refused.body.error.split('\n')
    expect(problems).toHaveLength(6)
    for (const [at, words] of [
      'limit_tps',
      '99999',
      'did you mean window',
      'did you mean rate_limit',
      'tls.cert',
      'tls.key',
    ].entries()) {
      expect(refused.body.error, `problem ${at}`).toContain(words)
    }
    for (const problem of problems) expect(problem).toMatch(/^sms-proxy\.yaml:\d+:\d+: /)
    expect(refused.body.error).not.toContain(gateway.folder)

    gateway.configure({ links: [{ port: smsc.port }], yaml: 'tls: { cert: /etc/none/a.crt, key: none.key }' })
    const files = await gateway.admin('POST', '/api/v1/admin/reload')
    expect(files.body.error.split('\n')).toEqual([
      expect.stringMatching(/^sms-proxy\.yaml:\d+:\d+: tls\.cert names a file, which cannot be read: /),
      expect.stringMatching(/^sms-proxy\.yaml:\d+:\d+: tls\.key names a file, which cannot be read: /),
    ])
    expect((await gateway.send()).status).toBe(200)
  })

  test('is told in the log after SIGHUP, and the old stays', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    gateway.configure(wrong(smsc.port))
    gateway.signal('SIGHUP')
    expect(await logged(gateway, 'not reloaded')).toMatchObject({
      why: expect.stringContaining('did you mean rate_limit'),
    })
    expect((await gateway.send()).status).toBe(200)
  })

  test('of a filter that is broken is refused, and limits stay as they were', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port, more: 'limit_tps: 50' }] })
    mkdirSync(`${gateway.folder}/filters`, { recursive: true })
    writeFileSync(`${gateway.folder}/filters/broken.js`, 'export default')
    gateway.configure({ links: [{ port: smsc.port, more: 'limit_tps: 60' }] })
    const refused = await gateway.admin('POST', '/api/v1/admin/reload')
    expect([refused.status, refused.body.error]).toEqual([
      400,
      expect.stringContaining('\n  broken.js: SyntaxError'),
    ])
    const links = await gateway.admin('GET', '/api/v1/admin/dashboard/smpp-links')
    expect(links.body.data.map(({ limit_tps }: never) => limit_tps)).toEqual([50])
    rmSync(`${gateway.folder}/filters/broken.js`)
    expect((await gateway.admin('POST', '/api/v1/admin/reload')).status).toBe(200)
  })

  test('of a folder of filters that cannot be read, or is gone with filters of it in force, is refused', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const reload = () => gateway.admin('POST', '/api/v1/admin/reload')
    const filters = `${gateway.folder}/filters`
    expect((await reload()).status).toBe(200)
    writeFileSync(filters, 'a file')
    const refused = await reload()
    expect([refused.status, refused.body.error]).toEqual([
      400,
      'filters that cannot be used:\n  the filter folder cannot be read (ENOTDIR)',
    ])
    rmSync(filters)
    mkdirSync(filters)
    writeFileSync(`${filters}/all.js`, 'export default () => true')
    expect((await reload()).status).toBe(200)
    rmSync(filters, { recursive: true })
    expect((await reload()).body.error).toEndWith('the filter folder is not there')
    expect((await gateway.send()).status).toBe(403)
    mkdirSync(filters)
    expect((await reload()).status).toBe(200)
    expect((await gateway.send()).status).toBe(200)
  })

  test('of rules that name no pool is refused, with the place in their own file', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    writeFileSync(`${gateway.folder}/rules.yaml`, '- { name: all, pool: pool-l }\n')
    gateway.configure({ links: [{ port: smsc.port }], smpp: '  rules: ./rules.yaml' })
    const refused = await gateway.admin('POST', '/api/v1/admin/reload')
    expect(refused.status).toBe(400)
    expect(refused.body.error).toMatch(/^rules\.yaml:1:22: rules\[0\]\.pool /)
    expect((await gateway.send()).status).toBe(200)
  })
})

test('what only a start can take over is said, and shown as it still is', async () => {
  await using smsc = startSmsc()
  const links = [{ port: smsc.port }]
  await using gateway = await startGateway({ links })
  gateway.configure({ links, yaml: 'env: staging\nsecurity: { token_ttl: 1h }' })
  expect((await gateway.admin('POST', '/api/v1/admin/reload')).status).toBe(200)
  const config = await gateway.admin('GET', '/api/v1/admin/settings/server-config')
  expect(config.body.data).toMatchObject({ env: 'production', security: { token_ttl: '24h0m0s' } })
  expect(await logged(gateway, 'after a restart only')).toMatchObject({ sections: ['env', 'security'] })
})
