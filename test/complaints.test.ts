import { describe, expect, test } from 'bun:test'
import type { Message } from '../src/message.ts'
import type { LinkSettings } from '../src/network.ts'
import { NO_RULES } from '../src/routing/rules.ts'
import type { Pdu, SubmitSm } from '../src/smpp/pdu.ts'
import { readText } from '../src/smpp/text/inbound.ts'
import type { FaultSettings } from '../src/smsc/faults.ts'
import type { SendRequest } from '../src/submit.ts'
import { TurnedClock } from './support/clock.ts'
import { Life } from './support/simulation_life.ts'
import { MemoryNet } from './support/simulation_net.ts'
import { Chance } from './support/simulation_plan.ts'
import { MemorySmsc } from './support/simulation_smsc.ts'
import { MemoryStore } from './support/simulation_store.ts'

/** What users of other gateways complain of: each is a promise here, kept by a test below or by one that is named. */

const LINK: LinkSettings = {
  ...{ id: 1, name: 'link-1', address: { host: 'smsc', port: 2775 }, systemId: 'me', password: 'secret' },
  ...{ systemType: 'link-1', interfaceVersion: 0x34, bind: 'transceiver', connectTimeoutMs: 1000 },
  ...{ responseTimeoutMs: 5000, enquireLinkMs: 10_000, window: 10, limitTps: 0, enabled: true },
  ...{ shortCodeTon: 3, shortCodeNpi: 0, serviceType: '', weight: 1 },
  addresses: { ton: 0, npi: 0, range: '' },
}
const SECOND: Partial<LinkSettings> = { id: 2, name: 'link-2', systemType: 'link-2' }

const REQUEST: SendRequest = {
  ...{ appId: 1, appName: 'app', esme: 1, source: 'Shop', destination: '4915112345678', text: 'Hello' },
  ...{ transactionId: 'tx', campaign: 'app-1', encoding: 'auto', flash: false, registeredDelivery: true },
  ...{ priority: 0, validitySeconds: undefined, scheduleAt: undefined, idempotency: undefined },
}

/** Everything from `submit` to the SMSC and back, in memory, on a turned clock; several links are one pool. */
class Rig {
  readonly clock = new TurnedClock()
  /** submit_sm at our sockets. */
  readonly sent: { readonly at: number; readonly link: string; readonly pdu: SubmitSm }[] = []
  readonly smsc: MemorySmsc
  readonly net: MemoryNet
  readonly store: MemoryStore
  readonly life: Life

  constructor(links: readonly Partial<LinkSettings>[], faults: FaultSettings) {
    const { clock } = this
    const { draw } = new Chance(1)
    this.smsc = new MemorySmsc('smsc', 1_000_000, ['me'], clock, draw, () => undefined)
    this.smsc.set('me', faults)
    const sent = (pdu: Pdu, { link }: { readonly link: string }): void => {
      if (pdu.command === 'submit_sm') this.sent.push({ at: clock.monotonic(), link, pdu })
    }
    const hosts = new Map([['smsc', this.smsc]])
    this.net = new MemoryNet(clock, draw, { sent, arrived() {}, halved() {} }, hosts)
    this.store = new MemoryStore(clock, draw)
    const all = links.map(link => ({ ...LINK, ...link }))
    const pool = { id: 1, name: 'pool', links: all.map(link => link.name), strategy: 'priority' as const }
    this.life = new Life(
      { links: all, pools: [pool], rules: NO_RULES, queueTimeoutMs: 20_000, queueMax: 1000 },
      { clock, draw, net: this.net, store: this.store, switchedOn: () => undefined, tpsMax: 0 },
    )
  }

  static async bound(
    links: readonly Partial<LinkSettings>[] = [{}],
    faults: FaultSettings = {},
  ): Promise<Rig> {
    const rig = new Rig(links, faults)
    await rig.clock.advance(1)
    return rig
  }

  send(requests: readonly Partial<SendRequest>[]): readonly Promise<Message>[] {
    return requests.map(request => this.life.submit({ ...REQUEST, ...request }))
  }

  /** The state of each message in the store, once all are answered. */
  async stored(sends: readonly Promise<Message>[]): Promise<string[]> {
    return (await Promise.all(sends)).map(({ id }) => this.store.get(id).state)
  }

  /** The same, `ms` after they are sent. */
  async states(requests: readonly Partial<SendRequest>[], ms: number): Promise<string[]> {
    const sends = this.send(requests)
    await this.clock.advance(ms)
    return this.stored(sends)
  }
}

const many = (count: number, request: Partial<SendRequest> = {}): Partial<SendRequest>[] =>
  Array.from({ length: count }, (_, at) => ({ ...request, destination: `49151${1_000_000 + at}` }))

describe('a link', () => {
  test('sends a window in each round trip, not one message', async () => {
    const rig = await Rig.bound([{ window: 10 }], { delay: '100ms' })
    const states = await rig.states(many(100), 1100)
    expect(states.filter(state => state === 'delivered')).toHaveLength(100)
  })

  test('counts parts for its limit, not messages', async () => {
    const rig = await Rig.bound([{ limitTps: 10, window: 100 }])
    await rig.states(many(8, { text: 'x'.repeat(400) }), 5000)
    const times = rig.sent.map(({ at }) => at)
    expect(times).toHaveLength(24)
    for (const [index, at] of times.entries())
      expect(at - (times[index - 10] ?? -1000)).toBeGreaterThanOrEqual(1000)
  })

  test('that the SMSC throttles, with 0x58 or 0x14, is asked for less, and not only the message', async () => {
    for (const status of ['0x58', '0x14']) {
      const rig = await Rig.bound([{ window: 20 }], { error: `${status}=49151*`, delay: '10ms' })
      rig.send(many(20))
      await rig.clock.settle()
      const before = rig.life.network.link(1)?.stats.window ?? 0
      await rig.clock.advance(100)
      expect(rig.life.network.link(1)?.state).toBe('THROTTLED')
      expect(rig.life.network.link(1)?.stats.window).toBeLessThan(before)
    }
  })

  test('that dies keeps no message: what waits for it goes by another', async () => {
    const rig = await Rig.bound(
      [
        { window: 5, enquireLinkMs: 2000 },
        { ...SECOND, window: 5 },
      ],
      { delay: '20ms' },
    )
    rig.smsc.set('me', { mute: 'on' })
    const sends = rig.send(many(30))
    await rig.clock.settle()
    const written = rig.sent.length
    expect(written).toBe(10)
    rig.smsc.set('me', { delay: '20ms' })
    rig.net.cut()
    await rig.clock.advance(30_000)
    const became = await rig.stored(sends)
    expect(became.filter(state => state === 'unknown')).toHaveLength(written)
    expect(became.filter(state => state === 'delivered')).toHaveLength(30 - written)
    expect(rig.sent).toHaveLength(30)
  })
})

describe('a long text', () => {
  test('of ten parts arrives whole', async () => {
    const rig = await Rig.bound()
    const text = Array.from({ length: 255 }, (_, at) => `${1000 + at}, `)
      .join('')
      .slice(0, 1530)
    expect(await rig.states([{ text }], 1000)).toEqual(['delivered'])
    expect(rig.sent.map(({ pdu }) => readText(pdu).concatenation?.part)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ])
    expect(rig.sent.map(({ pdu }) => readText(pdu).text).join('')).toBe(text)
  })

  test('goes as the GSM alphabet with data_coding 0, which is not IA5', async () => {
    const rig = await Rig.bound()
    await rig.states([{ text: 'é {€}' }], 1000)
    const [sent] = rig.sent
    expect(sent?.pdu.data_coding).toBe(0)
    expect([...(sent?.pdu.short_message ?? [])]).toEqual([0x05, 0x20, 0x1b, 0x28, 0x1b, 0x65, 0x1b, 0x29])
  })
})

describe('a receipt', () => {
  test.each([
    ['decimal', 'hex'],
    ['hex', 'decimal'],
    ['upper', 'hex'],
    ['padded', 'decimal'],
    ['decimal', 'padded'],
    ['padded-hex', 'decimal'],
    ['decimal', 'upper'],
  ])(
    'finds its message when the response names it in %s and the receipt in %s',
    async (idResponse, idReceipt) => {
      const rig = await Rig.bound([{}], { idResponse, idReceipt })
      expect(await rig.states(many(5), 1000)).toEqual(Array.from({ length: 5 }, () => 'delivered'))
      expect(rig.store.held).toEqual([])
    },
  )

  test('that comes before the response finds its message', async () => {
    const rig = await Rig.bound([{}], { receiptEarly: 'always', delay: '500ms' })
    expect(await rig.states([{}], 1000)).toEqual(['delivered'])
  })

  test('that comes on another bind of the account finds its message', async () => {
    const rig = await Rig.bound([{}, SECOND], { receiptBind: 'other' })
    expect(await rig.states([{}], 1000)).toEqual(['delivered'])
    expect(rig.life.network.links().map(({ stats }) => [stats.submitted, stats.delivered])).toEqual([
      [1, 0],
      [0, 1],
    ])
  })

  test('finds a message that was refused first and tried again', async () => {
    const rig = await Rig.bound([{}], { throttleRate: '1' })
    expect(await rig.states(many(3), 10_000)).toEqual(['delivered', 'delivered', 'delivered'])
    expect(rig.sent.length).toBeGreaterThan(3)
  })

  test('that could not be stored comes again, and is acknowledged once it is', async () => {
    const rig = await Rig.bound([{}], { receiptDelay: '500ms' })
    const sends = rig.send([{}])
    await rig.clock.advance(400)
    rig.store.failing = true
    await rig.clock.advance(400)
    rig.store.failing = false
    await rig.clock.advance(2000)
    expect(await rig.stored(sends)).toEqual(['delivered'])
    expect(rig.life.receipts).toMatchObject({ matched: 1, failed: 1 })
  })
})

test('a message without an answer in time is written once, whatever room there is elsewhere', async () => {
  const rig = await Rig.bound([{}, SECOND], { lose: 'always' })
  expect(await rig.states([{}], 60_000)).toEqual(['unknown'])
  expect(rig.sent).toHaveLength(1)
})

/** Promises that a part keeps by itself: where, and under which name. */
const KEPT: readonly (readonly [string, string, string])[] = [
  [
    'parts cut inside escape pairs',
    'property/text_segment.test.ts',
    'of the GSM alphabet is never cut inside an escape pair or a CR LF',
  ],
  [
    'parts cut inside surrogate pairs',
    'property/text_segment.test.ts',
    'in UCS-2 is never cut inside a surrogate pair, however long its clusters are',
  ],
  [
    'text past the last part dropped',
    'smpp/text/segment.test.ts',
    '10 parts go and 11 are refused, with both numbers in the words',
  ],
  [
    '8-bit references that collide',
    'smpp/text/reference.test.ts',
    '256 long texts in a row to one destination have 256 references',
  ],
  ['stat:FAILED not recognised', 'smpp/text/receipt.test.ts', 'id:7 stat:FAILED err:69'],
  [
    'the retry after 0x58 overshoots',
    'smpp/link_pace.test.ts',
    'above 20 outstanding, at 1,000 a second, gets at least 900 a second, and few in vain',
  ],
  [
    'messages on a half-open connection',
    'smpp/link_life.test.ts',
    'by silence alone is found by enquire_link, and bound again',
  ],
  [
    'messages lost after a restart',
    'conformance/store.ts',
    'what a crash left open is unknown and failed, once; what is younger stays',
  ],
  [
    'receipts lost after a restart',
    'conformance/store.ts',
    'a receipt before its response waits, also over a restart, and is applied with the save',
  ],
  [
    'no response timeout',
    'smpp/session.test.ts',
    'makes its request unknown at the response timeout, with one timer for all',
  ],
  [
    'pending requests not told of a close',
    'smpp/session.test.ts',
    'tells the unwritten from the unknown by the octets that were handed over',
  ],
  [
    'deaf after a parse error',
    'smpp/session_inbound.test.ts',
    'with a bad body or an unknown command are answered, and the session goes on',
  ],
  [
    'command_length below 16',
    'smpp/session_inbound.test.ts',
    'with a command_length of %d get a generic_nack, and the session ends',
  ],
  [
    'an interceptor that stalls the gateway',
    'filters/chain.test.ts',
    'is out of use for a while after it ran over its time repeatedly, says so, and is tried again',
  ],
]

test.each(KEPT)('"%s" has its test in test/%s', async (_, file, name) => {
  expect(await Bun.file(`${import.meta.dir}/${file}`).text()).toContain(`'${name}'`)
})
