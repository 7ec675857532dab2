import { expect, test } from 'bun:test'
import { tmpdir } from 'node:os'
import { createNumbers } from '../src/numbers.ts'
import { TurnedClock } from './support/clock.ts'

const NOTHING: Parameters<typeof createNumbers>[2] = {
  sends: () => [],
  filters: () => [],
  rules: () => ({ count: 0, broken: false }),
  links: () => [],
  queues: () => [],
  store: () => ({ commits: 0, writes: 0, failures: 0, seconds: 0, faulty: false }),
  spool: () => undefined,
  rateLimits: () => [],
  receipts: () => ({ matched: 0, held: 0, failed: 0, inbound: 0 }),
  licence: () => ({ status: 'none', max_connections: 0, max_tps: 0, valid_until: '' }),
}

test('a request counts for the dashboard and for the scrape, and stopped they leave no timer', async () => {
  const clock = new TurnedClock()
  const { metrics, stats, stop } = createNumbers(clock, tmpdir(), NOTHING)
  metrics.observe('GET', '/healthy', 200, 5)
  metrics.observe('POST', '/api/v1/sms/send', 500, 7)
  clock.skip(1000)
  expect(stats.requests().current).toBe(2)
  expect(stats.errors().rate).toBe(50)
  const scraped = await metrics.render()
  const told = 'sms_proxy_http_request_duration_seconds'
  expect(scraped).toContain(`\n${told}_count{method="GET",route="/healthy",status="200"} 1\n`)
  expect(scraped).toContain(`\n${told}_sum{method="POST",route="/api/v1/sms/send",status="500"} 0.007\n`)
  // The host's first sample reads files; the loop's probe has its timer from the beginning.
  while (clock.timers < 2) await clock.settle()
  stop()
  expect(clock.timers).toBe(0)
})
