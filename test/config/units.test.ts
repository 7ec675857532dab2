import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatSize, goDuration, parseDuration, parseSize } from '../../src/config/units.ts'

test.each([
  ['5s', 5000],
  ['1h30m', 5_400_000],
  ['20ms', 20],
  ['1.5s', 1500],
  ['7d', 604_800_000],
  ['86400s', 86_400_000],
  ['1.1h', 3_960_000],
  ['128.3d', 11_085_120_000],
  ['3649.99d', 315_359_136_000],
  ['0', 0],
])('the duration %s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

test.each(['', '5', 's', '5 s', '-5s', '5S', '0.5ms', '1e3s', '5s,', `${'9'.repeat(20)}h`])(
  'no duration: "%s"',
  text => expect(parseDuration(text)).toBeUndefined(),
)

test.each([
  [3_600_000, '1h0m0s'],
  [86_400_000, '24h0m0s'],
  [90_000, '1m30s'],
  [5000, '5s'],
  [1500, '1.5s'],
  [1000, '1s'],
  [20, '20ms'],
  [0, '0s'],
])('%d ms are shown as Go prints them: %s', (ms, text) => expect(goDuration(ms)).toBe(text))

test('every duration is read back as it was shown', () => {
  fc.assert(fc.property(fc.nat({ max: 10 ** 13 }), ms => parseDuration(goDuration(ms)) === ms))
})

test.each([
  ['8MB', 8 * 1024 * 1024],
  ['64KB', 65_536],
  ['1GB', 1024 ** 3],
  ['512B', 512],
])('the size %s is %d octets', (text, bytes) => expect(parseSize(text)).toBe(bytes))

test.each(['', '8', 'MB', '8 MB', '8mb', '-8MB', '1.5MB', `${'9'.repeat(20)}GB`])('no size: "%s"', text =>
  expect(parseSize(text)).toBeUndefined(),
)

test('every size is read back as it was shown', () => {
  fc.assert(fc.property(fc.nat({ max: 2 ** 45 }), bytes => parseSize(formatSize(bytes)) === bytes))
})
