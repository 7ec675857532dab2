import { describe, expect, test } from 'bun:test'
import { clientIp, type IpList, ipAllowed, NO_IPS, normaliseIp, parseIpList } from '../src/ip_list.ts'

function listOf(...entries: string[]): IpList {
  const parsed = parseIpList(entries)
  if ('problems' in parsed) throw new Error(parsed.problems.map(problem => problem.message).join())
  return parsed.list
}

describe('a list', () => {
  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.7/32', '::ffff:192.0.2.7', true],
    ['192.0.2.7', '::ffff:c000:207', true],
    ['192.0.2.7', '0:0:0:0:0:FFFF:C000:0207', true],
    ['::ffff:192.0.2.0/120', '192.0.2.200', true],
    ['::ffff:192.0.2.0/120', '192.0.3.1', false],
    ['::ffff:0.0.0.0/96', '203.0.113.9', true],
    ['192.0.2.254', '::ffff:c000:2fe', true],
    [' 192.0.2.7 ', '192.0.2.7', true],
    ['2001:db8::/32', '2001:DB8:1::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::1', '::1', true],
    ['::1', '::2', false],
    ['2001:db8::1', '2001:db8::1:1', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '203.0.113.9', false],
    ['0.0.0.0/0', 'unknown', false],
    ['0.0.0.0/0', '', false],
  ])('of %s asked for %s says %p', (entry, ip, has) => {
    expect(listOf(entry).has(ip)).toBe(has)
  })

  test('that is empty lets everybody in, and one that is not only those on it', () => {
    expect(ipAllowed(listOf(), '203.0.113.9')).toBe(true)
    expect(ipAllowed(NO_IPS, 'anything')).toBe(true)
    expect(ipAllowed(listOf('10.0.0.0/8'), '203.0.113.9')).toBe(false)
    expect(ipAllowed(listOf('10.0.0.0/8'), '10.0.0.1')).toBe(true)
  })

  test('says every entry that is wrong, where it stands and why', () => {
    expect(
      parseIpList([
        '10.0.0.0/8',
        '10.0.0.0/33',
        'localhost',
        '010.0.0.1',
        '::1/129',
        '1.2.3.4/',
        '::ffff:1.2.3.4/8',
        'fe80::1%eth0',
      ]),
    ).toEqual({
      problems: [
        { index: 1, message: '"10.0.0.0/33" has "/33" where /0 to /32 can stand' },
        { index: 2, message: expect.stringContaining('"localhost" is no IPv4 or IPv6 address or network') },
        { index: 3, message: expect.stringContaining('"010.0.0.1" is no') },
        { index: 4, message: '"::1/129" has "/129" where /0 to /128 can stand' },
        { index: 5, message: '"1.2.3.4/" has "/" where /0 to /32 can stand' },
        { index: 6, message: '"::ffff:1.2.3.4/8" mixes IPv4 and IPv6: write two entries' },
        { index: 7, message: expect.stringContaining('"fe80::1%eth0" is no') },
      ],
    })
  })
})

test('one wrong entry is enough: none is left out without a word', () => {
  expect(parseIpList(['10.0.0.0/8', 'localhost'])).toEqual({
    problems: [expect.objectContaining({ index: 1 })],
  })
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['0:0:0:0:0:ffff:fffe:fdfc', '255.254.253.252'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['127.1', undefined],
  ['0x7f.0.0.1', undefined],
  ['1.2.3.4 ', undefined],
  ['1::2::3', undefined],
])('%s is written %p', (text, ip) => {
  expect(normaliseIp(text)).toBe(ip)
})

describe('the client behind proxies', () => {
  const trusted = listOf('10.0.0.0/8', '2001:db8:ffff::/48')

  test.each([
    ['no header', '10.0.0.1', undefined, '10.0.0.1'],
    ['a mapped peer is an IPv4 one', '::ffff:203.0.113.9', undefined, '203.0.113.9'],
    ['an untrusted peer is the client whatever it says', '203.0.113.9', '10.0.0.1', '203.0.113.9'],
    ['a trusted proxy names it', '10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['a mapped peer is a trusted proxy too', '::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['what the client made up is left of it', '10.0.0.1', '192.0.2.1, 203.0.113.9', '203.0.113.9'],
    ['a chain of trusted proxies', '10.0.0.1', '1.1.1.1,203.0.113.9 , 10.0.0.3,10.0.0.2', '203.0.113.9'],
    ['all trusted: the first of them', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['IPv6 through a proxy', '2001:db8:ffff::1', '2001:DB8::7', '2001:db8::7'],
    ['one that is trusted, alone', '10.0.0.1', '10.0.0.33', '10.0.0.33'],
    ['with a port', '10.0.0.1', '203.0.113.9:47110', '203.0.113.9'],
    ['with brackets and a port', '10.0.0.1', '[2001:db8::7]:4711', '2001:db8::7'],
    ['with brackets', '10.0.0.1', '[2001:db8::7]', '2001:db8::7'],
    ['no address: the proxy that said so', '10.0.0.1', '203.0.113.9, unknown', '10.0.0.1'],
    ['no address behind two proxies', '10.0.0.1', 'unknown, 10.0.0.2', '10.0.0.2'],
    ['empty entries', '10.0.0.1', ' , ,', '10.0.0.1'],
    ['only a comma first', '10.0.0.1', ',10.0.0.2', '10.0.0.2'],
    ['a leading zero', '10.0.0.1', '010.0.0.2', '10.0.0.1'],
  ])('%s', (_what, peer, header, client) => {
    expect(clientIp(peer, header, trusted)).toBe(client)
  })

  test('with nobody trusted the header is not read', () => {
    expect(clientIp('10.0.0.1', '203.0.113.9', NO_IPS)).toBe('10.0.0.1')
  })

  test('a header of a megabyte is read to its bound, and no further', () => {
    const hops = (count: number): string => `203.0.113.9${',10.0.0.2'.repeat(count)}`
    expect(clientIp('10.0.0.1', hops(31), trusted)).toBe('203.0.113.9')
    for (const count of [32, 100_000]) expect(clientIp('10.0.0.1', hops(count), trusted)).toBe('10.0.0.2')
  })
})
