import { expect, test } from 'bun:test'
import { createTraffic, type Traffic } from '../../src/stats/traffic.ts'
import { TurnedClock } from '../support/clock.ts'

const at = (hour: number, minute: number, second = 0): TurnedClock =>
  new TurnedClock(Date.UTC(2026, 0, 1, hour, minute, second))

const statsOf = (traffic: Traffic) => ({ rps: traffic.requests(), errors: traffic.errors() })

test('an idle hour is 60 points of nothing, oldest first, in UTC', () => {
  const { rps, errors } = statsOf(createTraffic(at(14, 30)))
  expect(rps.current).toBe(0)
  expect(errors.rate).toBe(0)
  expect(rps.data).toHaveLength(60)
  expect(rps.data[0]).toEqual({ time: '13:31', rps: 0 })
  expect(rps.data[59]).toEqual({ time: '14:30', rps: 0 })
  expect(errors.data[59]).toEqual({ time: '14:30', errors: 0, rate: 0 })
})

test('the current rate is that of the last full second', () => {
  const clock = at(12, 0)
  const traffic = createTraffic(clock)
  for (let i = 0; i < 7; i++) traffic.record(200)
  expect(statsOf(traffic).rps.current).toBe(0)
  clock.skip(1000)
  traffic.record(200)
  expect(statsOf(traffic).rps.current).toBe(7)
  clock.skip(1000)
  expect(statsOf(traffic).rps.current).toBe(1)
  clock.skip(1000)
  expect(statsOf(traffic).rps.current).toBe(0)
  traffic.record(200)
  clock.skip(5000)
  expect(statsOf(traffic).rps.current).toBe(0)
})

test('an hour of traffic: each minute has its requests, its errors and their rate', () => {
  const clock = at(23, 30)
  const traffic = createTraffic(clock)
  for (let minute = 0; minute < 90; minute++) {
    for (let i = 0; i < 120; i++) traffic.record(i < minute % 4 ? 500 : i < 60 ? 404 : 200)
    if (minute < 89) clock.skip(60_000)
  }
  clock.skip(30_000)
  const { rps, errors } = statsOf(traffic)
  expect(rps.data[0]).toEqual({ time: '00:00', rps: 2 })
  expect(rps.data[58]).toEqual({ time: '00:58', rps: 2 })
  expect(rps.data[59]).toEqual({ time: '00:59', rps: 4 })
  expect(errors.data[0]).toEqual({ time: '00:00', errors: 2, rate: 1.67 })
  expect(errors.data[2]).toEqual({ time: '00:02', errors: 0, rate: 0 })
  expect(errors.data.reduce((sum, point) => sum + point.errors, 0)).toBe(90)
  expect(errors.rate).toBe(1.25)
})

test('the minute that runs is measured by the seconds it has run, one at least', () => {
  const clock = at(12, 0)
  const traffic = createTraffic(clock)
  for (let i = 0; i < 30; i++) traffic.record(503)
  expect(statsOf(traffic).rps.data[59]?.rps).toBe(30)
  clock.skip(10_000)
  expect(statsOf(traffic).rps.data[59]?.rps).toBe(3)
})

test('what is older than an hour is gone, after a pause of any length', () => {
  for (const pause of [60, 61, 600, 100_000]) {
    const clock = at(12, 0)
    const traffic = createTraffic(clock)
    traffic.record(500)
    clock.skip(pause * 60_000)
    const { rps, errors } = statsOf(traffic)
    expect(errors.rate).toBe(0)
    expect(rps.data.every(point => point.rps === 0)).toBe(true)
  }
})

test('after a pause of some minutes those of an hour ago are gone, and no later ones', () => {
  const clock = at(12, 0)
  const traffic = createTraffic(clock)
  traffic.record(500)
  for (let minute = 0; minute < 58; minute++) {
    clock.skip(60_000)
    traffic.requests()
  }
  traffic.record(500)
  clock.skip(3 * 60_000)
  const seen = traffic.errors().data.filter(point => point.errors > 0)
  expect(seen.map(point => point.time)).toEqual(['12:58'])
  const requests = traffic.requests().data.filter(point => point.rps > 0)
  expect(requests.map(point => point.time)).toEqual(['12:58'])
})

test('a second ends where the next one begins', () => {
  const clock = at(12, 0)
  const traffic = createTraffic(clock)
  for (const [skipMs, status] of [
    [0, 200],
    [999, 200],
    [1, 200],
  ] as const) {
    clock.skip(skipMs)
    traffic.record(status)
  }
  expect(traffic.requests().current).toBe(2)
})

test('a wall clock set back loses the minutes it repeats, and no others', () => {
  let now = Date.UTC(2026, 0, 1, 12, 0)
  const traffic = createTraffic({ now: () => now })
  for (const minutes of [0, 1, 2, 3]) {
    now = Date.UTC(2026, 0, 1, 12, minutes)
    traffic.record(500)
  }
  now = Date.UTC(2026, 0, 1, 12, 1)
  traffic.record(500)
  const { errors } = statsOf(traffic)
  expect(errors.data.filter(point => point.errors > 0)).toEqual([
    { time: '12:00', errors: 1, rate: 100 },
    { time: '12:01', errors: 2, rate: 100 },
  ])
})
