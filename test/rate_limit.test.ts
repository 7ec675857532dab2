import { expect, test } from 'bun:test'
import { createRateLimiter } from '../src/rate_limit.ts'
import { TurnedClock } from './support/clock.ts'

test('a burst is let through, then as many a second as the rate says', () => {
  const clock = new TurnedClock()
  const limiter = createRateLimiter(clock, { rps: 2, burst: 3 })
  expect(limiter.take('a')).toEqual({
    allowed: true,
    limit: 3,
    remaining: 2,
    resetSeconds: 1,
    retryAfterSeconds: 0,
  })
  limiter.take('a')
  expect(limiter.take('a').remaining).toBe(0)
  expect(limiter.take('a')).toEqual({
    allowed: false,
    limit: 3,
    remaining: 0,
    resetSeconds: 2,
    retryAfterSeconds: 1,
  })
  clock.skip(499)
  expect(limiter.take('a').allowed).toBe(false)
  clock.skip(1)
  expect(limiter.take('a').allowed).toBe(true)
  expect(limiter.take('a').allowed).toBe(false)
})

test.each([3, 7, 12, 30, 999])('all of a burst of %d is let through at once, and no more', rps => {
  const limiter = createRateLimiter(new TurnedClock(), { rps })
  for (let left = rps - 1; left >= 0; left--)
    expect(limiter.take('a')).toMatchObject({ allowed: true, remaining: left })
  expect(limiter.take('a').allowed).toBe(false)
})

test('who waits as long as retryAfterSeconds says is let through', () => {
  const clock = new TurnedClock()
  const limiter = createRateLimiter(clock, { rps: 0.2, burst: 1 })
  limiter.take('a')
  clock.skip(1)
  const refused = limiter.take('a')
  expect(refused.retryAfterSeconds).toBe(5)
  clock.skip(refused.retryAfterSeconds * 1000)
  expect(limiter.take('a').allowed).toBe(true)
})

test('a refused request costs nothing', () => {
  const clock = new TurnedClock()
  const limiter = createRateLimiter(clock, { rps: 1, burst: 1 })
  for (let i = 0; i < 1000; i++) limiter.take('a')
  clock.skip(1000)
  expect(limiter.take('a').allowed).toBe(true)
})

test('a flood from one key leaves the others alone', () => {
  const limiter = createRateLimiter(new TurnedClock(), { rps: 1, burst: 5 })
  for (let i = 0; i < 10_000; i++) limiter.take(1)
  expect(limiter.refused).toBe(9_995)
  expect(limiter.take(2)).toMatchObject({ allowed: true, remaining: 4 })
})

test.each([{}, { rps: 0 }, { rps: 0, burst: 10 }])('%p is no limit, and says so with limit 0', limit => {
  const limiter = createRateLimiter(new TurnedClock(), limit)
  for (let i = 0; i < 100; i++) expect(limiter.take('a')).toMatchObject({ allowed: true, limit: 0 })
})

test.each([
  [{ rps: 7 }, 7],
  [{ rps: 7, burst: 0 }, 7],
  [{ rps: 0.5 }, 1],
  [{ rps: 2.9 }, 2],
])('without a burst, %p lets one second of requests through at once', (limit, burst) => {
  expect(createRateLimiter(new TurnedClock(), limit).take('a').limit).toBe(burst)
})

test('a new limit holds at once, and what was used up stays used up', () => {
  const clock = new TurnedClock()
  const limiter = createRateLimiter(clock, { rps: 10, burst: 10 })
  for (let i = 0; i < 10; i++) limiter.take('a')
  limiter.configure({ rps: 1, burst: 4 })
  expect(limiter.take('a')).toMatchObject({ allowed: false, limit: 4, resetSeconds: 4, retryAfterSeconds: 1 })
  clock.skip(1000)
  expect(limiter.take('a')).toMatchObject({ allowed: true, remaining: 0 })
  expect(limiter.take('b').remaining).toBe(3)
  limiter.configure({})
  expect(limiter.take('a')).toMatchObject({ allowed: true, limit: 0 })
  limiter.configure({ rps: 1, burst: 1 })
  expect(limiter.take('a').allowed).toBe(true)
  expect(limiter.take('a').allowed).toBe(false)
})

test('under a new limit a bucket lacks as many as before, and one that was full is full', () => {
  const clock = new TurnedClock()
  const limiter = createRateLimiter(clock, { rps: 10, burst: 10 })
  limiter.take('idle')
  clock.skip(1000)
  for (let i = 0; i < 5; i++) limiter.take('a')
  clock.skip(200)
  limiter.configure({ rps: 1, burst: 8 })
  expect(limiter.take('a')).toMatchObject({ allowed: true, remaining: 4, resetSeconds: 4 })
  expect(limiter.take('idle')).toMatchObject({ remaining: 7, resetSeconds: 1 })
})

test('keys are bounded: the one unseen for longest is forgotten', () => {
  const limiter = createRateLimiter(new TurnedClock(), { rps: 1, burst: 2 }, 3)
  limiter.take('busy')
  limiter.take('old')
  limiter.take('third')
  limiter.take('third')
  limiter.take('busy')
  limiter.take('fourth')
  expect(limiter.take('old').remaining).toBe(1)
  expect(limiter.take('busy').allowed).toBe(false)
})
