import { describe, expect, test } from 'bun:test'
import type { Command, Pdu } from '../../src/smpp/pdu.ts'
import type { Answer } from '../../src/smpp/session.ts'
import { isAllowed } from '../../src/smpp/state.ts'
import { bound, kindOf, type Rig, responded, rig } from './session_rig.ts'
import { octetsOf, pduBytes } from './wire.ts'

/** Of a deliver_sm from 491 to 1234. */
const ADDRESSES = '0101 34393100 0101 3132333400'

describe('unbind', () => {
  test('of the peer is answered, then the session closes', async () => {
    const { session, transport, ends } = await bound()
    session.received(pduBytes('unbind', {}, 3))
    expect([transport.last, transport.closed, ends]).toEqual([
      'unbind_resp 3 0x0',
      true,
      ['unbound by the peer'],
    ])
  })

  test('of the peer is answered behind what is in flight both ways, which is told what became of it', async () => {
    let finish = (_: number): void => undefined
    const made = await bound({}, { request: () => new Promise<number>(resolve => (finish = resolve)) })
    const { session, transport, clock, ends } = made
    const reply = session.request('submit_sm', {})
    await clock.settle()
    session.received(Buffer.concat([pduBytes('deliver_sm', {}, 50), pduBytes('unbind', {}, 51)]))
    expect([session.room, kindOf(await session.request('submit_sm', {}))]).toEqual([0, 'unwritten'])
    session.received(responded(2))
    await clock.advance(1000)
    expect([kindOf(await reply), transport.last, ends]).toEqual(['response', 'submit_sm 2 0x0', []])
    finish(0)
    await clock.settle()
    expect(transport.pdus.slice(-2).map(pdu => pdu.command)).toEqual(['deliver_sm_resp', 'unbind_resp'])
    expect([transport.closed, ends, clock.timers]).toEqual([true, ['unbound by the peer'], 0])
  })

  test.each([
    ['waits no longer than a response may take', async ({ clock }: Rig) => clock.advance(5000)],
    [
      'waits no longer when it comes again',
      async ({ session }: Rig) => session.received(pduBytes('unbind', {}, 52)),
    ],
    ['ends with a connection that is lost meanwhile', async ({ session }: Rig) => session.close('gone')],
  ])('of the peer %s', async (_, turn) => {
    const made = await bound({}, { request: () => new Promise<number>(() => {}) })
    const { session, transport, clock, ends } = made
    session.received(Buffer.concat([pduBytes('deliver_sm', {}, 50), pduBytes('unbind', {}, 51)]))
    await clock.advance(4999)
    expect([transport.pdus.length, ends]).toEqual([1, []])
    await turn(made)
    await clock.settle()
    expect([transport.closed, ends.length, clock.timers]).toEqual([true, 1, 0])
  })

  test('of either end goes on with the last response that was awaited', async () => {
    const ours = await bound()
    void ours.session.request('submit_sm', {})
    void ours.session.unbind(3000, 'bye')
    ours.session.received(responded(2))
    await ours.clock.settle()
    expect(ours.transport.last).toBe('unbind 3 0x0')
    const { session, transport, clock } = await bound()
    void session.request('submit_sm', {})
    session.received(Buffer.concat([pduBytes('unbind', {}, 51), responded(2)]))
    await clock.settle()
    expect(transport.last).toBe('unbind_resp 51 0x0')
  })

  test('waits for a full socket to take its answer', async () => {
    const { session, transport } = await bound()
    transport.capacity = 4
    session.received(pduBytes('unbind', {}, 3))
    expect(transport.closed).toBe(false)
    transport.capacity = 100
    session.drained()
    expect([transport.last, transport.closed]).toEqual(['unbind_resp 3 0x0', true])
  })

  test('of ours waits for what is in flight both ways, then unbinds and closes', async () => {
    let finish = (_: number): void => undefined
    const made = await bound({}, { request: () => new Promise<number>(resolve => (finish = resolve)) })
    const { session, transport, clock, ends } = made
    const reply = session.request('submit_sm', {})
    session.received(pduBytes('deliver_sm', {}, 50))
    const left = session.unbind(3000, 'bye')
    expect(kindOf(await session.request('submit_sm', {}))).toBe('unwritten')
    await clock.advance(1000)
    session.received(responded(2))
    await clock.settle()
    expect(transport.last).toBe('submit_sm 2 0x0')
    finish(0)
    await clock.settle()
    expect(transport.pdus.slice(-2).map(pdu => pdu.command)).toEqual(['deliver_sm_resp', 'unbind'])
    session.received(pduBytes('unbind_resp', {}, 3))
    await left
    expect([kindOf(await reply), ends, clock.timers]).toEqual(['response', ['bye'], 0])
  })

  test('of ours ends with a connection that is lost meanwhile', async () => {
    const { session, clock, ends } = await bound()
    void session.request('submit_sm', {})
    const left = session.unbind(3000, 'bye')
    session.close('connection closed')
    await left
    expect([ends, clock.timers]).toEqual([['connection closed'], 0])
  })

  test('of ours leaves the end to one of the peer whose answer has not left yet', async () => {
    const { session, transport, ends } = await bound()
    transport.capacity = 4
    session.received(pduBytes('unbind', {}, 3))
    await session.unbind(3000, 'bye')
    transport.capacity = 100
    session.drained()
    expect([transport.last, ends]).toEqual(['unbind_resp 3 0x0', ['unbound by the peer']])
  })

  test('of ours is not sent before the bind: the session closes', async () => {
    const { session, transport, ends } = rig()
    await session.unbind(3000, 'bye')
    expect([transport.last, ends]).toEqual(['nothing', ['bye']])
  })

  test('of the peer goes before ours, and leaves no timer of it', async () => {
    const { session, clock, ends } = await bound()
    void session.request('submit_sm', {})
    void session.unbind(3000, 'bye')
    session.received(pduBytes('unbind', {}, 3))
    await clock.settle()
    expect([ends, clock.timers]).toEqual([['unbound by the peer'], 0])
  })

  test.each([
    ['has left', 100],
    ['waits for the socket', 4],
  ])('of the peer is the last that is read of it, whether its answer %s', async (_, capacity) => {
    const { session, transport, clock, requests, ends } = await bound()
    transport.capacity = capacity
    const garbage = new Uint8Array(16)
    session.received(Buffer.concat([pduBytes('unbind', {}, 3), pduBytes('deliver_sm', {}, 4), garbage]))
    await clock.advance(4000)
    session.received(garbage)
    await clock.advance(1000)
    expect([requests, ends, clock.timers]).toEqual([[], ['unbound by the peer'], 0])
  })

  test('of ours waits no longer than it is told', async () => {
    const { session, transport, clock, ends } = await bound()
    const reply = session.request('submit_sm', {})
    const left = session.unbind(3000, 'bye')
    await clock.advance(3000)
    expect(transport.last).toBe('unbind 3 0x0')
    await clock.advance(5000)
    await left
    expect([kindOf(await reply), ends]).toEqual(['unknown timeout', ['bye']])
  })
})

describe('inbound requests', () => {
  test('wait for their handler and are answered with its status, in its order', async () => {
    const answers: ((answer: Answer) => void)[] = []
    const events = { request: () => new Promise<Answer>(resolve => answers.push(resolve)) }
    const { session, transport, clock } = await bound({}, events)
    session.received(pduBytes('deliver_sm', {}, 1))
    session.received(pduBytes('data_sm', {}, 2))
    answers[1]?.({ status: 0, body: { message_id: 'mine' } })
    await clock.settle()
    answers[0]?.(0x64)
    await clock.settle()
    expect(transport.pdus.slice(1)).toMatchObject([
      { command: 'data_sm_resp', sequence_number: 2, message_id: 'mine' },
      { command: 'deliver_sm_resp', sequence_number: 1, command_status: 0x64 },
    ])
  })

  test('whose handler fails, at once or later, or answers what does not fit, get a temporary error', async () => {
    const events = {
      request: (pdu: Pdu): Answer | Promise<Answer> => {
        if (pdu.sequence_number === 1) throw new Error('at once')
        if (pdu.sequence_number === 2) return Promise.reject(new Error('later'))
        return Promise.resolve({ status: 0, body: { message_id: 'x'.repeat(66) } })
      },
    }
    const { session, transport, clock } = await bound({}, events)
    for (const sequence of [1, 2, 3]) session.received(pduBytes('deliver_sm', {}, sequence))
    await clock.settle()
    expect(transport.pdus.slice(1).map(pdu => pdu.command_status)).toEqual([0x64, 0x64, 0x64])
  })

  test('whose handler failed take no place from those that come after', async () => {
    const events = {
      request: (pdu: Pdu) => (pdu.sequence_number === 1 ? Promise.reject(new Error('no')) : 0),
    }
    const { session, transport, clock } = await bound({ inboundMax: 1 }, events)
    for (const sequence of [1, 2]) {
      session.received(pduBytes('deliver_sm', {}, sequence))
      await clock.settle()
    }
    expect(transport.last).toBe('deliver_sm_resp 2 0x0')
  })

  test.each([
    ['esme', 0x64],
    ['smsc', 0x58],
  ] as const)('past `inboundMax` are told to come later (%s)', async (role, status) => {
    const events = {
      request: (pdu: Pdu) => (pdu.command.startsWith('bind') ? 0 : new Promise<number>(() => {})),
    }
    const { session, transport, clock } =
      role === 'esme' ? await bound({ inboundMax: 2 }, events) : rig({ role, inboundMax: 2 }, events)
    if (role === 'smsc') session.received(pduBytes('bind_transceiver', {}, 9))
    const command = role === 'esme' ? 'deliver_sm' : 'submit_sm'
    for (const sequence of [1, 2, 3]) session.received(pduBytes(command, {}, sequence))
    await clock.settle()
    expect(transport.last).toBe(`${command}_resp 3 0x${status.toString(16)}`)
  })

  test('in the wrong state get ESME_RINVBNDSTS, a second bind ESME_RALYBND', async () => {
    const { session, transport, clock } = rig({ role: 'smsc' })
    const answerTo = async (bytes: Uint8Array): Promise<string> => {
      session.received(bytes)
      await clock.settle()
      return transport.last
    }
    expect(await answerTo(pduBytes('submit_sm', {}, 1))).toBe('submit_sm_resp 1 0x4')
    expect(await answerTo(pduBytes('bind_receiver', {}, 2))).toBe('bind_receiver_resp 2 0x0')
    expect(await answerTo(pduBytes('submit_sm', {}, 3))).toBe('submit_sm_resp 3 0x4')
    expect(await answerTo(pduBytes('deliver_sm', {}, 4))).toBe('deliver_sm_resp 4 0x4')
    expect(await answerTo(pduBytes('bind_receiver', {}, 5))).toBe('bind_receiver_resp 5 0x5')
    expect(session.state).toBe('bound_rx')
  })

  test('to bind leave the session unbound when they are refused, come to an ESME, or are answered too late', async () => {
    const refusing = rig({ role: 'smsc' }, { request: () => 0x0e })
    refusing.session.received(pduBytes('bind_receiver', {}, 1))
    expect(refusing.session.state).toBe('open')
    const { session, transport, clock } = rig()
    session.received(pduBytes('bind_receiver', {}, 1))
    await clock.settle()
    expect([session.state, transport.last]).toEqual(['open', 'bind_receiver_resp 1 0x4'])
    const slow = rig({ role: 'smsc' }, { request: async () => 0 })
    slow.session.received(pduBytes('bind_receiver', {}, 1))
    slow.session.close('gone')
    await slow.clock.settle()
    expect(slow.session.state).toBe('closed')
  })

  test.each([
    ['a service_type past its 6 octets', `736d736373696d00 ${ADDRESSES} 040000 00 00 00000000 02 6869`, 0x15],
    ['a time of 3 octets', `00 ${ADDRESSES} 040000 00 313200 00000000 02 6869`, 0x62],
    ['an octet behind the text', `00 ${ADDRESSES} 040000 00 00 00000000 02 6869 00`, 0xc0],
    ['a TLV that runs over the end', `00 ${ADDRESSES} 040000 00 00 00000000 02 6869 0427000402`, 0xc0],
  ])('of an SMSC that have %s are taken, those of an ESME are refused', async (_, body, status) => {
    const smscs = await bound()
    smscs.session.received(octetsOf('deliver_sm', body, 1))
    const esmes = rig({ role: 'smsc' })
    esmes.session.received(pduBytes('bind_transceiver', {}, 1))
    esmes.session.received(octetsOf('submit_sm', body, 2))
    await Promise.all([smscs.clock.settle(), esmes.clock.settle()])
    const text = new TextEncoder().encode('hi')
    expect(smscs.requests).toMatchObject([{ source_addr: '491', esm_class: 4, short_message: text }])
    expect(smscs.transport.last).toBe('deliver_sm_resp 1 0x0')
    expect(esmes.transport.last).toBe(`submit_sm_resp 2 0x${status.toString(16)}`)
  })

  test('name a message by an id past its 65 octets when an SMSC sends them', async () => {
    const { session, requests } = await bound()
    const id = 'a'.repeat(80)
    const tlv = `001e0051 ${Buffer.from(id).toString('hex')}00`
    session.received(octetsOf('deliver_sm', `00 ${ADDRESSES} 040000 00 00 00000000 00 ${tlv}`, 1))
    expect(requests).toMatchObject([{ tlvs: { receipted_message_id: id } }])
  })

  test('hold a text of 255 octets, as SMPP 5.0 has it, when an SMSC sends them', async () => {
    const { session, requests } = await bound()
    session.received(
      octetsOf('deliver_sm', `00 ${ADDRESSES} 000000 00 00 00000000 ff ${'61'.repeat(255)}`, 1),
    )
    expect(requests).toMatchObject([{ short_message: new Uint8Array(255).fill(0x61) }])
  })

  test('with a bad body or an unknown command are answered, and the session goes on', async () => {
    const { session, transport, clock, requests } = await bound()
    const bad = pduBytes('deliver_sm', {}, 1)
    bad.fill(65, 16)
    const unknown = pduBytes('enquire_link', {}, 2)
    unknown[7] = 0x77
    const unknownResponse = pduBytes('enquire_link_resp', {}, 3)
    unknownResponse[7] = 0x77
    for (const bytes of [bad, unknown, unknownResponse]) session.received(bytes)
    session.received(pduBytes('deliver_sm', {}, 4))
    await clock.settle()
    expect(transport.pdus.slice(1)).toMatchObject([
      { command: 'deliver_sm_resp', sequence_number: 1, command_status: 0x02 },
      { command: 'generic_nack', sequence_number: 2, command_status: 0x03 },
      { command: 'deliver_sm_resp', sequence_number: 4, command_status: 0 },
    ])
    expect(requests).toHaveLength(1)
  })

  test.each([0, 2, 4, 8, 15, 65537, 2 ** 31, 2 ** 32 - 1])(
    'with a command_length of %d get a generic_nack, and the session ends',
    async length => {
      const { session, transport, ends } = await bound()
      const reply = session.request('submit_sm', {})
      const bytes = pduBytes('enquire_link', {}, 6)
      new DataView(bytes.buffer).setUint32(0, length)
      session.received(bytes)
      expect([transport.last, transport.closed]).toEqual(['generic_nack 0 0x2', true])
      expect([kindOf(await reply), ends.length]).toEqual(['unknown closed', 1])
    },
  )

  test('of alert_notification are handed over and not answered', async () => {
    for (const answer of [0, undefined]) {
      const requests: Pdu[] = []
      const request = (pdu: Pdu): Answer => {
        requests.push(pdu)
        return answer
      }
      const { session, transport, clock } = await bound({}, { request })
      session.received(pduBytes('alert_notification', { source_addr: '44' }, 8))
      await clock.settle()
      expect(requests).toMatchObject([{ command: 'alert_notification', source_addr: '44' }])
      expect(transport.last).toBe('bind_transceiver 1 0x0')
    }
  })

  test('that have no response of their own are refused with a generic_nack', async () => {
    const { session, transport, clock } = rig()
    session.received(pduBytes('alert_notification', { source_addr: '44' }, 8))
    await clock.settle()
    expect(transport.last).toBe('generic_nack 8 0x4')
  })
})

test('outbind reaches the handler before the bind', async () => {
  const { session, requests } = rig()
  session.received(pduBytes('outbind', { system_id: 'smsc' }, 1))
  expect(requests).toMatchObject([{ command: 'outbind', system_id: 'smsc' }])
})

const TRANSMITTED = ['submit_sm', 'submit_multi', 'data_sm', 'query_sm', 'cancel_sm', 'replace_sm'] as const

test('a request is taken in the states that the specification names for it (table 2-1)', () => {
  const states = ['open', 'bound_tx', 'bound_rx', 'bound_trx', 'closed'] as const
  const taken = (role: 'esme' | 'smsc', request: Command) =>
    states.filter(state => isAllowed(role, state, request))
  for (const request of TRANSMITTED) expect(taken('smsc', request)).toEqual(['bound_tx', 'bound_trx'])
  expect(taken('esme', 'alert_notification')).toEqual(['bound_rx', 'bound_trx'])
  expect([taken('esme', 'submit_sm'), taken('smsc', 'deliver_sm')]).toEqual([[], []])
})

test.each(['deliver_sm', 'data_sm'] as const)(
  'a %s is taken before the bind is answered and by a transmitter: refused, its receipt would be lost',
  async command => {
    const { session, transport, clock, requests } = rig()
    void session.request('bind_transmitter', { system_id: 'me' })
    session.received(pduBytes(command, { source_addr: 'early' }, 1))
    session.received(pduBytes('bind_transmitter_resp', {}, 1))
    session.received(pduBytes(command, { source_addr: 'later' }, 2))
    await clock.settle()
    expect(session.state).toBe('bound_tx')
    expect(requests).toMatchObject([{ source_addr: 'early' }, { source_addr: 'later' }])
    expect(transport.pdus.slice(1)).toMatchObject([
      { command: `${command}_resp`, sequence_number: 1, command_status: 0 },
      { command: `${command}_resp`, sequence_number: 2, command_status: 0 },
    ])
  },
)
