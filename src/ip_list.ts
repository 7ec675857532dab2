import { BlockList, isIP, isIPv4 } from 'node:net'

/** Addresses and networks, IPv4 and IPv6. */
export interface IpList {
  /** True when the list is empty: then there is nothing to be on. */
  readonly empty: boolean
  /** True when `ip` is in one of the networks. What is no address is in none. */
  has(ip: string): boolean
}

export interface IpListProblem {
  /** Its place in the list, from 0. */
  readonly index: number
  readonly message: string
}

export const NO_IPS: IpList = { empty: true, has: () => false }

/** `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`, `::1`, `::ffff:192.0.2.0/120` (which is `192.0.2.0/24`). */
export function parseIpList(entries: readonly string[]): { list: IpList } | { problems: IpListProblem[] } {
  const problems: IpListProblem[] = []
  // One table a family: node:net's own mixing would let `::/0` stand for every IPv4 address too.
  const v4 = new BlockList()
  const v6 = new BlockList()
  for (const [index, entry] of entries.entries()) {
    const network = parseNetwork(entry.trim())
    if ('problem' in network) {
      problems.push({ index, message: `"${entry}" ${network.problem}` })
    } else if (isIPv4(network.ip)) v4.addSubnet(network.ip, network.bits, 'ipv4')
    else v6.addSubnet(network.ip, network.bits, 'ipv6')
  }
  if (problems.length > 0) return { problems }
  if (entries.length === 0) return { list: NO_IPS }
  return {
    list: {
      empty: false,
      has(address) {
        const ip = normaliseIp(address)
        if (ip === undefined) return false
        return isIPv4(ip) ? v4.check(ip, 'ipv4') : v6.check(ip, 'ipv6')
      },
    },
  }
}

/** An empty list lets everybody in. */
export const ipAllowed = (list: IpList, ip: string): boolean => list.empty || list.has(ip)

function parseNetwork(text: string): { ip: string; bits: number } | { problem: string } {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const ip = address.includes('%') ? undefined : normaliseIp(address)
  if (ip === undefined) {
    return { problem: 'is no IPv4 or IPv6 address or network (as in 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32)' }
  }
  const written = address.includes(':') ? 128 : 32
  const size = slash < 0 ? String(written) : text.slice(slash + 1)
  if (!/^\d{1,3}$/.test(size) || Number(size) > written) {
    return { problem: `has "/${size}" where /0 to /${written} can stand` }
  }
  // An IPv4-mapped network counts its bits from the front of the 128.
  const mapped = written === 128 && isIPv4(ip)
  if (mapped && Number(size) < 96) return { problem: 'mixes IPv4 and IPv6: write two entries' }
  return { ip, bits: mapped ? Number(size) - 96 : Number(size) }
}

/**
 * One spelling for each address: IPv4-mapped as IPv4, IPv6 as RFC 5952 has it, without a zone. Undefined for
 * what is no address (`010.0.0.1` and `127.1` among it: what they mean depends on who reads them).
 */
export function normaliseIp(text: string): string | undefined {
  const version = isIP(text)
  if (version === 4) return text
  if (version === 0) return undefined
  if (text.startsWith('::ffff:') && isIPv4(text.slice(7))) return text.slice(7)
  const zone = text.indexOf('%')
  const { hostname } = new URL(`http://[${zone < 0 ? text : text.slice(0, zone)}]`)
  const ip = hostname.slice(1, -1)
  const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(ip)
  if (!mapped) return ip
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)]
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** A longer chain of proxies than any real one: the walk stops there. */
const HOPS_MAX = 32

/**
 * Who sent the request: `peer`, or, while it is a trusted proxy, the one that it names last in
 * `X-Forwarded-For`. Entries left of the first address that is no trusted proxy are the caller's own words
 * and are not read; an entry that is no address ends the walk at the proxy that passed it on.
 */
export function clientIp(peer: string, forwardedFor: string | null | undefined, trusted: IpList): string {
  let ip = normaliseIp(peer) ?? peer
  if (!forwardedFor) return ip
  let end = forwardedFor.length
  for (let hop = 0; hop < HOPS_MAX && end >= 0 && trusted.has(ip); hop++) {
    const comma = forwardedFor.lastIndexOf(',', end - 1)
    const named = normaliseIp(withoutPort(forwardedFor.slice(comma + 1, end).trim()))
    if (named === undefined) break
    ip = named
    end = comma
  }
  return ip
}

/** Some proxies add the port: `192.0.2.7:4711`, `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(entry)
  if (bracketed) return bracketed[1] ?? ''
  return /^[\d.]+:\d{1,5}$/.test(entry) ? entry.slice(0, entry.indexOf(':')) : entry
}
