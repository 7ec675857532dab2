import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodePdu } from '../smpp/wire.ts'
import { startSmsc, type TestSmsc } from '../support/smsc.ts'
import { type GatewayOptions, startGateway, TestGateway } from './gateway.ts'

const RULES = '  rules: rules.yaml'
const FILTERS = 'filters: { dir: filters }'

/** A gateway whose folder holds `files` before it starts. */
async function startWith(files: Readonly<Record<string, string>>, options: GatewayOptions) {
  const gateway = new TestGateway(options)
  mkdirSync(join(gateway.folder, 'filters'))
  write(gateway, files)
  return (await gateway.start()).bound()
}

function write(gateway: TestGateway, files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) writeFileSync(join(gateway.folder, file), text)
}

const premium = (prefix: string, reason = 'premium rate'): string => `
  export const description = 'Premium-rate numbers'
  export const blacklist = true
  export default sms => ({ match: sms.destination.startsWith('${prefix}'), reason: '${reason}' })`

const PREMIUM_FILE = 'filters/premium.js'

/** A second, and what a slow and busy machine adds to it. */
const IN_FORCE_MS = 20_000

async function inForce(what: () => Promise<boolean>, gateway: TestGateway): Promise<void> {
  await gateway.until(what, done => done, IN_FORCE_MS)
}

const metric = async (gateway: TestGateway, line: string): Promise<boolean> =>
  (await gateway.fetch('GET', '/metrics')).body.split('\n').includes(line)

describe('filters', () => {
  test('refuse with their reason, and change within a second while messages flow', async () => {
    await using smsc = startSmsc()
    const options = { links: [{ port: smsc.port }], yaml: FILTERS }
    await using gateway = await startWith({ [PREMIUM_FILE]: premium('1900') }, options)
    const refused = await gateway.send({ destination: '+19005551234', transaction_id: 'tx-1' })
    expect(refused).toMatchObject({
      status: 403,
      body: {
        success: false,
        status: 'rejected',
        error: 'rejected by filter "premium": premium rate',
        esme: 1,
        transaction_id: 'tx-1',
        message_id: '',
        sms_ids: [],
      },
    })
    expect((await gateway.send()).status).toBe(200)
    expect(smsc.received).toHaveLength(1)

    write(gateway, { [PREMIUM_FILE]: premium('9876', 'closed today') })
    await inForce(async () => (await gateway.send()).status === 403, gateway)
    const { error } = (await gateway.send()).body
    expect(error).toBe('rejected by filter "premium": closed today')
    expect((await gateway.send({ destination: '+19005551234' })).status).toBe(200)
  }, 240_000)

  test('that break keep their last good version, and everything says so', async () => {
    await using smsc = startSmsc()
    const options = { links: [{ port: smsc.port }], yaml: FILTERS }
    await using gateway = await startWith({ [PREMIUM_FILE]: premium('1900') }, options)
    write(gateway, { [PREMIUM_FILE]: 'export default (sms =>' })
    const status = async () => (await gateway.admin('GET', '/api/v1/admin/filters')).body.data.filters[0]
    await inForce(async () => (await status()).error !== '', gateway)
    expect((await gateway.send({ destination: '+19005551234' })).status).toBe(403)
    expect(await status()).toMatchObject({ name: 'premium', state: 'active', hits: 1, refusals: 1 })
    expect((await status()).snippet).toContain('1900')
    const config = await gateway.admin('GET', '/api/v1/admin/settings/server-config')
    expect(config.body.data.filters.premium.error).toBe((await status()).error)
    expect(await metric(gateway, 'sms_proxy_filter_broken{filter="premium"} 1')).toBe(true)
    expect(gateway.log.join('\n')).toContain('filter is broken: its last good version stays in force')

    write(gateway, { [PREMIUM_FILE]: premium('1900') })
    await inForce(async () => (await status()).error === '', gateway)
  }, 240_000)

  test('are tried out on a message before anybody saves them', async () => {
    await using smsc = startSmsc()
    const options = { links: [{ port: smsc.port }], yaml: FILTERS }
    await using gateway = await startWith({ [PREMIUM_FILE]: premium('1900') }, options)
    const ask = (body: object) => gateway.admin('POST', '/api/v1/admin/filters/test', body)
    const message = { destination: '19005551234' }
    expect((await ask({ name: 'premium', message })).body.data).toMatchObject({
      verdict: 'reject',
      match: true,
      reason: 'premium rate',
      error: '',
    })
    expect((await ask({ snippet: premium('44'), message })).body.data).toMatchObject({ verdict: 'pass' })
    const endless = await ask({ snippet: 'export default () => { for (;;); }' })
    expect(endless.body.data).toMatchObject({
      verdict: 'reject',
      match: false,
      reason: 'the filter did not answer in time',
      error: 'no answer within 20 ms',
    })
    const { filters } = (await gateway.admin('GET', '/api/v1/admin/filters')).body.data
    expect(filters).toHaveLength(1)
    expect(filters[0]).toMatchObject({ hits: 0, errors: 0 })
  }, 240_000)
})

describe('rules', () => {
  test('change within a second without a reload; broken ones leave the last good in force', async () => {
    await using smsc = startSmsc()
    const files = { 'rules.yaml': '- { name: uk, match: { destination: "44" }, refuse: "not to the UK" }\n' }
    await using gateway = await startWith(files, { links: [{ port: smsc.port }], smpp: RULES })
    const toUk = () => gateway.send({ destination: '+447700900123' })
    const config = async () =>
      (await gateway.admin('GET', '/api/v1/admin/settings/server-config')).body.data.smpp
    expect((await toUk()).body).toMatchObject({
      status: 'rejected',
      error: 'rejected by rule "uk": not to the UK',
    })
    expect(await config()).toEqual({ rules_loaded: true })

    write(gateway, { 'rules.yaml': '- { name: us, match: { destination: "1" }, refuse: "not to the US" }\n' })
    await inForce(async () => (await toUk()).status === 200, gateway)
    expect((await gateway.send({ destination: '+12025550123' })).status).toBe(403)

    write(gateway, { 'rules.yaml': '- { name: all, pool: nowhere }\n' })
    await inForce(async () => (await config()).rules_error !== undefined, gateway)
    expect((await config()).rules_error).toBe(
      'rules.yaml:1:22: rules[0].pool "nowhere" is no pool; there is pool-1',
    )
    expect(await metric(gateway, 'sms_proxy_rules_broken 1')).toBe(true)
    expect(await metric(gateway, 'sms_proxy_rules 1')).toBe(true)
    expect(gateway.log.join('\n')).toContain('rules are broken: the last good ones stay in force')
    expect((await gateway.send({ destination: '+12025550123' })).status).toBe(403)
    expect((await toUk()).status).toBe(200)

    write(gateway, { 'rules.yaml': '[]\n' })
    await inForce(async () => (await config()).rules_error === undefined, gateway)
    expect((await gateway.send({ destination: '+12025550123' })).status).toBe(200)
  }, 240_000)
})

let sequence = 0x7000_0000

/** A `deliver_sm` to all sessions of the SMSC, with a User Data Header when it is a segment. */
function deliver(smsc: TestSmsc, text: string, { segment = [] as number[], esmClass = 0 } = {}): void {
  const header = segment.length === 0 ? [] : [5, 0, 3, ...segment]
  const octets = encodePdu({
    command: 'deliver_sm',
    command_status: 0,
    sequence_number: ++sequence,
    service_type: '',
    source_addr_ton: 1,
    source_addr_npi: 1,
    source_addr: '447700900123',
    dest_addr_ton: 3,
    dest_addr_npi: 0,
    destination_addr: '12345',
    esm_class: esmClass | (segment.length === 0 ? 0 : 0x40),
    protocol_id: 0,
    priority_flag: 0,
    schedule_delivery_time: '',
    validity_period: '',
    registered_delivery: 0,
    replace_if_present_flag: 0,
    data_coding: 0,
    sm_default_msg_id: 0,
    short_message: Buffer.from([...header, ...Buffer.from(text)]),
    tlvs: {},
  })
  smsc.smsc.sendRaw(octets)
}

describe('the inbox', () => {
  const inbox = async (gateway: TestGateway, query = '') =>
    (await gateway.admin('GET', `/api/v1/admin/inbox${query}`)).body

  test('has what handsets sent, long messages in one piece', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    const long = 'Wie schön, 😀! '.repeat(20)
    const from = { source: '447700900123', destination: '12345' }
    expect(await smsc.smsc.deliver({ ...from, text: 'STOP' })).toBe(true)
    expect(await smsc.smsc.deliver({ ...from, text: long })).toBe(true)
    const { data, pagination } = await inbox(gateway)
    expect(pagination).toEqual({ page: 1, limit: 50, total: 2, totalPages: 1 })
    expect(data).toMatchObject([
      { ...from, message: long, complete: true, missing: [], esme: 1 },
      { ...from, message: 'STOP', complete: true, parts: 1 },
    ])
    expect(data[0].parts).toBeGreaterThan(2)
    expect(data[0].account).toBe(`127.0.0.1:${smsc.port}/tester`)
    expect((await inbox(gateway, '?page=2&limit=1')).data).toEqual([data[1]])
  }, 240_000)

  test('joins segments over kill -9 and over another bind, and marks what is missing until then', async () => {
    await using smsc = startSmsc()
    const links = [{ port: smsc.port }, { port: smsc.port }]
    await using gateway = await startGateway({ links })
    // Each session of the account brings it once: what comes twice is one message all the same.
    deliver(smsc, 'three', { segment: [7, 3, 3] })
    await gateway.until(
      () => inbox(gateway),
      ({ data }) => data.length > 0,
    )
    deliver(smsc, 'one, ', { segment: [7, 3, 1] })
    const { data } = await gateway.until(
      () => inbox(gateway),
      body => body.data[0].missing.length === 1,
    )
    expect(data).toMatchObject([
      { message: 'one, [part 2 of 3 missing]three', complete: false, parts: 3, missing: [2] },
    ])

    await gateway.kill()
    await gateway.start()
    await gateway.bound()
    deliver(smsc, 'two, ', { segment: [7, 3, 2] })
    await gateway.until(
      () => inbox(gateway),
      body => body.data[0].complete,
    )
    expect(await inbox(gateway)).toMatchObject({
      data: [{ id: data[0].id, message: 'one, two, three', complete: true, missing: [] }],
      pagination: { total: 1 },
    })
  }, 240_000)
})

test('receipts that belong to no message are listed', async () => {
  await using smsc = startSmsc()
  await using gateway = await startGateway({ links: [{ port: smsc.port }] })
  deliver(smsc, 'id:0001A2B sub:001 dlvrd:000 stat:UNDELIV err:027 text:', { esmClass: 0x04 })
  const { body } = await gateway.until(
    () => gateway.admin('GET', '/api/v1/admin/receipts/unmatched'),
    answer => answer.body.data.length > 0,
  )
  expect(body).toMatchObject({
    success: true,
    data: [
      {
        account: `127.0.0.1:${smsc.port}/tester`,
        smsc_ids: ['1a2b', '6699'],
        destination: '447700900123',
        status: 'undeliverable',
        error_code: 27,
      },
    ],
    pagination: { page: 1, limit: 50, total: 1, totalPages: 1 },
  })
}, 240_000)

describe('route/explain', () => {
  const explain = async (gateway: TestGateway, fields: object = {}) => {
    const message = { esme: 1, source: '+123456789', destination: '+987654321', message: 'Hello world' }
    const answer = await gateway.admin('POST', '/api/v1/admin/route/explain', { ...message, ...fields })
    expect(answer.status).toBe(200)
    return answer.body.data
  }

  test('foretells what a send then does, and sends and counts nothing itself', async () => {
    await using smsc = startSmsc()
    const rules = `
- { name: night, match: { destination: "98", parts: { min: 3 } }, refuse: "too long" }
- { name: all-else, pool: pool-1 }
`
    const options = { links: [{ port: smsc.port }, { port: smsc.port }], smpp: RULES, yaml: FILTERS }
    await using gateway = await startWith({ 'rules.yaml': rules, [PREMIUM_FILE]: premium('1900') }, options)

    const told = await explain(gateway, { esme: 2 })
    expect(told).toMatchObject({
      outcome: 'sent',
      error: '',
      summary: 'goes out over link-2 of pool-1: the request names it, and it has room',
      encoding: 'gsm7',
      parts: 1,
      filters: [{ name: 'premium', state: 'active', verdict: 'pass', match: false }],
      rules: [
        { rule: 'night', matches: false, decides: false, says: 'parts is 1, not 3 or more' },
        { rule: 'all-else', matches: true, decides: true, says: 'pool-1' },
      ],
      pool: {
        name: 'pool-1',
        chosen_by: 'rule "all-else"',
        strategy: 'least_loaded',
        queued: 0,
        links: [
          { id: 1, taken: false, reason: 'could take it, but another link was chosen', state: 'LOADED' },
          { id: 2, taken: true, reason: 'the request names it, and it has room', state: 'LOADED' },
        ],
      },
    })
    const refused = [{ destination: '+19005551234' }, { message: 'x'.repeat(400) }, { esme: 9 }]
    for (const fields of refused) {
      const { outcome, error } = await explain(gateway, fields)
      expect(outcome).toBe('refused')
      expect((await gateway.send(fields)).body.error).toBe(error)
    }
    expect(smsc.received).toEqual([])
    expect((await gateway.admin('GET', '/api/v1/admin/filters')).body.data.filters[0]).toMatchObject({
      // The two sends that came so far; what was only explained is not counted.
      hits: 2,
    })
    expect((await gateway.send({ esme: 2 })).status).toBe(200)
    expect(await metric(gateway, 'sms_proxy_link_submits_total{link="link-2"} 1')).toBe(true)
  }, 240_000)

  test('says of each link why it is not taken', async () => {
    await using smsc = startSmsc()
    const links = [{ port: smsc.port }, { port: smsc.port, more: 'limit_tps: 1' }]
    await using gateway = await startGateway({ links })
    await gateway.admin('PUT', '/api/v1/admin/smpp/1/toggle', { enabled: false })
    const told = await gateway.until(
      async () => {
        await gateway.send()
        return explain(gateway)
      },
      ({ outcome }) => outcome === 'queued',
    )
    expect(told).toMatchObject({
      summary: 'waits in the queue of pool-1: no link can take it now',
      pool: {
        links: [
          { id: 1, taken: false, reason: 'not bound: switched off', state: 'DISABLED', enabled: false },
          { id: 2, taken: false, reason: 'limit_tps is used up for this second', tps: 1, limit_tps: 1 },
        ],
      },
    })
  }, 240_000)
})
