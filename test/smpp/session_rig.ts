import { expect } from 'bun:test'
import type { Pdu } from '../../src/smpp/pdu.ts'
import type { SessionEvents, SessionOptions } from '../../src/smpp/session.ts'
import { Session } from '../../src/smpp/session.ts'
import type { Reply } from '../../src/smpp/window.ts'
import { TurnedClock } from '../support/clock.ts'
import { FakeTransport, pduBytes, silent } from './wire.ts'

export interface Rig {
  readonly session: Session
  readonly transport: FakeTransport
  readonly clock: TurnedClock
  /** Reasons of `closed`. */
  readonly ends: string[]
  readonly requests: Pdu[]
  readonly late: [unknown, Pdu][]
}

export function rig(options: Partial<SessionOptions> = {}, events: Partial<SessionEvents> = {}): Rig {
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

/** The same, bound as a transceiver. */
export async function bound(
  options: Partial<SessionOptions> = {},
  events: Partial<SessionEvents> = {},
): Promise<Rig> {
  const made = rig(options, events)
  void made.session.request('bind_transceiver', { system_id: 'me' })
  await made.clock.settle()
  made.session.received(pduBytes('bind_transceiver_resp', {}, 1))
  expect(made.session.state).toBe('bound_trx')
  return made
}

export const kindOf = (reply: Reply): string =>
  reply.kind === 'unknown' ? `unknown ${reply.reason}` : reply.kind
export const responded = (sequence: number, status = 0): Uint8Array =>
  pduBytes('submit_sm_resp', status === 0 ? { message_id: `id-${sequence}` } : {}, sequence, status)
