import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test'
import { describeConfig, loadConfig } from '../../src/config/index.ts'
import { documentationRoutes } from '../../src/http/documentation.ts'
import { jsonOf, PASSWORD, startEdge, type TestEdge } from './support.ts'

let edge: TestEdge
beforeAll(async () => {
  edge = await startEdge()
})
afterAll(() => edge.stop())

test('Swagger UI and all its parts come from us, and may load nothing from elsewhere', async () => {
  const page = await fetch(`${edge.url}/swagger`)
  const html = await page.text()
  const policy = page.headers.get('content-security-policy')?.split('; ') ?? []
  for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
    expect(policy).toContain(rule)
  }
  expect(page.headers.get('x-content-type-options')).toBe('nosniff')
  const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part = '']) => part)
  expect(parts).toHaveLength(4)
  for (const part of parts) {
    expect(part).toStartWith('/swagger/')
    const response = await fetch(edge.url + part)
    expect(response.status).toBe(200)
    expect((await response.bytes()).length).toBeGreaterThan(100)
  }
})

test('Swagger UI keeps who you are over a reload and reads our own document', async () => {
  const start = await (await fetch(`${edge.url}/swagger/start.js`)).text()
  expect(start).toContain('persistAuthorization: true')
  expect(start).toContain("new URL('/openapi.json', location.href)")
})

test('what a browser has already is not sent again, and what it lacks is compressed', async () => {
  const path = `${edge.url}/swagger/swagger-ui.js`
  const zipped = await fetch(path, { headers: { 'accept-encoding': 'gzip' }, decompress: false })
  const length = (await zipped.bytes()).length
  const plain = await fetch(path, { headers: { 'accept-encoding': 'identity' } })
  expect((await plain.bytes()).length).toBeGreaterThan(2 * length)
  expect(plain.headers.get('content-encoding')).toBeNull()
  // Whoever keeps it asks whether it still holds, and gives it to nobody who reads another form.
  expect(plain.headers.get('cache-control')).toBe('no-cache')
  expect(plain.headers.get('vary')).toBe('accept-encoding')
  const etag = zipped.headers.get('etag') ?? ''
  const again = await fetch(path, { headers: { 'if-none-match': etag } })
  expect([again.status, again.headers.get('etag'), await again.text()]).toEqual([304, etag, ''])
})

test.each([
  ['gzip', 'gzip'],
  ['br, GZIP;q=0.5', 'gzip'],
  ['gzip;q=0.001, identity', 'gzip'],
  ['gzip;q=0', null],
  ['gzip; q=0.000, identity', null],
  ['br', null],
])('whoever takes "%s" is sent %p', async (accepted, coding) => {
  const headers = { 'accept-encoding': accepted }
  const response = await fetch(`${edge.url}/swagger/start.js`, { headers, decompress: false })
  expect(response.headers.get('content-encoding')).toBe(coding)
})

test('plain and compressed have one weak tag, which is known among others and as a strong one', async () => {
  const ask = (headers: Record<string, string>) => fetch(`${edge.url}/swagger/start.js`, { headers })
  const tags = ['gzip', 'identity'].map(async coding =>
    (await ask({ 'accept-encoding': coding })).headers.get('etag'),
  )
  const [tag = null, ofPlain] = await Promise.all(tags)
  expect(tag).toMatch(/^W\/"\w+"$/)
  expect(ofPlain).toBe(tag)
  const weak = tag ?? ''
  const status = async (known: string) => (await ask({ 'if-none-match': known })).status
  expect([await status(`"a", ${weak}`), await status(weak.slice(2)), await status('W/"a"')]).toEqual([
    304, 304, 200,
  ])
})

test('a file that could not be read once is there for the next who asks', async () => {
  const fresh = await startEdge()
  const file = spyOn(Bun, 'file').mockImplementationOnce(() => {
    throw new Error('EMFILE: too many open files')
  })
  const ask = async () => (await fetch(`${fresh.url}/swagger/swagger-ui.css`)).status
  expect([await ask(), await ask()]).toEqual([500, 200])
  file.mockRestore()
  await fresh.stop()
})

test('answers that nobody reads yet share their octets: strangers who only ask fill no memory', async () => {
  const route = documentationRoutes([], '1').find(({ path }) => path === '/swagger/swagger-ui.js')
  const ask = async (accept: string) => {
    const request = new Request('http://localhost/', { headers: { 'accept-encoding': accept } })
    const call = { request, caller: { who: 'anyone', app: undefined }, params: {}, body: undefined }
    return route?.handle({ ...call, bytes: new Uint8Array() })
  }
  await ask('')
  const before = process.memoryUsage.rss()
  const unread: unknown[] = []
  for (let asked = 0; asked < 200; asked++) unread.push(await ask(''), await ask('gzip'))
  // A copy for each would take 400 MB.
  expect((process.memoryUsage.rss() - before) / 2 ** 20).toBeLessThan(100)
  expect(unread).toHaveLength(400)
})

interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

interface Operation {
  readonly operationId: string
  readonly security: readonly object[]
  readonly tags: readonly string[]
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly headers?: Readonly<Record<string, unknown>> }>
  >
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[]
}

interface Schema {
  readonly type?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly enum?: readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
}

const documentOf = async (): Promise<Document> =>
  (await (await fetch(`${edge.url}/openapi.json`)).json()) as Document

test('the document is OpenAPI 3.1, names each operation once, and says who may call it', async () => {
  const text = await (await fetch(`${edge.url}/openapi.json`)).text()
  const document = JSON.parse(text) as Document
  expect(document.openapi).toBe('3.1.0')
  const operations = Object.values(document.paths).flatMap(methods => Object.values(methods))
  expect(new Set(operations.map(operation => operation.operationId)).size).toBe(operations.length)
  const security = (path: string) =>
    Object.values(document.paths[path] ?? {}).map(operation => operation.security)
  expect(security('/healthy')).toEqual([[]])
  expect(security('/api/v1/user/login')).toEqual([[]])
  expect(security('/api/v1/user/register')).toEqual([[{ AdminKey: [] }]])
  expect(security('/api/v1/sms/send')).toEqual([[{ Token: [], AppId: [] }]])
  for (const [, name = ''] of text.matchAll(/#\/components\/schemas\/(\w+)/g)) {
    expect(Object.keys(document.components.schemas)).toContain(name)
  }
})

test('a route that an operator opened is documented as open', async () => {
  const open = await startEdge({}, { openRoutes: ['/api/v1/user/register'] })
  const document = (await (await fetch(`${open.url}/openapi.json`)).json()) as Document
  await open.stop()
  expect(document.paths['/api/v1/user/register']?.post?.security).toEqual([])
})

test('what a choice of words means stands in the document', async () => {
  const { schemas } = (await documentOf()).components
  const said =
    'tripped: out of use for a while, for some apps or all, after it failed repeatedly; broken: there is no good version of it'
  expect(schemas.FilterStatus?.properties?.state).toEqual({
    type: 'string',
    enum: ['active', 'shadow', 'inactive', 'tripped', 'broken'],
    description: said,
  })
})

test('what the counts of a filter leave out while it fails stands in the document', async () => {
  const { hits, refusals } = (await documentOf()).components.schemas.FilterStatus?.properties ?? {}
  expect(hits?.description).toContain('tripped')
  expect(refusals?.description).toContain('on_error')
})

test('the ids that the document allows in a path are those that are looked up; the numbers beside them are 400', async () => {
  const body = JSON.stringify({ enabled: true })
  const headers = { ...edge.asAdmin, 'content-type': 'application/json' }
  let bounds = 0
  for (const [path, methods] of Object.entries((await documentOf()).paths)) {
    if (!path.startsWith('/api/v1/admin/') || !path.includes('{')) continue
    for (const [method, { parameters = [] }] of Object.entries(methods)) {
      const error = async (id: number | bigint): Promise<string> => {
        const url = edge.url + path.replace('{id}', String(id))
        const answer = await fetch(url, { method: method.toUpperCase(), headers, body })
        return `${answer.status} ${((await answer.json()) as { error?: string }).error}`
      }
      for (const { schema } of parameters.filter(one => one.in === 'path')) {
        const { minimum = Number.NaN, maximum = Number.NaN } = schema
        const invalid = `400 invalid id: the path needs a whole number from ${minimum}`
        expect([await error(minimum - 1), await error(BigInt(maximum) + 1n)]).toEqual([invalid, invalid])
        expect(await error(maximum)).toEndWith('not found')
        bounds++
      }
    }
  }
  expect(bounds).toBe(3)
})

test('how long a field of a user may be stands in the document as in the refusal', async () => {
  const path = '/api/v1/admin/proxy-users/register'
  const { requestBody } = (await documentOf()).paths[path]?.post ?? {}
  const { properties = {} } = requestBody?.content['application/json']?.schema ?? {}
  const good = { email: 'long@example.com', password: PASSWORD, app_name: 'long', app_secret: 'long-secret' }
  const wrong = {
    email: `${'x'.repeat(250)}@x.com`,
    password: 'x',
    app_name: 'x'.repeat(65),
    app_secret: 'x',
  }
  const change = { ...wrong, allowed_ips: Array.from({ length: 257 }, () => '10.0.0.0/8') }
  for (const [field, value] of Object.entries(change)) {
    const response = await fetch(edge.url + path, jsonOf({ ...good, [field]: value }, edge.asAdmin))
    const length = properties[field]?.description ?? 'none'
    expect(((await response.json()) as { error: string }).error).toEndWith(`have ${length}`)
  }
})

test('a 429 is documented with the headers that say when to come again, on every row', async () => {
  for (const methods of Object.values((await documentOf()).paths)) {
    for (const { responses } of Object.values(methods)) {
      const headers = ['Retry-After', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset']
      expect(Object.keys(responses['429']?.headers ?? {})).toEqual(headers)
    }
  }
})

test('a 403 of a send and a 503 of a reload are documented with all that may cause them', async () => {
  const { paths } = await documentOf()
  const refused = paths['/api/v1/sms/send']?.post?.responses[403]?.description
  for (const cause of ['IP', 'filter', 'rule', 'licence']) expect(refused).toContain(cause)
  const unavailable = paths['/api/v1/admin/reload']?.post?.responses[503]?.description
  for (const cause of ['stopping', 'admin API key']) expect(unavailable).toContain(cause)
})

test('generators of clients know the type of every value of a map', async () => {
  const text = JSON.stringify(await documentOf())
  expect(text).not.toContain('patternProperties')
  const { InfoReply } = (await documentOf()).components.schemas
  expect(InfoReply?.properties?.parts).toMatchObject({
    type: 'object',
    additionalProperties: { enum: expect.arrayContaining(['submitted', 'delivered']) },
  })
})

test('what may be left out of a body has no default in the document: generators of clients would require it', async () => {
  const { schemas } = (await documentOf()).components
  for (const name of ['SendRequest', 'ExplainRequest']) {
    expect(Object.keys(schemas[name]?.properties ?? {})).toContain('registered_delivery')
    expect(JSON.stringify(schemas[name])).not.toContain('"default"')
  }
})

test('the document has every key that server-config can answer', async () => {
  const env = { SMS_PROXY_AEROSPIKE__HOSTS: 'aero-1.local', SMS_PROXY_AEROSPIKE__SPOOL: 'true' }
  const loaded = loadConfig(undefined, env)
  if (!('config' in loaded)) throw new Error(JSON.stringify(loaded.problems))
  const answer = describeConfig(loaded.config, { rulesLoaded: true, rulesError: 'broken', filters: {} })
  const { ServerConfig } = (await documentOf()).components.schemas
  for (const [section, value] of Object.entries(answer)) {
    const known = Object.keys(ServerConfig?.properties?.[section]?.properties ?? {})
    if (typeof value === 'object' && section !== 'filters') expect(known).toEqual(Object.keys(value))
  }
})
