import { expect, test } from 'bun:test'
import { Throttle } from '../../src/smpp/throttle.ts'

/** How long it pauses for a refusal of what was sent just now. */
function pauseMs(throttle: Throttle): number {
  throttle.refused(throttle.epoch, 0)
  return throttle.waitMs(0)
}

function accept(throttle: Throttle, count: number): void {
  for (let each = 0; each < count; each++) throttle.accepted(throttle.epoch)
}

test('what was sent before a refusal neither slows the link down again nor speeds it up', () => {
  const throttle = new Throttle(100)
  const { epoch } = throttle
  expect(throttle.refused(epoch, 0)).toBe(true)
  expect([throttle.refused(epoch, 0), throttle.window]).toEqual([false, 70])
  for (let each = 0; each < 1000; each++) throttle.accepted(epoch)
  expect(throttle.window).toBe(70)
})

test('the window grows back to what is configured, and not past it', () => {
  const throttle = new Throttle(10)
  throttle.setMax(20)
  throttle.refused(throttle.epoch, 0)
  expect(throttle.window).toBe(14)
  accept(throttle, 1000)
  expect(throttle.window).toBe(20)
})

test('there is no room while more is in flight than the window holds', () => {
  const throttle = new Throttle(10)
  throttle.refused(throttle.epoch, 0)
  expect([throttle.room(0, 9), throttle.room(9, 10), throttle.room(6, 10)]).toEqual([0, 0, 1])
})

test.each([1, 10])(
  'a pause doubles up to five seconds, and melts away with what is accepted (window %d)',
  window => {
    const throttle = new Throttle(window)
    expect([pauseMs(throttle), pauseMs(throttle), pauseMs(throttle)]).toEqual([10, 20, 40])
    for (let each = 0; each < 20; each++) pauseMs(throttle)
    expect(pauseMs(throttle)).toBe(5000)
    accept(throttle, 1000)
    expect(pauseMs(throttle)).toBe(10)
  },
)
