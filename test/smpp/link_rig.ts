import { expect } from 'bun:test'
import type { Answered, LinkEvents, LinkOptions, SubmitOutcome } from '../../src/smpp/link.ts'
import { Link } from '../../src/smpp/link.ts'
import type { Sink } from '../../src/smpp/net.ts'
import type { BodyInput, Pdu } from '../../src/smpp/pdu.ts'
import type { Answer } from '../../src/smpp/session.ts'
import { Session } from '../../src/smpp/session.ts'
import { TurnedClock } from '../support/clock.ts'
import { FakeTransport, memoryNet, pduBytes, silent } from './wire.ts'

export const OPTIONS: LinkOptions = {
  id: 1,
  name: 'one',
  address: { host: 'smsc', port: 2775 },
  systemId: 'me',
  password: 'secret',
  systemType: '',
  addresses: { ton: 0, npi: 0, range: '' },
  interfaceVersion: 0x34,
  bind: 'transceiver',
  connectTimeoutMs: 10_000,
  responseTimeoutMs: 5000,
  enquireLinkMs: 30_000,
  window: 10,
  limitTps: 0,
}

/** A link against an SMSC in memory whose answers `answer` gives. */
export class Rig {
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
    this.link.enable()
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

let open: Rig[] = []
export const rig = (options?: Partial<LinkOptions>, events?: Partial<LinkEvents>): Rig => {
  const made = new Rig(options, events)
  open.push(made)
  return made
}

/** After each test: whatever it did, a closed link leaves no timer behind. */
export async function closeAll(): Promise<void> {
  for (const { link, clock, sessions } of open) {
    const closed = link.close()
    await clock.advance(20_000)
    await closed
    for (const session of sessions) session.close('end of test')
    expect(clock.timers).toBe(0)
  }
  open = []
}

/** What becomes of a submit_sm. */
export const submit = (link: Link, fields: BodyInput<'submit_sm'>, tag: unknown): Promise<SubmitOutcome> =>
  new Promise(resolve => link.send(fields, tag, resolve))

export const never = (): Promise<Answer> => new Promise(() => {})

/** A bound link whose every octet is the test's, both ways. */
export async function byHand() {
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
  link.enable()
  await Promise.resolve()
  const [sink] = ends
  if (!sink) throw new Error('not connected')
  sink.received(pduBytes('bind_transceiver_resp', {}, 1))
  return { link, sink, transport, clock }
}
