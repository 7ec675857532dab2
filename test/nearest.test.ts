import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { editDistance, nearest } from '../src/nearest.ts'

const KEYS = ['endpoint', 'storage', 'system_id', 'password', 'port']

test.each([
  ['endpiont', 'endpoint'],
  ['Port', 'port'],
  ['systemid', 'system_id'],
  ['pasword', 'password'],
])('%s was meant to be %s', (typed, meant) => expect(nearest(typed, KEYS)).toBe(meant))

test('a word that is near nothing gets no suggestion', () => {
  expect(nearest('licence', KEYS)).toBeUndefined()
  expect(nearest('x', KEYS)).toBeUndefined()
})

test('a word is at no distance from itself, and as far from another as that from it', () => {
  const word = fc.string({ maxLength: 12 })
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, a)).toBe(0)
      expect(editDistance(a, b)).toBe(editDistance(b, a))
      expect(editDistance(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
    }),
  )
})
