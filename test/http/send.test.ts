import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { toSend } from '../../src/http/routes/sms.ts'
import { jsonOf, message, startEdge, type TestEdge } from './support.ts'

let edge: TestEdge
beforeAll(async () => {
  edge = await startEdge()
})
beforeEach(() => {
  edge.submitted.length = 0
})
afterAll(() => edge.stop())

const LEAST = { esme: 1, source: '+123456789', destination: '+98 765-4321', message: 'Hello\u0000 🙂' }
const send = (change: object = {}, headers: Record<string, string> = {}) =>
  fetch(`${edge.url}/api/v1/sms/send`, jsonOf({ ...LEAST, ...change }, { ...edge.asApp, ...headers }))

const REFUSED: [object, string][] = [
  [{ esme: undefined }, 'esme is required'],
  [{ esme: '1' }, 'esme: expected integer'],
  [{ esme: 1.5 }, 'esme: expected integer'],
  [{ esme: -1 }, 'esme: expected integer to be greater or equal to 0'],
  [{ esme: 2 ** 53 }, 'esme: expected integer to be less or equal to 2147483647'],
  [{ source: undefined }, 'source is required'],
  [{ destination: '' }, 'destination is required'],
  [{ destination: '1'.repeat(65) }, 'destination: expected string length less or equal to 64'],
  [{ message: '' }, 'message is required'],
  [{ message: null }, 'message: expected string'],
  [{ transaction_id: 'x'.repeat(129) }, 'transaction_id: expected string length less or equal to 128'],
  [{ campaign_uuid: 'x'.repeat(65) }, 'campaign_uuid: expected string length less or equal to 64'],
  [{ campaign_uuid: '' }, 'campaign_uuid is empty: leave it out'],
  [{ transaction_id: '🙂'.repeat(129) }, 'transaction_id: expected string length less or equal to 128'],
  [{ priority: 4 }, 'priority: expected integer to be less or equal to 3'],
  [{ validity_period: 0 }, 'validity_period: expected integer to be greater or equal to 1'],
  [{ encoding: 'utf8' }, 'encoding: expected "auto" or "gsm7" or "latin1" or "ucs2"'],
  [{ flash: 'true' }, 'flash: expected boolean'],
  [{ schedule_at: 'tomorrow' }, 'schedule_at must be an RFC 3339 time, as in 2026-12-31T23:59:00Z'],
  [
    { schedule_at: '2027-02-30T10:00:00Z' },
    'schedule_at must be an RFC 3339 time, as in 2026-12-31T23:59:00Z',
  ],
  [
    { schedule_at: '2027-02-28T24:00:00Z' },
    'schedule_at must be an RFC 3339 time, as in 2026-12-31T23:59:00Z',
  ],
  [{ schedule_at: '2026-02-30' }, 'schedule_at must be an RFC 3339 time, as in 2026-12-31T23:59:00Z'],
  [{ mesage: 'typo' }, 'unknown field "mesage"'],
  [{ '': 1 }, 'unknown field ""'],
  [{ 'a/b~c': 1 }, 'unknown field "a/b~c"'],
  [{ ['x'.repeat(1000)]: 1 }, `unknown field "${'x'.repeat(64)}…"`],
]

describe('a request', () => {
  test('of the least fields goes on with the defaults of the contract, texts as they were', async () => {
    expect((await send()).status).toBe(200)
    expect(edge.submitted).toEqual([
      {
        appId: 1,
        appName: 'default',
        esme: 1,
        source: '+123456789',
        destination: '+98 765-4321',
        text: 'Hello\u0000 🙂',
        transactionId: '',
        campaign: 'app-1',
        encoding: 'auto',
        flash: false,
        registeredDelivery: true,
        priority: 0,
        validitySeconds: undefined,
        scheduleAt: undefined,
        idempotency: undefined,
      },
    ])
  })

  test('of all fields goes on with each', async () => {
    const at = new Date(Date.now() + 3_600_000)
    const all = {
      transaction_id: 'tx',
      campaign_uuid: 'spring',
      validity_period: 3600,
      priority: 3,
      schedule_at: at.toISOString(),
      flash: true,
      encoding: 'ucs2',
      registered_delivery: false,
    }
    expect((await send(all)).status).toBe(200)
    expect(edge.submitted[0]).toMatchObject({
      transactionId: 'tx',
      campaign: 'spring',
      validitySeconds: 3600,
      priority: 3,
      scheduleAt: at.getTime(),
      flash: true,
      encoding: 'ucs2',
      registeredDelivery: false,
    })
  })

  test('with an Idempotency-Key carries it, and a hash that the octets of the body decide', async () => {
    await send({}, { 'idempotency-key': 'k-1' })
    await send({}, { 'idempotency-key': 'k-1' })
    await send({ message: LEAST.message.replace('H', 'J') }, { 'idempotency-key': 'k-1' })
    const [first, same, other] = edge.submitted.map(request => request.idempotency)
    expect(first?.key).toBe('k-1')
    expect(first?.bodyHash).toHaveLength(32)
    expect(same).toEqual(first)
    expect(other?.bodyHash).not.toEqual(first?.bodyHash)
  })

  test('may have as many characters as is documented, of whatever plane', async () => {
    const longest = { transaction_id: '🙂'.repeat(128), campaign_uuid: '🙂'.repeat(64) }
    expect((await send(longest)).status).toBe(200)
    expect(edge.submitted[0]).toMatchObject({
      transactionId: longest.transaction_id,
      campaign: longest.campaign_uuid,
    })
  })

  for (const [change, error] of REFUSED) {
    test(`is 400, and nothing is sent: ${error.slice(0, 60)}`, async () => {
      const response = await send(change)
      expect(response.status).toBe(400)
      expect(((await response.json()) as { error: string }).error).toBe(error)
      expect(edge.submitted).toHaveLength(0)
    })
  }
})

test('what the SMSC took is answered as submitted, whatever a receipt said since', async () => {
  const delivered = message({
    state: 'delivered',
    parts: [{ state: 'delivered', smscId: 'a', account: '', error: 0 }],
    error: 'no submit_sm_resp in time',
  })
  const replaying = await startEdge({ submit: async () => delivered })
  const response = await fetch(`${replaying.url}/api/v1/sms/send`, jsonOf(LEAST, replaying.asApp))
  expect([response.status, await response.json()]).toEqual([
    200,
    expect.objectContaining({ success: true, status: 'submitted', sms_ids: ['a'], error: '' }),
  ])
  await replaying.stop()
})

test('a message of no campaign is in that of its app', () => {
  expect(toSend(LEAST, { id: 7, name: 'seven' }).campaign).toBe('app-7')
})

test('a message is told part by part, with those that were delivered counted', async () => {
  const states = ['delivered', 'submitted', 'failed'] as const
  const parts = states.map(state => ({ state, smscId: 'a', account: '', error: 0 }))
  const asked = await startEdge({ info: async () => message({ parts }) })
  const body = { esme: 1, message_id: 'msg-uuid' }
  const response = await fetch(`${asked.url}/api/v1/sms/info`, jsonOf(body, asked.asApp))
  expect(await response.json()).toMatchObject({
    parts: { 1: 'delivered', 2: 'submitted', 3: 'failed' },
    delivered_count: 1,
    sent_at: 1_700_000_000,
    updated_at: 1_700_000_010,
  })
  await asked.stop()
})

test('a refusal repeats what could be read of the request, and nothing that is of another kind', async () => {
  const answer = async (change: object) => (await (await send(change)).json()) as object
  expect(await answer({ message: '', transaction_id: 'tx-9' })).toMatchObject({
    esme: 1,
    transaction_id: 'tx-9',
  })
  expect(await answer({ esme: '1', transaction_id: 9 })).toMatchObject({ esme: 0, transaction_id: '' })
  expect(await answer({ esme: 1e300 })).toMatchObject({ esme: 0 })
})

test('a body that is no object says so', async () => {
  const response = await fetch(`${edge.url}/api/v1/sms/send`, jsonOf([], edge.asApp))
  expect(await response.json()).toMatchObject({ error: 'the body must be a JSON object' })
})
