import { expect, test } from 'bun:test'
import { startEdge } from './support.ts'

test('the ten largest campaigns are told, each with a name that fits a narrow column', async () => {
  const names = ['x'.repeat(24), 'x'.repeat(25), '🙂'.repeat(25)]
  const asked: number[] = []
  const unasked = () => Promise.reject(new Error('not asked'))
  const edge = await startEdge({
    store: {
      ...{ totals: unasked, campaigns: unasked, inbox: unasked, unmatched: unasked },
      topCampaigns: async count => {
        asked.push(count)
        return names.map(campaign => ({ campaign, messages: 1 }))
      },
    },
  })
  const response = await fetch(`${edge.url}/dashboard/stats`, { headers: edge.asAdmin })
  const { data } = (await response.json()) as { data: { topCampaignStats: object[] } }
  expect(asked).toEqual([10])
  expect(data.topCampaignStats).toEqual([
    { index: 1, name: names[0], short_name: 'x'.repeat(24), messages: 1 },
    { index: 2, name: names[1], short_name: `${'x'.repeat(23)}…`, messages: 1 },
    { index: 3, name: names[2], short_name: `${'🙂'.repeat(23)}…`, messages: 1 },
  ])
  await edge.stop()
})

test('a reload is in the name of the admin, and one that fails says that what was in force stays', async () => {
  const by: string[] = []
  const edge = await startEdge({
    reload: async who => {
      if (by.push(who) === 2) throw new Error('a bug')
    },
  })
  const ask = async () => {
    const response = await fetch(`${edge.url}/api/v1/admin/reload`, { method: 'POST', headers: edge.asAdmin })
    return [response.status, await response.json()]
  }
  expect(await ask()).toEqual([200, { success: true }])
  expect(await ask()).toEqual([500, { success: false, error: 'reload failed, what was in force stays' }])
  expect(by).toEqual(['admin', 'admin'])
  await edge.stop()
})

test('what takes messages and is not quite well is ready, with a warning', async () => {
  const edge = await startEdge({ ready: () => ({ ready: true, reason: 'by the spool alone' }) })
  const response = await fetch(`${edge.url}/ready`)
  expect([response.status, await response.json()]).toEqual([
    200,
    { status: 'ready', warning: 'by the spool alone' },
  ])
  await edge.stop()
})

test('metrics are in the text format 0.0.4 of Prometheus, and nothing on the way keeps them', async () => {
  const edge = await startEdge()
  const { headers } = await fetch(`${edge.url}/metrics`)
  expect(headers.get('content-type')).toStartWith('text/plain; version=0.0.4')
  expect(headers.get('cache-control')).toBe('no-store')
  await edge.stop()
})
