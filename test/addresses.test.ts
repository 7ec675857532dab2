import { describe, expect, test } from 'bun:test'
import { readNumber, readSource } from '../src/addresses.ts'

describe('a number', () => {
  test.each([
    ['+123456789', '123456789'],
    ['+49 151 123-45678', '4915112345678'],
    ['1234567', '1234567'],
    ['123456789012345', '123456789012345'],
    ['0049 151 12345678', '4915112345678'],
    ['00123456789012345', '123456789012345'],
    ['+004915112345678', '4915112345678'],
    ['001234567', '1234567'],
    ['00123456', '00123456'],
    ['01511234567', '01511234567'],
  ])('%p is E.164 and loses its + or 00, spaces and dashes', (text, digits) => {
    expect(readNumber(text)).toEqual({ kind: 'e164', digits })
  })

  test.each(['123', '12-34', '123456', '001234'])('%p is a short code', text => {
    expect(readNumber(text)).toEqual({ kind: 'short', digits: text.replace('-', '') })
  })

  test.each([
    '',
    '+',
    '12',
    '+12345',
    '1234567890123456',
    '001234567890123456',
    '++4915112345678',
    '49+15112345678',
    'SHOP',
    '٤٩١٥١١٢٣٤٥',
    '4915112345678\0',
    '0x12345678',
    '49151.12345',
  ])('%p is no destination', text => {
    expect(readNumber(text)).toBeUndefined()
  })
})

describe('a sender', () => {
  test('that is a name loses the white space around it', () => {
    expect(readSource(' My Shop ')).toEqual({ kind: 'alphanumeric', digits: 'My Shop' })
  })

  test.each(['SHOP', 'My Shop', 'MY-SHOP', 'A1', 'Café', '24/7 Taxi'])('%p is a name', name => {
    expect(readSource(name)).toEqual({ kind: 'alphanumeric', digits: name })
  })

  test('that is a number is one', () => {
    expect(readSource('+4915112345678')).toEqual({ kind: 'e164', digits: '4915112345678' })
    expect(readSource('4444')).toEqual({ kind: 'short', digits: '4444' })
  })

  test.each(['TWELVE CHARS', '', ' ', '12', '+12', 'SH\0P', 'SH\nP', 'ШОП', 'SHOP€', 'a@b', '--'])(
    '%p is none',
    name => {
      expect(readSource(name)).toBeUndefined()
    },
  )
})
