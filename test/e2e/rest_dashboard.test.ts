import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { startSmsc } from '../support/smsc.ts'
import { startGateway, type TestGateway } from './gateway.ts'

/** The numbers of the dashboard and of campaigns, against traffic that really went. */

setDefaultTimeout(240_000)

const stats = async (gateway: TestGateway) => (await gateway.admin('GET', '/dashboard/stats')).body.data
const totals = async (gateway: TestGateway) =>
  (await gateway.admin('GET', '/api/v1/admin/dashboard/metrics')).body.data
const links = async (gateway: TestGateway) =>
  (await gateway.admin('GET', '/api/v1/admin/dashboard/smpp-links')).body.data
const campaigns = async (gateway: TestGateway, query = '') =>
  (await gateway.admin('GET', `/api/v1/admin/metrics/campaigns${query}`)).body

interface Row {
  readonly campaign_uuid: string
  readonly messages_sent: number
  readonly messages_failed: number
  readonly messages_total: number
  readonly sme: number
}

/** Every row, page by page. */
async function allCampaigns(gateway: TestGateway): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (let page = 1; ; page++) {
    const { data } = await campaigns(gateway, `?limit=100&page=${page}`)
    if (data.length === 0) return rows
    rows.push(...data)
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
const FAST = 'limit_tps: 0, window: 1000'

describe('the dashboard', () => {
  test('has a point a minute for the hour, and the requests and errors of this one in the last', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    await gateway.asApp()
    const { rps, errors } = await stats(gateway)
    expect([rps.data.length, errors.data.length]).toEqual([60, 60])
    for (const { time } of rps.data) expect(time).toMatch(/^([01]\d|2[0-3]):[0-5]\d$/)
    expect(sum(errors.data.map((point: { errors: number }) => point.errors))).toBe(0)

    for (let i = 0; i < 5; i++) expect((await gateway.send({ esme: 9 })).status).toBe(500)
    expect((await gateway.send({ destination: 'nobody' })).status).toBe(400)
    const after = await stats(gateway)
    // A minute may have ended meanwhile: the last two hold all of it.
    const newest = after.errors.data.slice(-2)
    expect(sum(newest.map((point: { errors: number }) => point.errors))).toBe(5)
    expect(after.errors.rate).toBeGreaterThan(0)
    expect(after.errors.rate).toBeLessThan(100)
    expect(Math.max(...after.rps.data.slice(-2).map((point: { rps: number }) => point.rps))).toBeGreaterThan(
      0,
    )
  })

  test('counts the requests of the last full second', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    // The waiting itself is traffic: every look is a request.
    const { rps } = await gateway.until(
      () => stats(gateway),
      seen => seen.rps.current > 10,
    )
    expect(rps.current).toBeLessThan(5000)
  })

  test('shows the load of the host in per cent', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const { system } = await gateway.until(
      () => stats(gateway),
      seen => seen.system.ram > 0 && seen.system.disk > 0,
    )
    for (const share of [system.cpu, system.ram, system.disk]) {
      expect(share).toBeGreaterThanOrEqual(0)
      expect(share).toBeLessThanOrEqual(100)
    }
  })

  test('lists the ten largest campaigns, and a short name for each', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port, more: FAST }] })
    const long = 'a-campaign-with-a-name-that-no-column-has-room-for'
    const names = [long, ...Array.from({ length: 11 }, (_, at) => `campaign-${at}`)]
    await Promise.all(
      names.flatMap((name, at) =>
        Array.from({ length: names.length - at }, () => gateway.send({ campaign_uuid: name })),
      ),
    )
    const { topCampaignStats } = await stats(gateway)
    expect(topCampaignStats).toHaveLength(10)
    expect(topCampaignStats[0]).toEqual({
      index: 1,
      name: long,
      short_name: 'a-campaign-with-a-name-…',
      messages: 12,
    })
    expect(topCampaignStats[9]).toEqual({
      index: 10,
      name: 'campaign-8',
      short_name: 'campaign-8',
      messages: 3,
    })
  })

  test('shows each link as it is: bound, throttled, away, switched off', async () => {
    await using smsc = startSmsc()
    await using busy = startSmsc({ error: '0x58=always' })
    await using gateway = await startGateway({
      links: [{ port: smsc.port, more: 'limit_tps: 7' }, { port: busy.port }, { port: smsc.port }],
      smpp: '  queue_timeout: 100ms',
    })
    gateway.configure({
      links: [
        { port: smsc.port, more: 'limit_tps: 7' },
        { port: busy.port },
        { port: smsc.port },
        // Where nobody listens.
        { port: 1 },
      ],
      smpp: '  queue_timeout: 100ms',
    })
    await gateway.admin('POST', '/api/v1/admin/reload')
    await gateway.admin('PUT', '/api/v1/admin/smpp/3/toggle', { enabled: false })
    await Promise.all(Array.from({ length: 5 }, () => gateway.send({ esme: 1 })))
    expect((await links(gateway))[0]).toEqual({
      id: 1,
      name: 'link-1',
      status: 'LOADED',
      current_tps: 5,
      limit_tps: 7,
      enabled: true,
    })
    await gateway.send({ esme: 2 })
    const seen = await gateway.until(
      () => links(gateway),
      all => all[1].status === 'THROTTLED' && all[2].status === 'DISABLED',
    )
    expect(seen[2]).toMatchObject({ name: 'link-3', status: 'DISABLED', enabled: false, current_tps: 0 })
    expect(['CONNECTING', 'UNBOUND']).toContain(seen[3].status)
    expect((await totals(gateway)).active_connections).toBe(2)
    const check = await gateway.app('POST', '/api/v1/sms/check-esme', { esme: 4 })
    expect(check.body).toEqual({ persist: false, system_id: 'tester', error: '' })
  })

  test('adds up what the links of a pool allow; with one that has no limit the pool has none', async () => {
    await using smsc = startSmsc()
    const slow = { port: smsc.port, more: 'limit_tps: 7' }
    const fast = { port: smsc.port, more: 'limit_tps: 0' }
    await using gateway = await startGateway({ links: [slow, slow] })
    const pools = async () => (await gateway.admin('GET', '/api/v1/admin/dashboard/load-balancers')).body.data
    expect(await pools()).toEqual([{ id: 0, name: 'pool-1', links: ['link-1', 'link-2'], total_tps: 14 }])
    gateway.configure({ links: [slow, fast] })
    await gateway.admin('POST', '/api/v1/admin/reload')
    expect(await pools()).toMatchObject([{ total_tps: 0 }])
  })

  test('keeps its totals over a restart', async () => {
    await using smsc = startSmsc({ error: '0x0b=4917*' })
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    await gateway.send()
    await gateway.send({ destination: '+4917012345678' })
    await gateway.admin('POST', '/api/v1/admin/proxy-users/register', {
      ...{ email: 'b@example.com', password: 'strongpass' },
      ...{ app_name: 'b', app_secret: 'secret-of-b' },
    })
    const before = await totals(gateway)
    expect(before).toEqual({ total_messages: 2, total_companies: 2, active_connections: 1 })
    const rows = await allCampaigns(gateway)
    expect(rows).toEqual([
      { campaign_uuid: 'app-1', messages_sent: 1, messages_failed: 1, messages_total: 2, sme: 1 },
    ])
    expect(await gateway.stop()).toBe(0)
    await gateway.start()
    await gateway.bound()
    expect(await totals(gateway)).toEqual(before)
    expect(await allCampaigns(gateway)).toEqual(rows)
  })
})

describe('campaigns', () => {
  test('come by the page, in one order, each once', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port, more: FAST }] })
    const names = Array.from({ length: 120 }, (_, at) => `campaign-${String(at).padStart(3, '0')}`)
    await Promise.all(names.map(name => gateway.send({ campaign_uuid: name })))
    const first = await campaigns(gateway)
    expect(first.pagination).toEqual({ page: 1, limit: 50, total: 120, totalPages: 3 })
    expect(first.data).toHaveLength(50)
    const many = await campaigns(gateway, '?limit=1000')
    expect(many.pagination).toEqual({ page: 1, limit: 100, total: 120, totalPages: 2 })
    expect(many.data).toHaveLength(100)
    expect((await campaigns(gateway, '?limit=100&page=2')).data).toHaveLength(20)
    expect((await campaigns(gateway, '?limit=100&page=3')).data).toEqual([])
    expect((await allCampaigns(gateway)).map(row => row.campaign_uuid)).toEqual(names)
  })

  test('count 2,000 messages at once exactly, by campaign and by link', async () => {
    await using smsc = startSmsc({ error: '0x0b=4917*' })
    await using gateway = await startGateway({ links: [1, 2].map(() => ({ port: smsc.port, more: FAST })) })
    await gateway.asApp()
    const sends = Array.from({ length: 2000 }, (_, at) =>
      gateway.send({
        esme: (at % 2) + 1,
        campaign_uuid: `c-${at % 4}`,
        // One in ten is refused.
        ...(at % 10 === 0 && { destination: `+4917${String(at).padStart(8, '0')}` }),
      }),
    )
    const replies = await Promise.all(sends)
    expect(replies.filter(reply => reply.status === 200)).toHaveLength(1800)
    expect((await totals(gateway)).total_messages).toBe(2000)
    const row = (campaign: number, sme: number, failed: number) => ({
      campaign_uuid: `c-${campaign}`,
      messages_sent: 500 - failed,
      messages_failed: failed,
      messages_total: 500,
      sme,
    })
    expect(await allCampaigns(gateway)).toEqual([row(0, 1, 100), row(1, 2, 0), row(2, 1, 100), row(3, 2, 0)])
  })

  test('lose nothing and count nothing twice when the gateway is killed among 2,000 sends', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port, more: FAST }] })
    await gateway.asApp()
    const sends = Array.from({ length: 2000 }, (_, at) =>
      gateway.send({ campaign_uuid: `c-${at % 4}` }).then(
        reply => reply.body.message_id as string,
        () => undefined,
      ),
    )
    await smsc.arrived(700)
    await gateway.kill()
    const answered = (await Promise.all(sends)).filter(id => id !== undefined)
    expect(answered.length).toBeLessThan(2000)
    await gateway.start()
    await gateway.bound()

    const { total_messages } = await totals(gateway)
    const rows = await allCampaigns(gateway)
    expect(sum(rows.map(row => row.messages_total))).toBe(total_messages)
    // What was answered is on disk; what is on disk went to the SMSC.
    expect(total_messages).toBeGreaterThanOrEqual(answered.length)
    expect(total_messages).toBeLessThanOrEqual(smsc.received.length)
    const found = await Promise.all(answered.map(id => gateway.info(id)))
    expect(found.filter(reply => reply.status !== 200)).toEqual([])
    await gateway.kill()
    await gateway.start()
    expect((await totals(gateway)).total_messages).toBe(total_messages)
    expect(await allCampaigns(gateway)).toEqual(rows)
  })
})
