import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { createRateLimiter } from '../../src/rate_limit.ts'
import { TurnedClock } from '../support/clock.ts'

const limit = fc.record({
  rps: fc.double({ min: 0.1, max: 1000, noNaN: true }),
  burst: fc.integer({ min: 1, max: 50 }),
})
/** Milliseconds between requests: floods and lulls. */
const waits = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3000, noNaN: true })), {
  minLength: 1,
  maxLength: 200,
})

test('no span of t seconds lets more than burst + rps · t through', () => {
  fc.assert(
    fc.property(limit, waits, ({ rps, burst }, gaps) => {
      const clock = new TurnedClock()
      const limiter = createRateLimiter(clock, { rps, burst })
      const allowedAt: number[] = []
      for (const gap of gaps) {
        clock.skip(gap)
        if (limiter.take('a').allowed) allowedAt.push(clock.monotonic())
      }
      for (const [first, from] of allowedAt.entries()) {
        for (const [last, to] of allowedAt.entries()) {
          if (last >= first)
            expect(last - first + 1).toBeLessThanOrEqual(burst + (rps * (to - from)) / 1000 + 1e-6)
        }
      }
    }),
  )
})

test('it decides as a bucket does that is filled drop by drop', () => {
  fc.assert(
    fc.property(limit, waits, ({ rps, burst }, gaps) => {
      const clock = new TurnedClock()
      const limiter = createRateLimiter(clock, { rps, burst })
      let tokens = burst
      for (const gap of gaps) {
        clock.skip(gap)
        tokens = Math.min(burst, tokens + (rps * gap) / 1000)
        // On the edge of a whole token the two may round apart.
        fc.pre(Math.abs(tokens - Math.round(tokens)) > 1e-6 || tokens === burst || gap === 0)
        const taken = limiter.take('a')
        expect(taken.allowed).toBe(tokens >= 1 - 1e-6)
        if (taken.allowed) tokens -= 1
        expect(taken.remaining).toBe(Math.floor(tokens + 1e-6))
      }
    }),
  )
})

test('a key is served as if it were alone', () => {
  fc.assert(
    fc.property(
      limit,
      waits,
      fc.array(fc.nat(5), { minLength: 200, maxLength: 200 }),
      (rate, gaps, floods) => {
        const clock = new TurnedClock()
        const alone = createRateLimiter(clock, rate)
        const shared = createRateLimiter(clock, rate)
        for (const [index, gap] of gaps.entries()) {
          clock.skip(gap)
          for (let i = 0; i < (floods[index] ?? 0); i++) shared.take('flood')
          expect(shared.take('a')).toEqual(alone.take('a'))
        }
      },
    ),
  )
})
