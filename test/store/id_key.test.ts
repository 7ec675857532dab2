import { expect, test } from 'bun:test'
import { idKey } from '../../src/store/id_key.ts'

test('an id has one key in whatever case, with whatever zeros before it and spaces around it', () => {
  for (const written of ['1a2b', '0001A2B', '1a2b    ', ' 01A2B']) expect(idKey(written)).toBe('1a2b')
  expect(idKey('AB 12')).toBe('ab 12')
  expect(['0', '000', '00 ', '', '  '].map(idKey)).toEqual(['0', '0', '0', '', ''])
})
