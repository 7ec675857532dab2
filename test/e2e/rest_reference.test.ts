import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { adminRefusals, appRefusals } from '../http/access.ts'
import { Contract } from '../http/contract.ts'
import { summary } from '../support/api_reference.ts'
import { startSmsc, type TestSmsc } from '../support/smsc.ts'
import { ADMIN_KEY, type GatewayOptions, type Reply, TestGateway } from './gateway.ts'
import {
  checked,
  damageMessages,
  formOf,
  licenceForm,
  licenceKey,
  loseUsers,
  methodOf,
  pathOf,
} from './rest.ts'

/** Every row of the reference with every status that is documented for it, against the binary. */

setDefaultTimeout(240_000)

/** What a gateway has gone through before it is asked. Each is started once, when the first test wants it. */
type Setting = 'sound' | 'keyless' | 'limited' | 'strange' | 'flooded' | 'messages lost' | 'users lost'

let smsc: TestSmsc
let contract: Contract
/** What is answered to bodies that stop half way: it takes their 15 s, so it is asked first and looked at last. */
let halves: Promise<readonly { readonly row: string; readonly reply: Reply }[]>
const running = new Map<Setting, Promise<TestGateway>>()

beforeAll(async () => {
  smsc = startSmsc({ error: '0x0b=4917*' })
  const gateway = await gatewayIn('sound')
  contract = await Contract.of(gateway.url)
  const asked = bodied().map(async ({ row, type }) => ({
    row,
    reply: await answerToHalf(gateway, row, type),
  }))
  halves = Promise.all(asked)
})
afterAll(async () => {
  for (const gateway of running.values()) await (await gateway)[Symbol.asyncDispose]()
  await smsc.close()
})

function gatewayIn(setting: Setting): Promise<TestGateway> {
  const known = running.get(setting)
  if (known) return known
  const started = SETTINGS[setting]()
  running.set(setting, started)
  return started
}

const made = (options: Partial<GatewayOptions> = {}): TestGateway => {
  const link = { port: smsc.port, systemId: 'my_system' }
  return new TestGateway({ links: [link, link], ...options })
}

const SETTINGS: Readonly<Record<Setting, () => Promise<TestGateway>>> = {
  async sound() {
    const gateway = made()
    const key = licenceKey(gateway.folder)
    const link = { port: smsc.port, systemId: 'my_system' }
    gateway.configure({ links: [link, link], yaml: `license: { public_key: "${key}" }` })
    mkdirSync(join(gateway.folder, 'filters'))
    writeFileSync(
      join(gateway.folder, 'filters/casino.js'),
      'export const blacklist = true\nexport default sms => /casino/.test(sms.message)\n',
    )
    return (await gateway.start()).bound()
  },
  keyless: () => made({ env: { ADMIN_API_KEY: '' } }).start(),
  async limited() {
    const gateway = await made({ yaml: 'rate_limit: { global: { rps: 0.001, burst: 1 } }' }).start()
    await gateway.fetch('GET', '/healthy')
    return gateway
  },
  strange: () => made({ yaml: 'security: { allowed_ips: [192.0.2.0/24] }' }).start(),
  flooded: () => made().start(),
  async 'messages lost'() {
    const gateway = await (await made().start()).bound()
    // Of no campaign nothing would be read.
    expect((await gateway.app('POST', '/api/v1/sms/send', SEND)).status).toBe(200)
    await gateway.stop()
    damageMessages(gateway, ['message', 'tally', 'campaign_size'])
    return gateway.start()
  },
  async 'users lost'() {
    const gateway = made({ yaml: 'license: { file: ./taken/license.json }' })
    const key = licenceKey(gateway.folder)
    gateway.configure({
      links: [{ port: smsc.port }],
      yaml: `license: { file: ./taken/license.json, public_key: "${key}" }`,
    })
    writeFileSync(join(gateway.folder, 'taken'), 'a file where the folder should be')
    await gateway.start()
    await gateway.asApp()
    loseUsers(gateway)
    return gateway
  },
}

/** As one who may call the row. */
async function ask(gateway: TestGateway, row: string, { id, query = '', body }: Asked = {}): Promise<Reply> {
  const path = pathOf(row, id) + query
  const access = contract.accessOf(row)
  if (access === 'app') return gateway.app(methodOf(row), path, body)
  return access === 'admin'
    ? gateway.admin(methodOf(row), path, body)
    : gateway.fetch(methodOf(row), path, {}, body)
}

interface Asked {
  readonly id?: number | string
  readonly query?: string
  readonly body?: unknown
}

interface Case {
  readonly row: string
  readonly status: number
  readonly name: string
  readonly setting?: Setting
  /** What the row is asked; may bring about first what it needs. */
  readonly asked?: Asked | ((gateway: TestGateway) => Asked | Promise<Asked>)
  readonly body: unknown
}

let users = 0
const email = (): string => `user-${++users}@example.com`
const PASSWORD = 'strongpass'

async function newUser(gateway: TestGateway): Promise<{ readonly id: number; readonly email: string }> {
  const address = email()
  const { body } = await gateway.admin('POST', '/api/v1/user/register', {
    email: address,
    password: PASSWORD,
  })
  return { id: body.user_id, email: address }
}

async function newAdmin(gateway: TestGateway): Promise<{ readonly user_id: number }> {
  const { id } = await newUser(gateway)
  await gateway.admin('PUT', `/api/v1/admin/proxy-users/${id}/toggle-admin`)
  return { user_id: id }
}

const SEND = { esme: 1, source: '+123456789', destination: '+987654321', message: 'Hello world' }
const PROXY_USER = {
  email: 'proxy@example.com',
  password: PASSWORD,
  app_name: 'my-app',
  app_secret: 'my-secret',
}
const NO_SEND = { success: false, transaction_id: '', message_id: '', sms_ids: [], task_id: 0 }
const NO_INFO = {
  ...{ message_id: '', mode: '', parts: {}, delivered_count: 0, sent_at: 0, updated_at: 0 },
  ...{ transaction_id: '', task_id: 0, status: '' },
}
const NUMBER = expect.any(Number)
const failed = (error: unknown) => ({ success: false, error })
const containing = (text: string) => expect.stringContaining(text)

/** The row for users of an app and its mirror for the admin. */
const both = (method: string, path: string, cases: readonly Omit<Case, 'row'>[]): readonly Case[] =>
  cases.flatMap(one => [
    { ...one, row: `${method} /api/v1${path}` },
    { ...one, row: `${method} /api/v1/admin${path}` },
  ])

/** A 500 by a real fault: the tables that the row, or the check of its token, asks are gone. */
const lost = (row: string, body: unknown, asked: Asked = {}): Case => {
  return { row, status: 500, name: 'users lost', setting: 'users lost', asked, body }
}

const STATS = {
  success: true,
  data: {
    rps: { current: NUMBER, data: expect.any(Array) },
    errors: { rate: NUMBER, data: expect.any(Array) },
    topCampaignStats: expect.any(Array),
    system: { cpu: NUMBER, ram: NUMBER, disk: NUMBER },
  },
}
const LICENCE = {
  company: 'UNIQUBIC Corporation',
  valid_until: '2999-12-31',
  max_connections: 100,
  max_tps: 1000,
  status: 'active',
}

const CASES: readonly Case[] = [
  { row: 'GET /healthy', status: 200, name: 'alive', body: { status: 'ok' } },
  { row: 'GET /ready', status: 200, name: 'bound', body: { status: 'ready' } },
  {
    row: 'GET /ready',
    status: 503,
    name: 'with both links switched off',
    setting: 'strange',
    async asked(gateway) {
      for (const id of [1, 2])
        await gateway.admin('PUT', `/api/v1/admin/smpp/${id}/toggle`, { enabled: false })
      await gateway.until(
        () => gateway.admin('GET', '/api/v1/admin/dashboard/metrics'),
        ({ body }) => body.data.active_connections === 0,
      )
      return {}
    },
    body: { error: 'not ready: no link is bound' },
  },
  { row: 'GET /metrics', status: 200, name: 'text', body: containing('\nsms_proxy_build_info{') },
  { row: 'GET /dashboard/stats', status: 200, name: 'statistics', body: STATS },
  { row: 'GET /api/v1/dashboard/stats', status: 200, name: 'statistics', body: STATS },
  ...['GET /dashboard/stats', 'GET /api/v1/dashboard/stats'].map(
    (row): Case => ({
      row,
      status: 500,
      name: 'the campaigns cannot be read',
      setting: 'messages lost',
      body: failed('failed to get top campaigns'),
    }),
  ),

  {
    row: 'POST /api/v1/user/register',
    status: 201,
    name: 'created',
    asked: () => ({ body: { email: email(), password: 'secret' } }),
    body: { user_id: NUMBER, error: '' },
  },
  {
    row: 'POST /api/v1/user/register',
    status: 400,
    name: 'missing fields',
    asked: { body: { email: 'a@example.com' } },
    body: { user_id: 0, error: 'password is required' },
  },
  {
    row: 'POST /api/v1/user/register',
    status: 400,
    name: 'user exists',
    asked: async gateway => ({ body: { email: (await newUser(gateway)).email, password: PASSWORD } }),
    body: { user_id: 0, error: 'user already exists' },
  },
  lost(
    'POST /api/v1/user/register',
    { user_id: 0, error: 'internal error' },
    { body: { email: 'a@example.com', password: PASSWORD } },
  ),

  {
    row: 'POST /api/v1/user/login',
    status: 200,
    name: 'a token',
    async asked(gateway) {
      return { body: { email: (await newUser(gateway)).email, password: PASSWORD, app_id: 1 } }
    },
    body: { token: expect.stringMatching(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/), error: '' },
  },
  {
    row: 'POST /api/v1/user/login',
    status: 400,
    name: 'missing fields',
    asked: { body: { email: 'a@example.com', password: PASSWORD } },
    body: { token: '', error: 'app_id is required' },
  },
  {
    row: 'POST /api/v1/user/login',
    status: 400,
    name: 'unknown app',
    asked: { body: { email: 'a@example.com', password: PASSWORD, app_id: 99 } },
    body: { token: '', error: 'failed to login: unknown app_id' },
  },
  {
    row: 'POST /api/v1/user/login',
    status: 401,
    name: 'unknown email',
    asked: { body: { email: 'nobody@example.com', password: PASSWORD, app_id: 1 } },
    body: { token: '', error: 'invalid email or password' },
  },
  {
    row: 'POST /api/v1/user/login',
    status: 401,
    name: 'wrong password',
    async asked(gateway) {
      return { body: { email: (await newUser(gateway)).email, password: 'another', app_id: 1 } }
    },
    body: { token: '', error: 'invalid email or password' },
  },
  lost(
    'POST /api/v1/user/login',
    { token: '', error: 'internal error' },
    { body: { email: 'a@example.com', password: PASSWORD, app_id: 1 } },
  ),

  {
    row: 'POST /api/v1/user/validate',
    status: 200,
    name: 'no admin',
    asked: async gateway => ({ body: { user_id: (await newUser(gateway)).id } }),
    body: { is_admin: false, error: '' },
  },
  {
    row: 'POST /api/v1/user/validate',
    status: 200,
    name: 'an admin',
    asked: async gateway => ({ body: await newAdmin(gateway) }),
    body: { is_admin: true, error: '' },
  },
  {
    row: 'POST /api/v1/user/validate',
    status: 400,
    name: 'zero id',
    asked: { body: { user_id: 0 } },
    body: { is_admin: false, error: containing('user_id') },
  },
  lost('POST /api/v1/user/validate', { is_admin: false, error: 'internal error' }, { body: { user_id: 1 } }),
  {
    row: 'POST /api/v1/user/delete',
    status: 200,
    name: 'deleted',
    asked: async gateway => ({ body: { user_id: (await newUser(gateway)).id } }),
    body: { result: true, error: '' },
  },
  {
    row: 'POST /api/v1/user/delete',
    status: 400,
    name: 'zero id',
    asked: { body: { user_id: 0 } },
    body: { result: false, error: containing('user_id') },
  },
  {
    row: 'POST /api/v1/user/delete',
    status: 400,
    name: 'an admin',
    asked: async gateway => ({ body: await newAdmin(gateway) }),
    body: { result: false, error: 'the user is an admin: take the role away first' },
  },
  {
    row: 'POST /api/v1/user/delete',
    status: 404,
    name: 'not found',
    asked: { body: { user_id: 999_999 } },
    body: { result: false, error: 'user not found' },
  },
  lost(
    'POST /api/v1/user/delete',
    { result: false, error: 'failed to check admin status' },
    { body: { user_id: 1 } },
  ),

  ...both('GET', '/dashboard/metrics', [
    {
      status: 200,
      name: 'totals',
      body: {
        success: true,
        data: { total_messages: NUMBER, total_companies: NUMBER, active_connections: NUMBER },
      },
    },
    { status: 500, name: 'apps lost', setting: 'users lost', body: failed('internal error') },
  ]),
  ...both('GET', '/dashboard/smpp-links', [
    { status: 200, name: 'links', body: { success: true, data: expect.any(Array) } },
    { status: 500, name: 'switches lost', setting: 'users lost', body: failed('internal error') },
  ]),
  ...both('GET', '/dashboard/load-balancers', [
    {
      status: 200,
      name: 'pools',
      body: { success: true, data: [{ id: 0, name: 'pool-1', links: ['link-1', 'link-2'], total_tps: 200 }] },
    },
  ]),
  lost('GET /api/v1/dashboard/load-balancers', failed('internal error')),

  ...both('GET', '/settings/license', [
    { status: 200, name: 'the licence', body: { success: true, data: expect.any(Object) } },
  ]),
  lost('GET /api/v1/settings/license', failed('internal error')),
  ...both('POST', '/settings/license/upload', [
    {
      status: 200,
      name: 'uploaded',
      asked: gateway => ({ body: licenceForm(gateway.folder) }),
      body: { success: true, message: 'License uploaded successfully', data: LICENCE },
    },
    {
      status: 400,
      name: 'no file',
      asked: () => ({ body: formOf('{}', 'another') }),
      body: failed(containing('no file')),
    },
    {
      status: 400,
      name: 'bad format',
      asked: () => ({ body: formOf('<licence/>') }),
      body: failed('the licence is not a JSON document'),
    },
  ]),
  {
    row: 'POST /api/v1/admin/settings/license/upload',
    status: 500,
    name: 'it cannot be kept',
    setting: 'users lost',
    asked: gateway => ({ body: licenceForm(gateway.folder) }),
    body: failed('the licence could not be kept: see the log'),
  },
  lost('POST /api/v1/settings/license/upload', failed('internal error'), { body: formOf('{}') }),
  ...both('GET', '/settings/smpp-config', [
    {
      status: 200,
      name: 'connections',
      body: {
        success: true,
        data: new Array(2).fill({
          host: '127.0.0.1',
          port: NUMBER,
          system_id: 'my_system',
          system_type: '',
          interface_version: '3.4',
          response_timeout: 5,
        }),
      },
    },
    { status: 500, name: 'switches lost', setting: 'users lost', body: failed('internal error') },
  ]),
  ...both('PUT', '/smpp/{id}/toggle', [
    {
      status: 200,
      name: 'toggled',
      asked: { id: 2, body: { enabled: true, reason: 'it is on anyway' } },
      body: { success: true, data: { id: 2, name: 'link-2', enabled: true } },
    },
    {
      status: 400,
      name: 'invalid id',
      asked: { id: 'one', body: { enabled: true } },
      body: failed(containing('invalid id')),
    },
    {
      status: 400,
      name: 'invalid body',
      asked: { body: { enabled: 'no' } },
      body: failed('enabled: expected boolean'),
    },
    {
      status: 500,
      name: 'link not found',
      asked: { id: 9, body: { enabled: true } },
      body: failed('link not found'),
    },
  ]),

  {
    row: 'POST /api/v1/sms/send',
    status: 200,
    name: 'sent',
    asked: { body: { ...SEND, transaction_id: 'tx-001' } },
    body: {
      success: true,
      error: '',
      esme: 1,
      transaction_id: 'tx-001',
      message_id: expect.stringMatching(/^[\da-f]{8}-[\da-f]{4}-7/),
      status: 'submitted',
      sms_ids: [expect.any(String)],
      task_id: NUMBER,
    },
  },
  {
    row: 'POST /api/v1/sms/send',
    status: 400,
    name: 'invalid request body',
    asked: { body: { ...SEND, message: 5 } },
    body: { ...NO_SEND, error: 'message: expected string', esme: 1, status: '' },
  },
  {
    row: 'POST /api/v1/sms/send',
    status: 403,
    name: 'IP not allowed',
    setting: 'strange',
    asked: { body: SEND },
    body: { ...NO_SEND, error: 'IP not allowed', esme: 0, status: '' },
  },
  {
    row: 'POST /api/v1/sms/send',
    status: 403,
    name: 'rejected by a filter',
    asked: { body: { ...SEND, message: 'casino' } },
    body: { ...NO_SEND, error: 'rejected by filter "casino"', esme: 1, status: 'rejected' },
  },
  {
    row: 'POST /api/v1/sms/send',
    status: 500,
    name: 'unknown esme',
    asked: { body: { ...SEND, esme: 9 } },
    body: { ...NO_SEND, error: 'unknown esme', esme: 9, status: 'failed' },
  },
  {
    row: 'POST /api/v1/sms/send',
    status: 500,
    name: 'refused by the SMSC',
    asked: { body: { ...SEND, destination: '+4917012345678' } },
    body: {
      ...NO_SEND,
      error: containing('ESME_RINVDSTADR'),
      esme: 1,
      message_id: expect.any(String),
      task_id: NUMBER,
      status: 'failed',
    },
  },

  {
    row: 'POST /api/v1/sms/check-esme',
    status: 200,
    name: 'bound',
    asked: { body: { esme: 1 } },
    body: { persist: true, system_id: 'my_system', error: '' },
  },
  {
    row: 'POST /api/v1/sms/check-esme',
    status: 200,
    name: 'unknown',
    asked: { body: { esme: 9 } },
    body: { persist: false, system_id: '', error: 'unknown esme' },
  },
  {
    row: 'POST /api/v1/sms/check-esme',
    status: 403,
    name: 'IP not allowed',
    setting: 'strange',
    asked: { body: { esme: 1 } },
    body: { persist: false, system_id: '', error: 'IP not allowed' },
  },
  lost(
    'POST /api/v1/sms/check-esme',
    { persist: false, system_id: '', error: 'internal error' },
    { body: { esme: 1 } },
  ),
  {
    row: 'POST /api/v1/sms/info',
    status: 200,
    name: 'found',
    async asked(gateway) {
      const { body } = await gateway.send()
      return { body: { esme: 1, message_id: body.message_id } }
    },
    body: expect.objectContaining({ mode: 'submit_sm', error: '', delivered_count: NUMBER }),
  },
  {
    row: 'POST /api/v1/sms/info',
    status: 400,
    name: 'invalid request',
    asked: { body: { esme: 1 } },
    body: { ...NO_INFO, error: 'message_id is required' },
  },
  {
    row: 'POST /api/v1/sms/info',
    status: 403,
    name: 'IP not allowed',
    setting: 'strange',
    asked: { body: { esme: 1, message_id: 'x' } },
    body: { ...NO_INFO, error: 'IP not allowed' },
  },
  {
    row: 'POST /api/v1/sms/info',
    status: 404,
    name: 'message not found',
    asked: { body: { esme: 1, message_id: 'msg-uuid' } },
    body: { ...NO_INFO, error: 'message not found' },
  },
  {
    row: 'POST /api/v1/sms/info',
    status: 500,
    name: 'messages lost',
    setting: 'messages lost',
    asked: { body: { esme: 1, message_id: '019b0000-0000-7000-8000-000000000000' } },
    body: { ...NO_INFO, error: 'internal error' },
  },

  {
    row: 'GET /api/v1/admin/metrics/campaigns',
    status: 200,
    name: 'a page past the end, at more than the limit',
    asked: { query: '?page=99999999999999999999&limit=5000' },
    body: {
      success: true,
      data: [],
      pagination: { page: NUMBER, limit: 100, total: NUMBER, totalPages: NUMBER },
    },
  },
  ...['page=0', 'page=-1', 'page=', 'page=1.5', 'limit=0', 'limit=x', 'limit=1e3'].map(
    (query): Case => ({
      row: 'GET /api/v1/admin/metrics/campaigns',
      status: 400,
      name: query,
      asked: { query: `?${query}` },
      body: failed(`${query.split('=')[0]} must be a positive integer`),
    }),
  ),
  {
    row: 'GET /api/v1/admin/metrics/campaigns',
    status: 500,
    name: 'messages lost',
    setting: 'messages lost',
    body: failed('failed to get campaign metrics'),
  },
  {
    row: 'GET /api/v1/admin/settings/server-config',
    status: 200,
    name: 'the configuration',
    body: { success: true, data: expect.any(Object) },
  },
  {
    row: 'GET /api/v1/admin/proxy-users',
    status: 200,
    name: 'all',
    body: { success: true, data: expect.any(Array) },
  },
  lost('GET /api/v1/admin/proxy-users', failed('internal error')),
  {
    row: 'POST /api/v1/admin/proxy-users/register',
    status: 201,
    name: 'created',
    asked: () => ({ body: { ...PROXY_USER, email: email() } }),
    body: { success: true, data: { user_id: NUMBER } },
  },
  {
    row: 'POST /api/v1/admin/proxy-users/register',
    status: 400,
    name: 'missing fields',
    asked: { body: { ...PROXY_USER, app_secret: undefined } },
    body: failed('app_secret is required'),
  },
  {
    row: 'POST /api/v1/admin/proxy-users/register',
    status: 400,
    name: 'duplicate user',
    asked: async gateway => ({ body: { ...PROXY_USER, email: (await newUser(gateway)).email } }),
    body: failed('user already exists'),
  },
  lost('POST /api/v1/admin/proxy-users/register', failed('internal error'), { body: PROXY_USER }),
  {
    row: 'DELETE /api/v1/admin/proxy-users/{id}',
    status: 200,
    name: 'deleted',
    asked: async gateway => ({ id: (await newUser(gateway)).id }),
    body: { success: true },
  },
  {
    row: 'DELETE /api/v1/admin/proxy-users/{id}',
    status: 400,
    name: 'invalid id',
    asked: { id: 0 },
    body: failed(containing('invalid id')),
  },
  {
    row: 'DELETE /api/v1/admin/proxy-users/{id}',
    status: 400,
    name: 'no such user',
    asked: { id: 999_999 },
    body: failed('user not found'),
  },
  lost('DELETE /api/v1/admin/proxy-users/{id}', failed('internal error')),
  {
    row: 'PUT /api/v1/admin/proxy-users/{id}/toggle-admin',
    status: 200,
    name: 'toggled',
    asked: async gateway => ({ id: (await newUser(gateway)).id }),
    body: { success: true, data: { id: NUMBER, is_admin: true } },
  },
  {
    row: 'PUT /api/v1/admin/proxy-users/{id}/toggle-admin',
    status: 400,
    name: 'invalid id',
    asked: { id: 'x' },
    body: failed(containing('invalid id')),
  },
  {
    row: 'PUT /api/v1/admin/proxy-users/{id}/toggle-admin',
    status: 500,
    name: 'no such user',
    asked: { id: 999_999 },
    body: failed('user not found'),
  },
]

/**
 * In test/http alone: nothing that one can do to a running binary makes these rows fail. Nothing at all makes
 * /healthy fail: its 500 is documented because every row's is.
 */
const IN_PROCESS: readonly string[] = [
  'GET /healthy 500',
  'GET /ready 500',
  'GET /metrics 500',
  'GET /api/v1/admin/dashboard/load-balancers 500',
  'GET /api/v1/admin/settings/license 500',
  'GET /api/v1/admin/settings/server-config 500',
]

/** Statuses that a test of its own brings about, below. */
const APART: readonly string[] = ['POST /api/v1/user/login 503', 'POST /api/v1/sms/send 409']

const rowsOf = (access: 'app' | 'admin'): readonly string[] =>
  contract.rows.filter(row => contract.accessOf(row) === access)

/** Rows that read a body, with the type of it. */
const bodied = (): readonly { readonly row: string; readonly type: string }[] =>
  contract.rows.flatMap(row => {
    const body = contract.bodyOf(row)
    return body ? [{ row, type: body.type }] : []
  })

async function headersFor(gateway: TestGateway, row: string): Promise<Record<string, string>> {
  const access = contract.accessOf(row)
  if (access === 'app') return gateway.asApp()
  return access === 'admin' ? { 'x-admin-key': ADMIN_KEY } : {}
}

/** The status line and the body of what is answered to octets that never become a whole request. */
async function answerToHalf(gateway: TestGateway, row: string, type: string): Promise<Reply> {
  const headers = { ...(await headersFor(gateway, row)), 'content-type': type, 'content-length': '1000' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let answer = ''
  const socket = connect(gateway.port, '127.0.0.1', () => {
    socket.write(`${methodOf(row)} ${pathOf(row)} HTTP/1.1\r\nHost: a\r\n${lines.join('')}\r\n{`)
  })
  socket.on('data', data => {
    answer += data
  })
  socket.on('error', reject)
  socket.on('close', () => resolve(answer))
  const [head = '', body = ''] = (await promise).split('\r\n\r\n')
  return {
    status: Number(head.split(' ')[1]),
    body: JSON.parse(body),
    headers: new Headers({ 'content-type': 'application/json' }),
  }
}

describe('the reference', () => {
  for (const { row, status, name, setting = 'sound', asked = {}, body } of CASES) {
    test(`${row}: ${status} ${name}`, async () => {
      const gateway = await gatewayIn(setting)
      const reply = await ask(gateway, row, typeof asked === 'function' ? await asked(gateway) : asked)
      expect(reply.body).toEqual(body)
      expect(reply.status).toBe(status)
      checked(contract, row, reply)
    })
  }

  test('POST /api/v1/sms/send: 409 an Idempotency-Key with another body', async () => {
    const gateway = await gatewayIn('sound')
    const key = { 'idempotency-key': 'one-key' }
    await gateway.send({}, key)
    const reply = await gateway.send({ message: 'another' }, key)
    expect([reply.status, reply.body.error]).toEqual([409, containing('used with another body')])
    checked(contract, 'POST /api/v1/sms/send', reply)
  })

  test('POST /api/v1/user/login: 503 too many at once', async () => {
    const gateway = await gatewayIn('flooded')
    const row = 'POST /api/v1/user/login'
    const body = { email: 'nobody@example.com', password: PASSWORD, app_id: 1 }
    const tries = Array.from({ length: 100 }, () =>
      ask(gateway, row, { body }).then(reply =>
        reply.status === 503 ? reply : Promise.reject(reply.status),
      ),
    )
    const reply = await Promise.any(tries)
    expect(reply.body).toEqual({ token: '', error: containing('too many logins') })
    checked(contract, row, reply)
  })
})

describe('every row', () => {
  test('for users of an app wants a token and an app, in the order of the table', async () => {
    const gateway = await gatewayIn('sound')
    const { authorization = '' } = await gateway.asApp()
    for (const row of rowsOf('app')) {
      for (const { headers, status, error } of appRefusals(authorization.slice(7))) {
        const reply = await gateway.fetch(methodOf(row), pathOf(row), headers)
        expect({ row, status: reply.status, body: reply.body }).toEqual({ row, status, body: { error } })
        checked(contract, row, reply)
      }
    }
  })

  test('for the admin wants the key', async () => {
    const gateway = await gatewayIn('sound')
    const { authorization = '' } = await gateway.asApp()
    for (const row of rowsOf('admin')) {
      for (const { headers, status, error } of adminRefusals(ADMIN_KEY, authorization.slice(7))) {
        const reply = await gateway.fetch(methodOf(row), pathOf(row), headers)
        expect({ row, status: reply.status, body: reply.body }).toEqual({ row, status, body: { error } })
        checked(contract, row, reply)
      }
    }
  })

  test('for the admin says that no key is configured', async () => {
    const gateway = await gatewayIn('keyless')
    for (const row of rowsOf('admin')) {
      const reply = await gateway.fetch(methodOf(row), pathOf(row), { 'x-admin-key': '' })
      const body = { error: 'admin API key not configured' }
      expect({ row, status: reply.status, body: reply.body }).toEqual({ row, status: 503, body })
      checked(contract, row, reply)
    }
  })

  test('is behind the global limit', async () => {
    const gateway = await gatewayIn('limited')
    for (const row of contract.rows) {
      const reply = await gateway.fetch(methodOf(row), pathOf(row))
      const body = { error: 'rate limit exceeded' }
      expect({ row, status: reply.status, body: reply.body }).toEqual({ row, status: 429, body })
      expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(reply.headers.get('ratelimit-limit')).toBe('1')
      expect(reply.headers.get('ratelimit-remaining')).toBe('0')
      expect(Number(reply.headers.get('ratelimit-reset'))).toBeGreaterThan(0)
      checked(contract, row, reply)
    }
  })

  test('with a body refuses one that is too large, of another type, or no JSON', async () => {
    const gateway = await gatewayIn('sound')
    for (const { row, type } of bodied()) {
      const form = type === 'multipart/form-data'
      const tries = [
        { status: 413, content: 'x'.repeat(form ? 1024 * 1024 + 1 : 65_537), as: type },
        { status: 400, content: '{"esme":', as: type },
        ...(form ? [] : [{ status: 415, content: '{}', as: 'text/plain' }]),
      ]
      for (const { status, content, as } of tries) {
        const response = await fetch(gateway.url + pathOf(row), {
          method: methodOf(row),
          headers: { ...(await headersFor(gateway, row)), 'content-type': as },
          body: content,
        })
        const body = (await response.json()) as { error: string }
        expect({ row, status: response.status, error: body.error }).toEqual({
          row,
          status,
          error: expect.stringMatching(/./),
        })
        checked(contract, row, { status, body, headers: response.headers })
      }
    }
  })

  test('of the summary is documented, for those that it is for', () => {
    expect(summary()).toHaveLength(31)
    for (const { row, auth } of summary()) {
      expect(contract.rows).toContain(row)
      expect({ row, auth: contract.accessOf(row) }).toEqual({ row, auth })
    }
  })

  test('of the summary was asked for each status that is documented', () => {
    const asked = new Set([...CASES.map(({ row, status }) => `${row} ${status}`), ...IN_PROCESS, ...APART])
    const bodies = new Map(bodied().map(({ row, type }) => [row, type]))
    const common = (row: string): readonly number[] => [
      429,
      ...(contract.accessOf(row) === 'app' ? [400, 401] : []),
      ...(contract.accessOf(row) === 'admin' ? [401, 503] : []),
      ...(bodies.has(row) ? [400, 408, 413] : []),
      ...(bodies.get(row) === 'application/json' ? [415] : []),
    ]
    const missing = [...summary().map(({ row }) => row), 'GET /ready'].flatMap(row =>
      contract
        .statusesOf(row)
        .filter(status => !common(row).includes(Number(status)) && !asked.has(`${row} ${status}`))
        .map(status => `${row} ${status}`),
    )
    expect(missing).toEqual([])
  })

  test('with a body gives up one that does not come', async () => {
    for (const { row, reply } of await halves) {
      expect({ row, status: reply.status, error: reply.body.error }).toEqual({
        row,
        status: 408,
        error: 'the body did not arrive in time',
      })
      checked(contract, row, reply)
    }
  })
})
