import { describe, expect, test } from 'bun:test'
import { List } from '../../src/filters/list.ts'
import { seededDraw } from '../../src/smsc/smsc.ts'

const read = (text: string, entriesMax = 1000) =>
  List.read(new TextEncoder().encode(text), { entriesMax, pause: () => Promise.resolve() })

describe('a list', () => {
  test('holds numbers, prefixes and texts, a line each; comments, spaces, signs and case do not count', async () => {
    const list = await read(
      '# numbers\n447700900123\r\n\n  +44 7700-900 124  # a friend\n1900*\nMyBank\nПривет\nshop*',
    )
    for (const value of [
      '447700900123',
      '447700900124',
      '+447700900124',
      '1900',
      '19005551234',
      'MYBANK',
      'привет',
      'Shop 7',
    ]) {
      expect([value, list.has(value)]).toEqual([value, true])
    }
    for (const value of [
      '447700900125',
      '44770090012',
      '4477009001230',
      '190',
      'MyBan',
      'MyBank ltd',
      'sho',
      '',
      '#',
    ]) {
      expect([value, list.has(value)]).toEqual([value, false])
    }
    expect(list.entries).toBe(6)
  })

  test('holds a number that begins with 00 as a message has it, and a short code as it is', async () => {
    const list = await read('00447700900123\n0044 7700 900124\n!00447700900125\n0033*\n001234\n00*')
    const has = (...values: string[]) => values.map(value => list.has(value))
    expect(has('447700900123', '447700900124', '33612345678')).toEqual([true, true, true])
    expect(has('00447700900123', '+44 7700 900124', '0033612345678')).toEqual([true, true, true])
    expect(has('447700900125', '00447700900125', '1234', '47')).toEqual([false, false, false, false])
    expect(has('001234', '005678')).toEqual([true, true])
  })

  test('decides by the longest entry that fits, an exact one before any prefix', async () => {
    const list = await read('44*\n!4477*\n447700*\n!447700900123\nspam*\n!spamalot')
    const has = (...values: string[]) => values.map(value => list.has(value))
    expect(has('441', '44770', '447700', '447700900123', '447700900124')).toEqual([
      true,
      false,
      true,
      false,
      true,
    ])
    expect(has('spammer', 'SpamALot')).toEqual([true, false])
  })

  test('knows leading zeros, and numbers longer than E.164 allows, apart', async () => {
    const list = await read('0044\n1234567890123456789\n98765432109876543*')
    const has = (...values: string[]) => values.map(value => list.has(value))
    expect(has('44', '0044', '044', '1234567890123456789', '1234567890123456788')).toEqual([
      false,
      true,
      false,
      true,
      false,
    ])
    expect(has('987654321098765430', '98765432109876542')).toEqual([true, false])
  })

  test('of a prefix has every number that begins with it, however long', async () => {
    const list = await read('1900*\n!190055512345678*\n1900555123456789*')
    const has = (...values: string[]) => values.map(value => list.has(value))
    expect(has('1900555000000000', '+1 900 555 000 000 000 00', '1900a')).toEqual([true, true, false])
    expect(has('1900555123456780', '19005551234567890')).toEqual([false, true])
    const short = await read('5*\nz*\n4477*')
    expect(['512', 'Z9', '+44 77-00', '45'].map(value => short.has(value))).toEqual([true, true, true, false])
  })

  test('of numbers decides as a plain Map of them would, whatever their length, writing and order', async () => {
    const draw = seededDraw(11)
    const written = (digitsMax: number) =>
      Array.from({ length: 1 + draw() * digitsMax }, () => Math.floor(draw() * 10)).join('')
    const exact = new Map<string, boolean>()
    const prefixes = new Map<string, boolean>()
    const lines = Array.from({ length: 20_000 }, () => {
      const number = written(draw() < 0.2 ? 17 : 4)
      const listed = draw() < 0.6
      const prefix = draw() < 0.3
      const held = prefix ? prefixes : exact
      held.set(number.replace(prefix ? /^00(?=\d)/ : /^00(?=\d{7})/, ''), listed)
      return `${listed ? '' : '!'}${number}${prefix ? '*' : ''}`
    })
    const list = await read(lines.join('\n'), 20_000)
    expect(list.entries).toBe(exact.size + prefixes.size)
    for (let i = 0; i < 20_000; i++) {
      const value = written(draw() < 0.5 ? 20 : 5)
      const number = value.replace(/^00(?=\d{7})/, '')
      const ends = Array.from(number, (_, at) => prefixes.get(number.slice(0, number.length - at)))
      const expected = exact.get(number) ?? ends.find(end => end !== undefined) ?? false
      for (const spelling of [value, `+${value.slice(0, 2)} ${value.slice(2)}-`]) {
        expect([spelling, list.has(spelling)]).toEqual([spelling, expected])
      }
    }
  })

  test('of more numbers than its size let expect finds them, and ends its search for others', async () => {
    const list = await read(Array.from({ length: 16_384 }, (_, i) => String(i)).join('\n'), 20_000)
    expect([list.entries, list.has('16383'), list.has('16384')]).toEqual([16_384, true, false])
  })

  test('takes what is no digit for a text', async () => {
    const list = await read('130\n44x\nMyBank')
    expect(['12:', '44', '445', '44X', ' MyBank '].map(value => list.has(value))).toEqual([
      false,
      false,
      false,
      true,
      true,
    ])
  })

  test.each([
    '"447700900123"',
    "'447700900123',",
    '447700900123,John',
    '447700900123; John',
    '447700900123\tJohn',
    '"12345"',
    '"447"*',
    '+44 (0)7700 900123',
    '(447) 700-900123',
    '!447700900123,John',
    '4.47701E+11',
  ])('refuses %p, which as a text would be in no message', async line => {
    await expect(read(`1\n${line}`)).rejects.toThrow(
      'line 2: a number is digits, with +, spaces or - between',
    )
  })

  test.each([
    '24/7 Taxi',
    '2026.11.27',
    'order 4477009001',
    '1234567 shops',
    '447700x',
    'a,b',
    '12345678901234567890',
  ])('takes %p', async line => {
    const list = await read(line)
    expect([list.entries, list.has(line)]).toEqual([1, true])
  })

  test('takes the later of two entries that contradict each other', async () => {
    expect((await read('44\n!44')).has('44')).toBeFalse()
    expect((await read('!44\n44')).has('44')).toBeTrue()
  })

  test('names the line that is no entry, and its limit', async () => {
    await expect(read('1\n2*3')).rejects.toThrow('line 2: "*" stands at the end of a prefix and nowhere else')
    await expect(read('1\n\n*')).rejects.toThrow('line 3: "*" stands')
    await expect(read('1\n2\n3', 2)).rejects.toThrow('there are more than 2 entries')
    expect((await read('1\n2\n3', 3)).has('3')).toBeTrue()
    expect((await read('x'.repeat(256))).has('x'.repeat(256))).toBeTrue()
    await expect(read('1\n2\r3\r')).rejects.toThrow('line 2: a carriage return ends no line')
    await expect(read('x'.repeat(257))).rejects.toThrow('line 1: it is longer than 256 characters')
    const list = List.read(new Uint8Array([49, 10, 0xff]), { entriesMax: 9, pause: () => Promise.resolve() })
    await expect(list).rejects.toThrow('line 2: it is not UTF-8')
  })

  test('of texts decides as a plain Map of them would, whatever the alphabet, length and order', async () => {
    const draw = seededDraw(7)
    const letters = ['a', 'b', 'ж', 'İ', '漢', '😀']
    const word = (charactersMax: number) =>
      Array.from({ length: 1 + draw() * charactersMax }, () => letters[Math.floor(draw() * 6)]).join('')
    const exact = new Map<string, boolean>()
    const prefixes = new Map<string, boolean>()
    const lines = Array.from({ length: 5000 }, () => {
      const text = word(draw() < 0.01 ? 120 : 5)
      const listed = draw() < 0.6
      const prefix = draw() < 0.3
      const held = prefix ? prefixes : exact
      held.set(text.toLowerCase(), listed)
      return `${listed ? '' : '!'}${text}${prefix ? '*' : ''}`
    })
    const list = await read(lines.join('\n'), 5000)
    expect(list.entries).toBe(exact.size + prefixes.size)
    const expected = (value: string): boolean => {
      const held = exact.get(value)
      if (held !== undefined) return held
      for (let length = value.length; length > 0; length--) {
        const found = prefixes.get(value.slice(0, length))
        if (found !== undefined) return found
      }
      return false
    }
    for (let i = 0; i < 20_000; i++) {
      const value = word(draw() < 0.01 ? 600 : 7)
      expect([value, list.has(value)]).toEqual([value, expected(value.toLowerCase())])
    }
    // Longer than any entry: it begins with an entry, and is none.
    const longest = 'İ'.repeat(256)
    const long = await read(`${longest}\nshop*`)
    expect([long.has(longest), long.has(`${longest}x`), long.has(`shop${longest}`)]).toEqual([
      true,
      false,
      true,
    ])
  })

  test('of a million texts takes well below 100 MB and is found whole', async () => {
    const count = 1_000_000
    const text = (i: number) => `sender-${i.toString(36)}`
    const octets = new TextEncoder().encode(Array.from({ length: count }, (_, i) => text(i)).join('\n'))
    const residentBytes = () => {
      Bun.gc(true)
      return process.memoryUsage.rss()
    }
    const before = residentBytes()
    const list = await List.read(octets, { entriesMax: count, pause: () => Promise.resolve() })
    expect(list.entries).toBe(count)
    expect((residentBytes() - before) / 1024 ** 2).toBeLessThan(100)
    for (let i = 0; i < count; i += 997) {
      expect(list.has(text(i).toUpperCase())).toBeTrue()
      expect(list.has(`${text(i)}-`)).toBeFalse()
    }
  })

  test('of a million numbers is found whole, and lets others work while it is read', async () => {
    const count = 1_000_000
    const number = (i: number) => String(440_000_000_000 + i * 7919)
    const text = Array.from({ length: count }, (_, i) => number(i)).join('\n')
    let pauses = 0
    const pause = () => Promise.resolve(void pauses++)
    const list = await List.read(new TextEncoder().encode(text), { entriesMax: count, pause })
    expect(list.entries).toBe(count)
    expect(pauses).toBeGreaterThan(100)
    for (let i = 0; i < count; i += 997) {
      expect(list.has(number(i))).toBeTrue()
      expect(list.has(String(440_000_000_001 + i * 7919))).toBeFalse()
    }
  })
})
