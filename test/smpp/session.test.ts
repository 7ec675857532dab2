import { describe, expect, test } from 'bun:test'
import { SEQUENCE_MAX } from '../../src/smpp/pdu.ts'
import type { Reply } from '../../src/smpp/window.ts'
import { Window } from '../../src/smpp/window.ts'
import { bound, kindOf, responded, rig } from './session_rig.ts'
import { octetsOf, pduBytes } from './wire.ts'

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
    const replies = [session.request('query_sm', {}), session.request('query_sm', {})]
    await clock.settle()
    session.received(broken(2, 0))
    session.received(broken(3, 0x45))
    expect(await Promise.all(replies)).toMatchObject([
      { kind: 'unknown', reason: 'unreadable' },
      { kind: 'response', pdu: { command_status: 0x45 } },
    ])
    expect([session.inFlight, rooms]).toEqual([0, 2])
  })

  test.each([
    ['whose message_id has no NUL', '6162'],
    ['with an octet behind its message_id', '61620000'],
    ['with a TLV that runs over its end', '616200001d000541'],
  ])('a response %s still names its message', async (_, body) => {
    const { session, clock } = await bound()
    const reply = session.request('submit_sm', {})
    await clock.settle()
    session.received(octetsOf('submit_sm_resp', body, 2))
    expect(await reply).toMatchObject({ kind: 'response', pdu: { command_status: 0, message_id: 'ab' } })
  })

  test('that do not fit their fields reject and take no slot', async () => {
    const { session } = await bound()
    await expect(session.request('submit_sm', { destination_addr: '1'.repeat(30) })).rejects.toThrow(
      'destination_addr',
    )
    expect(session.inFlight).toBe(0)
  })
})

/** A query_sm_resp whose body cannot be read. */
function broken(sequence: number, status: number): Uint8Array {
  const bytes = pduBytes('query_sm_resp', { message_id: 'xxx' }, sequence, status)
  bytes.fill(65, 16)
  return bytes
}

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

test.each([
  ['that names the SMSC in more than 15 characters', 'smsc-01.example.\0'],
  ['without the NUL behind its name', 'smsc'],
])('a bind_resp %s binds, for its header says so', (_, body) => {
  const { session } = rig()
  void session.request('bind_transceiver', {})
  const response = Buffer.concat([
    pduBytes('bind_transceiver_resp', {}, 1).subarray(0, 16),
    Buffer.from(body),
  ])
  response.writeUInt32BE(response.length)
  session.received(response)
  expect(session.state).toBe('bound_trx')
})

test('a generic_nack binds nothing, whatever its status', async () => {
  const { session, clock } = rig()
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

  test('that comes late and whose body says nothing tells an error by its header, once, and else nothing', async () => {
    const { session, clock, late } = await bound()
    void session.request('query_sm', {}, 'first')
    void session.request('query_sm', {}, 'second')
    await clock.advance(5000)
    session.received(broken(2, 0))
    for (let time = 0; time < 2; time++) session.received(broken(3, 0x45))
    expect(late).toMatchObject([['second', { command_status: 0x45 }]])
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
    const { session, transport, clock } = rig()
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

  test('is asked of a peer whose PDU never ends, however much it sends, and silence ends the session', async () => {
    const { session, transport, clock, ends } = await bound()
    const longest = pduBytes('deliver_sm', {}, 9)
    new DataView(longest.buffer).setUint32(0, 65_536)
    session.received(longest)
    for (let second = 10; second <= 30; second += 10) {
      await clock.advance(10_000)
      session.received(pduBytes('enquire_link', {}, second))
    }
    expect([transport.last, ends]).toEqual(['enquire_link 2 0x0', []])
    await clock.advance(5000)
    expect(ends).toEqual(['enquire_link not answered in 5000 ms'])
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
