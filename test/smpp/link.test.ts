import { afterEach, describe, expect, test } from 'bun:test'
import type { Answered, LinkEvents, LinkOptions, SubmitOutcome } from '../../src/smpp/link.ts'
import { Link } from '../../src/smpp/link.ts'
import type { Sink } from '../../src/smpp/net.ts'
import type { Pdu } from '../../src/smpp/pdu.ts'
import type { Answer } from '../../src/smpp/session.ts'
import { Session } from '../../src/smpp/session.ts'
import { TurnedClock } from '../support/clock.ts'
import { FakeTransport, memoryNet, pduBytes, silent } from './wire.ts'

const OPTIONS: LinkOptions = {
  id: 1,
  name: 'one',
  address: { host: 'smsc', port: 2775 },
  systemId: 'me',
  password: 'secret',
  systemType: '',
  interfaceVersion: 0x34,
  bind: 'transceiver',
  connectTimeoutMs: 10_000,
  responseTimeoutMs: 5000,
  enquireLinkMs: 30_000,
  window: 10,
  limitTps: 0,
  enabled: true,
}

/** A link against an SMSC in memory whose answers `answer` gives. */
class Bench {
  readonly clock = new TurnedClock()
  readonly net = memoryNet(this.clock.soon)
  readonly sessions: Session[] = []
  readonly states: string[] = []
  readonly late: [unknown, Answered][] = []
  rooms = 0
  /** What the SMSC writes is lost on the way. */
  muted = false
  answer: (pdu: Pdu) => Answer | Promise<Answer> = pdu =>
    pdu.command === 'submit_sm' ? { status: 0, body: { message_id: `id-${pdu.sequence_number}` } } : 0
  readonly link: Link

  constructor(options: Partial<LinkOptions> = {}, events: Partial<LinkEvents> = {}) {
    this.net.accept = transport => {
      const session = new Session(
        {
          write: bytes => (this.muted ? bytes.length : transport.write(bytes)),
          close: () => transport.close(),
        },
        { role: 'smsc', window: 100, responseTimeoutMs: 5000, enquireLinkMs: 0 },
        { request: pdu => this.answer(pdu), closed() {} },
        this.clock,
        silent,
      )
      this.sessions.push(session)
      return session
    }
    this.link = new Link(
      { ...OPTIONS, ...options },
      {
        connect: this.net.connect,
        clock: this.clock,
        random: count => new Uint8Array(count).fill(128),
        log: silent,
        events: {
          room: () => void this.rooms++,
          deliver: () => 0,
          late: (tag, outcome) => void this.late.push([tag, outcome]),
          state: (_, from, to) => void this.states.push(`${from} ${to}`),
          ...events,
        },
      },
    )
  }

  async started(): Promise<this> {
    this.link.start()
    await this.clock.advance(1)
    return this
  }

  /** The newest session at the SMSC. */
  get peer(): Session {
    const session = this.sessions.at(-1)
    if (!session) throw new Error('nobody has connected')
    return session
  }
}

let open: Bench[] = []
const bench = (options?: Partial<LinkOptions>, events?: Partial<LinkEvents>): Bench => {
  const made = new Bench(options, events)
  open.push(made)
  return made
}

/** Whatever a test did, a closed link leaves no timer behind. */
afterEach(async () => {
  for (const { link, clock, sessions } of open) {
    const closed = link.close()
    await clock.advance(20_000)
    await closed
    for (const session of sessions) session.close('end of test')
    expect(clock.timers).toBe(0)
  }
  open = []
})

const never = (): Promise<Answer> => new Promise(() => {})

/** A bound link whose every octet is the test's, both ways. */
function byHand() {
  const clock = new TurnedClock()
  const transport = new FakeTransport()
  const ends: Sink[] = []
  const link = new Link(OPTIONS, {
    connect: (_, opened) => {
      ends.push(opened(transport))
      return () => undefined
    },
    clock,
    random: count => new Uint8Array(count),
    log: silent,
    events: { room() {}, deliver: () => 0, late() {}, state() {} },
  })
  link.start()
  const [sink] = ends
  if (!sink) throw new Error('not connected')
  sink.received(pduBytes('bind_transceiver_resp', {}, 1))
  return { link, sink, transport, clock }
}

describe('a link', () => {
  test('binds, tells its states, submits, and knows its account', async () => {
    const { link, states, clock } = await bench().started()
    expect([link.state(), link.account, link.room()]).toEqual(['LOADED', 'smsc:2775/me', 10])
    expect(states).toEqual(['UNBOUND CONNECTING', 'CONNECTING LOADED'])
    const outcome = link.submit({ destination_addr: '44' }, 1)
    expect([link.room(), link.stats().inFlight]).toEqual([9, 1])
    await clock.settle()
    expect(await outcome).toEqual({ kind: 'accepted', messageId: 'id-2' })
    expect(link.stats()).toMatchObject({ inFlight: 0, submitted: 1, accepted: 1, sentLastSecond: 1 })
  })

  test('binds with the name, the password, the type and the version that it was given', async () => {
    const binds: Pdu[] = []
    const made = bench({ systemType: 'client', interfaceVersion: 0x33 })
    made.answer = pdu => {
      binds.push(pdu)
      return 0
    }
    await made.started()
    const given = { system_id: 'me', password: 'secret', system_type: 'client', interface_version: 0x33 }
    expect(binds).toMatchObject([{ command: 'bind_transceiver', ...given }])
  })

  test('sends nothing before it is bound, while it is disabled, nor as a receiver', async () => {
    const fresh = bench()
    expect(await fresh.link.submit({}, 1)).toEqual({ kind: 'unwritten' })
    const binding = bench()
    binding.answer = never
    await binding.started()
    expect([binding.link.state(), binding.link.room(), binding.link.transmits()]).toEqual([
      'CONNECTING',
      0,
      false,
    ])
    const disabled = await bench({ enabled: false }).started()
    expect([disabled.link.state(), disabled.net.attempts]).toEqual(['DISABLED', 0])
    expect(await disabled.link.submit({}, 1)).toEqual({ kind: 'unwritten' })
    const receiver = await bench({ bind: 'receiver' }).started()
    expect([receiver.link.state(), receiver.link.room()]).toEqual(['LOADED', 0])
  })

  test('tells what fails at once after the call, for its caller may still walk its queue', async () => {
    const told = ({ link }: Bench): Promise<[string, SubmitOutcome]> =>
      new Promise(resolve => {
        let when = 'within the call'
        link.send({ destination_addr: '4'.repeat(30) }, 1, outcome => resolve([when, outcome]))
        when = 'after the call'
      })
    expect(await told(bench())).toEqual(['after the call', { kind: 'unwritten' }])
    expect(await told(await bench().started())).toEqual(['after the call', { kind: 'refused', status: 0x0b }])
  })

  test('tells what a write that loses the connection makes of a submit after the call as well', async () => {
    const { link, sink, transport, clock } = byHand()
    await clock.settle()
    transport.write = () => {
      sink.close('reset')
      return 0
    }
    let when = 'within the call'
    const told: unknown[] = []
    const long = { tlvs: { message_payload: new Uint8Array(5000) } }
    link.send(long, 1, outcome => told.push(when, outcome))
    when = 'after the call'
    await clock.settle()
    expect(told).toEqual(['after the call', { kind: 'unwritten' }])
    await link.close()
  })

  test('takes a generic_nack for a refusal, whatever its status', async () => {
    const { link, sink, clock } = byHand()
    const outcome = link.submit({}, 1)
    await clock.settle()
    sink.received(pduBytes('generic_nack', {}, 2, 0))
    expect(await outcome).toEqual({ kind: 'refused', status: 0 })
    sink.close('end of test')
    await link.close()
  })

  test.each([0x08, 0x45, 0x64])(
    'answers a refusal with its status %d, counts it, and goes on',
    async status => {
      const made = await bench().started()
      made.answer = () => status
      const outcome = made.link.submit({}, 1)
      await made.clock.settle()
      expect(await outcome).toEqual({ kind: 'refused', status })
      expect(made.link.stats().refused).toEqual(new Map([[status, 1]]))
      expect([made.link.state(), made.link.room()]).toEqual(['LOADED', 10])
    },
  )

  test('smooths the time to the answers of what was accepted', async () => {
    const made = await bench().started()
    for (const delayMs of [40, 80]) {
      made.answer = () =>
        new Promise(resolve =>
          made.clock.after(delayMs, () => resolve({ status: 0, body: { message_id: 'x' } })),
        )
      void made.link.submit({}, 1)
      await made.clock.advance(delayMs)
    }
    expect(made.link.stats().rttMs).toBe(45)
  })

  test('refuses a field that does not fit and loses no slot', async () => {
    const { link } = await bench({ limitTps: 5 }).started()
    const outcome = await link.submit({ destination_addr: '1'.repeat(30) }, 1)
    expect(outcome).toEqual({ kind: 'refused', status: 0x0b })
    expect(link.room()).toBe(5)
  })

  test.each(['deliver_sm', 'data_sm'] as const)(
    'answers a %s only when its taker has answered',
    async command => {
      let taken = (_: number): void => undefined
      const deliver = (): Promise<number> => new Promise(resolve => (taken = resolve))
      const { peer, clock } = await bench({}, { deliver }).started()
      let status: number | undefined
      void peer.request(command, { source_addr: '44' }).then(reply => {
        status = reply.kind === 'response' ? reply.pdu.command_status : -1
      })
      await clock.advance(100)
      expect(status).toBeUndefined()
      taken(0)
      await clock.settle()
      expect(status).toBe(0)
    },
  )

  test('tells a late answer with its tag', async () => {
    const made = await bench().started()
    const answers: ((answer: Answer) => void)[] = []
    made.answer = () => new Promise(resolve => answers.push(resolve))
    const outcomes = [made.link.submit({}, 'a'), made.link.submit({}, 'b')]
    await made.clock.advance(5000)
    expect(await Promise.all(outcomes)).toEqual(Array(2).fill({ kind: 'unknown', reason: 'timeout' }))
    answers[0]?.({ status: 0, body: { message_id: 'x' } })
    answers[1]?.(0x45)
    await made.clock.settle()
    expect(made.late).toEqual([
      ['a', { kind: 'accepted', messageId: 'x' }],
      ['b', { kind: 'refused', status: 0x45 }],
    ])
  })

  test('counts what it sent in the last second', async () => {
    const { link, clock } = await bench({ window: 100 }).started()
    for (let each = 0; each < 5; each++) void link.submit({}, each)
    await clock.advance(600)
    void link.submit({}, 5)
    expect(link.stats().sentLastSecond).toBe(6)
    await clock.advance(500)
    expect(link.stats().sentLastSecond).toBe(1)
    await clock.advance(10_000)
    expect(link.stats().sentLastSecond).toBe(0)
  })

  test('tells of room once a turn, when responses free it', async () => {
    const made = await bench({ window: 2 }).started()
    for (const tag of [1, 2]) void made.link.submit({}, tag)
    const before = made.rooms
    await made.clock.settle()
    expect([made.rooms, made.link.room()]).toEqual([before + 1, 2])
  })

  test('says what stands in the way of a submit: its window, its TPS, a pause that was asked for, or silence', async () => {
    const full = await bench({ window: 1 }).started()
    expect(full.link.shortage()).toBeUndefined()
    full.answer = never
    void full.link.submit({}, 1)
    expect(full.link.shortage()).toBe('window')
    const limited = await bench({ limitTps: 1 }).started()
    await limited.link.submit({}, 1)
    expect(limited.link.shortage()).toBe('tps')
    const throttled = await bench().started()
    throttled.answer = () => 0x58
    await throttled.link.submit({}, 1)
    expect(throttled.link.shortage()).toBe('pause')
    const mute = await bench().started()
    mute.muted = true
    const outcome = mute.link.submit({}, 1)
    await mute.clock.advance(5000)
    expect(await outcome).toEqual({ kind: 'unknown', reason: 'timeout' })
    expect([mute.link.room(), mute.link.shortage()]).toEqual([0, 'silence'])
    expect(bench().link.shortage()).toBeUndefined()
  })

  test('is as slow after limits that change nothing as its SMSC asked it to be', async () => {
    const throttled = await bench({ window: 10 }).started()
    throttled.answer = () => 0x58
    await throttled.link.submit({}, 1)
    throttled.link.setLimits({ limitTps: 0, window: 10 })
    expect(throttled.link.stats().window).toBe(7)
    throttled.link.setLimits({ limitTps: 0, window: 20 })
    expect(throttled.link.stats().window).toBe(20)
  })

  test('takes new limits while it is bound', async () => {
    const { link } = await bench({ window: 10, limitTps: 0 }).started()
    link.setLimits({ limitTps: 0, window: 20 })
    expect(link.room()).toBe(20)
    link.setLimits({ limitTps: 3, window: 20 })
    expect(link.room()).toBe(0)
  })

  test('tells of room when the time of a new limit has come', async () => {
    const made = await bench({ window: 10, limitTps: 0 }).started()
    const { link, clock } = made
    link.setLimits({ limitTps: 3, window: 10 })
    await clock.settle()
    const before = made.rooms
    await clock.advance(2000)
    expect(made.rooms).toBeGreaterThan(before)
    expect(link.room()).toBe(3)
  })

  test('tells of room when the time of a limit has come that was put off meanwhile, and not before', async () => {
    const made = await bench({ limitTps: 1 }).started()
    const { link, clock } = made
    void link.submit({}, 1)
    await clock.advance(500)
    for (const limitTps of [0, 1]) link.setLimits({ limitTps, window: 10 })
    await clock.settle()
    const before = made.rooms
    await clock.advance(1000)
    expect([made.rooms, link.room()]).toEqual([before, 0])
    await clock.advance(5)
    expect([made.rooms, link.room()]).toEqual([before + 1, 1])
  })

  test('tells of room when a wider window gives it', async () => {
    const made = await bench({ window: 1 }).started()
    made.answer = never
    void made.link.submit({}, 1)
    await made.clock.settle()
    const before = made.rooms
    made.link.setLimits({ limitTps: 0, window: 2 })
    await made.clock.settle()
    expect([made.rooms, made.link.room()]).toEqual([before + 1, 1])
  })

  test('keeps a resized window through a new bind', async () => {
    const { link, peer, clock } = await bench({ window: 10 }).started()
    link.setLimits({ limitTps: 0, window: 20 })
    peer.close('gone')
    await clock.advance(1000)
    expect(link.room()).toBe(20)
  })
})

describe('a pair', () => {
  test('is loaded when both sessions are bound, and sends while its transmitter is', async () => {
    const made = await bench({ bind: 'pair' }).started()
    expect(made.sessions.map(session => session.state)).toEqual(['bound_tx', 'bound_rx'])
    expect([made.link.state(), made.link.room()]).toEqual(['LOADED', 10])
    expect(made.states).toEqual(['UNBOUND CONNECTING', 'CONNECTING LOADED'])
    made.sessions[1]?.close('gone')
    await made.clock.settle()
    expect([made.link.state(), made.link.room()]).toEqual(['UNBOUND', 10])
    await made.clock.advance(1000)
    expect(made.link.state()).toBe('LOADED')
    made.sessions[0]?.close('gone')
    await made.clock.settle()
    expect(made.link.room()).toBe(0)
  })

  test('tells of room when its transmitter is back, though its receiver is not', async () => {
    const made = bench({ bind: 'pair' })
    made.answer = pdu => (pdu.command === 'bind_receiver' ? 0x0d : 0)
    await made.started()
    expect([made.link.state(), made.link.room()]).toEqual(['UNBOUND', 10])
    made.sessions.find(({ state }) => state === 'bound_tx')?.close('gone')
    await made.clock.settle()
    expect(made.link.room()).toBe(0)
    const { rooms } = made
    await made.clock.advance(1000)
    expect([made.link.state(), made.link.room()]).toEqual(['UNBOUND', 10])
    expect(made.rooms).toBeGreaterThan(rooms)
  })
})

describe('a link that is lost', () => {
  test('is bound again within a second, and tells what became of its submits', async () => {
    const made = await bench().started()
    made.answer = never
    const written = made.link.submit({}, 1)
    await made.clock.settle()
    made.answer = () => 0
    made.peer.close('broken')
    const unwritten = made.link.submit({}, 2)
    await made.clock.advance(1000)
    expect(await written).toEqual({ kind: 'unknown', reason: 'closed' })
    expect(await unwritten).toEqual({ kind: 'unwritten' })
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 2])
  })

  test('tries again more and more slowly while nobody listens, and at once when somebody does', async () => {
    const made = bench()
    const { accept } = made.net
    made.net.accept = undefined
    await made.started()
    expect(made.link.state()).toBe('UNBOUND')
    await made.clock.advance(1000)
    expect(made.net.attempts).toBe(2)
    await made.clock.advance(600_000)
    expect(made.net.attempts).toBeWithin(20, 50)
    made.net.accept = accept
    await made.clock.advance(30_000)
    expect(made.link.state()).toBe('LOADED')
  })

  test('gives up a connection that does not come up in its time', async () => {
    const clock = new TurnedClock()
    let cancelled = 0
    const link = new Link(OPTIONS, {
      connect: () => () => void cancelled++,
      clock,
      random: count => new Uint8Array(count),
      log: silent,
      events: { room() {}, deliver: () => 0, late() {}, state() {} },
    })
    link.start()
    await clock.advance(10_000)
    expect([cancelled, link.state()]).toEqual([1, 'UNBOUND'])
    await link.close()
    expect(clock.timers).toBe(0)
  })

  test.each([0x0d, 0x0e, 0x0f])('waits a minute or more when its bind is refused with %d', async status => {
    const made = bench()
    made.answer = () => status
    await made.started()
    await made.clock.advance(59_000)
    expect(made.net.attempts).toBe(1)
    await made.clock.advance(61_000)
    expect(made.net.attempts).toBe(2)
  })

  test('waits as long as after one refusal when a bind is refused that followed an outage', async () => {
    const made = bench()
    const { accept } = made.net
    made.net.accept = undefined
    await made.started()
    await made.clock.advance(600_000)
    made.net.accept = accept
    made.answer = () => 0x0d
    await made.clock.advance(30_000)
    expect(made.sessions.length).toBe(1)
    await made.clock.advance(120_000)
    expect(made.sessions.length).toBe(2)
  })

  test('waits no longer than after an outage when there is one after a refusal', async () => {
    const made = bench()
    made.answer = () => 0x0d
    await made.started()
    made.net.accept = undefined
    await made.clock.advance(89_000)
    expect(made.net.attempts).toBe(1)
    await made.clock.advance(3000)
    expect(made.net.attempts).toBeGreaterThan(2)
  })

  test('begins again with short waits once it was bound', async () => {
    const made = bench()
    const { accept } = made.net
    made.net.accept = undefined
    await made.started()
    await made.clock.advance(600_000)
    made.net.accept = accept
    await made.clock.advance(30_000)
    made.peer.close('gone')
    await made.clock.advance(1000)
    expect(made.link.state()).toBe('LOADED')
  })

  test('before its bind is answered was never bound', async () => {
    const made = bench()
    made.answer = never
    await made.started()
    made.peer.close('gone')
    await made.clock.settle()
    expect(made.states).toEqual(['UNBOUND CONNECTING', 'CONNECTING UNBOUND'])
  })

  test('waits less when the SMSC has not yet missed its old session (ESME_RALYBND)', async () => {
    const made = bench()
    made.answer = () => 0x05
    await made.started()
    await made.clock.advance(2000)
    expect(made.net.attempts).toBe(2)
  })

  test('gives up a bind that is not answered', async () => {
    const made = bench()
    made.answer = never
    await made.started()
    expect(made.link.state()).toBe('CONNECTING')
    await made.clock.advance(5000)
    expect(made.link.state()).toBe('UNBOUND')
  })

  test('by silence alone is found by enquire_link, and bound again', async () => {
    const made = await bench().started()
    made.muted = true
    await made.clock.advance(34_000)
    expect(made.link.state()).toBe('LOADED')
    await made.clock.advance(1001)
    expect(made.link.state()).toBe('UNBOUND')
    made.muted = false
    await made.clock.advance(1000)
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 2])
  })
})

describe('a link that is disabled', () => {
  test('takes nothing more, lets what is in flight end, unbinds, and binds again when enabled', async () => {
    const made = await bench().started()
    let finish = (_: Answer): void => undefined
    made.answer = () => new Promise(resolve => (finish = resolve))
    const outcome = made.link.submit({}, 1)
    await made.clock.settle()
    made.link.disable('maintenance')
    expect([made.link.state(), made.link.room(), made.link.stats().inFlight]).toEqual(['DISABLED', 0, 1])
    expect([made.link.transmits(), made.link.connected()]).toEqual([false, true])
    await made.clock.advance(1000)
    expect(made.peer.state).toBe('bound_trx')
    finish({ status: 0, body: { message_id: 'x' } })
    await made.clock.settle()
    expect(await outcome).toEqual({ kind: 'accepted', messageId: 'x' })
    expect(made.peer.state).toBe('closed')
    made.answer = () => 0
    await made.clock.advance(60_000)
    expect(made.net.attempts).toBe(1)
    made.link.enable()
    await made.clock.settle()
    expect(made.link.state()).toBe('LOADED')
  })

  test('and enabled again is bound again when it is lost', async () => {
    const made = await bench().started()
    made.link.disable('maintenance')
    await made.clock.settle()
    made.link.enable()
    await made.clock.settle()
    made.peer.close('gone')
    await made.clock.advance(1000)
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 3])
  })

  test('is bound again even when it is enabled while it still drains', async () => {
    const made = await bench().started()
    made.answer = never
    void made.link.submit({}, 1)
    await made.clock.settle()
    made.link.disable('maintenance')
    await made.clock.settle()
    made.answer = () => 0
    made.link.enable()
    made.link.disable('again')
    made.link.enable()
    await made.clock.advance(6000)
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 2])
  })

  test('while it waits for its next try stops trying', async () => {
    const made = bench()
    made.net.accept = undefined
    await made.started()
    made.link.disable('maintenance')
    await made.clock.advance(60_000)
    expect(made.net.attempts).toBe(1)
  })

  test('or enabled anew is told to nobody when it was so before', async () => {
    const made = await bench().started()
    for (const change of [() => made.link.enable(), () => made.link.disable('maintenance')]) {
      change()
      await made.clock.advance(1000)
      const before = [made.rooms, ...made.states]
      change()
      await made.clock.advance(1000)
      expect([made.rooms, ...made.states]).toEqual(before)
    }
  })

  test('closed for good is so once its last answer has come and its session has ended', async () => {
    const made = await bench().started()
    let finish = (_: Answer): void => undefined
    made.answer = () => new Promise(resolve => (finish = resolve))
    void made.link.submit({}, 1)
    let closed = false
    void made.link.close().then(() => {
      closed = true
    })
    await made.clock.advance(1000)
    expect(closed).toBe(false)
    finish(0)
    await made.clock.settle()
    expect([closed, made.link.connected()]).toEqual([true, false])
  })

  test('closed for good leaves no timer of its TPS, nor of what its SMSC asked for', async () => {
    const made = await bench({ limitTps: 2 }).started()
    made.answer = pdu => (pdu.command === 'submit_sm' ? 0x58 : 0)
    for (const tag of [1, 2]) {
      void made.link.submit({}, tag)
      await made.clock.advance(10)
    }
    await Promise.all([made.link.close(), made.clock.settle()])
    for (const session of made.sessions) session.close('gone')
    expect(made.clock.timers).toBe(0)
  })

  test('closed for good leaves no timer, though the last answer was a refusal', async () => {
    let refuse: () => void = () => undefined
    const made = bench()
    made.answer = pdu =>
      pdu.command === 'submit_sm' ? new Promise(resolve => (refuse = () => resolve(0x58))) : 0
    const { link, clock } = await made.started()
    void link.submit({ short_message: new Uint8Array() }, undefined)
    await clock.settle()
    const closed = link.close()
    refuse()
    await clock.settle()
    await closed
    for (const session of made.sessions) session.close('gone')
    expect(clock.timers).toBe(0)
  })

  test('closed for good is not enabled any more', async () => {
    const made = await bench().started()
    await Promise.all([made.link.close(), made.clock.advance(1000)])
    made.link.enable()
    await made.clock.advance(1000)
    expect([made.link.state(), made.net.attempts]).toEqual(['DISABLED', 1])
  })
})

describe('limit_tps', () => {
  test('holds over any sliding second, and the link itself tells when a token comes free', async () => {
    const arrivals: number[] = []
    const made = bench({ limitTps: 50, window: 1000 }, { room: link => fill(link) })
    const fill = (link: Link): void => {
      while (link.room() > 0) void link.submit({}, 1)
    }
    made.answer = pdu => {
      if (pdu.command === 'submit_sm') arrivals.push(made.clock.monotonic())
      return 0
    }
    await made.started()
    await made.clock.advance(10_000)
    expect(arrivals.length).toBeWithin(490, 501)
    for (let i = 50; i < arrivals.length; i++)
      expect((arrivals[i] ?? 0) - (arrivals[i - 50] ?? 0)).toBeGreaterThan(1000)
  })

  test('is there again whole once its second is over, also where it was not used up', async () => {
    const { link, clock } = await bench({ limitTps: 10, window: 1000 }).started()
    for (let i = 0; i < 5; i++) void link.submit({}, i)
    await clock.settle()
    expect(link.room()).toBe(5)
    await clock.advance(1005)
    expect(link.room()).toBe(10)
  })

  test('counts each send from its own moment', async () => {
    const { link, clock } = await bench({ limitTps: 10, window: 1000 }).started()
    for (let i = 0; i < 10; i++) {
      void link.submit({}, i)
      if (i === 4) await clock.advance(500)
    }
    await clock.advance(505)
    expect(link.room()).toBe(5)
    await clock.advance(500)
    expect(link.room()).toBe(10)
  })

  test('counts what was sent last when it is lowered', async () => {
    const { link, clock } = await bench({ limitTps: 10, window: 1000 }).started()
    for (let i = 0; i < 3; i++) void link.submit({}, i)
    await clock.advance(1005)
    for (let i = 0; i < 10; i++) {
      void link.submit({}, i)
      if (i === 4) await clock.advance(900)
    }
    await clock.settle()
    link.setLimits({ limitTps: 5, window: 1000 })
    await clock.advance(1004)
    expect(link.room()).toBe(0)
    await clock.advance(1)
    expect(link.room()).toBe(5)
  })

  test('counts what a full socket held back for longer than a second', async () => {
    const made = await bench({ limitTps: 10, window: 1000 }).started()
    made.net.full = true
    for (let i = 0; i < 10; i++) void made.link.submit({}, i)
    await made.clock.advance(2000)
    expect(made.link.room()).toBe(0)
    made.net.full = false
    made.net.drained()
    await made.clock.advance(1004)
    expect(made.link.room()).toBe(0)
    await made.clock.advance(1)
    expect(made.link.room()).toBe(10)
  })

  test('lets a link send again that was lost while its socket was full', async () => {
    const made = await bench({ limitTps: 10, window: 1000 }).started()
    made.net.full = true
    for (let i = 0; i < 10; i++) void made.link.submit({}, i)
    await made.clock.advance(2000)
    expect(made.link.room()).toBe(0)
    made.net.full = false
    made.peer.close('gone')
    await made.clock.advance(2000)
    expect([made.link.state(), made.link.room()]).toEqual(['LOADED', 10])
  })

  test('counts what a full socket held back from when it left', async () => {
    const made = await bench({ limitTps: 10, window: 1000 }).started()
    made.net.full = true
    for (let i = 0; i < 10; i++) void made.link.submit({}, i)
    await made.clock.advance(1000)
    made.net.full = false
    made.net.drained()
    await made.clock.advance(1004)
    expect(made.link.room()).toBe(0)
    await made.clock.advance(1)
    expect(made.link.room()).toBe(10)
  })
})

describe('an SMSC that throttles', () => {
  /** Takes `perSecond`, answers 0x58 above `outstandingMax`. */
  const smsc = (made: Bench, outstandingMax: number, perSecond: number): { refused: number } => {
    const seen = { refused: 0 }
    let outstanding = 0
    let busyUntil = 0
    made.answer = pdu => {
      if (pdu.command !== 'submit_sm') return 0
      if (outstanding >= outstandingMax) {
        seen.refused++
        return 0x58
      }
      outstanding++
      busyUntil = Math.max(busyUntil, made.clock.monotonic()) + 1000 / perSecond
      return new Promise(resolve =>
        made.clock.after(busyUntil - made.clock.monotonic(), () => {
          outstanding--
          resolve({ status: 0, body: { message_id: 'x' } })
        }),
      )
    }
    return seen
  }

  test('above 20 outstanding, at 1,000 a second, gets at least 900 a second, and few in vain', async () => {
    const made = bench({ window: 100 }, { room: link => fill(link) })
    let accepted = 0
    const fill = (link: Link): void => {
      while (link.room() > 0)
        void link.submit({}, 1).then(outcome => (accepted += Number(outcome.kind === 'accepted')))
    }
    const seen = smsc(made, 20, 1000)
    await made.started()
    await made.clock.advance(1000)
    expect(made.link.state()).toBe('THROTTLED')
    const before = { accepted, refused: seen.refused }
    await made.clock.advance(3000)
    expect((accepted - before.accepted) / 3).toBeGreaterThanOrEqual(900)
    expect((seen.refused - before.refused) / 3).toBeLessThan(50)
  })

  test('with 0x14 slows the link as well, once for all that were on their way', async () => {
    const made = await bench({ window: 10 }).started()
    made.answer = () => 0x14
    const outcomes: Promise<SubmitOutcome>[] = []
    while (made.link.room() > 0) outcomes.push(made.link.submit({}, 1))
    await made.clock.settle()
    expect(await Promise.all(outcomes)).toEqual(Array(10).fill({ kind: 'refused', status: 0x14 }))
    expect([made.link.state(), made.link.room(), made.link.stats().window]).toEqual(['THROTTLED', 0, 7])
    const before = made.rooms
    await made.clock.advance(10)
    expect([made.rooms, made.link.room()]).toEqual([before + 1, 7])
    made.answer = never
    void made.link.submit({}, 1)
    expect(made.link.load()).toBe(1 / 7)
    await made.clock.advance(1000)
    expect(made.link.state()).toBe('LOADED')
  })

  test('that takes nothing at all is asked ever more rarely', async () => {
    const made = bench({ window: 10 }, { room: link => fill(link) })
    const fill = (link: Link): void => {
      while (link.room() > 0) void link.submit({}, 1)
    }
    made.answer = pdu => (pdu.command === 'submit_sm' ? 0x58 : 0)
    await made.started()
    await made.clock.advance(60_000)
    const before = made.link.stats().submitted
    await made.clock.advance(10_000)
    expect(made.link.stats().submitted - before).toBeWithin(1, 5)
  })
})
