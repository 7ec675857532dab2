import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/errors.ts'
import type { HttpDependencies } from '../../src/http/dependencies.ts'
import { adminRefusals, appRefusals } from './access.ts'
import { Contract } from './contract.ts'
import { OPERATOR_ROWS } from './operator_rows.ts'
import { ADMIN_KEY, EMAIL, message, PASSWORD, SERVER_CONFIG, startEdge, type TestEdge } from './support.ts'

/**
 * Every row of the reference's summary with every status that it documents. A row's path is as the OpenAPI
 * document writes it; `{id}` is filled from `id`.
 */
interface Case {
  readonly row: string
  readonly status: number
  readonly name: string
  readonly as?: 'app' | 'admin' | 'nobody'
  readonly id?: string
  readonly query?: string
  readonly json?: unknown
  readonly form?: FormData
  readonly fakes?: Partial<HttpDependencies>
  readonly prepare?: (edge: TestEdge) => unknown
  readonly body: unknown
}

const broken = async () => {
  throw new Error('SELECT secret FROM /var/lib/store')
}

const BROKEN_STORE = {
  totals: broken,
  campaigns: broken,
  topCampaigns: broken,
  inbox: broken,
  unmatched: broken,
}

const fault = () => {
  throw new Error('SELECT secret FROM /var/lib/store')
}

const LICENCE = {
  company: 'UNIQUBIC Corporation',
  valid_until: '2026-12-31',
  max_connections: 100,
  max_tps: 1000,
  status: 'active',
}
const LINK_VIEWS = [
  { id: 1, name: 'smpp-link-1', status: 'LOADED', current_tps: 100, limit_tps: 100, enabled: true },
  { id: 2, name: 'smpp-link-2', status: 'CONNECTING', current_tps: 100, limit_tps: 100, enabled: true },
]
const CONNECTION = {
  host: 'smpp.example.com',
  port: 2775,
  system_id: 'my_system',
  system_type: 'client',
  interface_version: '3.4',
  response_timeout: 5,
}
const STATS = {
  rps: { current: 1200, data: [{ time: '14:30', rps: 1150.0 }] },
  errors: { rate: 0.5, data: [{ time: '14:30', errors: 3, rate: 0.26 }] },
  topCampaignStats: [{ index: 1, name: 'campaign-abc', short_name: 'campaign-abc', messages: 54321 }],
  system: { cpu: 23.4, ram: 65.0, disk: 41.2 },
}
const NO_SEND = { message_id: '', sms_ids: [], task_id: 0 }
const NO_INFO = {
  message_id: '',
  mode: '',
  parts: {},
  delivered_count: 0,
  sent_at: 0,
  updated_at: 0,
  transaction_id: '',
  task_id: 0,
  status: '',
}
const SEND = {
  esme: 1,
  source: '+123456789',
  destination: '+987654321',
  message: 'Hello world',
  transaction_id: 'tx-001',
}
const PROXY_USER = {
  email: 'api-user@example.com',
  password: 'strongpass',
  app_name: 'my-app',
  app_secret: 'my-secret',
}

const form = (content?: string): FormData => {
  const made = new FormData()
  if (content !== undefined) made.append('license', new Blob([content]), 'license.json')
  else made.append('other', 'x')
  return made
}
const failing = (error: GatewayError) => ({ submit: () => Promise.reject(error) })
const strangers = {
  ips: { allowed: { empty: false, has: () => false }, trustedProxies: { empty: true, has: () => false } },
}

/** Both rows of a mirrored definition. */
const both = (method: string, path: string, cases: readonly Omit<Case, 'row' | 'as'>[]): Case[] =>
  cases.flatMap(one => [
    { ...one, row: `${method} /api/v1${path}`, as: 'app' as const },
    { ...one, row: `${method} /api/v1/admin${path}`, as: 'admin' as const },
  ])

const statistics = (row: string, as: 'app' | 'admin'): Case[] => [
  { row, as, status: 200, name: 'OK', body: { success: true, data: STATS } },
  {
    row,
    as,
    status: 500,
    name: 'failed to get top campaigns',
    fakes: { store: BROKEN_STORE },
    body: { success: false, error: 'failed to get top campaigns' },
  },
]

const REGISTER = { row: 'POST /api/v1/user/register', as: 'admin' } as const
const LOGIN = { row: 'POST /api/v1/user/login', as: 'nobody' } as const
const VALIDATE = { row: 'POST /api/v1/user/validate', as: 'admin' } as const
const DELETE = { row: 'POST /api/v1/user/delete', as: 'admin' } as const
const SENDING = { row: 'POST /api/v1/sms/send', as: 'app', json: SEND } as const
const INFO = { row: 'POST /api/v1/sms/info', as: 'app', json: { esme: 1, message_id: 'msg-uuid' } } as const
const ADD = { row: 'POST /api/v1/admin/proxy-users/register', as: 'admin', json: PROXY_USER } as const
const REMOVE = { row: 'DELETE /api/v1/admin/proxy-users/{id}', as: 'admin' } as const
const PROMOTE = { row: 'PUT /api/v1/admin/proxy-users/{id}/toggle-admin', as: 'admin' } as const
const CAMPAIGNS = { row: 'GET /api/v1/admin/metrics/campaigns', as: 'admin' } as const

const failingUsers = (method: 'register' | 'user' | 'toggleAdmin') => (edge: TestEdge) => {
  edge.users[method] = () => {
    throw new Error('SQLITE_IOERR at /var/lib/users.db')
  }
}

const CASES: readonly Case[] = [
  { row: 'GET /healthy', as: 'nobody', status: 200, name: 'alive', body: { status: 'ok' } },
  { row: 'GET /ready', as: 'nobody', status: 200, name: 'ready', body: { status: 'ready' } },
  {
    row: 'GET /ready',
    as: 'nobody',
    status: 503,
    name: 'not ready',
    fakes: { ready: () => ({ ready: false, reason: 'no link is bound' }) },
    body: { error: 'not ready: no link is bound' },
  },
  {
    row: 'GET /ready',
    as: 'nobody',
    status: 500,
    name: 'service failure',
    fakes: { ready: fault },
    body: { error: 'internal error' },
  },
  { row: 'GET /metrics', as: 'nobody', status: 200, name: 'text', body: '# TYPE up gauge\nup 1\n' },
  {
    row: 'GET /metrics',
    as: 'nobody',
    status: 500,
    name: 'service failure',
    fakes: { metrics: { render: fault, observe() {} } },
    body: { error: 'internal error' },
  },
  ...statistics('GET /dashboard/stats', 'admin'),
  ...statistics('GET /api/v1/dashboard/stats', 'app'),

  {
    ...REGISTER,
    status: 201,
    name: 'created',
    json: { email: 'user@example.com', password: 'secret' },
    body: { user_id: 2, error: '' },
  },
  {
    ...REGISTER,
    status: 400,
    name: 'missing fields',
    json: { email: 'user@example.com' },
    body: { user_id: 0, error: 'password is required' },
  },
  {
    ...REGISTER,
    status: 400,
    name: 'user exists',
    json: { email: EMAIL, password: 'secret' },
    body: { user_id: 0, error: 'user already exists' },
  },
  {
    ...REGISTER,
    status: 500,
    name: 'internal error',
    json: { email: 'user@example.com', password: 'secret' },
    prepare: failingUsers('register'),
    body: { user_id: 0, error: 'internal error' },
  },
  {
    ...LOGIN,
    status: 200,
    name: 'a token',
    json: { email: EMAIL, password: PASSWORD, app_id: 1 },
    body: { token: expect.stringMatching(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/), error: '' },
  },
  {
    ...LOGIN,
    status: 400,
    name: 'missing fields',
    json: { email: EMAIL, password: PASSWORD },
    body: { token: '', error: 'app_id is required' },
  },
  {
    ...LOGIN,
    status: 400,
    name: 'unknown app',
    json: { email: EMAIL, password: PASSWORD, app_id: 99 },
    body: { token: '', error: 'failed to login: unknown app_id' },
  },
  {
    ...LOGIN,
    status: 401,
    name: 'wrong password',
    json: { email: EMAIL, password: 'wrong', app_id: 1 },
    body: { token: '', error: 'invalid email or password' },
  },
  {
    ...LOGIN,
    status: 401,
    name: 'unknown email',
    json: { email: 'x@y', password: 'wrong', app_id: 1 },
    body: { token: '', error: 'invalid email or password' },
  },
  { ...VALIDATE, status: 200, name: 'no admin', json: { user_id: 1 }, body: { is_admin: false, error: '' } },
  {
    ...VALIDATE,
    status: 200,
    name: 'an admin',
    json: { user_id: 1 },
    prepare: edge => edge.users.toggleAdmin(1, 'test'),
    body: { is_admin: true, error: '' },
  },
  {
    ...VALIDATE,
    status: 400,
    name: 'zero id',
    json: { user_id: 0 },
    body: { is_admin: false, error: expect.stringContaining('user_id') },
  },
  {
    ...VALIDATE,
    status: 500,
    name: 'internal error',
    json: { user_id: 1 },
    prepare: failingUsers('user'),
    body: { is_admin: false, error: 'internal error' },
  },
  { ...DELETE, status: 200, name: 'deleted', json: { user_id: 1 }, body: { result: true, error: '' } },
  {
    ...DELETE,
    status: 400,
    name: 'zero id',
    json: { user_id: 0 },
    body: { result: false, error: expect.stringContaining('user_id') },
  },
  {
    ...DELETE,
    status: 400,
    name: 'an admin',
    json: { user_id: 1 },
    prepare: edge => edge.users.toggleAdmin(1, 'test'),
    body: { result: false, error: 'the user is an admin: take the role away first' },
  },
  {
    ...DELETE,
    status: 404,
    name: 'not found',
    json: { user_id: 42 },
    body: { result: false, error: 'user not found' },
  },
  {
    ...DELETE,
    status: 500,
    name: 'failed to check',
    json: { user_id: 1 },
    prepare: failingUsers('user'),
    body: { result: false, error: 'failed to check admin status' },
  },

  ...both('GET', '/dashboard/metrics', [
    {
      status: 200,
      name: 'totals',
      body: {
        success: true,
        data: { total_messages: 1234567, total_companies: 1, active_connections: 1 },
      },
    },
    {
      status: 500,
      name: 'service failure',
      fakes: { store: BROKEN_STORE },
      body: { success: false, error: 'internal error' },
    },
  ]),
  ...both('GET', '/dashboard/smpp-links', [
    { status: 200, name: 'links', body: { success: true, data: LINK_VIEWS } },
  ]),
  ...both('GET', '/dashboard/load-balancers', [
    {
      status: 200,
      name: 'pools',
      body: {
        success: true,
        data: [{ id: 0, name: 'pool-1', links: ['smpp-link-1', 'smpp-link-2'], total_tps: 200 }],
      },
    },
    {
      status: 500,
      name: 'service failure',
      fakes: { pools: fault },
      body: { success: false, error: 'internal error' },
    },
  ]),
  ...both('GET', '/settings/license', [
    { status: 200, name: 'the licence', body: { success: true, data: LICENCE } },
    {
      status: 500,
      name: 'service failure',
      fakes: { licence: { current: fault, upload: fault } },
      body: { success: false, error: 'internal error' },
    },
  ]),
  ...both('POST', '/settings/license/upload', [
    {
      status: 200,
      name: 'uploaded',
      form: form('good'),
      body: { success: true, message: 'License uploaded successfully', data: LICENCE },
    },
    {
      status: 400,
      name: 'no file',
      form: form(),
      body: { success: false, error: expect.stringContaining('no file') },
    },
    {
      status: 400,
      name: 'bad format',
      form: form('bad'),
      body: { success: false, error: 'the licence file is not JSON' },
    },
  ]),
  ...both('GET', '/settings/smpp-config', [
    { status: 200, name: 'connections', body: { success: true, data: [CONNECTION, CONNECTION] } },
  ]),
  ...both('PUT', '/smpp/{id}/toggle', [
    {
      status: 200,
      name: 'toggled',
      id: '1',
      json: { enabled: false, reason: 'maintenance window' },
      body: { success: true, data: { id: 1, name: 'smpp-link-1', enabled: false } },
    },
    {
      status: 400,
      name: 'invalid id',
      id: 'one',
      json: { enabled: false },
      body: { success: false, error: expect.stringContaining('invalid id') },
    },
    {
      status: 400,
      name: 'invalid body',
      id: '1',
      json: { enabled: 'no' },
      body: { success: false, error: expect.stringContaining('enabled') },
    },
    {
      status: 500,
      name: 'link not found',
      id: '9',
      json: { enabled: true },
      body: { success: false, error: 'link not found' },
    },
  ]),

  {
    ...SENDING,
    status: 200,
    name: 'sent',
    body: {
      success: true,
      error: '',
      esme: 1,
      transaction_id: 'tx-001',
      message_id: 'msg-uuid',
      status: 'submitted',
      sms_ids: ['sms-001', 'sms-002'],
      task_id: 12345,
    },
  },
  {
    ...SENDING,
    status: 400,
    name: 'invalid request body',
    json: { ...SEND, message: 5 },
    body: {
      ...NO_SEND,
      success: false,
      error: 'message: expected string',
      esme: 1,
      transaction_id: 'tx-001',
      status: '',
    },
  },
  {
    ...SENDING,
    status: 403,
    name: 'IP not allowed',
    fakes: strangers,
    body: { ...NO_SEND, success: false, error: 'IP not allowed', esme: 0, transaction_id: '', status: '' },
  },
  {
    ...SENDING,
    status: 403,
    name: 'rejected by a filter',
    fakes: failing(new GatewayError('refused', 'rejected by filter "casino"')),
    body: {
      ...NO_SEND,
      success: false,
      error: 'rejected by filter "casino"',
      esme: 1,
      transaction_id: 'tx-001',
      status: 'rejected',
    },
  },
  {
    ...SENDING,
    status: 403,
    name: 'licence expired',
    fakes: failing(new GatewayError('licence_expired', 'license expired')),
    body: expect.objectContaining({ success: false, error: 'license expired', esme: 1, status: '' }),
  },
  {
    ...SENDING,
    status: 409,
    name: 'key used with another body',
    fakes: failing(new GatewayError('key_reused', 'used')),
    body: expect.objectContaining({ success: false, error: 'used', message_id: '' }),
  },
  {
    ...SENDING,
    status: 500,
    name: 'unknown esme',
    fakes: failing(new GatewayError('unknown_esme', 'unknown esme')),
    body: expect.objectContaining({ success: false, error: 'unknown esme', esme: 1, status: 'failed' }),
  },
  {
    ...SENDING,
    status: 500,
    name: 'SMPP error',
    fakes: {
      submit: async () =>
        message({
          state: 'failed',
          error: 'SMSC refused with ESME_RINVDSTADR (0x0B)',
          parts: [{ state: 'failed', smscId: '', account: '', error: 11 }],
        }),
    },
    body: {
      success: false,
      error: 'SMSC refused with ESME_RINVDSTADR (0x0B)',
      esme: 1,
      transaction_id: 'tx-001',
      message_id: 'msg-uuid',
      status: 'failed',
      sms_ids: [],
      task_id: 12345,
    },
  },
  {
    ...SENDING,
    status: 500,
    name: 'no answer in time',
    fakes: {
      submit: async () =>
        message({
          state: 'unknown',
          error: 'no submit_sm_resp in time',
          parts: [{ state: 'unknown', smscId: '', account: '', error: 0 }],
        }),
    },
    body: expect.objectContaining({ success: false, status: 'unknown', message_id: 'msg-uuid' }),
  },
  {
    ...SENDING,
    status: 500,
    name: 'service failure',
    fakes: { submit: broken },
    body: expect.objectContaining({ success: false, error: 'internal error', status: 'unknown' }),
  },
  {
    row: 'POST /api/v1/sms/check-esme',
    as: 'app',
    status: 200,
    name: 'bound',
    json: { esme: 1 },
    body: { persist: true, system_id: 'my_system', error: '' },
  },
  {
    row: 'POST /api/v1/sms/check-esme',
    as: 'app',
    status: 200,
    name: 'not bound',
    json: { esme: 2 },
    body: { persist: false, system_id: 'my_system', error: '' },
  },
  {
    row: 'POST /api/v1/sms/check-esme',
    as: 'app',
    status: 200,
    name: 'unknown',
    json: { esme: 9 },
    body: { persist: false, system_id: '', error: 'unknown esme' },
  },
  {
    ...INFO,
    status: 200,
    name: 'delivered',
    fakes: {
      info: async () =>
        message({
          state: 'delivered',
          parts: [{ state: 'delivered', smscId: 'sms-001', account: 'a', error: 0 }],
        }),
    },
    body: {
      message_id: 'msg-uuid',
      mode: 'submit_sm',
      parts: { '1': 'delivered' },
      delivered_count: 1,
      sent_at: 1700000000,
      updated_at: 1700000010,
      transaction_id: 'tx-001',
      task_id: 12345,
      status: 'delivered',
      error: '',
    },
  },
  {
    ...INFO,
    status: 400,
    name: 'invalid request',
    json: { esme: 1 },
    body: { ...NO_INFO, error: 'message_id is required' },
  },
  {
    ...INFO,
    status: 403,
    name: 'IP not allowed',
    fakes: strangers,
    body: { ...NO_INFO, error: 'IP not allowed' },
  },
  {
    ...INFO,
    status: 404,
    name: 'message not found',
    json: { esme: 1, message_id: 'another' },
    body: { ...NO_INFO, error: 'message not found' },
  },
  {
    ...INFO,
    status: 500,
    name: 'service error',
    fakes: { info: broken },
    body: { ...NO_INFO, error: 'internal error' },
  },

  {
    ...CAMPAIGNS,
    status: 200,
    name: 'the first page',
    body: {
      success: true,
      data: [
        { campaign_uuid: 'abc-123', messages_sent: 1000, messages_failed: 5, messages_total: 1005, sme: 1 },
      ],
      pagination: { page: 1, limit: 50, total: 120, totalPages: 3 },
    },
  },
  {
    ...CAMPAIGNS,
    status: 200,
    name: 'a page past the end, at more than the limit',
    query: '?page=99999999999999999999&limit=5000',
    body: {
      success: true,
      data: [],
      pagination: { page: expect.any(Number), limit: 100, total: 120, totalPages: 2 },
    },
  },
  ...['page=0', 'page=-1', 'page=', 'page=1.5', 'limit=0', 'limit=x', 'limit=1e3'].map(query => ({
    ...CAMPAIGNS,
    status: 400,
    name: query,
    query: `?${query}`,
    body: { success: false, error: expect.stringContaining('must be a positive integer') },
  })),
  {
    row: 'GET /api/v1/admin/settings/server-config',
    as: 'admin',
    status: 200,
    name: 'the configuration',
    body: { success: true, data: SERVER_CONFIG },
  },
  {
    row: 'GET /api/v1/admin/settings/server-config',
    as: 'admin',
    status: 500,
    name: 'service failure',
    fakes: { serverConfig: fault },
    body: { success: false, error: 'internal error' },
  },
  { row: 'POST /api/v1/admin/reload', as: 'admin', status: 200, name: 'done', body: { success: true } },
  {
    row: 'POST /api/v1/admin/reload',
    as: 'admin',
    status: 400,
    name: 'a wrong configuration',
    fakes: { reload: () => Promise.reject(new GatewayError('invalid', 'rules[0].pool: no such pool')) },
    body: { success: false, error: 'rules[0].pool: no such pool' },
  },
  {
    row: 'GET /api/v1/admin/proxy-users',
    as: 'admin',
    status: 200,
    name: 'all',
    body: {
      success: true,
      data: [
        {
          id: 1,
          email: EMAIL,
          is_admin: false,
          app_id: 1,
          app_name: 'default',
          app_secret: expect.stringMatching(/^sha256:/),
        },
      ],
    },
  },
  { ...ADD, status: 201, name: 'created', body: { success: true, data: { user_id: 2 } } },
  {
    ...ADD,
    status: 400,
    name: 'missing fields',
    json: { ...PROXY_USER, app_secret: undefined },
    body: { success: false, error: 'app_secret is required' },
  },
  {
    ...ADD,
    status: 400,
    name: 'duplicate user',
    json: { ...PROXY_USER, email: EMAIL },
    body: { success: false, error: 'user already exists' },
  },
  {
    ...ADD,
    status: 400,
    name: 'a name with another secret',
    json: { ...PROXY_USER, app_name: 'default' },
    body: { success: false, error: expect.stringContaining('app_secret is not its own') },
  },
  { ...REMOVE, status: 200, name: 'deleted', id: '1', body: { success: true } },
  {
    ...REMOVE,
    status: 400,
    name: 'invalid id',
    id: '0',
    body: { success: false, error: expect.stringContaining('invalid id') },
  },
  { ...REMOVE, status: 400, name: 'error', id: '9', body: { success: false, error: 'user not found' } },
  {
    ...PROMOTE,
    status: 200,
    name: 'toggled',
    id: '1',
    body: { success: true, data: { id: 1, is_admin: true } },
  },
  {
    ...PROMOTE,
    status: 400,
    name: 'invalid id',
    id: 'x',
    body: { success: false, error: expect.stringContaining('invalid id') },
  },
  {
    ...PROMOTE,
    status: 500,
    name: 'no such user',
    id: '9',
    body: { success: false, error: 'user not found' },
  },
  {
    ...PROMOTE,
    status: 500,
    name: 'service error',
    id: '1',
    prepare: failingUsers('toggleAdmin'),
    body: { success: false, error: 'internal error' },
  },
]

let edge: TestEdge | undefined
const started = async (fakes?: Partial<HttpDependencies>, adminKey: string | undefined = ADMIN_KEY) => {
  edge = await startEdge(fakes, { adminKey })
  return edge
}
afterEach(async () => {
  await edge?.stop()
  edge = undefined
})

const methodOf = (row: string): string => row.slice(0, row.indexOf(' '))
const pathOf = (row: string, id = '1'): string => row.slice(row.indexOf(' ') + 1).replace('{id}', id)

function initOf(one: Case, { asApp, asAdmin }: TestEdge): RequestInit {
  const access = one.as === 'app' ? asApp : one.as === 'admin' ? asAdmin : {}
  const init = { method: methodOf(one.row), headers: { ...access } }
  if (one.form) return { ...init, body: one.form }
  if (one.json === undefined) return init
  return {
    ...init,
    headers: { ...access, 'content-type': 'application/json' },
    body: JSON.stringify(one.json),
  }
}

const read = async (response: Response): Promise<unknown> =>
  response.headers.get('content-type')?.startsWith('application/json') ? response.json() : response.text()

describe('the reference', () => {
  for (const one of CASES) {
    test(`${one.row}: ${one.status} ${one.name} (${one.as})`, async () => {
      const running = await started(one.fakes)
      one.prepare?.(running)
      const response = await fetch(
        running.url + pathOf(one.row, one.id) + (one.query ?? ''),
        initOf(one, running),
      )
      const body = await read(response)
      expect(body).toEqual(one.body)
      expect(response.status).toBe(one.status)
      const contract = await Contract.of(running.url)
      contract.check(one.row, response.status, response.headers.get('content-type') ?? '', body)
      if (one.status === 500) expect(JSON.stringify(body)).not.toMatch(/SELECT|SQLITE|\/var|\.ts/)
    })
  }
})

describe('access', () => {
  const rows = [...new Map(CASES.map(one => [one.row, one])).values()]
  const plain = async (response: Response, status: number, error: string, row: string) => {
    const body = await response.json()
    expect({ row, status: response.status, body }).toEqual({ row, status, body: { error } })
    const contract = await Contract.of(edge?.url ?? '')
    contract.check(row, status, response.headers.get('content-type') ?? '', body)
  }
  const call = (running: TestEdge, one: Case, headers: Readonly<Record<string, string>>) =>
    fetch(running.url + pathOf(one.row, one.id), { ...initOf({ ...one, as: 'nobody' }, running), headers })

  for (const one of rows.filter(({ as }) => as === 'app')) {
    test(`${one.row} wants a token and an app, in the order of the reference's table`, async () => {
      const running = await started()
      const authorization = `Bearer ${running.token}`
      for (const { headers, status, error } of appRefusals(running.token)) {
        await plain(await call(running, one, headers), status, error, one.row)
      }
      const welcome = await call(running, one, { authorization, 'x-app-id': '1' })
      expect([401, 403]).not.toContain(welcome.status)
    })
  }

  for (const one of rows.filter(({ as }) => as === 'admin')) {
    test(`${one.row} wants the admin key, and 503 says that none is configured`, async () => {
      const running = await started()
      for (const { headers, status, error } of adminRefusals(ADMIN_KEY, running.token)) {
        await plain(await call(running, one, headers), status, error, one.row)
      }
      await running.stop()
      edge = await startEdge({}, { adminKey: undefined })
      const unset = await call(edge, one, { 'x-admin-key': '' })
      await plain(unset, 503, 'admin API key not configured', one.row)
    })
  }
})

describe('the document', () => {
  let contract: Contract
  beforeEach(async () => {
    contract = await Contract.of((await started()).url)
  })

  test('has every row that was tested here, and none that was not', () => {
    const tested = [...CASES.map(one => one.row), ...OPERATOR_ROWS]
    expect([...contract.rows].sort()).toEqual([...new Set(tested)].sort())
    // The 31 of the reference, with /ready and reload.
    expect(contract.rows).toHaveLength(33 + OPERATOR_ROWS.length)
  })

  test('tells of limits on every row, and of what can be wrong with a body where there is one', () => {
    for (const row of contract.rows) {
      const statuses = contract.statusesOf(row)
      expect(statuses).toContain('429')
      const body = contract.bodyOf(row)
      for (const status of body ? ['400', '408', '413'] : []) expect(statuses, row).toContain(status)
      expect(statuses.includes('415'), row).toBe(body?.type === 'application/json')
    }
  })
})
