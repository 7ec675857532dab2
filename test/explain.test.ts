import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../src/clock.ts'
import { GatewayError } from '../src/errors.ts'
import { candidateWords, createExplain, type ExplainRequest } from '../src/explain.ts'
import { type OpenFilters, openFilters } from '../src/filters/index.ts'
import { TRIP_FAULTS } from '../src/filters/tally.ts'
import { createIds } from '../src/ids.ts'
import type { PoolExplanation, RouteExplanation } from '../src/network.ts'
import { createSubmit } from '../src/submit.ts'
import { openFolder } from './filters/support.ts'

let folder: string
let filters: OpenFilters
const FILTERS = {
  asleep: 'export const blacklist = true; export const active = false; export default () => true',
  careful: `export const blacklist = true
    export default ({ message }) => {
      if (message === 'fail') throw new Error('no')
      while (message === 'endless');
      return false
    }`,
  premium: `export const blacklist = true
    export default sms => ({ match: sms.destination.startsWith('1900'), reason: 'premium rate' })`,
  trial: `export const blacklist = true; export const mode = 'shadow'; export default sms => sms.source === 'Bank'`,
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'explain-'))
  for (const [name, text] of Object.entries(FILTERS)) writeFileSync(join(folder, `${name}.js`), text)
  filters = await openFilters({
    dir: folder,
    timeoutMs: 50,
    memoryBytes: 8 * 1024 * 1024,
    onError: 'reject',
    clock: systemClock,
    logger: { info() {}, warn() {} },
  })
})
afterAll(async () => {
  await filters.close()
  rmSync(folder, { recursive: true })
})

const request: ExplainRequest = {
  appId: 1,
  appName: 'default',
  esme: 1,
  source: 'Bank',
  destination: '+447700900123',
  text: 'Hello world',
  transactionId: '',
  campaign: 'app-1',
  encoding: 'auto',
  flash: false,
  registeredDelivery: true,
  priority: 0,
  validitySeconds: undefined,
  scheduleAt: undefined,
  idempotency: undefined,
  ipAllowed: undefined,
  at: 1_700_000_000_000,
}

const link: PoolExplanation['candidates'][number]['link'] = {
  settings: {
    id: 1,
    name: 'one',
    address: { host: 'smsc', port: 2775, tls: false },
    systemId: 'me',
    password: 'secret',
    systemType: '',
    addresses: { ton: 0, npi: 0, range: '' },
    interfaceVersion: 0x34,
    bind: 'transceiver',
    connectTimeoutMs: 1,
    responseTimeoutMs: 1,
    enquireLinkMs: 1,
    window: 1,
    limitTps: 0,
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
    inFlight: 0,
    window: 1,
    sentLastSecond: 0,
    rttMs: 0,
    submitted: 0,
    accepted: 0,
    refused: new Map(),
    refusedOtherwise: 0,
    unknown: 0,
    unwritten: 0,
    delivered: 0,
  },
}
const taken = { link, taken: true, reason: 'preferred', shortage: undefined } as const
const pool: PoolExplanation = {
  id: 0,
  name: 'pool-1',
  strategy: 'priority',
  queued: 0,
  queueMax: 10,
  behind: false,
  candidates: [taken],
}

interface World {
  readonly licensed: boolean
  readonly fault: string | undefined
  readonly decision: RouteExplanation['decision']
  readonly pool: PoolExplanation | undefined
}

/** One world, for the explanation and for the send itself. */
function setUp(over: Partial<World> = {}, asked: OpenFilters = filters) {
  const world: World = { licensed: true, fault: undefined, decision: undefined, pool, ...over }
  const shared = {
    filters: asked,
    hasEsme: (id: number) => id === 1,
    partsMax: () => 10,
    licensed: () => {
      if (!world.licensed) throw new GatewayError('licence_expired', 'license expired')
    },
  }
  const explain = createExplain({
    ...shared,
    onError: 'reject',
    network: { explain: () => ({ rules: [], decision: world.decision, pool: world.pool }) },
    store: { fault: () => world.fault },
    clock: systemClock,
  })
  const submit = createSubmit({
    ...shared,
    route: () => {
      const { decision } = world
      if (decision && 'refuse' in decision) {
        throw new GatewayError('refused', `rejected by rule "${decision.rule}": ${decision.refuse}`)
      }
      return { send: async () => [{ kind: 'unsent', reason: 'closing' } as const] }
    },
    store: {
      recall: async () => undefined,
      claim: async () => ({ fresh: true }),
      save: async message => message,
      fault: () => world.fault,
    },
    ids: createIds(systemClock, systemRandom),
    clock: systemClock,
    reference: () => 0,
  })
  return { explain, submit }
}

describe('an explanation', () => {
  test.each<[string, Partial<ExplainRequest>, Partial<World>, string]>([
    ['an expired licence', {}, { licensed: false }, 'license expired'],
    ['a link that is not there', { esme: 9 }, {}, 'unknown esme'],
    ['a filter', { destination: '19005551234' }, {}, 'rejected by filter "premium": premium rate'],
    ['a filter that fails', { text: 'fail' }, {}, 'rejected by filter "careful": the filter failed'],
    [
      'a filter that does not answer',
      { text: 'endless' },
      {},
      'rejected by filter "careful": the filter did not answer in time',
    ],
    [
      'a rule',
      {},
      { decision: { rule: 'night', refuse: 'not now' }, pool: undefined },
      'rejected by rule "night": not now',
    ],
    ['a store that takes nothing', {}, { fault: 'the disk is full' }, 'not sent: the disk is full'],
    ['two of them by the first', { destination: '19005551234' }, { licensed: false }, 'license expired'],
  ])('of a refusal by %s has the words that a send has', async (_, change, world, words) => {
    const { explain, submit } = setUp(world)
    const refused = { ...request, ...change }
    expect(await explain(refused)).toMatchObject({ outcome: 'refused', error: words, summary: words })
    const sent = await submit(refused).catch((error: unknown) => error)
    expect(sent).toBeInstanceOf(GatewayError)
    expect(sent).toHaveProperty('publicText', words)
  })

  test('of a request that is wrong in itself is the error of its send', async () => {
    const { explain, submit } = setUp()
    const wrong = { ...request, destination: 'SHOP' }
    const [told, sent] = await Promise.allSettled([explain(wrong), submit(wrong)])
    expect(told).toMatchObject({ status: 'rejected' })
    expect<unknown>(told).toEqual(sent)
  })

  test("has each filter's word, in their order, and none of them counts it", async () => {
    const { explain } = setUp()
    const before = filters.inspect()
    const { outcome, filters: words } = await explain(request)
    expect(outcome).toBe('sent')
    expect(words).toMatchObject([
      { name: 'asleep', state: 'inactive', verdict: 'pass', match: false, reason: 'it is not active' },
      { name: 'careful', state: 'active', verdict: 'pass', match: false },
      { name: 'premium', state: 'active', verdict: 'pass', match: false },
      {
        name: 'trial',
        state: 'shadow',
        verdict: 'pass',
        match: true,
        reason: 'in shadow mode: it would refuse',
      },
    ])
    expect(filters.inspect()).toEqual(before)
  })

  test.each(['enforce', 'shadow'])('has a filter that is out of use decide as in a send (%s)', async mode => {
    await using folder = await openFolder({
      'stuck.js': `export const mode = '${mode}'\nexport default () => { for (;;) {} }`,
    })
    const { explain, submit } = setUp({}, folder.filters)
    const sends = Array.from({ length: TRIP_FAULTS }, () => submit(request))
    await Promise.allSettled(sends)
    const ofAnother = { ...request, appId: request.appId + 1 }
    for (const [asked, state] of [
      [request, 'tripped'],
      [ofAnother, mode === 'shadow' ? 'shadow' : 'active'],
    ] as const) {
      const { outcome, error, filters: words } = await explain(asked)
      expect(words).toMatchObject([{ name: 'stuck', state }])
      const sent = await submit(asked).then(
        () => ['sent', ''],
        ({ publicText }: GatewayError) => ['refused', publicText],
      )
      expect([outcome, error]).toEqual(sent)
    }
  })

  test('shows what filters and rules see, at the time that was asked about', async () => {
    const { explain } = setUp()
    const { message } = await explain({ ...request, text: 'ж'.repeat(71) })
    expect(message).toMatchObject({
      source: 'Bank',
      destination: '447700900123',
      encoding: 'ucs2',
      parts: 2,
      time: 1_700_000_000,
    })
  })

  test.each<[boolean | undefined, string[]]>([
    [undefined, ['licence', 'esme', 'store']],
    [true, ['ip', 'licence', 'esme', 'store']],
  ])('checks the address only where one was named (%p)', async (ipAllowed, names) => {
    const { checks } = await setUp().explain({ ...request, ipAllowed })
    expect(checks.map(({ check }) => String(check))).toEqual(names)
    expect(checks.every(({ pass }) => pass)).toBe(true)
  })

  test('refuses a stranger first', async () => {
    const { explain } = setUp({ licensed: false })
    expect(await explain({ ...request, ipAllowed: false })).toMatchObject({
      outcome: 'refused',
      error: 'IP not allowed',
    })
  })

  test('tells a message that would wait from one that would go, and from one for which there is no place', async () => {
    const waiting = { ...pool, queued: 1, candidates: [{ ...taken, taken: false, reason: 'lane' } as const] }
    expect((await setUp().explain(request)).summary).toBe(
      'goes out over one of pool-1: the request names it, and it has room',
    )
    expect(await setUp({ pool: waiting }).explain(request)).toMatchObject({
      outcome: 'queued',
      error: '',
      summary: 'waits in the queue of pool-1: no link can take it now',
    })
    expect(await setUp({ pool: { ...pool, queued: 1, behind: true } }).explain(request)).toMatchObject({
      outcome: 'queued',
      summary: 'waits in the queue of pool-1, behind another message to the same destination',
    })
    expect(await setUp({ pool: { ...waiting, queued: 10 } }).explain(request)).toMatchObject({
      outcome: 'refused',
      error: 'not sent: the queue of the pool is full',
    })
  })
})

test.each([
  ['window', 'its window is full: as many parts are unanswered as may be'],
  ['tps', 'limit_tps is used up for this second'],
  ['pause', 'it pauses, since its SMSC asked for fewer messages'],
  ['silence', 'its SMSC left a message unanswered and says nothing else: it is asked whether it is there'],
  ['licence', 'max_tps of the licence is used up for this second'],
] as const)('a link without room says that it lacks %s', (shortage, words) => {
  expect(candidateWords({ link, taken: false, reason: 'no_room', shortage })).toBe(words)
})

test('a link that is not bound says in which state it is, that it was switched off, or that it never sends', () => {
  const gone = { taken: false, reason: 'not_bound', shortage: undefined } as const
  expect(candidateWords({ ...gone, link: { ...link, state: 'CONNECTING' } })).toBe('not bound: CONNECTING')
  expect(candidateWords({ ...gone, link: { ...link, state: 'DISABLED', enabled: false } })).toBe(
    'not bound: switched off',
  )
  const receiver = { ...link, settings: { ...link.settings, bind: 'receiver' } } as const
  expect(candidateWords({ ...gone, link: receiver })).toBe('a receiver, which sends nothing')
})
