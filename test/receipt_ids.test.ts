import { describe, expect, test } from 'bun:test'
import { AccountHabits, idForms } from '../src/receipt_ids.ts'

const ids = (id: string): string[] => idForms(id).map(form => form.id)

describe('forms of a receipt’s id', () => {
  test('a decimal id is looked for in hexadecimal, and the other way round', () => {
    expect(ids('436949')).toContain('6aad5')
    expect(ids('6aad5')).toContain('436949')
  })

  test('leading zeros and case do not matter', () => {
    expect(ids('0000436949')).toEqual(ids('436949'))
    expect(ids('06AAD5')).toEqual(ids('6aad5'))
    expect(ids(' 006aad5')).toEqual(['6aad5', '436949'])
    expect(ids('000')).toEqual(['0'])
  })

  test('digits alone are read both ways, each form once', () => {
    expect(ids('10')).toEqual(['10', 'a', '16'])
    expect(ids('7')).toEqual(['7'])
    expect(ids('0')).toEqual(['0'])
  })

  test('an id that is no number has one form, and an empty one none', () => {
    for (const id of ['a29f-xyz', 'g1', '12:', '1g']) expect(ids(id)).toEqual([id])
    expect(ids('')).toEqual([])
  })

  test('64-bit numbers and UUIDs without dashes convert exactly, longer strings not at all', () => {
    expect(ids('18446744073709551615')).toContain('ffffffffffffffff')
    expect(ids('9007199254740993')).toContain('20000000000001')
    expect(ids('fffffffffffff1')).toContain('72057594037927921')
    expect(ids('f'.repeat(32))).toContain((2n ** 128n - 1n).toString())
    expect(ids('9'.repeat(33))).toHaveLength(1)
  })
})

describe('an account’s habit', () => {
  test('comes first once it was learned, for that account alone', () => {
    const habits = new AccountHabits()
    const forms = habits.forms('a', '6699')
    expect(forms[0]?.base).toBe('same')
    habits.learned(
      'a',
      forms,
      forms.findIndex(form => form.base === 'decimal'),
    )
    expect(habits.forms('a', '6700').map(form => form.base)).toEqual(['decimal', 'same', 'hexadecimal'])
    expect(habits.forms('b', '6700')[0]?.base).toBe('same')
  })

  test('is learned from an id with a letter too, which is no decimal number', () => {
    const habits = new AccountHabits()
    habits.learned('a', habits.forms('a', '1a2b'), 1)
    expect(habits.forms('a', '6699')[0]?.base).toBe('hexadecimal')
  })

  test('is the one last seen', () => {
    const habits = new AccountHabits()
    habits.learned('a', habits.forms('a', '6699'), 1)
    habits.learned('a', habits.forms('a', '6699'), 1)
    expect(habits.forms('a', '6699')[0]?.base).toBe('same')
  })

  test('is not learned from an id that is the same in every base', () => {
    const habits = new AccountHabits()
    habits.learned('a', habits.forms('a', '6699'), 1)
    habits.learned('a', habits.forms('a', '7'), 0)
    expect(habits.forms('a', '6699')[0]?.base).toBe('decimal')
  })

  test('of more accounts than the bound is forgotten, the first learned first', () => {
    const habits = new AccountHabits()
    for (let account = 0; account <= 1000; account++)
      habits.learned(`${account}`, habits.forms(`${account}`, '6699'), 1)
    expect(habits.forms('0', '6699')[0]?.base).toBe('same')
    expect(habits.forms('1', '6699')[0]?.base).toBe('decimal')
  })
})
