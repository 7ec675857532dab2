import { heapStats } from 'bun:jsc'
import { expect, test } from 'bun:test'
import type { LinkSettings, NetworkSettings } from '../../src/network.ts'
import { NO_RULES } from '../../src/routing/rules.ts'
import { Ledger } from '../../src/smsc/message.ts'
import { TurnedClock } from '../support/clock.ts'
import { Life } from '../support/simulation_life.ts'
import { MemoryNet } from '../support/simulation_net.ts'
import { Chance } from '../support/simulation_plan.ts'
import { MemorySmsc } from '../support/simulation_smsc.ts'
import { MemoryStore } from '../support/simulation_store.ts'

const HOURS = 72
const MINUTE_MS = 60_000
/** The first hours fill caches and compile code. */
const WARM_HOURS = 12
/** Its keep-alive, and the deadline of its oldest request. */
const TIMERS_A_SESSION = 2
/** Objects that the engine makes and drops by itself. */
const OBJECTS_SPARE = 1500

const link = (id: number, bind: LinkSettings['bind']): LinkSettings => ({
  ...{ id, name: `link-${id}`, address: { host: 'smsc', port: 2775 }, systemId: 'me', password: 'secret' },
  ...{ systemType: `link-${id}`, interfaceVersion: 0x34, bind, connectTimeoutMs: 3000 },
  ...{ responseTimeoutMs: 5000, enquireLinkMs: 30_000, window: 10, limitTps: 50, enabled: true },
  ...{ shortCodeTon: 3, shortCodeNpi: 0, serviceType: '', weight: 1 },
  addresses: { ton: 0, npi: 0, range: '' },
})

const SETTINGS: NetworkSettings = {
  links: [link(1, 'transceiver'), link(2, 'pair')],
  pools: [{ id: 1, name: 'both', links: ['link-1', 'link-2'], strategy: 'least_loaded' }],
  ...{ rules: NO_RULES, queueTimeoutMs: 3000, queueMax: 1000 },
}

/** Keeps nothing of what the SMSC took. */
class ForgetfulLedger extends Ledger {
  override keep(): void {}
}

test('72 hours of light traffic and link flaps leave nothing behind: timers, queues, connections, objects', async () => {
  const chance = new Chance(72)
  const { draw, between } = chance
  const clock = new TurnedClock()
  const ledger = new ForgetfulLedger(1000)
  const smsc = new MemorySmsc('smsc', 1000, ['me'], clock, draw, () => undefined, ledger)
  smsc.set('me', { lose: '0.02', error: '0x58=0.02,0x0b=0.02', delay: '5ms-50ms', receiptTwice: '0.1' })
  const nobody = { sent() {}, arrived() {}, halved() {} }
  const net = new MemoryNet(clock, draw, nobody, new Map([['smsc', smsc]]))
  const store = new MemoryStore(clock, draw)
  const life = new Life(SETTINGS, { clock, draw, net, store, switchedOn: () => undefined, tpsMax: 0 })
  const states = new Map<string, number>()
  let sends = 0

  const send = (): void => {
    void life
      .submit({
        ...{ appId: 1, appName: 'app', esme: between(1, 2), source: 'Shop', transactionId: `tx-${++sends}` },
        ...{ destination: `4915${between(1_000_000, 9_999_999)}`, text: 'x'.repeat(between(1, 400)) },
        ...{ campaign: 'app-1', encoding: 'auto', flash: false, registeredDelivery: true, priority: 0 },
        ...{ validitySeconds: undefined, scheduleAt: undefined },
        idempotency: chance.often(0.3) ? { key: `key-${sends}`, bodyHash: Uint8Array.of(1) } : undefined,
      })
      .then(({ state }) => states.set(state, (states.get(state) ?? 0) + 1))
  }
  /** What is there while nothing is sent. */
  const idle = (): object => ({
    queues: life.network.queues(),
    unanswered: sends - [...states.values()].reduce((sum, count) => sum + count, 0),
    inFlight: life.network.links().map(({ stats }) => stats.inFlight),
    sessions: life.network.sessions(),
    connections: [...net.wires].filter(wire => wire.open).length,
  })
  const objects = (): number => {
    store.forget()
    Bun.gc(true)
    return heapStats().objectCount
  }

  await clock.advance(MINUTE_MS)
  const before = idle()
  let warm = 0
  for (let hour = 1; hour <= HOURS; hour++) {
    for (let minute = 0; minute < 50; minute++) {
      for (let each = between(0, 6); each > 0; each--) send()
      if (chance.often(0.05)) net.cut()
      await clock.advance(MINUTE_MS)
    }
    await clock.advance(10 * MINUTE_MS)
    expect(idle()).toEqual(before)
    expect(life.clock.timers).toBeLessThanOrEqual(TIMERS_A_SESSION * life.network.sessions())
    if (hour === WARM_HOURS) warm = objects()
  }
  expect(objects() - warm).toBeLessThan(OBJECTS_SPARE)
  expect(sends).toBeGreaterThan(8000)
  expect((states.get('submitted') ?? 0) + (states.get('delivered') ?? 0)).toBeGreaterThan(sends * 0.8)

  const stopped = life.stop().then(() => life.clock.timers)
  await clock.advance(MINUTE_MS)
  expect(await stopped).toBe(0)
  smsc.close()
  net.cut()
  await clock.settle()
  expect(clock.timers).toBe(0)
}, 240_000)
