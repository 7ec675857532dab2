import { afterEach, describe, expect, test } from 'bun:test'
import type { SubmitOutcome } from '../../src/smpp/link.ts'
import type { Pdu } from '../../src/smpp/pdu.ts'
import type { Answer } from '../../src/smpp/session.ts'
import { byHand, closeAll, never, type Rig, rig, submit } from './link_rig.ts'
import { pduBytes } from './wire.ts'

afterEach(closeAll)

describe('a link', () => {
  test('binds, tells its states, submits, and knows its account', async () => {
    const { link, states, clock } = await rig().started()
    expect([link.state(), link.account, link.room()]).toEqual(['LOADED', 'smsc:2775/me', 10])
    expect(states).toEqual(['DISABLED UNBOUND', 'UNBOUND CONNECTING', 'CONNECTING LOADED'])
    const outcome = submit(link, { destination_addr: '44' }, 1)
    expect([link.room(), link.stats().inFlight]).toEqual([9, 1])
    await clock.settle()
    expect(await outcome).toEqual({ kind: 'accepted', messageId: 'id-2' })
    expect(link.stats()).toMatchObject({ inFlight: 0, submitted: 1, accepted: 1, sentLastSecond: 1 })
  })

  test('binds with the name, the password, the type, the version and the addresses that it was given', async () => {
    const binds: Pdu[] = []
    const made = rig({
      ...{ systemType: 'client', interfaceVersion: 0x33 },
      addresses: { ton: 1, npi: 8, range: '^4477[0-9]*' },
    })
    made.answer = pdu => {
      binds.push(pdu)
      return 0
    }
    await made.started()
    const given = { system_id: 'me', password: 'secret', system_type: 'client', interface_version: 0x33 }
    const addresses = { addr_ton: 1, addr_npi: 8, address_range: '^4477[0-9]*' }
    expect(binds).toMatchObject([{ command: 'bind_transceiver', ...given, ...addresses }])
  })

  test('sends nothing before it is bound, while it is disabled, nor as a receiver', async () => {
    const fresh = rig()
    await fresh.clock.advance(1)
    expect([fresh.link.state(), fresh.net.attempts]).toEqual(['DISABLED', 0])
    expect(await submit(fresh.link, {}, 1)).toEqual({ kind: 'unwritten' })
    const binding = rig()
    binding.answer = never
    await binding.started()
    expect([binding.link.state(), binding.link.room(), binding.link.transmits()]).toEqual([
      'CONNECTING',
      0,
      false,
    ])
    const disabled = await rig().started()
    disabled.link.disable('switched off')
    expect(await submit(disabled.link, {}, 1)).toEqual({ kind: 'unwritten' })
    const receiver = await rig({ bind: 'receiver' }).started()
    expect([receiver.link.state(), receiver.link.room(), receiver.link.bound()]).toEqual(['LOADED', 0, true])
  })

  test('tells what fails at once after the call, for its caller may still walk its queue', async () => {
    const told = ({ link }: Rig): Promise<[string, SubmitOutcome]> =>
      new Promise(resolve => {
        let when = 'within the call'
        link.send({ destination_addr: '4'.repeat(30) }, 1, outcome => resolve([when, outcome]))
        when = 'after the call'
      })
    expect(await told(rig())).toEqual(['after the call', { kind: 'unwritten' }])
    expect(await told(await rig().started())).toEqual(['after the call', { kind: 'refused', status: 0x0b }])
  })

  test('tells what a write that loses the connection makes of a submit after the call as well', async () => {
    const { link, sink, transport, clock } = await byHand()
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
    const { link, sink, clock } = await byHand()
    const outcome = submit(link, {}, 1)
    await clock.settle()
    sink.received(pduBytes('generic_nack', {}, 2, 0))
    expect(await outcome).toEqual({ kind: 'refused', status: 0 })
    sink.close('end of test')
    await link.close()
  })

  test('counts 32 codes that its SMSC refuses with by themselves, and all further ones together', async () => {
    const made = await rig().started()
    let code = 0x400
    made.answer = () => code++
    for (let sent = 0; sent < 100; sent++) {
      void submit(made.link, {}, sent)
      await made.clock.settle()
    }
    code = 0x400
    void submit(made.link, {}, 100)
    await made.clock.settle()
    const { refused, refusedOtherwise } = made.link.stats()
    expect([refused.size, refusedOtherwise]).toEqual([32, 68])
    expect([0x400, 0x41f, 0x420].map(each => refused.get(each))).toEqual([2, 1, undefined])
  })

  test.each([0x08, 0x45, 0x64])(
    'answers a refusal with its status %d, counts it, and goes on',
    async status => {
      const made = await rig().started()
      made.answer = () => status
      const outcome = submit(made.link, {}, 1)
      await made.clock.settle()
      expect(await outcome).toEqual({ kind: 'refused', status })
      expect(made.link.stats().refused).toEqual(new Map([[status, 1]]))
      expect([made.link.state(), made.link.room()]).toEqual(['LOADED', 10])
    },
  )

  test('smooths the time to the answers of what was accepted', async () => {
    const made = await rig().started()
    for (const delayMs of [40, 80]) {
      made.answer = () =>
        new Promise(resolve =>
          made.clock.after(delayMs, () => resolve({ status: 0, body: { message_id: 'x' } })),
        )
      void submit(made.link, {}, 1)
      await made.clock.advance(delayMs)
    }
    expect(made.link.stats().rttMs).toBe(45)
  })

  test('refuses a field that does not fit and loses no slot', async () => {
    const { link } = await rig({ limitTps: 5 }).started()
    const outcome = await submit(link, { destination_addr: '1'.repeat(30) }, 1)
    expect(outcome).toEqual({ kind: 'refused', status: 0x0b })
    expect(link.room()).toBe(5)
  })

  test.each(['deliver_sm', 'data_sm'] as const)(
    'answers a %s only when its taker has answered',
    async command => {
      let taken = (_: number): void => undefined
      const deliver = (): Promise<number> => new Promise(resolve => (taken = resolve))
      const { peer, clock } = await rig({}, { deliver }).started()
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
    const made = await rig().started()
    const answers: ((answer: Answer) => void)[] = []
    made.answer = () => new Promise(resolve => answers.push(resolve))
    const outcomes = [submit(made.link, {}, 'a'), submit(made.link, {}, 'b')]
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

  test('tells how full its window is, and counts what became of each submit', async () => {
    const made = await rig({ window: 4 }).started()
    expect(made.link.load()).toBe(0)
    made.answer = never
    void submit(made.link, {}, 1)
    await made.clock.settle()
    expect([made.link.load(), made.link.sessions()]).toEqual([0.25, 1])
    made.net.accept = undefined
    made.peer.close('gone')
    void submit(made.link, {}, 2)
    await made.clock.advance(1)
    expect([made.link.load(), made.link.sessions()]).toEqual([0, 0])
    void submit(made.link, {}, 3)
    await made.clock.settle()
    expect(made.link.stats()).toMatchObject({ submitted: 2, accepted: 0, unknown: 1, unwritten: 1 })
  })

  test('hands on what the SMSC delivers, and no other request', async () => {
    const { link, sink, clock } = await byHand()
    for (const command of ['deliver_sm', 'alert_notification', 'data_sm'] as const)
      sink.received(pduBytes(command, {}, 7))
    expect(link.stats().delivered).toBe(2)
    const closed = link.close()
    await clock.advance(10_000)
    await closed
  })

  test('counts what it sent in the last second', async () => {
    const { link, clock } = await rig({ window: 100 }).started()
    for (let each = 0; each < 5; each++) void submit(link, {}, each)
    await clock.advance(600)
    void submit(link, {}, 5)
    expect(link.stats().sentLastSecond).toBe(6)
    await clock.advance(500)
    expect(link.stats().sentLastSecond).toBe(1)
    await clock.advance(10_000)
    expect(link.stats().sentLastSecond).toBe(0)
  })

  test('tells of room once a turn, when responses free it', async () => {
    const made = await rig({ window: 2 }).started()
    for (const tag of [1, 2]) void submit(made.link, {}, tag)
    const before = made.rooms
    await made.clock.settle()
    expect([made.rooms, made.link.room()]).toEqual([before + 1, 2])
  })

  test('says what stands in the way of a submit: its window, its TPS, a pause that was asked for, or silence', async () => {
    const full = await rig({ window: 1 }).started()
    expect(full.link.shortage()).toBeUndefined()
    full.answer = never
    void submit(full.link, {}, 1)
    expect(full.link.shortage()).toBe('window')
    const limited = await rig({ limitTps: 1 }).started()
    await submit(limited.link, {}, 1)
    expect(limited.link.shortage()).toBe('tps')
    const throttled = await rig().started()
    throttled.answer = () => 0x58
    await submit(throttled.link, {}, 1)
    expect(throttled.link.shortage()).toBe('pause')
    const mute = await rig().started()
    mute.muted = true
    const outcome = submit(mute.link, {}, 1)
    await mute.clock.advance(5000)
    expect(await outcome).toEqual({ kind: 'unknown', reason: 'timeout' })
    expect([mute.link.room(), mute.link.shortage()]).toEqual([0, 'silence'])
    expect(rig().link.shortage()).toBeUndefined()
  })

  test('is as slow after limits that change nothing as its SMSC asked it to be', async () => {
    const throttled = await rig({ window: 10 }).started()
    throttled.answer = () => 0x58
    await submit(throttled.link, {}, 1)
    throttled.link.setLimits({ limitTps: 0, window: 10 })
    expect(throttled.link.stats().window).toBe(7)
    throttled.link.setLimits({ limitTps: 0, window: 20 })
    expect(throttled.link.stats().window).toBe(20)
  })

  test('takes new limits while it is bound', async () => {
    const { link } = await rig({ window: 10, limitTps: 0 }).started()
    link.setLimits({ limitTps: 0, window: 20 })
    expect(link.room()).toBe(20)
    link.setLimits({ limitTps: 3, window: 20 })
    expect(link.room()).toBe(0)
  })

  test('tells of room when the time of a new limit has come', async () => {
    const made = await rig({ window: 10, limitTps: 0 }).started()
    const { link, clock } = made
    link.setLimits({ limitTps: 3, window: 10 })
    await clock.settle()
    const before = made.rooms
    await clock.advance(2000)
    expect(made.rooms).toBeGreaterThan(before)
    expect(link.room()).toBe(3)
  })

  test('tells of room when the time of a limit has come that was put off meanwhile, and not before', async () => {
    const made = await rig({ limitTps: 1 }).started()
    const { link, clock } = made
    void submit(link, {}, 1)
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
    const made = await rig({ window: 1 }).started()
    made.answer = never
    void submit(made.link, {}, 1)
    await made.clock.settle()
    const before = made.rooms
    made.link.setLimits({ limitTps: 0, window: 2 })
    await made.clock.settle()
    expect([made.rooms, made.link.room()]).toEqual([before + 1, 1])
  })

  test('keeps a resized window through a new bind', async () => {
    const { link, peer, clock } = await rig({ window: 10 }).started()
    link.setLimits({ limitTps: 0, window: 20 })
    peer.close('gone')
    await clock.advance(1000)
    expect(link.room()).toBe(20)
  })
})

describe('a pair', () => {
  test('is loaded when both sessions are bound, and sends while its transmitter is', async () => {
    const made = await rig({ bind: 'pair' }).started()
    expect(made.sessions.map(session => session.state)).toEqual(['bound_tx', 'bound_rx'])
    expect([made.link.state(), made.link.room()]).toEqual(['LOADED', 10])
    expect(made.states).toEqual(['DISABLED UNBOUND', 'UNBOUND CONNECTING', 'CONNECTING LOADED'])
    made.sessions[1]?.close('gone')
    await made.clock.settle()
    expect([made.link.state(), made.link.room()]).toEqual(['UNBOUND', 10])
    await made.clock.advance(1000)
    expect(made.link.state()).toBe('LOADED')
    made.sessions[0]?.close('gone')
    await made.clock.settle()
    expect(made.link.room()).toBe(0)
  })

  test.each([
    ['bind_transmitter', { bound: false, room: 0 }],
    ['bind_receiver', { bound: true, room: 10 }],
  ])('whose %s is refused is bound where it can send', async (refused, expected) => {
    const made = rig({ bind: 'pair' })
    made.answer = pdu => (pdu.command === refused ? 0x0d : 0)
    const { link } = await made.started()
    expect({ bound: link.bound(), room: link.room() }).toEqual(expected)
    expect([link.state(), link.sessions()]).toEqual(['UNBOUND', 1])
  })

  test('tells of room when its transmitter is back, though its receiver is not', async () => {
    const made = rig({ bind: 'pair' })
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
