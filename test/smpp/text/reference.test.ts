import { expect, test } from 'bun:test'
import { References } from '../../../src/smpp/text/reference.ts'

const start =
  (octet: number) =>
  (count: number): Uint8Array =>
    new Uint8Array(count).fill(octet)

test('256 long texts in a row to one destination have 256 references', () => {
  const references = new References(start(250))
  const taken = Array.from({ length: 256 }, () => references.next('491701234567'))
  expect(new Set(taken).size).toBe(256)
  expect(taken.slice(0, 7)).toEqual([250, 251, 252, 253, 254, 255, 0])
  expect(references.next('491701234567')).toBe(250)
})

test('texts to other destinations in between do not use its references up', () => {
  const references = new References(start(0))
  for (let round = 0; round < 100; round++) {
    expect(references.next('491701234567')).toBe(round)
    for (let other = 0; other < 20; other++) references.next(`49170000000${other}`)
  }
})

test('where it starts is the random source’s', () => {
  expect(new References(start(7)).next('1')).toBe(7)
})
