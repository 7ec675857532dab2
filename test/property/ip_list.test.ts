import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { clientIp, NO_IPS, parseIpList } from '../../src/ip_list.ts'

/** An address by its number, and the same in the spelling that people use. */
const v4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n })
const v6 = fc.bigInt({ min: 2n ** 64n, max: 2n ** 128n - 1n })
const spell4 = (ip: bigint): string => [24n, 16n, 8n, 0n].map(shift => (ip >> shift) & 255n).join('.')
const spell6 = (ip: bigint): string =>
  Array.from({ length: 8 }, (_, group) => ((ip >> BigInt(112 - 16 * group)) & 0xffffn).toString(16)).join(':')

function sameNetwork(a: bigint, b: bigint, bits: number, width: number): boolean {
  return a >> BigInt(width - bits) === b >> BigInt(width - bits)
}

/** `ip` with one bit turned over, so that neighbours on both sides of an edge are tried. */
const turned = (ip: bigint, bit: number): bigint => ip ^ (1n << BigInt(bit))

function has(entry: string, ip: string): boolean {
  const parsed = parseIpList([entry])
  return 'list' in parsed && parsed.list.has(ip)
}

test('an IPv4 network has the addresses that begin with its bits, however they are written', () => {
  fc.assert(
    fc.property(v4, fc.nat(32), fc.nat(31), (net, bits, bit) => {
      for (const ip of [net, turned(net, bit)]) {
        const expected = sameNetwork(net, ip, bits, 32)
        expect(has(`${spell4(net)}/${bits}`, spell4(ip))).toBe(expected)
        expect(has(`${spell4(net)}/${bits}`, spell6(ip | 0xffff00000000n))).toBe(expected)
        expect(has(`::ffff:${spell4(net)}/${bits + 96}`, `::ffff:${spell4(ip)}`)).toBe(expected)
      }
    }),
  )
})

test('an IPv6 network has the addresses that begin with its bits', () => {
  fc.assert(
    fc.property(v6, fc.nat(128), fc.nat(127), (net, bits, bit) => {
      for (const ip of [net, turned(net, bit)]) {
        expect(has(`${spell6(net)}/${bits}`, spell6(ip))).toBe(
          sameNetwork(net, ip, bits, 128) && ip >> 32n !== 0xffffn,
        )
      }
    }),
  )
})

test('whatever stands in X-Forwarded-For, an untrusted peer stays itself and nothing throws', () => {
  const parsed = parseIpList(['10.0.0.0/8'])
  const trusted = 'list' in parsed ? parsed.list : NO_IPS
  fc.assert(
    fc.property(fc.string(), v4, (header, peer) => {
      const ip = spell4(peer)
      const client = clientIp(ip, header, trusted)
      if (!trusted.has(ip)) expect(client).toBe(ip)
      expect(() => clientIp('10.0.0.1', header, trusted)).not.toThrow()
    }),
  )
})
