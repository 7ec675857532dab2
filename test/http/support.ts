import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { GatewayError } from '../../src/errors.ts'
import { createApp, type HttpOptions } from '../../src/http/app.ts'
import type { HttpDependencies, LinkView } from '../../src/http/dependencies.ts'
import { NO_IPS } from '../../src/ip_list.ts'
import type { Message } from '../../src/message.ts'
import type { SendRequest } from '../../src/submit.ts'
import { openUserDatabase, type UserDatabase } from '../../src/users/index.ts'
import { DUMMY_HASH, type Passwords } from '../../src/users/passwords.ts'

export const ADMIN_KEY = 'the-admin-key'
export const EMAIL = 'caller@example.com'
export const PASSWORD = 'correct horse'

/** Argon2 without its work; remembers what it was asked. */
export function fakePasswords(): Passwords & { readonly verified: string[] } {
  const verified: string[] = []
  return {
    verified,
    hash: async password => `$plain$${password}`,
    async verify(password, hash) {
      verified.push(hash)
      return hash !== DUMMY_HASH && hash === `$plain$${password}`
    },
  }
}

export const message = (change: Partial<Message> = {}): Message => ({
  id: 'msg-uuid',
  taskId: 12345,
  appId: 1,
  esme: 1,
  campaign: 'app-1',
  transactionId: 'tx-001',
  source: '123456789',
  destination: '987654321',
  state: 'submitted',
  parts: [{ state: 'submitted', smscId: 'sms-001', account: 'smsc:2775/me', error: 0 }],
  sentAt: 1_700_000_000_000,
  updatedAt: 1_700_000_010_000,
  error: '',
  ...change,
})

export const link = (change: Partial<LinkView> = {}): LinkView => ({
  id: 1,
  name: 'smpp-link-1',
  host: 'smpp.example.com',
  port: 2775,
  systemId: 'my_system',
  systemType: 'client',
  interfaceVersion: '3.4',
  responseTimeoutMs: 5000,
  state: 'LOADED',
  bound: true,
  currentTps: 100,
  limitTps: 100,
  enabled: true,
  ...change,
})

const LICENCE = {
  company: 'UNIQUBIC Corporation',
  valid_until: '2026-12-31',
  max_connections: 100,
  max_tps: 1000,
  status: 'active',
} as const

const UNLIMITED = { allowed: true, limit: 0, remaining: 0, resetSeconds: 0, retryAfterSeconds: 0 }

export const SERVER_CONFIG = {
  env: 'production',
  server_name: 'sms-proxy-01',
  endpoint: '0.0.0.0:8088',
  tls: false,
  storage: { db_path: '/data/sms.db' },
  aerospike: { hosts: '', port: 3000, namespace: '', sweep_time: '1h0m0s', ttl: '86400s' },
  security: { token_ttl: '24h0m0s' },
  grpc: { port: 0, timeout: '5s' },
  smpp: { rules_loaded: true },
  filters: { casino: { active: true, blacklist: true, description: 'Casinos', snippet: 'sms => true' } },
  statistic_exporter: { enabled: false, target: '', bucket: '', tls: false },
  monitoring: { otel: false, sampling: 0.1, collector: '' },
}

export interface Observed {
  readonly method: string
  readonly route: string
  readonly status: number
}

/** The edge on a free port, before a gateway of fakes; users are real, in a database of their own. */
export interface TestEdge {
  readonly url: string
  readonly port: number
  readonly users: UserDatabase['users']
  readonly database: UserDatabase
  readonly databasePath: string
  readonly verified: readonly string[]
  readonly submitted: SendRequest[]
  readonly toggled: unknown[][]
  readonly observed: Observed[]
  readonly logged: string[]
  /** A token of app 1 (of user 1), and the headers of a call with it. */
  readonly token: string
  readonly asApp: Readonly<Record<string, string>>
  readonly asAdmin: Readonly<Record<string, string>>
  stop(graceMs?: number, lastCall?: () => void): Promise<void>
}

export async function startEdge(
  fakes: Partial<HttpDependencies> = {},
  options: Partial<HttpOptions> = {},
): Promise<TestEdge> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-'))
  const path = join(folder, 'users.db')
  const passwords = fakePasswords()
  const database = openUserDatabase({
    path,
    tokenTtlSeconds: 3600,
    clock: systemClock,
    random: systemRandom,
    passwords,
  })
  const submitted: SendRequest[] = []
  const toggled: unknown[][] = []
  const observed: Observed[] = []
  const logged: string[] = []
  const links = [link(), link({ id: 2, name: 'smpp-link-2', state: 'CONNECTING', bound: false })]
  const deps: HttpDependencies = {
    clock: systemClock,
    log: { error: fields => void logged.push(String('err' in fields ? fields.err : '')) },
    users: database.users,
    async submit(request) {
      submitted.push(request)
      return message({
        appId: request.appId,
        esme: request.esme,
        transactionId: request.transactionId,
        parts: ['sms-001', 'sms-002'].map(smscId => ({ state: 'submitted', smscId, account: 'a', error: 0 })),
      })
    },
    info: async (appId, id) => (id === 'msg-uuid' && appId === 1 ? message({ appId }) : undefined),
    links: {
      list: () => links,
      byId: id => links.find(one => one.id === id),
      sessions: () => 1,
      toggle: async (...args) => void toggled.push(args),
    },
    pools: () => [{ id: 0, name: 'pool-1', links: ['smpp-link-1', 'smpp-link-2'], totalTps: 200 }],
    store: {
      totals: async () => ({ messages: 1_234_567 }),
      campaigns: async ({ offset }) => ({
        rows: offset === 0 ? [{ campaign: 'abc-123', sme: 1, sent: 1000, failed: 5 }] : [],
        total: 120,
      }),
      topCampaigns: async () => [{ campaign: 'campaign-abc', messages: 54_321 }],
      inbox: async () => ({ rows: [], total: 0 }),
      unmatched: async () => ({ rows: [], total: 0 }),
    },
    explain: async () => {
      throw new GatewayError('invalid', 'nothing to explain here')
    },
    filters: {
      inspect: () => ({ folder_error: '', filters: [], lists: [] }),
      test: () => ({ verdict: 'pass', match: false, reason: '', time_us: 1, error: '' }),
    },
    licence: { current: () => LICENCE, upload: async file => readLicence(file) },
    stats: {
      requests: () => ({ current: 1200, data: [{ time: '14:30', rps: 1150 }] }),
      errors: () => ({ rate: 0.5, data: [{ time: '14:30', errors: 3, rate: 0.26 }] }),
      system: () => ({ cpu: 23.4, ram: 65, disk: 41.2 }),
    },
    rateLimits: { global: { take: () => UNLIMITED }, perApp: { take: () => UNLIMITED } },
    ips: { allowed: NO_IPS, trustedProxies: NO_IPS },
    metrics: {
      render: () => '# TYPE up gauge\nup 1\n',
      observe: (method, route, status) => void observed.push({ method, route, status }),
    },
    serverConfig: async () => SERVER_CONFIG,
    reload: async () => {},
    ready: () => ({ ready: true, reason: '' }),
    ...fakes,
  }
  const app = createApp(deps, { version: '0.0.0', adminKey: ADMIN_KEY, openRoutes: [], ...options })
  const server = app.listen(0, '127.0.0.1')
  await database.users.register(EMAIL, PASSWORD)
  const token = (await database.users.login(EMAIL, PASSWORD, 1)) ?? ''
  passwords.verified.length = 0
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${server.port}`,
    port: server.port,
    users: database.users,
    database,
    databasePath: path,
    verified: passwords.verified,
    submitted,
    toggled,
    observed,
    logged,
    token,
    asApp: { authorization: `Bearer ${token}`, 'x-app-id': '1' },
    asAdmin: { 'x-admin-key': ADMIN_KEY },
    async stop(graceMs = 1000, lastCall = () => undefined) {
      await server.stop(graceMs, lastCall)
      database.close()
      rmSync(folder, { recursive: true })
    },
  }
}

function readLicence(file: Uint8Array): typeof LICENCE {
  if (new TextDecoder().decode(file) === 'good') return LICENCE
  throw new GatewayError('invalid', 'the licence file is not JSON')
}

export const jsonOf = (content: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(content),
})
