import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { SEQUENCE_MAX } from '../../src/smpp/pdu.ts'
import { type Pending, Window } from '../../src/smpp/window.ts'

const RESPONSE = 'submit_sm_resp'
let octets = 0

function open(window: Window, counted = true): Pending {
  const pending: Pending = {
    command: 'submit_sm',
    sequence: window.nextSequence(),
    deadline: 0,
    position: octets++,
    counted,
    tag: undefined,
    settle: () => {},
  }
  window.add(pending)
  return pending
}

test('each answer finds its own request and no other, in whatever order answers come, also past the last number', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant('open' as const) },
    { weight: 2, arbitrary: fc.nat() },
    { weight: 1, arbitrary: fc.record({ expire: fc.nat() }) },
  )
  const steps = fc.array(step, { maxLength: 600, size: 'max' })
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 700 }), (steps, before) => {
      const window = new Window(50, 1000, SEQUENCE_MAX - before)
      const waiting: Pending[] = []
      for (const step of steps) {
        if (step === 'open') {
          const pending = open(window, waiting.length % 7 !== 0)
          expect(pending.sequence).toBeWithin(1, SEQUENCE_MAX + 1)
          expect(waiting.some(({ sequence }) => sequence === pending.sequence)).toBeFalse()
          waiting.push(pending)
        } else if (waiting.length > 0) {
          const at = (typeof step === 'number' ? step : step.expire) % waiting.length
          const [pending] = waiting.splice(at, 1)
          if (!pending) throw new Error('nothing waits')
          if (typeof step === 'number') {
            expect(window.take(pending.sequence, RESPONSE)).toBe(pending)
            expect(window.takeLate(pending.sequence, RESPONSE)).toBeUndefined()
          } else {
            window.expire(pending)
            expect(window.takeLate(pending.sequence, RESPONSE)).toBe(pending)
          }
          expect(window.take(pending.sequence, RESPONSE)).toBeUndefined()
        }
        expect(window.inFlight).toBe(waiting.filter(({ counted }) => counted).length)
        expect(window.room).toBe(Math.max(0, 50 - window.inFlight))
      }
      expect(window.inOrder()).toEqual(waiting)
      expect(window.drop()).toEqual(waiting)
      expect(window.inOrder()).toEqual([])
      expect(window.inFlight).toBe(0)
    }),
  )
})

test('a request that is never answered keeps its number, while 200,000 others come and go', () => {
  const window = new Window(100, 10)
  const stuck = open(window)
  let last = stuck
  for (let each = 0; each < 200_000; each++) {
    last = open(window)
    expect(last.sequence).not.toBe(stuck.sequence)
    if (window.take(last.sequence, RESPONSE) !== last) throw new Error(`${last.sequence} was not found`)
  }
  expect(window.inOrder()).toEqual([stuck])
  expect(window.take(stuck.sequence, RESPONSE)).toBe(stuck)
})

test('a response of another kind, or to a number that never was, takes nothing', () => {
  const window = new Window(10, 10)
  const pending = open(window)
  expect(window.take(pending.sequence, 'enquire_link_resp')).toBeUndefined()
  for (const sequence of [0, 2, pending.sequence + 64, 0x80000001, 0xffffffff])
    expect(window.take(sequence, RESPONSE)).toBeUndefined()
  expect(window.take(pending.sequence, 'generic_nack')).toBe(pending)
  const late = open(window)
  window.expire(late)
  expect(window.takeLate(late.sequence, 'enquire_link_resp')).toBeUndefined()
  expect(window.takeLate(late.sequence, RESPONSE)).toBe(late)
})

test('of the requests that timed out the oldest is forgotten past the limit', () => {
  const window = new Window(10, 2)
  const [first, second, third] = [open(window), open(window), open(window)]
  for (const pending of [first, second, third]) window.expire(pending)
  expect(window.takeLate(first.sequence, RESPONSE)).toBeUndefined()
  expect(window.takeLate(second.sequence, RESPONSE)).toBe(second)
  expect(window.takeLate(third.sequence, RESPONSE)).toBe(third)
})
