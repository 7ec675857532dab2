import { expect, test } from 'bun:test'
import { codeOf } from '../src/errors.ts'

test('what has no code of the system is told in its own words', () => {
  expect(codeOf(Object.assign(new Error('no'), { code: 'ENOENT' }))).toBe('ENOENT')
  expect(codeOf(new DOMException('too late', 'TimeoutError'))).toBe('too late')
  expect(codeOf('a word')).toBe('a word')
})
