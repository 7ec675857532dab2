import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Pacer, SLIDING_MS } from '../../src/smpp/pacer.ts'

/** A step: time passes, then up to so many sends of one turn, which leave a little later. */
const step = fc.record({
  passMs: fc.double({ min: 0, max: 700, noNaN: true }),
  wanted: fc.nat({ max: 30 }),
  leaveMs: fc.double({ min: 0, max: 20, noNaN: true }),
})

test('no sliding second holds more sends than the limit, and no token is withheld past its time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 25 }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
      const pacer = new Pacer(limit)
      const sent: number[] = []
      let now = 0
      for (const { passMs, wanted, leaveMs } of steps) {
        now += passMs
        const recent = sent.filter(at => now - at < SLIDING_MS).length
        expect(pacer.tokens(now)).toBe(limit - recent)
        const count = Math.min(wanted, pacer.tokens(now))
        for (let i = 0; i < count; i++) pacer.take(now)
        now += leaveMs
        pacer.stamp(now)
        sent.push(...Array<number>(count).fill(now))
      }
      expect(pacer.tokens(now + pacer.waitMs(now) + 1e-6)).toBeGreaterThan(0)
      for (let i = limit; i < sent.length; i++)
        expect((sent[i] ?? 0) - (sent[i - limit] ?? 0)).toBeGreaterThan(1000)
    }),
  )
})

test('a limit that changes holds over what was sent before', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 20 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat({ max: 20 }),
      fc.nat({ max: 1500 }),
      (before, after, wanted, passMs) => {
        const pacer = new Pacer(before)
        const count = Math.min(wanted, pacer.tokens(0))
        for (let i = 0; i < count; i++) pacer.take(0)
        pacer.stamp(0)
        pacer.setLimit(after, passMs)
        const recent = passMs < SLIDING_MS ? count : 0
        if (before > 0) expect(pacer.tokens(passMs)).toBe(Math.max(0, after - recent))
        else expect(pacer.tokens(passMs)).toBe(0)
        expect(pacer.tokens(passMs + SLIDING_MS)).toBe(after)
      },
    ),
  )
})
