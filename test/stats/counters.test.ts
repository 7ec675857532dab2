import { expect, test } from 'bun:test'
import { closeSync, openSync, readdirSync } from 'node:fs'
import { GatewayError } from '../../src/errors.ts'
import type { Message, Part } from '../../src/message.ts'
import { Histogram } from '../../src/stats/histogram.ts'
import { HttpTally } from '../../src/stats/http_tally.ts'
import { openFiles, processUsage, watchLoop } from '../../src/stats/process.ts'
import { countSends } from '../../src/stats/sends.ts'
import type { SendRequest } from '../../src/submit.ts'
import { TurnedClock } from '../support/clock.ts'

test('a histogram counts what is on a bound below it, and what is above all bounds apart', () => {
  const histogram = new Histogram([1, 2])
  for (const value of [0, 1, 1.5, 2, 2.1, 100]) histogram.observe(value)
  expect([...histogram.counts]).toEqual([2, 2, 2])
  expect(histogram.sum).toBeCloseTo(106.6)
})

test('requests are told apart by method, route and status, and made-up methods are one', () => {
  const tally = new HttpTally()
  for (const [method, status] of [
    ['GET', 200],
    ['GET', 200],
    ['GET', 404],
    ['POST', 200],
    ['FOO', 405],
    ['BAR', 405],
  ] as const) {
    tally.observe(method, '/a', status, 1)
  }
  const rows = [...tally.rows()].map(({ method, status, seconds }) => [method, status, seconds.counts[1]])
  expect(rows).toEqual([
    ['GET', 200, 2],
    ['GET', 404, 1],
    ['POST', 200, 1],
    ['other', 405, 2],
  ])
})

test('how late the loop is, is observed ten times a second until it is called off', async () => {
  const clock = new TurnedClock()
  const { lag, stop } = watchLoop(clock)
  await clock.advance(1000)
  expect([...Array.from(lag.counts)].reduce((sum, count) => sum + count, 0)).toBe(10)
  expect(lag.sum).toBe(0)
  clock.skip(350)
  await clock.advance(0)
  expect(lag.sum).toBeCloseTo(0.25)
  stop()
  expect(clock.timers).toBe(0)
})

test('sends are counted by what became of them, and pass as they are', async () => {
  const part: Part = { state: 'submitted', smscId: 'x', account: 'a', error: 0 }
  const message: Message = {
    id: '',
    taskId: 1,
    appId: 1,
    esme: 1,
    campaign: '',
    transactionId: '',
    source: '',
    destination: '',
    state: 'delivered',
    parts: [part],
    sentAt: 0,
    updatedAt: 0,
    error: '',
  }
  const unsent: Message = { ...message, state: 'failed', parts: [{ ...part, state: 'failed', smscId: '' }] }
  const refused = new GatewayError('refused', 'by a filter')
  const outcomes: (Message | Error)[] = [message, message, unsent, refused, new Error('a bug')]
  const { submit, counts } = countSends(async () => {
    const next = outcomes.shift()
    if (next === undefined || next instanceof Error) throw next
    return next
  })
  const request: SendRequest = {
    appId: 1,
    appName: 'a',
    esme: 1,
    source: 's',
    destination: 'd',
    text: 't',
    transactionId: '',
    campaign: 'c',
    encoding: 'auto',
    flash: false,
    registeredDelivery: true,
    priority: 0,
    validitySeconds: undefined,
    scheduleAt: undefined,
    idempotency: undefined,
  }
  expect(await submit(request)).toBe(message)
  await submit(request)
  expect(await submit(request)).toBe(unsent)
  await expect(submit(request)).rejects.toBe(refused)
  await submit(request).catch(() => undefined)
  expect(Object.fromEntries(counts)).toEqual({ submitted: 2, failed: 1, refused: 1, internal: 1 })
})

test('the process tells the processor time of user and system, in seconds', () => {
  const seconds = () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  const before = seconds()
  const { cpuSeconds } = processUsage()
  expect(cpuSeconds).toBeGreaterThanOrEqual(before)
  expect(cpuSeconds).toBeLessThanOrEqual(seconds())
})

test('open files are counted, without the one that a look at them opens', async () => {
  const before = await openFiles()
  const files = Array.from({ length: 5 }, () => openSync('/dev/null', 'r'))
  const [now, seen] = [await openFiles(), readdirSync('/proc/self/fd').length]
  for (const file of files) closeSync(file)
  expect([now - before, now]).toEqual([5, seen - 1])
})
