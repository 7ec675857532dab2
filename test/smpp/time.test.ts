import { expect, test } from 'bun:test'
import { validityPeriod } from '../../src/smpp/time.ts'

const DAY = 24 * 3600

test('a validity goes as days from now up to the 31 that the form holds, and past them as a moment', () => {
  const now = Date.UTC(2026, 0, 1)
  expect(validityPeriod(32 * DAY - 1, now)).toBe('000031235959000R')
  expect(validityPeriod(23 * 3600, now)).toBe('000000230000000R')
  expect(validityPeriod(32 * DAY, now)).toBe('260202000000000+')
})
