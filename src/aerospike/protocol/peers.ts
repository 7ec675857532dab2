import { malformed } from '../errors.ts'
import type { Host } from '../ports.ts'

export interface Peer {
  readonly name: string
  readonly hosts: readonly Host[]
}

export interface Peers {
  readonly generation: number
  readonly peers: readonly Peer[]
}

/** No cluster of Aerospike has more nodes than 256. */
const PEERS_MAX = 256
/** A node lists every address of its host unless told which; the server stops at as many (CF_SOCK_CFG_MAX). */
const HOSTS_MAX = 250

/**
 * The answer to `peers-clear-std` and its kin: `generation,port,[[name,tls-name,[host:port,…]],…]`, where the
 * port stands for hosts that have none and an IPv6 address stands in brackets.
 */
export function parsePeers(text: string): Peers {
  const scan = new Scanner(text)
  const generation = scan.number()
  scan.expect(',')
  const defaultPort = scan.next === ',' ? 3000 : scan.number()
  scan.expect(',')
  const peers = scan.list(PEERS_MAX, () => {
    scan.expect('[')
    const name = scan.until(',')
    scan.expect(',')
    const tlsName = scan.until(',')
    scan.expect(',')
    const hosts = scan.list(HOSTS_MAX, () => parseHost(scan, defaultPort, tlsName))
    scan.expect(']')
    return { name, hosts }
  })
  return { generation, peers }
}

/** The answer to `service-clear-std` and its kin: `host:port,…`. */
export function parseHosts(text: string): readonly Host[] {
  const scan = new Scanner(`[${text}]`)
  return scan.list(HOSTS_MAX, () => parseHost(scan, 3000, ''))
}

function parseHost(scan: Scanner, defaultPort: number, tlsName: string): Host {
  let host: string
  if (scan.next === '[') {
    scan.expect('[')
    host = scan.until(']')
    scan.expect(']')
  } else {
    host = scan.until(':,]')
  }
  let port = defaultPort
  if (scan.next === ':') {
    scan.expect(':')
    port = scan.number()
  }
  if (host === '' || port < 1 || port > 65535)
    throw malformed(`A node lists the peer address "${host}:${port}".`)
  return tlsName === '' ? { host, port } : { host, port, tlsName }
}

class Scanner {
  #at = 0

  constructor(private readonly text: string) {}

  get next(): string {
    return this.text[this.#at] ?? ''
  }

  expect(character: string): void {
    if (this.next !== character)
      throw malformed(`A list of peers has no "${character}" at ${this.#at}: "${this.text.slice(0, 200)}".`)
    this.#at++
  }

  until(characters: string): string {
    const from = this.#at
    while (this.#at < this.text.length && !characters.includes(this.next)) this.#at++
    return this.text.slice(from, this.#at)
  }

  number(): number {
    const from = this.#at
    while (this.next >= '0' && this.next <= '9') this.#at++
    const digits = this.text.slice(from, this.#at)
    if (digits === '' || digits.length > 15)
      throw malformed(`A list of peers has no number at ${from}: "${this.text.slice(0, 200)}".`)
    return Number(digits)
  }

  list<T>(countMax: number, element: () => T): T[] {
    const elements: T[] = []
    this.expect('[')
    while (this.next !== ']') {
      if (elements.length > 0) this.expect(',')
      if (elements.length >= countMax) throw malformed(`A list of peers has more than ${countMax} elements.`)
      elements.push(element())
    }
    this.expect(']')
    return elements
  }
}
