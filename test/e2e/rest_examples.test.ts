import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Contract } from '../http/contract.ts'
import { type Example, examples } from '../support/api_reference.ts'
import { startSmsc, type TestSmsc } from '../support/smsc.ts'
import { type Reply, TestGateway } from './gateway.ts'
import { checked, licenceForm, licenceKey, methodOf, openUsers, pathOf } from './rest.ts'

/** Every example of the reference, sent as it stands, gets the answer that stands beside it. */

setDefaultTimeout(240_000)

let smsc: TestSmsc
let gateway: TestGateway
let contract: Contract

beforeAll(async () => {
  smsc = startSmsc()
  const links = [1, 2].map(id => ({
    ...{ port: smsc.port, name: `smpp-link-${id}`, systemId: 'my_system' },
    more: 'system_type: client',
  }))
  gateway = new TestGateway({ links })
  const yaml = `env: production
server_name: sms-proxy-01
license: { public_key: "${licenceKey(gateway.folder)}" }`
  gateway.configure({ links, yaml, smpp: '  rules: [{ name: all, pool: pool-1 }]' })
  mkdirSync(join(gateway.folder, 'filters'))
  writeFileSync(
    join(gateway.folder, 'filters/filter_name.js'),
    "export const description = 'Filter description'\nexport const blacklist = false\nexport default () => true\n",
  )
  await gateway.start()
  await gateway.bound()
  await gateway.asApp()
  contract = await Contract.of(gateway.url)
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await smsc.close()
})

const USER = { email: 'user@example.com', password: 'secret' }
const PROXY_USER = { ...{ email: 'api-user@example.com', password: 'strongpass' }, app_name: 'my-app' }
const registerProxyUser = () =>
  gateway.admin('POST', '/api/v1/admin/proxy-users/register', { ...PROXY_USER, app_secret: 'my-secret' })

/** The examples know a user 42 and an app 10: the next that is made gets that number. */
function nextIs(table: 'users' | 'apps', id: number): void {
  using db = openUsers(gateway)
  db.run('DELETE FROM users WHERE id > 1')
  db.run('DELETE FROM apps WHERE id > 1')
  db.run('DELETE FROM sqlite_sequence WHERE name = ?', [table])
  db.run('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)', [table, id - 1])
}

async function user42(): Promise<void> {
  nextIs('users', 42)
  await gateway.admin('POST', '/api/v1/user/register', USER)
}

const admin42 = async (): Promise<void> => {
  await user42()
  await gateway.admin('PUT', '/api/v1/admin/proxy-users/42/toggle-admin')
}
const licensed = async (): Promise<void> => {
  await gateway.admin('POST', '/api/v1/admin/settings/license/upload', licenceForm(gateway.folder))
}

/** As it was before the example that switches it off. */
async function linkOn(): Promise<void> {
  await gateway.admin('PUT', '/api/v1/admin/smpp/1/toggle', { enabled: true })
  await gateway.bound()
}

/** The world in which an example was written down; the rest needs none. */
const BEFORE: Readonly<Record<string, () => unknown>> = {
  'POST /api/v1/user/register': () => nextIs('users', 42),
  'POST /api/v1/user/login': user42,
  'POST /api/v1/user/validate': admin42,
  'POST /api/v1/user/delete': user42,
  'GET /dashboard/stats': () => gateway.send({ campaign_uuid: 'campaign-abc' }),
  'GET /api/v1/settings/license': licensed,
  'GET /api/v1/admin/metrics/campaigns': () => gateway.send({ campaign_uuid: 'abc-123' }),
  async 'GET /api/v1/admin/proxy-users'() {
    nextIs('apps', 10)
    await registerProxyUser()
  },
  'POST /api/v1/admin/proxy-users/register': () => nextIs('users', 42),
  'DELETE /api/v1/admin/proxy-users/{id}': user42,
  'PUT /api/v1/admin/proxy-users/{id}/toggle-admin': user42,
}

/** A message that was delivered, for the example that asks of one. */
async function deliveredId(): Promise<string> {
  const { body } = await gateway.send({ transaction_id: 'tx-001' })
  await gateway.until(
    () => gateway.info(body.message_id),
    ({ body: { status } }) => status === 'delivered',
  )
  return body.message_id
}

async function answerTo({ row, request }: Example): Promise<Reply> {
  await BEFORE[row]?.()
  const path = pathOf(row, row.startsWith('PUT /api/v1/smpp') ? 1 : 42)
  const access = contract.accessOf(row)
  let body = request
  if (row.endsWith('/license/upload')) body = licenceForm(gateway.folder)
  // The one name in a request that the gateway gave.
  if (row.endsWith('/sms/info')) body = { ...Object(request), message_id: await deliveredId() }
  if (access === 'app') return gateway.app(methodOf(row), path, body)
  return access === 'admin'
    ? gateway.admin(methodOf(row), path, body)
    : gateway.fetch(methodOf(row), path, {}, body)
}

/**
 * Values that hang on the day, the host or the gateway's own choice, by name or by row and path: of these an
 * answer has the kind of value that stands in the example; of all others the value itself.
 */
const OWN: readonly string[] = [
  ...['token', 'message_id', 'sms_ids', 'task_id', 'sent_at', 'updated_at', 'valid_until', 'app_secret'],
  ...['current', 'time', 'rps', 'errors', 'rate', 'cpu', 'ram', 'disk', 'index', 'messages', 'current_tps'],
  ...['total_messages', 'total_companies', 'active_connections'],
  ...['messages_sent', 'messages_failed', 'messages_total', 'total', 'totalPages'],
  ...['host', 'port', 'endpoint', 'db_path', 'snippet'],
  // The caller of these examples is user 1.
  'GET /api/v1/admin/proxy-users.data.id',
  // What this version refuses to have switched on is shown as it is: off.
  ...['aerospike', 'grpc', 'statistic_exporter', 'monitoring'].map(
    section => `GET /api/v1/admin/settings/server-config.data.${section}`,
  ),
]

/** Where `actual` is not like the example: other fields, other kinds of values, other values. */
function differences(actual: unknown, example: unknown, path: string, ownAbove = false): readonly string[] {
  const own = ownAbove || OWN.includes(path) || OWN.includes(path.slice(path.lastIndexOf('.') + 1))
  if (Array.isArray(example)) {
    if (!Array.isArray(actual)) return [`${path} is no list`]
    // Others are in the list too: one entry must be the example's.
    return example.flatMap(entry => {
      const each = actual.map(one => differences(one, entry, path, own))
      return each.some(found => found.length === 0) ? [] : (each.flat()[0] ?? [`${path} is empty`])
    })
  }
  if (typeof example === 'object' && example !== null) {
    const fields = (value: unknown) => Object.keys(Object(value)).sort().join()
    if (fields(actual) !== fields(example)) return [`${path} has ${fields(actual)}, not ${fields(example)}`]
    return Object.entries(example).flatMap(([field, value]) =>
      differences(Object(actual)[field], value, `${path}.${field}`, own),
    )
  }
  const alike = own ? typeof actual === typeof example : actual === example
  return alike ? [] : [`${path} is ${JSON.stringify(actual)}, not ${JSON.stringify(example)}`]
}

test('the reference has an example for each of these rows', () => {
  const rows = examples().map(example => example.row)
  expect(rows).toHaveLength(22)
  for (const row of Object.keys(BEFORE)) expect(rows).toContain(row)
})

for (const example of examples()) {
  test(`${example.row} answers as its example does`, async () => {
    const reply = await answerTo(example)
    expect(differences(reply.body, example.response, example.row)).toEqual([])
    expect(reply.status).toBe(example.status)
    checked(contract, example.row, reply)
    if (example.row.startsWith('PUT /api/v1/smpp')) await linkOn()
  })
}
