import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Session } from '../../src/smpp/session.ts'
import type { Reply } from '../../src/smpp/window.ts'
import { FakeTransport, pduBytes, silent } from '../smpp/wire.ts'
import { TurnedClock } from '../support/clock.ts'

const WINDOW = 4
const TIMEOUT_MS = 1000

/** What may happen to a session, in any order. */
const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ do: 'submit' } as const) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat({ max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stray' as const), sequence: fc.nat({ max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: 600 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('block' as const), octets: fc.nat({ max: 90 }) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'drain' } as const) },
)

test('every submit is told what became of it, once and truly, and the window is never exceeded', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const clock = new TurnedClock()
      const transport = new FakeTransport()
      const late: unknown[] = []
      const session = new Session(
        transport,
        { role: 'esme', window: WINDOW, responseTimeoutMs: TIMEOUT_MS, enquireLinkMs: 0 },
        { request: () => 0, late: tag => late.push(tag), closed() {} },
        clock,
        silent,
      )
      void session.request('bind_transceiver', {})
      await clock.settle()
      session.received(pduBytes('bind_transceiver_resp', {}, 1))

      const replies = new Map<number, Reply>()
      const answered = new Set<number>()
      let submits = 0
      const submit = (): void => {
        const tag = submits++
        session.send('submit_sm', { source_addr: `${tag}` }, tag, reply => {
          expect(replies.has(tag)).toBe(false)
          replies.set(tag, reply)
        })
      }
      const written = (): { tag: number; sequence: number }[] =>
        transport.pdus.flatMap(pdu =>
          pdu.command === 'submit_sm'
            ? [{ tag: Number(pdu.source_addr), sequence: pdu.sequence_number }]
            : [],
        )

      for (const each of steps) {
        if (each.do === 'submit') submit()
        if (each.do === 'pass') await clock.advance(each.ms)
        if (each.do === 'block') transport.capacity = each.octets
        if (each.do === 'stray') session.received(pduBytes('enquire_link_resp', {}, each.sequence))
        if (each.do === 'drain') {
          transport.capacity = Number.POSITIVE_INFINITY
          session.drained()
        }
        const target = each.do === 'answer' ? written()[each.which] : undefined
        if (target && session.state !== 'closed') {
          answered.add(target.tag)
          session.received(pduBytes('submit_sm_resp', { message_id: `${target.tag}` }, target.sequence))
        }
        await clock.settle()
        expect(submits - replies.size).toBeLessThanOrEqual(WINDOW)
      }
      session.close('the end')

      expect(replies.size).toBe(submits)
      const whole = new Set(written().map(({ tag }) => tag))
      for (const [tag, reply] of replies) {
        if (reply.kind === 'response') expect(reply.pdu).toMatchObject({ message_id: `${tag}` })
        if (reply.kind === 'unwritten') expect(whole.has(tag)).toBe(false)
        if (reply.kind === 'unknown' && answered.has(tag)) expect(late).toContain(tag)
        if (whole.has(tag) && !answered.has(tag)) expect(reply.kind).toBe('unknown')
      }
      expect(clock.timers).toBe(0)
    }),
    { numRuns: 150 },
  )
})
