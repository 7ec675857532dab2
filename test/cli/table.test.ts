import { expect, test } from 'bun:test'
import { table } from '../../src/cli/table.ts'

test('a table is as wide as its widest cells, with its numbers at the right and nothing after a line', () => {
  const rows = [
    ['a', 5, ''],
    ['long', 1000, 'x'],
  ]
  expect(table(['', 'wide title', 'n'], rows)).toBe(
    '        wide title  n\n  a              5\n  long        1000  x\n',
  )
})
