import { expect, spyOn, test } from 'bun:test'
import { SlidingSecond } from '../src/licence/sliding_second.ts'
import { type LinkSettings, Network, type NetworkSettings } from '../src/network.ts'
import { Pool } from '../src/routing/pool.ts'
import { compileRules, NO_RULES } from '../src/routing/rules.ts'
import { TurnedClock } from './support/clock.ts'
import { MemoryNet } from './support/simulation_net.ts'
import { silent } from './support/simulation_quiet.ts'
import { MemorySmsc } from './support/simulation_smsc.ts'

const LINK: LinkSettings = {
  ...{ id: 1, name: 'one', address: { host: 'smsc', port: 2775 }, systemId: 'me', password: 'secret' },
  ...{
    systemType: '',
    addresses: { ton: 0, npi: 0, range: '' },
    interfaceVersion: 0x34,
    bind: 'transceiver',
    connectTimeoutMs: 1000,
  },
  ...{ responseTimeoutMs: 5000, enquireLinkMs: 30_000, window: 100, limitTps: 10, enabled: true },
  ...{ shortCodeTon: 3, shortCodeNpi: 0, serviceType: '', weight: 1 },
}
const settings = (links: readonly LinkSettings[]): NetworkSettings => ({
  ...{ links, pools: [], rules: NO_RULES, queueTimeoutMs: 10_000, queueMax: 1000 },
})

async function setUp(connectionsMax = 0, links: readonly LinkSettings[] = [LINK], tps = 0) {
  const clock = new TurnedClock()
  const licence = { connectionsMax, tps: new SlidingSecond(clock, tps) }
  const switches = new Map<number, boolean>()
  const arrived: number[] = []
  const smsc = new MemorySmsc(
    'smsc',
    1000,
    ['me', 'you'],
    clock,
    () => 0.5,
    () => arrived.push(clock.monotonic()),
  )
  const nobody = { sent() {}, arrived() {}, halved() {} }
  const net = new MemoryNet(clock, () => 0.5, nobody, new Map([['smsc', smsc]]))
  const random = (count: number): Uint8Array => new Uint8Array(count)
  const told: string[] = []
  const note = (level: string) => (fields: object) =>
    void told.push(`${level} ${'to' in fields ? fields.to : ''}`)
  const log = { ...silent, info: note('info'), warn: note('warn') }
  const network = new Network(settings(links), {
    clock,
    log,
    smpp: { connect: net.connect, clock, random, log: silent },
    deliver: () => 0,
    late: () => undefined,
    switchedOn: id => switches.get(id),
    licence: { connectionsMax: () => licence.connectionsMax, tps: licence.tps },
  })
  network.bindLinks()
  await clock.advance(10)
  const send = (count: number, esme = 1): void => {
    const pool = network.route({ ...MESSAGE, esme })
    for (let each = 0; each < count; each++)
      void pool.send({
        ...{ partCount: 1, tag: () => undefined, preferred: 1, destination: `4915${each}` },
        pdu: () => ({ destination_addr: `4915${each}`, short_message: new Uint8Array([0x41]) }),
      })
  }
  return { clock, network, net, smsc, arrived, send, licence, switches, told }
}

const TWO: LinkSettings = { ...LINK, id: 2, name: 'two' }
/** Of another account. */
const OTHER: LinkSettings = { ...TWO, systemId: 'you' }
/** Where nobody listens. */
const NOWHERE: LinkSettings = { ...LINK, address: { host: 'nowhere', port: 2775 } }
const boundIds = (network: Network) =>
  network.links().flatMap(({ state, settings }) => (state === 'LOADED' ? [settings.id] : []))

const FILTERED = {
  ...{ source: '', destination: '', message: '', app_id: 1, app_name: '', transaction_id: '' },
  ...{ campaign_uuid: '', encoding: 'gsm7' as const, parts: 1, time: 0 },
}

const MESSAGE = { ...FILTERED, esme: 1 }

test('a link that a reload binds anew holds its limit over the second in which that happens', async () => {
  const { clock, network, arrived, send } = await setUp()
  send(30)
  await clock.advance(500)
  expect(arrived).toHaveLength(10)
  network.apply(settings([{ ...LINK, enquireLinkMs: 10_000 }]))
  await clock.advance(5000)
  expect(arrived).toHaveLength(30)
  for (const [at, moment] of arrived.entries()) {
    const tenth = arrived[at - 10]
    if (tenth !== undefined) expect(moment - tenth).toBeGreaterThanOrEqual(1000)
  }
  void network.close()
  await clock.advance(10_000)
  expect(clock.timers).toBe(0)
})

test.each([
  ['has another id', 50, [[{ ...LINK, id: 2 }]]],
  ['comes back after a moment', 50, [[], [LINK]]],
  ['comes back after most of a second', 800, [[], [LINK]]],
])('limit_tps holds for the account of a link that by a reload %s', async (_, pause, reloads) => {
  const { clock, network, arrived, send } = await setUp()
  send(10)
  await clock.advance(100)
  expect(arrived).toHaveLength(10)
  for (const [at, links] of reloads.entries()) {
    if (at > 0) await clock.advance(pause)
    network.apply(settings(links))
  }
  await clock.advance(50)
  const [link] = network.links()
  const pool = network.route({ ...FILTERED, esme: link?.settings.id ?? 0 })
  for (let each = 0; each < 10; each++)
    void pool.send({
      ...{ partCount: 1, tag: () => undefined, preferred: 1, destination: `4916${each}` },
      pdu: () => ({ destination_addr: `4916${each}`, short_message: new Uint8Array([0x41]) }),
    })
  await clock.advance(850)
  expect(arrived).toHaveLength(10)
  await clock.advance(3000)
  expect(arrived).toHaveLength(20)
  for (let at = 10; at < 20; at++)
    expect((arrived[at] ?? 0) - (arrived[at - 10] ?? 0)).toBeGreaterThanOrEqual(1000)
  void network.close()
  await clock.advance(10_000)
  expect(clock.timers).toBe(0)
})

test('a link that comes back after more than a second begins with all of its limit', async () => {
  const { clock, network, arrived, send } = await setUp()
  send(10)
  await clock.advance(100)
  network.apply(settings([]))
  await clock.advance(1100)
  network.apply(settings([LINK]))
  await clock.advance(50)
  send(10)
  await clock.advance(100)
  expect(arrived).toHaveLength(20)
  void network.close()
  await clock.advance(10_000)
})

test('closed it has no session left, of a link that a reload took out neither', async () => {
  const { clock, network, smsc, send } = await setUp()
  smsc.set('me', { delay: '300ms' })
  send(1)
  await clock.advance(10)
  network.apply(settings([]))
  let closed = false
  void network.close().then(() => {
    closed = true
  })
  await clock.advance(200)
  expect([closed, smsc.accounts.get('me')?.sessions.size]).toEqual([false, 1])
  await clock.advance(1000)
  expect([closed, smsc.accounts.get('me')?.sessions.size]).toEqual([true, 0])
})

test('of links that the licence allows none binds while another still drains', async () => {
  const { clock, network, smsc, send } = await setUp(1)
  expect(boundIds(network)).toEqual([1])
  smsc.set('me', { delay: '300ms' })
  send(1)
  network.apply(settings([OTHER]))
  await clock.advance(200)
  expect(network.links()[0]?.state).toBe('DISABLED')
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([2])
  void network.close()
  await clock.advance(10_000)
  expect(clock.timers).toBe(0)
})

test.each([
  ['with another bind', { ...LINK, systemType: 'vas' }],
  ['at another address', { ...LINK, address: { host: 'smsc', port: 2776 } }],
  ['under another id', { ...LINK, id: 2 }],
])('a link that a reload binds anew %s has one session at a time', async (_, link) => {
  const { clock, network, smsc, send } = await setUp()
  smsc.set('me', { delay: '300ms' })
  send(1)
  await clock.advance(10)
  network.apply(settings([link]))
  const sessions: number[] = []
  for (let ms = 0; ms < 1000; ms++) {
    await clock.advance(1)
    sessions.push(smsc.accounts.get('me')?.sessions.size ?? 0)
  }
  expect(Math.max(...sessions)).toBe(1)
  expect(boundIds(network)).toEqual([link.id])
  void network.close()
  await clock.advance(10_000)
  expect(clock.timers).toBe(0)
})

test('what drains leaves room for as many links as the licence allows beside it, and no more', async () => {
  const { clock, network, smsc, send } = await setUp(2)
  smsc.set('me', { delay: '300ms' })
  send(1)
  network.apply(settings([OTHER, { ...OTHER, id: 3, name: 'three' }]))
  await clock.advance(200)
  expect(boundIds(network)).toEqual([2])
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([2, 3])
  void network.close()
  await clock.advance(10_000)
})

test('a link that cannot connect counts for the licence, once', async () => {
  const { clock, network, smsc, send, switches } = await setUp(2, [NOWHERE, TWO])
  switches.set(2, false)
  network.bindLinks()
  await clock.advance(100)
  switches.set(2, true)
  network.bindLinks()
  await clock.advance(100)
  expect(boundIds(network)).toEqual([2])
  smsc.set('me', { delay: '300ms' })
  send(1, 2)
  network.apply(settings([NOWHERE, { ...OTHER, id: 3, name: 'three' }]))
  await clock.advance(200)
  expect(boundIds(network)).toEqual([])
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([3])
  void network.close()
  await clock.advance(10_000)
})

test('a link waits for none that drains beside it', async () => {
  const { clock, network, smsc, send } = await setUp()
  smsc.set('me', { delay: '300ms' })
  send(1)
  network.apply(settings([{ ...LINK, systemType: 'vas' }, OTHER]))
  await clock.advance(200)
  expect(boundIds(network)).toEqual([2])
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([1, 2])
  void network.close()
  await clock.advance(10_000)
})

test('a link that is lost or slowed down is a warning in the log, whatever an operator does is not', async () => {
  const { clock, network, net, smsc, send, switches, told } = await setUp()
  smsc.set('me', { error: '0x58=always' })
  send(1)
  await clock.advance(100)
  smsc.set('me', {})
  await clock.advance(2000)
  net.cut()
  await clock.advance(1000)
  switches.set(1, false)
  network.bindLinks()
  await clock.advance(1000)
  expect(told).toEqual([
    ...['info UNBOUND', 'info CONNECTING', 'info LOADED', 'warn THROTTLED', 'info LOADED'],
    ...['warn UNBOUND', 'info CONNECTING', 'info LOADED', 'info DISABLED'],
  ])
  void network.close()
  await clock.advance(10_000)
})

test.each([
  ['transmitter', 0, false],
  ['receiver', 1, true],
])('a pair that has lost its %s is bound where messages can go over it', async (_, lost, bound) => {
  const { clock, network, net, smsc } = await setUp(0, [{ ...LINK, bind: 'pair' }])
  expect(network.link(1)).toMatchObject({ state: 'LOADED', bound: true })
  smsc.set('me', { bindStatus: '0x0d' })
  const wires = [...net.wires]
  wires[lost]?.cut()
  await clock.advance(10)
  expect(network.link(1)).toMatchObject({ state: 'UNBOUND', bound })
  expect(network.sessions()).toBe(1)
})

test('a rule sends to a link that is in no pool by its name', async () => {
  const { clock, network } = await setUp(0, [LINK, OTHER])
  const compiled = compileRules([{ name: 'all', pool: 'two' }], { pools: ['two'] })
  if ('problems' in compiled) throw new Error('the rule is broken')
  network.follow(compiled.rules)
  expect(network.route(MESSAGE).options.links.map(({ id }) => id)).toEqual([2])
  void network.close()
  await clock.advance(10_000)
})

test('of the links the licence leaves those with the lowest ids, also when it comes to allow fewer', async () => {
  const { clock, network, licence } = await setUp(1, [TWO, LINK])
  expect(boundIds(network)).toEqual([1])
  licence.connectionsMax = 2
  network.bindLinks()
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([2, 1])
  licence.connectionsMax = 1
  network.bindLinks()
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([1])
  void network.close()
  await clock.advance(10_000)
})

test('the TPS of the licence holds over all links, and what it keeps waiting goes as it allows', async () => {
  const fast = { ...LINK, limitTps: 0 }
  const { clock, network, arrived, send } = await setUp(0, [fast, { ...TWO, limitTps: 0 }], 5)
  network.apply({
    ...settings([fast, { ...TWO, limitTps: 0 }]),
    pools: [{ id: 1, name: 'p', links: ['one', 'two'], strategy: 'least_loaded' }],
  })
  send(15)
  expect(network.explain(MESSAGE).pool?.candidates[0]).toMatchObject({ shortage: 'licence' })
  for (const count of [5, 10, 15]) {
    await clock.advance(900)
    expect(arrived).toHaveLength(count)
    await clock.advance(106)
  }
  void network.close()
  await clock.advance(10_000)
})

test('what an operator switched holds over what the configuration says, both ways', async () => {
  const { clock, network, switches } = await setUp(0, [LINK, { ...TWO, enabled: false }])
  expect(boundIds(network)).toEqual([1])
  switches.set(1, false).set(2, true)
  network.bindLinks()
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([2])
  expect(network.links().map(({ enabled, bound }) => [enabled, bound])).toEqual([
    [false, false],
    [true, true],
  ])
  void network.close()
  await clock.advance(10_000)
})

test('a pool goes by the strategy and the bounds of its queue that a reload gives it', async () => {
  const links = [LINK, TWO]
  const { clock, network, send } = await setUp(0, links)
  const pool = { id: 1, name: 'p', links: ['two', 'one'], strategy: 'priority' as const }
  const unnamed = { partCount: 1, pdu: () => ({}), tag: () => undefined, preferred: 9 }
  const sent = () => network.links().map(({ stats }) => stats.submitted)
  network.apply({ ...settings(links), pools: [pool] })
  for (const destination of ['1', '2']) void network.route(MESSAGE).send({ ...unnamed, destination })
  expect(sent()).toEqual([0, 2])
  network.apply({ ...settings(links), pools: [{ ...pool, strategy: 'round_robin' }], queueMax: 1 })
  for (const destination of ['3', '4']) void network.route(MESSAGE).send({ ...unnamed, destination })
  expect(sent()).toEqual([1, 3])
  await clock.advance(100)
  send(17)
  expect(await network.route(MESSAGE).send({ ...unnamed, destination: '5' })).toEqual([
    { kind: 'unsent', reason: 'queue_full' },
  ])
  expect(network.explain({ ...MESSAGE, destination: '491516' }).pool?.behind).toBe(true)
  expect(network.explain({ ...MESSAGE, destination: '491517' }).pool?.behind).toBe(false)
  void network.close()
  await clock.advance(20_000)
})

test('a message that a rule refuses is told by which rule and why', async () => {
  const { clock, network } = await setUp()
  const compiled = compileRules([{ name: 'night', refuse: 'not now' }], { pools: [] })
  if ('problems' in compiled) throw new Error('the rule is broken')
  network.follow(compiled.rules)
  expect(() => network.route(MESSAGE)).toThrow('rejected by rule "night": not now')
  void network.close()
  await clock.advance(10_000)
})

test('new limits hold for a link that stays bound', async () => {
  const { clock, network, arrived, send } = await setUp()
  send(30)
  await clock.advance(100)
  expect(arrived).toHaveLength(10)
  const [link] = network.route(MESSAGE).options.links
  network.apply(settings([{ ...LINK, limitTps: 20, window: 50, weight: 7 }]))
  await clock.advance(100)
  expect(arrived).toHaveLength(20)
  expect(network.links()[0]).toMatchObject({ settings: { limitTps: 20 }, stats: { window: 50 } })
  network.apply(settings([{ ...LINK, enabled: false }]))
  expect(network.route(MESSAGE).options.links[0] === link).toBe(true)
  void network.close()
  await clock.advance(10_000)
})

test.each<Partial<LinkSettings>>([
  ...[{ systemId: 'you' }, { password: 'other' }, { systemType: 'vas' }, { interfaceVersion: 0x33 }],
  ...[{ bind: 'transmitter' as const }, { connectTimeoutMs: 2000 }, { responseTimeoutMs: 6000 }],
  ...[{ enquireLinkMs: 10_000 }, { shortCodeTon: 0 }, { shortCodeNpi: 1 }, { name: 'uno' }],
  ...[{ serviceType: 'CMT' }, { addresses: { ton: 1, npi: 1, range: '44' } }],
  { address: { host: 'smsc', port: 2775, tls: true } },
])('a link that a reload gives %o is another one', async change => {
  const { clock, network } = await setUp()
  const [link] = network.route(MESSAGE).options.links
  network.apply(settings([{ ...LINK, ...change }]))
  const [now] = network.route(MESSAGE).options.links
  expect(now === link).toBe(false)
  expect(now?.settings).toMatchObject(change)
  void network.close()
  await clock.advance(10_000)
})

test('a weighted pool goes by the weights of its links, also by those that a reload gives them', async () => {
  const { clock, network } = await setUp()
  const job = { partCount: 1, pdu: () => ({}), tag: () => undefined, preferred: 9 }
  const pools = [{ id: 1, name: 'p', links: ['one', 'two'], strategy: 'weighted' as const }]
  const sent = () => network.links().map(({ stats }) => stats.submitted)
  const unlimited = (one: number, two: number) =>
    [LINK, TWO].map((link, at) => ({ ...link, limitTps: 0, weight: at === 0 ? one : two }))
  network.apply({ ...settings(unlimited(3, 1)), pools })
  await clock.advance(1100)
  for (let at = 0; at < 8; at++) void network.route(MESSAGE).send({ ...job, destination: `1${at}` })
  expect(sent()).toEqual([6, 2])
  await clock.advance(100)
  network.apply({ ...settings(unlimited(1, 3)), pools })
  for (let at = 0; at < 8; at++) void network.route(MESSAGE).send({ ...job, destination: `2${at}` })
  expect(sent()).toEqual([8, 8])
  void network.close()
  await clock.advance(10_000)
})

test('what comes after a reload waits as long as that says', async () => {
  const off = { ...LINK, enabled: false }
  const { clock, network } = await setUp(0, [off])
  network.apply({ ...settings([off]), queueTimeoutMs: 500 })
  const job = { partCount: 1, pdu: () => ({}), tag: () => undefined, preferred: 1, destination: '4915' }
  let told: unknown
  void network
    .route(MESSAGE)
    .send(job)
    .then(results => {
      told = results
    })
  await clock.advance(499)
  expect(told).toBeUndefined()
  await clock.advance(1)
  expect(told).toEqual([{ kind: 'unsent', reason: 'no_link' }])
  void network.close()
  await clock.advance(10_000)
})

test('what waits in a pool goes over a link that a reload puts into it', async () => {
  const off = { ...LINK, enabled: false }
  const { clock, network, arrived, send } = await setUp(0, [off, TWO])
  const pool = { id: 1, name: 'p', links: ['one'], strategy: 'priority' as const }
  network.apply({ ...settings([off, TWO]), pools: [pool] })
  send(1)
  await clock.advance(100)
  expect(arrived).toHaveLength(0)
  network.apply({ ...settings([off, TWO]), pools: [{ ...pool, links: ['one', 'two'] }] })
  await clock.advance(100)
  expect(arrived).toHaveLength(1)
  void network.close()
  await clock.advance(10_000)
})

test('a link that is in two pools belongs to the first, and one that is renamed to a pool of its new name', async () => {
  const { clock, network } = await setUp()
  const pools = ['p', 'q'].map((name, id) => ({ id, name, links: ['one'], strategy: 'priority' as const }))
  const poolOf = () => network.explain(MESSAGE).pool?.name
  expect(poolOf()).toBe('one')
  network.apply(settings([{ ...LINK, name: 'uno' }]))
  expect(poolOf()).toBe('uno')
  network.apply({ ...settings([LINK]), pools })
  expect(poolOf()).toBe('p')
  void network.close()
  await clock.advance(10_000)
})

test('closed while a message waits for the licence it leaves no timer', async () => {
  const { clock, network, send } = await setUp(0, [LINK], 1)
  send(5)
  network.closePools()
  await Promise.all([network.close(), clock.advance(100)])
  expect(clock.timers).toBe(0)
})

test('what waits for a link in no pool is told under the name of the link, by messages and not by parts', async () => {
  const { clock, network } = await setUp(0, [LINK, { ...OTHER, limitTps: 1 }])
  const destination = '491511111'
  const job = { partCount: 3, preferred: 2, destination, tag: () => undefined }
  const pdu = () => ({ destination_addr: destination, short_message: new Uint8Array([0x41]) })
  for (let each = 0; each < 4; each++) void network.route({ ...MESSAGE, esme: 2 }).send({ ...job, pdu })
  await clock.advance(10)
  expect(network.queues()).toEqual([
    { name: 'one', queued: 0 },
    { name: 'two', queued: 4 },
  ])
  expect(network.explain({ ...MESSAGE, esme: 2 }).pool).toMatchObject({
    ...{ name: 'two', strategy: 'priority', queued: 4, queueMax: 1000 },
  })
  expect(() => network.route({ ...MESSAGE, esme: 3 })).toThrow('unknown esme')
})

test('a pool that a reload numbers anew has its new number everywhere', async () => {
  const { clock, network } = await setUp()
  for (const id of [1, 7]) {
    const pool = { id, name: 'p', links: ['one'], strategy: 'priority' as const }
    network.apply({ ...settings([LINK]), pools: [pool] })
  }
  expect([network.pools()[0]?.id, network.explain(MESSAGE).pool?.id]).toEqual([7, 7])
  void network.close()
  await clock.advance(10_000)
})

test('what waits in a pool that a reload removes is told so, and not that the gateway stops', async () => {
  const { clock, network } = await setUp()
  const pool = network.route(MESSAGE)
  const job = { partCount: 1, pdu: () => ({}), tag: () => undefined, preferred: 1, destination: '4915' }
  network.apply(settings([{ ...LINK, enabled: false }]))
  const waiting = pool.send(job)
  network.apply(settings([{ ...LINK, id: 2, name: 'two' }]))
  const told = [{ kind: 'unsent', reason: 'removed' } as const]
  expect(await waiting).toEqual(told)
  expect(await pool.send(job)).toEqual(told)
  void network.close()
  await clock.advance(10_000)
})

test('a link that an operator switches on takes the place of a higher one as soon as that has drained', async () => {
  const links = [LINK, TWO, { ...OTHER, id: 3, name: 'three' }]
  const { clock, network, smsc, send, switches, licence } = await setUp(0, links)
  switches.set(1, false)
  licence.connectionsMax = 2
  network.bindLinks()
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([2, 3])
  smsc.set('you', { delay: '300ms' })
  send(1, 3)
  await clock.advance(1)
  switches.set(1, true)
  network.bindLinks()
  await clock.advance(200)
  expect(boundIds(network)).toEqual([2])
  await clock.advance(1000)
  expect(boundIds(network)).toEqual([1, 2])
  void network.close()
  await clock.advance(10_000)
})

test('an answer on a link has its own pool look for room, and none of the hundreds of others', async () => {
  const { clock, network, send } = await setUp(0, [LINK, OTHER])
  using pump = spyOn(Pool.prototype, 'pump')
  send(1)
  await clock.advance(100)
  const asked = new Set(pump.mock.contexts.map(pool => (pool as Pool<never, never>).options.name))
  expect([...asked]).toEqual(['one'])
  expect(pump.mock.calls.length).toBeGreaterThan(1)
  void network.close()
  await clock.advance(10_000)
})
