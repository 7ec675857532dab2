import { describe, expect, test } from 'bun:test'
import { systemClock } from '../src/clock.ts'
import { createMetrics } from '../src/metrics.ts'
import { Histogram } from '../src/stats/histogram.ts'
import { HttpTally } from '../src/stats/http_tally.ts'
import { openFiles, processUsage } from '../src/stats/process.ts'
import type { MetricsSources } from '../src/stats/sources.ts'

function sources() {
  const http = new HttpTally()
  const sends = new Map([['submitted', 3]])
  const link = {
    inFlight: 5,
    window: 100,
    sentLastSecond: 42,
    rttMs: 12.5,
    submitted: 10,
    accepted: 7,
    refused: new Map([[0x58, 2]]),
    refusedOtherwise: 0,
    unknown: 1,
    unwritten: 2,
    delivered: 6,
  }
  const filter = {
    state: 'shadow' as const,
    error: 'line 3: unexpected token',
    hits: 9,
    matches: 5,
    refusals: 4,
    errors: 2,
    timeouts: 1,
    p50_us: 10,
    p99_us: 2500,
  }
  const all: MetricsSources = {
    build: { version: '1.2.3', commit: 'abc' },
    http: () => http.rows(),
    sends: () => sends,
    filters: () => [{ name: 'premium "rate"\\\n', ...filter }],
    rules: () => ({ count: 14, broken: true }),
    links: () => [{ name: 'smpp-link-1', state: 'LOADED', limitTps: 100, stats: link }],
    queues: () => [{ name: 'pool-1', queued: 8 }],
    store: () => ({ commits: 2, writes: 30, failures: 1, seconds: 0.5, faulty: true }),
    spool: () => ({ entries: 3, entriesMax: 10, ageMs: 1500, spooled: 7, replayed: 4, refused: 0 }),
    rateLimits: () => [
      ['global', 11],
      ['app', 12],
    ],
    receipts: () => ({ matched: 21, held: 22, failed: 23, inbound: 24 }),
    licence: () => ({ status: 'active', max_connections: 10, max_tps: 500, valid_until: '2026-12-31' }),
    process: processUsage,
    openFiles,
    loopLag: () => new Histogram([0.01, 0.1]),
  }
  return { all, http, sends, link, render: () => createMetrics(all, systemClock).render() }
}

/** The lines of one family, without comments. */
const samples = (text: string, name: string): string[] =>
  text.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))

test('filters, which may answer from another thread, and links are asked once a scrape', async () => {
  const { all } = sources()
  const asked = { filters: 0, links: 0 }
  const filters = async () => {
    asked.filters++
    return all.filters()
  }
  const links = () => {
    asked.links++
    return all.links()
  }
  const { render } = createMetrics({ ...all, filters, links }, systemClock)
  expect(await render()).toContain('sms_proxy_filter_hits_total{filter="premium')
  await render()
  expect(asked).toEqual({ filters: 2, links: 2 })
})

test('the loop turns while a scrape takes its time', async () => {
  let now = 0
  let turns = 0
  const clock = {
    monotonic: () => now++,
    soon: (task: () => void) => {
      turns++
      task()
    },
  }
  await createMetrics(sources().all, clock).render()
  expect(turns).toBeGreaterThan(5)
})

test('each source is read at the scrape, and shows as it stands then', async () => {
  const { all, sends } = sources()
  const metrics = createMetrics(all, systemClock)
  expect(samples(await metrics.render(), 'sms_proxy_sends_total')).toEqual([
    'sms_proxy_sends_total{result="submitted"} 3',
  ])
  sends.set('submitted', 5).set('failed', 1)
  expect(samples(await metrics.render(), 'sms_proxy_sends_total')).toEqual([
    'sms_proxy_sends_total{result="submitted"} 5',
    'sms_proxy_sends_total{result="failed"} 1',
  ])
})

test('two scrapes at the same time each tell the whole truth once', async () => {
  const metrics = createMetrics(sources().all, systemClock)
  for (const text of await Promise.all([metrics.render(), metrics.render()])) {
    expect(samples(text, 'sms_proxy_store_writes_total')).toEqual(['sms_proxy_store_writes_total 30'])
    expect(samples(text, 'sms_proxy_link_submits_total')).toEqual([
      'sms_proxy_link_submits_total{link="smpp-link-1"} 10',
    ])
  }
})

test.each([
  `sms_proxy_build_info{version="1.2.3",commit="abc",bun="${Bun.version}"} 1`,
  'sms_proxy_rate_limit_refusals_total{level="global"} 11',
  'sms_proxy_rate_limit_refusals_total{level="app"} 12',
  'sms_proxy_filter_state{filter="premium \\"rate\\"\\\\\\n",state="shadow"} 1',
  'sms_proxy_filter_state{filter="premium \\"rate\\"\\\\\\n",state="active"} 0',
  'sms_proxy_filter_broken{filter="premium \\"rate\\"\\\\\\n"} 1',
  'sms_proxy_rules 14',
  'sms_proxy_rules_broken 1',
  'sms_proxy_filter_hits_total{filter="premium \\"rate\\"\\\\\\n"} 9',
  'sms_proxy_filter_matches_total{filter="premium \\"rate\\"\\\\\\n"} 5',
  'sms_proxy_filter_refusals_total{filter="premium \\"rate\\"\\\\\\n"} 4',
  'sms_proxy_filter_errors_total{filter="premium \\"rate\\"\\\\\\n"} 2',
  'sms_proxy_filter_timeouts_total{filter="premium \\"rate\\"\\\\\\n"} 1',
  'sms_proxy_filter_duration_seconds{filter="premium \\"rate\\"\\\\\\n",percentile="50"} 0.00001',
  'sms_proxy_filter_duration_seconds{filter="premium \\"rate\\"\\\\\\n",percentile="99"} 0.0025',
  'sms_proxy_link_state{link="smpp-link-1",state="LOADED"} 1',
  'sms_proxy_link_state{link="smpp-link-1",state="THROTTLED"} 0',
  'sms_proxy_link_in_flight{link="smpp-link-1"} 5',
  'sms_proxy_link_window{link="smpp-link-1"} 100',
  'sms_proxy_link_tps{link="smpp-link-1"} 42',
  'sms_proxy_link_tps_limit{link="smpp-link-1"} 100',
  'sms_proxy_link_response_seconds{link="smpp-link-1"} 0.0125',
  'sms_proxy_link_accepted_total{link="smpp-link-1"} 7',
  'sms_proxy_link_refusals_total{link="smpp-link-1",code="0x00000058"} 2',
  'sms_proxy_link_unknown_total{link="smpp-link-1"} 1',
  'sms_proxy_link_unwritten_total{link="smpp-link-1"} 2',
  'sms_proxy_link_received_total{link="smpp-link-1"} 6',
  'sms_proxy_pool_queued{pool="pool-1"} 8',
  'sms_proxy_receipts_total{outcome="matched"} 21',
  'sms_proxy_receipts_total{outcome="held"} 22',
  'sms_proxy_receipts_total{outcome="failed"} 23',
  'sms_proxy_inbound_total 24',
  'sms_proxy_store_commits_total 2',
  'sms_proxy_store_failures_total 1',
  'sms_proxy_store_seconds_total 0.5',
  'sms_proxy_store_faulty 1',
  'sms_proxy_spool_entries 3',
  'sms_proxy_spool_entries_limit 10',
  'sms_proxy_spool_age_seconds 1.5',
  'sms_proxy_spool_spooled_total 7',
  'sms_proxy_spool_replayed_total 4',
  'sms_proxy_licence_state{state="active"} 1',
  'sms_proxy_licence_state{state="none"} 0',
  'sms_proxy_licence_connections_limit 10',
  'sms_proxy_licence_tps_limit 500',
  `sms_proxy_licence_last_day_timestamp_seconds ${Date.UTC(2026, 11, 31) / 1000}`,
])('there is %s', async line => {
  expect((await sources().render()).split('\n')).toContain(line)
})

test('without a licence there is no last day', async () => {
  const { all } = sources()
  const none = { status: 'none', max_connections: 0, max_tps: 0, valid_until: '' } as const
  const text = await createMetrics({ ...all, licence: () => none }, systemClock).render()
  expect(samples(text, 'sms_proxy_licence_last_day_timestamp_seconds')).toEqual([
    'sms_proxy_licence_last_day_timestamp_seconds 0',
  ])
})

test('the process tells of itself', async () => {
  const text = await sources().render()
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'process_open_fds',
    'sms_proxy_heap_bytes',
  ]) {
    expect(Number(samples(text, name)[0]?.split(' ')[1])).toBeGreaterThan(0)
  }
  const startedAt = Number(samples(text, 'process_start_time_seconds')[0]?.split(' ')[1])
  expect(Math.abs(startedAt - (Date.now() - performance.now()) / 1000)).toBeLessThan(2)
})

test('requests are a histogram by method, route and status', async () => {
  const { http, render } = sources()
  http.observe('POST', '/api/v1/sms/send', 200, 0.4)
  http.observe('POST', '/api/v1/sms/send', 200, 7)
  http.observe('POST', '/api/v1/sms/send', 200, 60_000)
  http.observe('BREW', 'unmatched', 404, 1)
  const labels = 'method="POST",route="/api/v1/sms/send",status="200"'
  const lines = (await render()).split('\n')
  for (const line of [
    `sms_proxy_http_request_duration_seconds_bucket{${labels},le="0.0005"} 1`,
    `sms_proxy_http_request_duration_seconds_bucket{${labels},le="0.01"} 2`,
    `sms_proxy_http_request_duration_seconds_bucket{${labels},le="10"} 2`,
    `sms_proxy_http_request_duration_seconds_bucket{${labels},le="+Inf"} 3`,
    `sms_proxy_http_request_duration_seconds_count{${labels}} 3`,
    'sms_proxy_http_request_duration_seconds_count{method="other",route="unmatched",status="404"} 1',
  ]) {
    expect(lines).toContain(line)
  }
})

test('codes that an SMSC refuses with, past those that are counted each, share a label', async () => {
  const { render, link } = sources()
  link.refusedOtherwise = 225
  expect(samples(await render(), 'sms_proxy_link_refusals_total')).toEqual([
    'sms_proxy_link_refusals_total{link="smpp-link-1",code="0x00000058"} 2',
    'sms_proxy_link_refusals_total{link="smpp-link-1",code="other"} 225',
  ])
})

describe('as promtool checks it', () => {
  test('each family has one help, one type, a fitting name and no sample twice', async () => {
    const { http, render } = sources()
    http.observe('GET', '/healthy', 200, 1)
    const lines = (await render()).split('\n')
    const types = lines.filter(line => line.startsWith('# TYPE ')).map(line => line.split(' ').slice(2))
    expect(types.length).toBeGreaterThan(30)
    expect(new Set(types.map(([name]) => name)).size).toBe(types.length)
    for (const [name = '', type] of types) {
      expect(
        lines.filter(line => line.startsWith(`# HELP ${name} `) && line.length > `# HELP ${name} `.length),
      ).toHaveLength(1)
      expect(name).toMatch(/^[a-z][a-z_]*$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      expect(name).not.toMatch(
        /_(count|sum|bucket)$|counter|gauge|histogram|_(ms|milliseconds|minutes|kb|mb)(_|$)/,
      )
    }
    const keys = lines
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => line.slice(0, line.lastIndexOf(' ')))
    expect(new Set(keys).size).toBe(keys.length)
    for (const line of lines) expect(line).not.toMatch(/(undefined|NaN|Nan)$/)
  })
})
