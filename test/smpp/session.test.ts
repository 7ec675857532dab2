import { describe, expect, test } from 'bun:test'
import type { Command, Pdu } from '../../src/smpp/pdu.ts'
import { SEQUENCE_MAX } from '../../src/smpp/pdu.ts'
import type { Answer, SessionEvents, SessionOptions } from '../../src/smpp/session.ts'
import { Session } from '../../src/smpp/session.ts'
import { isAllowed } from '../../src/smpp/state.ts'
import type { Reply } from '../../src/smpp/window.ts'
import { Window } from '../../src/smpp/window.ts'
import { TurnedClock } from '../support/clock.ts'
import { FakeTransport, pduBytes, silent } from './wire.ts'

interface Bench {
  readonly session: Session
  readonly transport: FakeTransport
  readonly clock: TurnedClock
  /** Reasons of `closed`. */
  readonly ends: string[]
  readonly requests: Pdu[]
  readonly late: [unknown, Pdu][]
}

function bench(options: Partial<SessionOptions> = {}, events: Partial<SessionEvents> = {}): Bench {
  const clock = new TurnedClock()
  const transport = new FakeTransport()
  const ends: string[] = []
  const requests: Pdu[] = []
  const late: [unknown, Pdu][] = []
  const session = new Session(
    transport,
    { role: 'esme', window: 10, responseTimeoutMs: 5000, enquireLinkMs: 30_000, ...options },
    {
      request: pdu => {
        requests.push(pdu)
        return 0
      },
      late: (tag, pdu) => late.push([tag, pdu]),
      closed: reason => ends.push(reason),
      ...events,
    },
    clock,
    silent,
  )
  return { session, transport, clock, ends, requests, late }
}

async function bound(
  options: Partial<SessionOptions> = {},
  events: Partial<SessionEvents> = {},
): Promise<Bench> {
  const made = bench(options, events)
  void made.session.request('bind_transceiver', { system_id: 'me' })
  await made.clock.settle()
  made.session.received(pduBytes('bind_transceiver_resp', {}, 1))
  expect(made.session.state).toBe('bound_trx')
  return made
}

const kindOf = (reply: Reply): string => (reply.kind === 'unknown' ? `unknown ${reply.reason}` : reply.kind)
const responded = (sequence: number, status = 0): Uint8Array =>
  pduBytes('submit_sm_resp', status === 0 ? { message_id: `id-${sequence}` } : {}, sequence, status)

describe('requests', () => {
  test('of one turn leave in one write', async () => {
    const { session, transport, clock } = await bound()
    const before = transport.writes
    for (let i = 0; i < 5; i++) void session.request('submit_sm', {})
    expect(transport.writes).toBe(before)
    await clock.settle()
    expect(transport.writes).toBe(before + 1)
    expect(transport.pdus.slice(1).map(pdu => pdu.sequence_number)).toEqual([2, 3, 4, 5, 6])
  })

  test('of a long turn begin to leave before its end', async () => {
    const { session, transport } = await bound({ window: 100 })
    const before = transport.writes
    for (let i = 0; i < 40; i++) void session.request('submit_sm', { short_message: new Uint8Array(140) })
    expect(transport.writes).toBeGreaterThan(before)
  })

  test('are answered in any order', async () => {
    const { session, clock } = await bound()
    const replies = [2, 3, 4].map(() => session.request('submit_sm', {}))
    await clock.settle()
    for (const sequence of [4, 2, 3]) session.received(responded(sequence))
    expect(await Promise.all(replies)).toMatchObject(
      [2, 3, 4].map(sequence => ({ kind: 'response', pdu: { message_id: `id-${sequence}` } })),
    )
  })

  test('are not answered by a response of another kind, nor by one to nothing', async () => {
    const { session, clock } = await bound()
    const reply = session.request('submit_sm', {})
    await clock.settle()
    session.received(pduBytes('enquire_link_resp', {}, 2))
    session.received(responded(77))
    session.received(pduBytes('generic_nack', {}, 0, 3))
    expect(session.inFlight).toBe(1)
    session.received(responded(2))
    expect(kindOf(await reply)).toBe('response')
  })

  test('are answered by a generic_nack of their sequence', async () => {
    const { session, clock } = await bound()
    const reply = session.request('submit_sm', {})
    await clock.settle()
    session.received(pduBytes('generic_nack', {}, 2, 3))
    expect(await reply).toMatchObject({
      kind: 'response',
      pdu: { command: 'generic_nack', command_status: 3 },
    })
  })

  test('past the window are unwritten, and a response makes room', async () => {
    let rooms = 0
    const { session, clock } = await bound({ window: 2 }, { room: () => rooms++ })
    const replies = [0, 1, 2].map(() => session.request('submit_sm', {}))
    expect(session.room).toBe(0)
    expect(await replies[2]).toEqual({ kind: 'unwritten' })
    await clock.settle()
    session.received(responded(2))
    expect([session.room, rooms]).toEqual([1, 1])
  })

  test('a response whose body says nothing leaves its request unknown, an error is told by the header', async () => {
    let rooms = 0
    const { session, clock } = await bound({}, { room: () => rooms++ })
    const replies = [session.request('submit_sm', {}), session.request('submit_sm', {})]
    await clock.settle()
    const broken = (sequence: number, status: number): Uint8Array => {
      const bytes = pduBytes('submit_sm_resp', { message_id: 'x' }, sequence, status)
      bytes[bytes.length - 1] = 65
      return bytes
    }
    session.received(broken(2, 0))
    session.received(broken(3, 0x45))
    expect(await Promise.all(replies)).toMatchObject([
      { kind: 'unknown', reason: 'unreadable' },
      { kind: 'response', pdu: { command_status: 0x45 } },
    ])
    expect([session.inFlight, rooms]).toEqual([0, 2])
  })

  test('that do not fit their fields reject and take no slot', async () => {
    const { session } = await bound()
    expect(session.request('submit_sm', { destination_addr: '1'.repeat(30) })).rejects.toThrow(
      'destination_addr',
    )
    expect(session.inFlight).toBe(0)
  })
})

test('sequence numbers go from 1 to 0x7FFFFFFF and begin again, past those that wait', () => {
  const window = new Window(10, 10, SEQUENCE_MAX - 1)
  const pending = {
    command: 'submit_sm',
    deadline: 0,
    position: 0,
    counted: true,
    tag: 0,
    settle() {},
  } as const
  window.add({ ...pending, sequence: 1 })
  expect([window.nextSequence(), window.nextSequence()]).toEqual([SEQUENCE_MAX, 2])
})

test('a generic_nack binds nothing, whatever its status', async () => {
  const { session, clock } = bench()
  void session.request('bind_transceiver', { system_id: 'me' })
  await clock.settle()
  session.received(pduBytes('generic_nack', {}, 1, 0))
  expect(session.state).toBe('open')
})

describe('a response that does not come', () => {
  test('makes its request unknown at the response timeout, with one timer for all', async () => {
    const { session, clock } = await bound()
    const timers = clock.timers
    const first = session.request('submit_sm', {})
    await clock.advance(1000)
    const second = session.request('submit_sm', {})
    expect(clock.timers).toBe(timers)
    let settled = ''
    void first.then(reply => (settled += kindOf(reply)))
    void second.then(reply => (settled += `, ${kindOf(reply)}`))
    await clock.advance(3999)
    expect(settled).toBe('')
    await clock.advance(1)
    expect([settled, session.inFlight]).toEqual(['unknown timeout', 1])
    await clock.advance(1000)
    expect([settled, session.inFlight]).toEqual(['unknown timeout, unknown timeout', 0])
  })

  test('leaves a request made while it is told its own time', async () => {
    const { session, clock } = await bound({ enquireLinkMs: 0 })
    let second = ''
    const again = (reply: Reply): void => {
      second = kindOf(reply)
    }
    session.send('submit_sm', {}, undefined, () => session.send('submit_sm', {}, undefined, again))
    await clock.advance(5000)
    expect([second, session.inFlight]).toEqual(['', 1])
    await clock.advance(4999)
    expect(second).toBe('')
    await clock.advance(1)
    expect([second, session.inFlight]).toEqual(['unknown timeout', 0])
  })

  test('tells the others that the session is closed, when that is what the first makes of it', async () => {
    const { session, clock, ends } = await bound()
    const told: string[] = []
    session.send('submit_sm', {}, undefined, reply => {
      told.push(kindOf(reply))
      session.close('enough')
    })
    session.send('submit_sm', {}, undefined, reply => told.push(kindOf(reply)))
    await clock.advance(5000)
    expect(told).toEqual(['unknown timeout', 'unknown closed'])
    expect(ends).toEqual(['enough'])
    expect(clock.timers).toBe(0)
  })

  test('is still told when it comes late, with its tag, once', async () => {
    const { session, clock, late } = await bound()
    const reply = session.request('submit_sm', {}, { message: 7 })
    await clock.advance(5000)
    expect(kindOf(await reply)).toBe('unknown timeout')
    session.received(responded(2))
    session.received(responded(2))
    expect(late).toMatchObject([[{ message: 7 }, { command: 'submit_sm_resp', message_id: 'id-2' }]])
  })

  test('is remembered for the last `lateMax` requests only', async () => {
    const { session, clock, late } = await bound({ lateMax: 2 })
    for (let i = 0; i < 3; i++) void session.request('submit_sm', {}, i)
    await clock.advance(5000)
    for (const sequence of [2, 3, 4]) session.received(responded(sequence))
    expect(late.map(([tag]) => tag)).toEqual([1, 2])
  })
})

describe('a session that ends', () => {
  test('tells the unwritten from the unknown by the octets that were handed over', async () => {
    const { session, transport, clock, ends } = await bound()
    const length = pduBytes('submit_sm', {}, 1).length
    transport.capacity = length + 1
    const replies = [0, 1, 2].map(() => session.request('submit_sm', {}))
    await clock.settle()
    session.close('connection closed')
    expect((await Promise.all(replies)).map(kindOf)).toEqual([
      'unknown closed',
      'unknown closed',
      'unwritten',
    ])
    expect([ends, transport.closed, clock.timers]).toEqual([['connection closed'], true, 0])
    expect(kindOf(await session.request('submit_sm', {}))).toBe('unwritten')
  })

  test('before its turn ended has written nothing, and writes nothing at its end', async () => {
    const { session, transport, clock } = await bound()
    const reply = session.request('submit_sm', {})
    session.close('connection closed')
    expect(kindOf(await reply)).toBe('unwritten')
    await clock.settle()
    expect(transport.last).toStartWith('bind_transceiver')
  })

  test('goes on where a full socket stopped', async () => {
    const { session, transport, clock } = await bound()
    transport.capacity = 10
    for (let i = 0; i < 3; i++) void session.request('submit_sm', {})
    await clock.settle()
    expect(session.room).toBe(0)
    transport.capacity = 40
    session.drained()
    session.received(pduBytes('enquire_link', {}, 5))
    await clock.settle()
    transport.capacity = Number.POSITIVE_INFINITY
    session.drained()
    expect(session.room).toBeGreaterThan(0)
    expect(transport.pdus.map(pdu => pdu.sequence_number)).toEqual([1, 2, 3, 4, 5])
  })

  test('is not what a write to a socket that is gone leads to: nothing of it counts as written', async () => {
    const { session, transport, clock } = await bound()
    const write = transport.write.bind(transport)
    transport.write = () => -1
    void session.request('submit_sm', {})
    await clock.settle()
    transport.write = write
    session.drained()
    void session.request('submit_sm', {})
    await clock.settle()
    expect(transport.pdus.map(pdu => pdu.sequence_number)).toEqual([1, 2, 3])
  })

  test('because the socket takes nothing for a response timeout loses no submit as unknown', async () => {
    const { session, transport, clock, ends } = await bound()
    transport.capacity = 0
    const reply = session.request('submit_sm', {})
    await clock.advance(5000)
    expect([kindOf(await reply), ends]).toEqual(['unwritten', ['the peer takes no octets']])
  })

  test('is not what a full socket leads to: requests wait for it to drain', async () => {
    let rooms = 0
    const { session, transport, ends } = await bound(
      { outputBytesMax: 200, window: 100 },
      { room: () => rooms++ },
    )
    transport.capacity = 0
    while (session.room > 0) void session.request('submit_sm', {})
    expect([session.inFlight, kindOf(await session.request('submit_sm', {}))]).toEqual([4, 'unwritten'])
    transport.capacity = Number.POSITIVE_INFINITY
    session.drained()
    expect([session.room, rooms, ends]).toEqual([96, 1, []])
  })

  test('because the peer does not read its answers', async () => {
    const { session, transport, ends } = await bound({ outputBytesMax: 1000 })
    transport.capacity = 0
    for (let i = 1; i <= 100; i++) session.received(pduBytes('enquire_link', {}, i))
    expect(ends).toEqual(['the peer does not read'])
  })
})

describe('enquire_link', () => {
  test('is answered before and after the bind', async () => {
    const { session, transport, clock } = bench()
    session.received(pduBytes('enquire_link', {}, 9))
    await clock.settle()
    expect(transport.last).toBe('enquire_link_resp 9 0x0')
  })

  test('is sent when nothing was received for its time, and silence ends the session', async () => {
    const { session, transport, clock, ends } = await bound()
    await clock.advance(20_000)
    session.received(pduBytes('enquire_link', {}, 5))
    await clock.advance(29_999)
    expect(transport.last).toBe('enquire_link_resp 5 0x0')
    await clock.advance(1)
    expect(transport.last).toBe('enquire_link 2 0x0')
    session.received(pduBytes('enquire_link_resp', {}, 2))
    await clock.advance(30_000)
    expect([transport.last, ends]).toEqual(['enquire_link 3 0x0', []])
    await clock.advance(5000)
    expect(ends).toEqual(['enquire_link not answered in 5000 ms'])
    expect(clock.timers).toBe(0)
  })

  test('is sent at once to a peer that is silent past a response time, who gets nothing more, and ends the session', async () => {
    let rooms = 0
    const { session, transport, clock, ends } = await bound({ window: 3 }, { room: () => rooms++ })
    const replies = [0, 1, 2].map(() => session.request('submit_sm', {}))
    await clock.advance(5000)
    expect((await Promise.all(replies)).map(kindOf)).toEqual(Array(3).fill('unknown timeout'))
    expect([transport.last, session.room, session.doubted]).toEqual(['enquire_link 5 0x0', 0, true])
    expect(await session.request('submit_sm', {})).toEqual({ kind: 'unwritten' })
    await clock.advance(4999)
    expect(ends).toEqual([])
    await clock.advance(1)
    expect(ends).toEqual(['enquire_link not answered in 5000 ms'])
    expect([rooms, clock.timers]).toEqual([3, 0])
  })

  test('that a doubt sent gives the room back when it is answered, or anything else is heard', async () => {
    const answers = [
      pduBytes('enquire_link_resp', {}, 3),
      pduBytes('deliver_sm', {}, 9),
      responded(2), // a late one
      Buffer.concat([
        new Uint8Array([0, 0, 0, 17]),
        pduBytes('enquire_link_resp', {}, 3).slice(4),
        new Uint8Array(1),
      ]),
    ]
    for (const answer of answers) {
      let rooms = 0
      const { session, transport, clock, ends } = await bound({ window: 3 }, { room: () => rooms++ })
      void session.request('submit_sm', {})
      await clock.advance(5000)
      expect([transport.last, session.room, rooms]).toEqual(['enquire_link 3 0x0', 0, 1])
      session.received(answer)
      expect([session.room, session.doubted, rooms]).toEqual([3, false, 2])
      session.received(pduBytes('enquire_link_resp', {}, 3))
      await clock.advance(29_999)
      expect([transport.pdus.filter(({ command }) => command === 'enquire_link').length, ends]).toEqual([
        1,
        [],
      ])
    }
  })

  test('is sent at once for each new doubt, when the one before it was answered', async () => {
    const { session, transport, clock } = await bound()
    for (const sequence of [3, 5]) {
      void session.request('submit_sm', {})
      await clock.advance(5000)
      expect(transport.last).toBe(`enquire_link ${sequence} 0x0`)
      session.received(pduBytes('enquire_link_resp', {}, sequence))
    }
  })

  test('that cannot be sent any more ends the session, and each request is told once', async () => {
    const { session, transport, clock, ends } = await bound({ outputBytesMax: 400 })
    const told: string[] = []
    session.send('submit_sm', {}, undefined, reply => told.push(kindOf(reply)))
    await clock.settle()
    transport.capacity = 0
    // Responses pile up behind a socket that takes nothing, up to the bound but for one PDU.
    for (let sequence = 0; sequence < 23; sequence++) session.received(pduBytes('deliver_sm', {}, sequence))
    await clock.advance(5000)
    expect([told, session.inFlight, ends]).toEqual([['unknown closed'], 0, ['the peer does not read']])
  })

  test('is not sent for one lost response while others come, nor where it is switched off', async () => {
    const { session, transport, clock } = await bound({ window: 3 })
    void session.request('submit_sm', {})
    await clock.advance(2501)
    session.received(pduBytes('deliver_sm', {}, 9))
    await clock.advance(2499)
    expect([transport.last, session.room]).toEqual(['deliver_sm_resp 9 0x0', 3])
    const silentForHalf = await bound({ window: 3 })
    void silentForHalf.session.request('submit_sm', {})
    await silentForHalf.clock.advance(2500)
    silentForHalf.session.received(pduBytes('deliver_sm', {}, 9))
    await silentForHalf.clock.advance(2500)
    expect(silentForHalf.session.room).toBe(0)
    const off = await bound({ window: 3, enquireLinkMs: 0 })
    void off.session.request('submit_sm', {})
    await off.clock.advance(5000)
    expect([off.transport.last, off.session.room]).toEqual(['submit_sm 2 0x0', 3])
  })

  test('is asked once, also when a request times out beside one that is under way', async () => {
    const { session, transport, clock, ends } = await bound({ responseTimeoutMs: 5000 })
    await clock.advance(28_000)
    void session.request('submit_sm', {})
    await clock.advance(2000)
    expect(transport.last).toBe('enquire_link 3 0x0')
    await clock.advance(3000)
    expect([transport.last, session.room]).toEqual(['enquire_link 3 0x0', 0])
    await clock.advance(2000)
    expect(ends).toEqual(['enquire_link not answered in 5000 ms'])
  })
})

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
    const { session, transport, ends } = bench()
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
      role === 'esme' ? await bound({ inboundMax: 2 }, events) : bench({ role, inboundMax: 2 }, events)
    if (role === 'smsc') session.received(pduBytes('bind_transceiver', {}, 9))
    const command = role === 'esme' ? 'deliver_sm' : 'submit_sm'
    for (const sequence of [1, 2, 3]) session.received(pduBytes(command, {}, sequence))
    await clock.settle()
    expect(transport.last).toBe(`${command}_resp 3 0x${status.toString(16)}`)
  })

  test('in the wrong state get ESME_RINVBNDSTS, a second bind ESME_RALYBND', async () => {
    const { session, transport, clock } = bench({ role: 'smsc' })
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
    const refusing = bench({ role: 'smsc' }, { request: () => 0x0e })
    refusing.session.received(pduBytes('bind_receiver', {}, 1))
    expect(refusing.session.state).toBe('open')
    const { session, transport, clock } = bench()
    session.received(pduBytes('bind_receiver', {}, 1))
    await clock.settle()
    expect([session.state, transport.last]).toEqual(['open', 'bind_receiver_resp 1 0x4'])
    const slow = bench({ role: 'smsc' }, { request: async () => 0 })
    slow.session.received(pduBytes('bind_receiver', {}, 1))
    slow.session.close('gone')
    await slow.clock.settle()
    expect(slow.session.state).toBe('closed')
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
      { command: 'deliver_sm_resp', sequence_number: 1, command_status: 0x15 },
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
    const { session, transport, clock, requests } = await bound()
    session.received(pduBytes('alert_notification', { source_addr: '44' }, 8))
    await clock.settle()
    expect(requests).toMatchObject([{ command: 'alert_notification', source_addr: '44' }])
    expect(transport.last).toBe('bind_transceiver 1 0x0')
  })

  test('that have no response of their own are refused with a generic_nack', async () => {
    const { session, transport, clock } = bench()
    session.received(pduBytes('alert_notification', { source_addr: '44' }, 8))
    await clock.settle()
    expect(transport.last).toBe('generic_nack 8 0x4')
  })
})

test('outbind reaches the handler before the bind', async () => {
  const { session, requests } = bench()
  session.received(pduBytes('outbind', { system_id: 'smsc' }, 1))
  expect(requests).toMatchObject([{ command: 'outbind', system_id: 'smsc' }])
})

const TRANSMITTED = ['submit_sm', 'submit_multi', 'data_sm', 'query_sm', 'cancel_sm', 'replace_sm'] as const
const RECEIVED = ['deliver_sm', 'data_sm', 'alert_notification'] as const

test('a request is taken in the states that the specification names for it (table 2-1)', () => {
  const states = ['open', 'bound_tx', 'bound_rx', 'bound_trx', 'closed'] as const
  const taken = (role: 'esme' | 'smsc', request: Command) =>
    states.filter(state => isAllowed(role, state, request))
  for (const request of TRANSMITTED) expect(taken('smsc', request)).toEqual(['bound_tx', 'bound_trx'])
  for (const request of RECEIVED) expect(taken('esme', request)).toEqual(['bound_rx', 'bound_trx'])
  expect([taken('esme', 'submit_sm'), taken('smsc', 'deliver_sm')]).toEqual([[], []])
})
