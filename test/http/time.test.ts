import { afterEach, expect, test } from 'bun:test'
import { GatewayError } from '../../src/errors.ts'
import type { HttpDependencies } from '../../src/http/dependencies.ts'
import { createEdge } from '../../src/http/edge.ts'
import type { Route } from '../../src/http/route.ts'
import type { Message } from '../../src/message.ts'
import { createRateLimiter } from '../../src/rate_limit.ts'
import { TurnedClock } from '../support/clock.ts'
import { jsonOf, message, startEdge, type TestEdge } from './support.ts'

/** Bodies that come late or not at all, handlers that take their time, and a stop in the middle of it. */

let edge: TestEdge
const start = async (fakes: Partial<HttpDependencies> = {}) => {
  edge = await startEdge(fakes)
  return edge
}
afterEach(() => edge.stop(0))

const SEND = { esme: 1, source: 'shop', destination: '+987654321', message: 'Hello' }
const send = () => fetch(`${edge.url}/api/v1/sms/send`, jsonOf(SEND, edge.asApp))

/** One route of its own behind an edge whose clock and connections are ours. */
const bare = (handle: () => Response | Promise<Response>, more: Partial<Route> = {}) => {
  const clock = new TurnedClock()
  const timeouts: number[] = []
  const observed: unknown[][] = []
  const deps = {
    clock,
    users: edge.users,
    rateLimits: { global: createRateLimiter(clock, {}) },
    metrics: { render: () => '', observe: (...row: unknown[]) => void observed.push(row) },
    log: { error() {} },
  } as unknown as HttpDependencies
  const { answer } = createEdge(deps, 'key', () => ({
    requestIP: () => null,
    timeout: (_, seconds) => void timeouts.push(seconds),
  }))
  const route = {
    method: 'POST',
    path: '/x',
    access: 'public',
    body: { kind: 'json', schema: {}, example: {}, check: (value: unknown) => value },
    errorBody: (error: string) => ({ error }),
    failure: '',
    handle,
    ...more,
  } as unknown as Route
  const post = (body: RequestInit['body']) =>
    answer(
      route,
      new Request('http://a/x', { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
      {},
    )
  return { clock, timeouts, observed, post }
}

test('a body that does not come is given up, and the connection with it', async () => {
  await start()
  const { clock, observed, post } = bare(() => new Response('handled'))
  for (const _ of ['the first', 'another']) {
    const answering = post(new ReadableStream({ pull: () => new Promise(() => {}) }))
    await clock.advance(15_000)
    const response = await answering
    expect([response.status, response.headers.get('connection')]).toEqual([408, 'close'])
    expect(clock.timers).toBe(0)
  }
  expect(observed).toEqual(Array(2).fill(['POST', '/x', 408, 15_000]))
})

test('a body that comes within its time is waited for, whatever the looks at it meanwhile', async () => {
  await start()
  const { clock, post } = bare(() => new Response('handled'))
  const late = Promise.withResolvers<void>()
  const answering = post(
    new ReadableStream({
      async pull(stream) {
        await late.promise
        stream.enqueue(new TextEncoder().encode('{}'))
        stream.close()
      },
    }),
  )
  await clock.advance(14_899)
  late.resolve()
  expect((await answering).status).toBe(200)
})

test('a body that is none says so', async () => {
  await start()
  const { post } = bare(() => new Response('handled'))
  const response = await post(null)
  expect([response.status, await response.json()]).toEqual([400, { error: 'the body is empty: send JSON' }])
})

test('a body that came, or broke off, is waited for no more', async () => {
  await start()
  const { clock, post } = bare(() => new Response('handled'))
  expect((await post('{}')).status).toBe(200)
  const broken = new ReadableStream({ pull: stream => stream.error(new Error('gone')) })
  const response = await post(broken)
  expect([response.status, await response.json()]).toEqual([400, { error: 'the body ended early' }])
  await clock.advance(100)
  expect(clock.timers).toBe(0)
})

test('what fails as a failure is told is told all the same', async () => {
  await start()
  const { post } = bare(() => new Response('handled'), { errorBody: () => ({ error: 1n }) })
  const response = await post('nonsense')
  expect([response.status, await response.json()]).toEqual([500, { error: 'internal error' }])
})

test('the idle timeout rests while a handler works, and stands again whether it answers or fails', async () => {
  await start()
  for (const outcome of [() => Promise.resolve(new Response()), () => Promise.reject(new Error('broken'))]) {
    const gate = Promise.withResolvers<void>()
    const { clock, timeouts, post } = bare(() => gate.promise.then(outcome))
    const answering = post('{}')
    await clock.settle()
    expect(timeouts).toEqual([0])
    gate.resolve()
    await answering
    expect(timeouts).toEqual([0, 30])
  }
})

/** A send that is with its handler, which waits for `outcome`. */
async function underWay() {
  const started = Promise.withResolvers<void>()
  const outcome = Promise.withResolvers<Message>()
  await start({
    submit() {
      started.resolve()
      return outcome.promise
    },
  })
  const response = send()
  await started.promise
  return { outcome, response }
}

test('stopping lets what is in flight finish, and takes nothing more', async () => {
  const { outcome, response: first } = await underWay()
  const stopped = edge.stop(5000)
  await expect(fetch(`${edge.url}/healthy`, { headers: { connection: 'close' } })).rejects.toThrow()
  outcome.resolve(message())
  expect((await first).status).toBe(200)
  await stopped
  edge = await startEdge()
})

test('stopping waits no longer than its grace', async () => {
  const { response } = await underWay()
  const first = response.catch(() => 'cut')
  await edge.stop(20)
  expect(await first).toBe('cut')
  edge = await startEdge()
})

test('what only waits when the grace is over hears of it, and still has its answer', async () => {
  const { outcome, response: first } = await underWay()
  await edge.stop(20, () => outcome.reject(new GatewayError('not_sent', 'not sent: the gateway is stopping')))
  const response = await first
  expect([response.status, await response.json()]).toEqual([
    500,
    expect.objectContaining({ status: 'failed', error: 'not sent: the gateway is stopping' }),
  ])
  edge = await startEdge()
})
