import { afterEach, describe, expect, test } from 'bun:test'
import type { ExplainRequest, Explanation } from '../../src/explain.ts'
import type { FilterState, TestRequest } from '../../src/filters/index.ts'
import type { HttpDependencies } from '../../src/http/dependencies.ts'
import type { LinkView } from '../../src/network.ts'
import type { Page } from '../../src/store/store.ts'
import { adminRefusals } from './access.ts'
import { Contract } from './contract.ts'
import { OPERATOR_ROWS } from './operator_rows.ts'
import { ADMIN_KEY, startEdge, type TestEdge } from './support.ts'

let edge: TestEdge
afterEach(() => edge.stop())

interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test reads the body it expects, and fails where it is another
  readonly body: any
}

/** Asks as the admin; the answer is held against the document. */
async function ask(
  row: string,
  { query = '', json }: { query?: string; json?: unknown } = {},
): Promise<Answer> {
  const [method = '', path = ''] = row.split(' ')
  const response = await fetch(`${edge.url}${path}${query}`, {
    method,
    headers: { ...edge.asAdmin, ...(json !== undefined && { 'content-type': 'application/json' }) },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  })
  const body = await response.json()
  const contract = await Contract.of(edge.url)
  contract.check(row, response.status, response.headers.get('content-type') ?? '', body)
  return { status: response.status, body }
}

const ask200 = async (...args: Parameters<typeof ask>) => {
  const { status, body } = await ask(...args)
  expect(status).toBe(200)
  return body
}

test.each(OPERATOR_ROWS)('%s wants the admin key, and its example is as its schema says', async row => {
  edge = await startEdge()
  const [method = '', path = ''] = row.split(' ')
  for (const { headers, status, error } of adminRefusals(ADMIN_KEY, edge.token)) {
    const response = await fetch(edge.url + path, { method, headers })
    expect([response.status, await response.json()]).toEqual([status, { error }])
  }
  const contract = await Contract.of(edge.url)
  contract.check(row, 200, 'application/json', contract.exampleOf(row, 200))
})

const NO_STORE = {
  totals: () => Promise.reject(new Error('not asked')),
  campaigns: () => Promise.reject(new Error('not asked')),
  topCampaigns: () => Promise.reject(new Error('not asked')),
  inbox: () => Promise.reject(new Error('not asked')),
  unmatched: () => Promise.reject(new Error('not asked')),
}

describe('the inbox', () => {
  const row = 'GET /api/v1/admin/inbox'
  const message = {
    id: '019aaf3c-9f00-7c1e-8b7d-2f1a5e6c7d80',
    account: 'smsc:2775/me',
    link: 2,
    source: '447700900123',
    destination: '12345',
    receivedAt: 1_700_000_000_999,
  }
  const inboxOf = (parts: (string | null)[]): Partial<HttpDependencies> => ({
    store: { ...NO_STORE, inbox: async () => ({ rows: [{ ...message, parts }], total: 1 }) },
  })

  test('shows a message with where it came from and when', async () => {
    edge = await startEdge(inboxOf(['Hello']))
    expect(await ask200(row)).toEqual({
      success: true,
      data: [
        {
          id: message.id,
          source: '447700900123',
          destination: '12345',
          message: 'Hello',
          complete: true,
          parts: 1,
          missing: [],
          esme: 2,
          account: 'smsc:2775/me',
          received_at: 1_700_000_000,
        },
      ],
      pagination: { page: 1, limit: 50, total: 1, totalPages: 1 },
    })
  })

  test('marks what is missing of a long message, in its place', async () => {
    // The third came, and is empty.
    edge = await startEdge(inboxOf([null, 'two', '', null]))
    const { data } = await ask200(row)
    expect(data[0]).toMatchObject({
      message: '[part 1 of 4 missing]two[part 4 of 4 missing]',
      complete: false,
      parts: 4,
      missing: [1, 4],
    })
  })

  test('joins a surrogate pair that was cut in two, and shows no half of one', async () => {
    edge = await startEdge(inboxOf(['a\ud83d', '\ude00b\ud83d', null]))
    expect((await ask200(row)).data[0].message).toBe('a😀b\ufffd[part 3 of 3 missing]')
  })
})

test('unmatched receipts show the ids that were looked for', async () => {
  const receipt = {
    account: 'smsc:2775/me',
    ids: ['6699', '1a2b'],
    address: '447700900123',
    state: 'undeliverable',
    error: 27,
    at: 1_700_000_000_999,
  } as const
  edge = await startEdge({
    store: { ...NO_STORE, unmatched: async () => ({ rows: [receipt], total: 101 }) },
  })
  expect(await ask200('GET /api/v1/admin/receipts/unmatched', { query: '?limit=100' })).toEqual({
    success: true,
    data: [
      {
        account: 'smsc:2775/me',
        smsc_ids: ['6699', '1a2b'],
        destination: '447700900123',
        status: 'undeliverable',
        error_code: 27,
        received_at: 1_700_000_000,
      },
    ],
    pagination: { page: 1, limit: 100, total: 101, totalPages: 2 },
  })
})

test.each([
  ['GET /api/v1/admin/inbox', 'the inbox cannot be read'],
  ['GET /api/v1/admin/receipts/unmatched', 'the receipts cannot be read'],
])('%s is asked in pages as campaigns are', async (row, failure) => {
  const pages: Page[] = []
  const list = async (page: Page) => {
    pages.push(page)
    if (page.offset > 0) throw new Error('SELECT secret')
    return { rows: [], total: 250 }
  }
  edge = await startEdge({ store: { ...NO_STORE, inbox: list, unmatched: list } })
  expect((await ask200(row, { query: '?limit=1000' })).pagination).toEqual({
    page: 1,
    limit: 100,
    total: 250,
    totalPages: 3,
  })
  for (const query of ['?page=0', '?limit=x', '?page=-1', '?limit=1.5']) {
    expect((await ask(row, { query })).status).toBe(400)
  }
  expect(await ask(row, { query: '?page=3&limit=20' })).toEqual({
    status: 500,
    body: { success: false, error: failure },
  })
  await ask(row, { query: `?page=${'9'.repeat(30)}` })
  const [, , far] = pages
  expect(pages.slice(0, 2)).toEqual([
    { offset: 0, limit: 100 },
    { offset: 40, limit: 20 },
  ])
  expect(far?.offset).toSatisfy(Number.isSafeInteger)
})

const FILTER: FilterState = {
  name: 'premium',
  state: 'active',
  tripped_apps: [],
  description: 'Premium-rate numbers',
  blacklist: true,
  active: true,
  mode: 'enforce',
  error: 'line 3: unexpected token',
  hits: 9,
  matches: 5,
  refusals: 4,
  errors: 2,
  timeouts: 1,
  p50_us: 10.5,
  p99_us: 2500,
  seconds: 0.2,
  memory_bytes: 71_000,
  last_error: '',
  last_error_at: 0,
  changed_at: 1_700_000_000,
  snippet: 'export default () => true',
}

describe('filters', () => {
  const row = 'POST /api/v1/admin/filters/test'
  const tested: TestRequest[] = []
  const verdict = { verdict: 'reject', match: true, reason: 'premium', time_us: 12.5, error: '' } as const
  const inspection = {
    folder_error: '',
    filters: [FILTER],
    lists: [{ name: 'numbers', entries: 1_000_000, error: '', changed_at: 1_700_000_000 }],
  }
  const start = async () => {
    tested.length = 0
    edge = await startEdge({
      filters: {
        inspect: ({ memory } = { memory: false }) => ({
          ...inspection,
          filters: inspection.filters.map(one => ({ ...one, memory_bytes: memory ? one.memory_bytes : 0 })),
        }),
        test(request) {
          tested.push(request)
          return verdict
        },
      },
    })
  }

  test('are listed with their state, their counts and what is wrong with them', async () => {
    await start()
    expect(await ask200('GET /api/v1/admin/filters')).toEqual({ success: true, data: inspection })
  })

  test('are tested by name or as a snippet', async () => {
    await start()
    const message = { destination: '19005551234' }
    expect(await ask200(row, { json: { name: 'premium', message } })).toEqual({
      success: true,
      data: verdict,
    })
    const snippet = 'export default () => true'
    await ask200(row, { json: { snippet } })
    await ask200(row, { json: { snippet, message: { source: '+1 900', destination: '+1 900-555 12 34' } } })
    await ask200(row, { json: { snippet, message: { source: 'My Shop', destination: 'nowhere' } } })
    expect(tested).toEqual([
      { name: 'premium', message },
      { snippet, message: {} },
      { snippet, message: { source: '+1 900', destination: '19005551234' } },
      { snippet, message: { source: 'My Shop', destination: 'nowhere' } },
    ])
  })

  test.each([
    ['nothing to test', {}, 400, 'give either `name`, of a filter that is there, or `snippet`'],
    [
      'two things',
      { name: 'premium', snippet: 'x' },
      400,
      'give either `name`, of a filter that is there, or `snippet`',
    ],
    ['a name that is not there', { name: 'casino' }, 404, 'there is no filter of that name'],
    [
      'a field that no filter sees',
      { name: 'premium', message: { text: 'x' } },
      400,
      'unknown field "message.text"',
    ],
  ])('with %s are refused', async (_, json, status, error) => {
    await start()
    expect(await ask(row, { json })).toEqual({ status, body: { success: false, error } })
    expect(tested).toEqual([])
  })
})

describe('route/explain', () => {
  const row = 'POST /api/v1/admin/route/explain'
  const json = { esme: 1, source: 'Bank', destination: '+447700900123', message: 'Hello' }
  const link: LinkView = {
    settings: {
      id: 1,
      name: 'smpp-link-1',
      address: { host: 'smsc', port: 2775, tls: false },
      systemId: 'me',
      password: 'secret-of-the-link',
      systemType: '',
      addresses: { ton: 0, npi: 0, range: '' },
      interfaceVersion: 0x34,
      bind: 'transceiver',
      connectTimeoutMs: 1,
      responseTimeoutMs: 1,
      enquireLinkMs: 1,
      window: 100,
      limitTps: 50,
      enabled: true,
      shortCodeTon: 3,
      shortCodeNpi: 0,
      serviceType: '',
      weight: 1,
    },
    state: 'LOADED',
    bound: true,
    enabled: true,
    stats: {
      inFlight: 3,
      window: 100,
      sentLastSecond: 50,
      rttMs: 1,
      submitted: 1,
      accepted: 1,
      refused: new Map(),
      refusedOtherwise: 0,
      unknown: 0,
      unwritten: 0,
      delivered: 0,
    },
  }
  const message = {
    source: 'Bank',
    destination: '447700900123',
    message: 'Hello',
    esme: 1,
    app_id: 1,
    app_name: 'default',
    transaction_id: '',
    campaign_uuid: 'app-1',
    encoding: 'gsm7',
    parts: 1,
    time: 1_700_000_000,
  } as const
  const explanation: Explanation = {
    outcome: 'queued',
    error: '',
    summary: 'waits in the queue of pool-1: no link can take it now',
    message,
    checks: [{ check: 'licence', pass: true, error: '' }],
    filters: [],
    route: {
      rules: [
        { rule: 'night', matches: false, why: 'time is noon, not night' },
        { rule: 'uk', matches: true, decision: { rule: 'uk', pool: 'pool-1' } },
        { rule: 'rest', matches: true, decision: { rule: 'rest', refuse: 'no route' } },
      ],
      decision: { rule: 'uk', pool: 'pool-1' },
      pool: {
        id: 7,
        name: 'pool-1',
        strategy: 'weighted',
        queued: 2,
        queueMax: 10,
        behind: false,
        candidates: [{ link, taken: false, reason: 'no_room', shortage: 'tps' }],
      },
    },
  }
  const asked: ExplainRequest[] = []
  const start = async () => {
    asked.length = 0
    edge = await startEdge({
      explain: async request => {
        asked.push(request)
        return explanation
      },
    })
  }

  test('tells each rule and each link, and nothing secret', async () => {
    await start()
    const body = await ask200(row, { json })
    expect(body.data).toMatchObject({
      outcome: 'queued',
      summary: 'waits in the queue of pool-1: no link can take it now',
      encoding: 'gsm7',
      parts: 1,
      rules: [
        { rule: 'night', matches: false, decides: false, says: 'time is noon, not night' },
        { rule: 'uk', matches: true, decides: true, says: 'pool-1' },
        { rule: 'rest', matches: true, decides: false, says: 'refuses: no route' },
      ],
      pool: {
        id: 7,
        name: 'pool-1',
        chosen_by: 'rule "uk"',
        strategy: 'weighted',
        queued: 2,
        queue_max: 10,
        links: [
          {
            id: 1,
            name: 'smpp-link-1',
            taken: false,
            reason: 'limit_tps is used up for this second',
            state: 'LOADED',
            in_flight: 3,
            window: 100,
            tps: 50,
            limit_tps: 50,
          },
        ],
      },
    })
    expect(JSON.stringify(body)).not.toContain('secret-of-the-link')
  })

  test('takes the body of a send as it stands, with app, address and time beside it', async () => {
    await start()
    await ask200(row, { json: { ...json, transaction_id: 'tx', flash: true, priority: 2 } })
    await ask200(row, { json: { ...json, app_id: 1, ip: '192.0.2.7', time: 1_700_000_000 } })
    expect(asked[0]).toMatchObject({ transactionId: 'tx', flash: true, priority: 2, ipAllowed: undefined })
    expect(asked[1]).toMatchObject({ appName: 'default', ipAllowed: true, at: 1_700_000_000_000 })
    edge.users.setAllowedIps(1, ['10.0.0.0/8'], 'test')
    await ask200(row, { json: { ...json, ip: '192.0.2.7' } })
    expect(asked[2]?.ipAllowed).toBe(false)
    expect(edge.submitted).toEqual([])
  })

  test.each([
    [{ app_id: 99 }, 'unknown app_id'],
    [{ ip: 'here' }, 'ip must be an IPv4 or IPv6 address'],
    [{ text: 'x' }, 'unknown field "text"'],
  ])('refuses %j', async (more, error) => {
    await start()
    expect(await ask(row, { json: { ...json, ...more } })).toEqual({
      status: 400,
      body: { success: false, error },
    })
    expect(asked).toEqual([])
  })
})
