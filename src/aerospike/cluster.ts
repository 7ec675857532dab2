import { askInfo } from './commands/info.ts'
import { asAerospikeError } from './connection.ts'
import { Deadlines } from './deadlines.ts'
import { Dialer, hostText, type SessionHolder } from './dialer.ts'
import { AerospikeError } from './errors.ts'
import { Node } from './node.ts'
import type { Settings } from './options.ts'
import { PartitionMap } from './partition_map.ts'
import type { Host } from './ports.ts'
import { infoNumber, infoValue } from './protocol/info.ts'
import { type Peer, parseHosts, parsePeers } from './protocol/peers.ts'
import { parseReplicas } from './protocol/replicas.ts'

/** The deadlines of what is under way are looked at no more often than this. */
const DEADLINE_PAUSE_MS = 5
/** A tend asked for out of turn (a node lost, a partition moved) comes no sooner than this after the last. */
const TEND_SOON_MS = 50
/** A node that no other lists is dropped after this many tends without an answer, one that others list after more. */
const FAILURES_MAX_ALONE = 2
const FAILURES_MAX_LISTED = 5
const SILENT_TENDS = 10

/** The nodes and who holds what, kept up to date by asking each node once in a while. */
export class Cluster {
  readonly deadlines: Deadlines
  readonly map = new PartitionMap<Node>()
  readonly #nodes = new Map<string, Node>()
  readonly #dialer: Dialer
  #tending: Promise<void> | undefined
  /** Addresses that did not answer when they were last asked. */
  readonly #silent = new Map<string, { readonly reason: string; readonly sinceMs: number }>()
  #cancelNext: () => void = () => {}
  #lastTendMs = Number.NEGATIVE_INFINITY
  #fault: AerospikeError | undefined = new AerospikeError('NO_NODE', 'No node has answered yet')
  #closed = false

  constructor(readonly settings: Settings) {
    this.deadlines = new Deadlines(settings.clock, DEADLINE_PAUSE_MS)
    this.#dialer = new Dialer(settings, this.deadlines)
  }

  get nodes(): readonly Node[] {
    return [...this.#nodes.values()]
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Why no node answers; undefined while one does. */
  get fault(): AerospikeError | undefined {
    return this.#fault
  }

  /** Begins to tend. Resolves after the first tend, whether or not it found anything: see `fault`. */
  start(): Promise<void> {
    return this.#tend()
  }

  /** Something is not where the map says it is. */
  tendSoon(): void {
    if (this.#closed || this.#tending) return
    const { clock } = this.settings
    this.#schedule(Math.max(0, this.#lastTendMs + TEND_SOON_MS - clock.monotonic()))
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelNext()
    const error = new AerospikeError('CLIENT_CLOSED', 'The client is closed')
    this.#fault = error
    for (const node of this.#nodes.values()) node.close(error)
    this.#nodes.clear()
    // A tend under way may still wait for a node: not for ever.
    this.deadlines.replan()
  }

  #schedule(delayMs: number): void {
    this.#cancelNext()
    this.#cancelNext = this.settings.clock.after(delayMs, () => void this.#tend())
  }

  #tend(): Promise<void> {
    this.#tending ??= this.#tendOnce().finally(() => {
      this.#tending = undefined
      this.#lastTendMs = this.settings.clock.monotonic()
      if (!this.#closed) this.#schedule(this.settings.limits.tendIntervalMs)
    })
    return this.#tending
  }

  async #tendOnce(): Promise<void> {
    const listed = new Map<string, Peer>()
    await Promise.all(
      this.nodes.map(async node => {
        await this.#refresh(node, listed)
        // Now, not when the last has answered: it may have taken over what one that hangs held.
        await this.#refreshPartitions(node)
      }),
    )
    if (!this.nodes.some(node => node.failures === 0)) await this.#seed(listed)
    await this.#greet(listed)
    await Promise.all(this.nodes.map(node => this.#refreshPartitions(node)))
    if (this.#closed) return
    this.#dropLost(listed)
    for (const node of this.#nodes.values()) node.reap()
    this.#forgetSilent()
    if (this.nodes.some(node => node.failures === 0)) this.#fault = undefined
  }

  /** Tries the seeds until one answers. */
  async #seed(listed: Map<string, Peer>): Promise<void> {
    for (const host of this.settings.hosts) {
      if (this.#closed) return
      try {
        const { name, at } = await this.#identify(host, true)
        await this.#refresh(this.#add(name, at), listed)
        return
      } catch (error) {
        this.#failed(hostText(host), error)
      }
    }
  }

  /** Makes the acquaintance of peers that are listed and not known. */
  async #greet(listed: ReadonlyMap<string, Peer>): Promise<void> {
    await Promise.all(
      [...listed.values()].map(async peer => {
        const known = this.#nodes.get(peer.name)
        if (known && known.failures === 0) return
        for (const host of peer.hosts) {
          if (this.#failedJustNow(hostText(host))) continue
          try {
            const { name, at } = await this.#identify(host, false)
            if (name !== peer.name) continue
            await this.#refresh(this.#add(name, at), new Map())
            return
          } catch (error) {
            this.#failed(hostText(host), error)
          }
        }
      }),
    )
  }

  /**
   * Who answers at an address. A seed may be a balancer in front of the nodes: if the node says that it has
   * other addresses, and answers there, that is where it is.
   */
  async #identify(host: Host, seed: boolean): Promise<{ name: string; at: Host }> {
    const service = this.#addressCommand('service')
    const values = await this.#askOnce(host, ['node', 'partition-generation', service])
    const name = infoValue(values, 'node')
    if (infoNumber(values, 'partition-generation') < 0) {
      throw new AerospikeError('NO_NODE', `${hostText(host)} has not joined its cluster yet`, {
        node: hostText(host),
      })
    }
    const addresses = values.get(service) ?? ''
    if (!seed || addresses === '' || isLocal(host.host)) return { name, at: host }
    const own = parseHosts(addresses).map(address =>
      host.tlsName === undefined ? address : { ...address, tlsName: host.tlsName },
    )
    if (own.some(address => address.host === host.host)) return { name, at: host }
    for (const address of own) {
      try {
        const there = await this.#askOnce(address, ['node'])
        if (there.get('node') === name) return { name, at: address }
      } catch (error) {
        this.settings.logger.info(
          { node: hostText(address), reason: asAerospikeError(error).message },
          'aerospike: an address that a node lists does not answer',
        )
      }
    }
    return { name, at: host }
  }

  async #askOnce(host: Host, names: readonly string[]): Promise<Map<string, string>> {
    const holder: SessionHolder = { session: undefined }
    const { connectTimeoutMs } = this.settings.limits
    const connection = await this.#dialer.dial(host, holder, { room() {}, closed() {} }, connectTimeoutMs)
    try {
      return await askInfo(connection, names)
    } finally {
      connection.close()
    }
  }

  async #refresh(node: Node, listed: Map<string, Peer>): Promise<void> {
    const peersCommand = this.#addressCommand('peers')
    try {
      const values = await node.info(['node', 'partition-generation', peersCommand])
      const name = infoValue(values, 'node')
      if (name !== node.name) {
        throw new AerospikeError('NO_NODE', `${node.address} is now the node ${name}, not ${node.name}`, {
          node: node.address,
        })
      }
      const { peers } = parsePeers(infoValue(values, peersCommand))
      for (const peer of peers) listed.set(peer.name, peer)
      if (infoNumber(values, 'partition-generation') !== node.partitionGeneration)
        node.partitionGeneration = -1
      node.failures = 0
      this.#silent.delete(node.address)
    } catch (error) {
      node.failures++
      node.partitionGeneration = -1
      this.#failed(node.address, error)
    }
  }

  async #refreshPartitions(node: Node): Promise<void> {
    if (node.failures > 0 || node.partitionGeneration >= 0) return
    try {
      const values = await node.info(['partition-generation', 'replicas'])
      const displaced = this.map.update(node, parseReplicas(infoValue(values, 'replicas')))
      node.partitionGeneration = infoNumber(values, 'partition-generation')
      for (const other of displaced) other.partitionGeneration = -1
    } catch (error) {
      this.#failed(node.address, error)
    }
  }

  #add(name: string, host: Host): Node {
    const { limits, logger } = this.settings
    const known = this.#nodes.get(name)
    if (known && hostText(known.host) === hostText(host)) return known
    if (known) this.#drop(known, 'has another address now')
    if (this.#closed || this.#nodes.size >= limits.nodesMax) {
      throw new AerospikeError('CLIENT_OVERLOADED', `The cluster has more nodes than ${limits.nodesMax}`)
    }
    const node = new Node(name, host, this.settings, this.#dialer)
    this.#nodes.set(name, node)
    logger.info({ name, node: node.address }, 'aerospike: a node joined')
    return node
  }

  #dropLost(listed: ReadonlyMap<string, Peer>): void {
    for (const node of this.nodes) {
      const most = listed.has(node.name) ? FAILURES_MAX_LISTED : FAILURES_MAX_ALONE
      if (node.failures >= most) this.#drop(node, 'is lost')
    }
  }

  #drop(node: Node, why: string): void {
    this.settings.logger.warn({ name: node.name, node: node.address }, `aerospike: a node ${why}`)
    this.#nodes.delete(node.name)
    this.map.remove(node)
    node.close(
      new AerospikeError('CONNECTION_ERROR', `The node ${node.name} (${node.address}) ${why}`, {
        node: node.address,
      }),
    )
  }

  /** Told once for each reason, not at each tend. */
  #failed(node: string, cause: unknown): void {
    if (this.#closed) return
    const error = asAerospikeError(cause)
    if (!this.nodes.some(known => known.failures === 0)) this.#fault = error
    const before = this.#silent.get(node)
    this.#silent.set(node, { reason: error.message, sinceMs: this.settings.clock.monotonic() })
    if (before?.reason === error.message) return
    this.settings.logger.warn({ node, reason: error.message }, 'aerospike: a node did not answer')
  }

  /** Addresses that nobody lists any more are not asked, and need no memory. */
  #forgetSilent(): void {
    const { clock, limits } = this.settings
    const longAgoMs = clock.monotonic() - SILENT_TENDS * limits.tendIntervalMs
    for (const [node, { sinceMs }] of this.#silent) if (sinceMs < longAgoMs) this.#silent.delete(node)
  }

  /** An address that has just failed is not tried again before the next regular tend. */
  #failedJustNow(node: string): boolean {
    const silent = this.#silent.get(node)
    const { clock, limits } = this.settings
    return silent !== undefined && clock.monotonic() < silent.sinceMs + limits.tendIntervalMs / 2
  }

  #addressCommand(of: 'peers' | 'service'): string {
    return `${of}-${this.settings.tls ? 'tls' : 'clear'}-${this.settings.alternateAddresses ? 'alt' : 'std'}`
  }
}

function isLocal(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
