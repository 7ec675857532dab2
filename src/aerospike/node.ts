import { askInfo } from './commands/info.ts'
import { asAerospikeError, type Connection, type ConnectionEvents, type Exchange } from './connection.ts'
import { type Dialer, hostText, type SessionHolder } from './dialer.ts'
import { AerospikeError } from './errors.ts'
import type { Settings } from './options.ts'
import type { Host } from './ports.ts'

/** After connections to a node fail, the next attempt waits this long, doubled each time up to the most. */
const REDIAL_MS = 20
const REDIAL_MS_MAX = 1000

/** One node of the cluster: its connections, and what waits for one. */
export class Node implements SessionHolder, ConnectionEvents {
  /** `host:port`. */
  readonly address: string
  session: SessionHolder['session']
  /** Of the partitions it told last; -1 makes the next tend ask again. */
  partitionGeneration = -1
  /** Tends in a row that it did not answer. */
  failures = 0
  /** Filled with connections in order, so that few are used and writes are large. */
  readonly #connections: Connection[] = []
  readonly #lent = new Set<Connection>()
  /** Connections that are made to be lent. */
  #lending = 0
  readonly #queue: Exchange[] = []
  #queueFirst = 0
  #dialing = 0
  #dialFailures = 0
  #redialMs = 0
  #lastError: AerospikeError | undefined
  #tender: Promise<Connection> | undefined
  #closed: AerospikeError | undefined

  constructor(
    readonly name: string,
    readonly host: Host,
    private readonly settings: Settings,
    private readonly dialer: Dialer,
  ) {
    this.address = hostText(host)
  }

  submit(exchange: Exchange): void {
    const connection = this.#queued === 0 ? this.#roomy() : undefined
    if (connection) {
      connection.send(exchange)
      return
    }
    const refusal = this.#refusal()
    if (refusal) {
      exchange.failed(refusal, 'no')
      return
    }
    this.#queue.push(exchange)
    this.#dialMore()
  }

  /** A connection for one exchange alone, such as a query that may stop reading; give it back with `giveBack`. */
  async borrow(): Promise<Connection> {
    if (this.#closed) throw this.#closed
    const borrowed = this.#lent.size + this.#lending
    if (borrowed >= this.settings.limits.connectionsPerNodeMax) {
      throw this.#error('CLIENT_OVERLOADED', `has ${borrowed} queries under way already`)
    }
    this.#lending++
    try {
      const idle = this.#connections.findIndex(connection => connection.inFlight === 0)
      const [connection = await this.#connect()] = idle < 0 ? [] : this.#connections.splice(idle, 1)
      this.#lent.add(connection)
      return connection
    } finally {
      this.#lending--
    }
  }

  giveBack(connection: Connection): void {
    // One that is closed is lent no more.
    if (!this.#lent.delete(connection)) return
    const isFull = this.#connections.length >= this.settings.limits.connectionsPerNodeMax
    if (connection.inFlight > 0 || isFull) {
      connection.close()
      return
    }
    this.#connections.push(connection)
    this.#drain()
  }

  /**
   * Asks over a connection of its own, so that a full pipeline does not look like a dead node. One that hangs is
   * waited for no longer than one that does not take the connection: the others' news waits meanwhile.
   */
  async info(names: readonly string[]): Promise<Map<string, string>> {
    const before = this.#tender
    const tender = before ?? this.#connect(this.settings.limits.connectTimeoutMs)
    this.#tender = tender
    try {
      return await askInfo(await tender, names)
    } catch (error) {
      if (this.#tender === tender) this.#tender = undefined
      // One connection that was lost is no node that was lost.
      if (before && asAerospikeError(error).code === 'CONNECTION_ERROR') return this.info(names)
      throw error
    }
  }

  room(): void {
    if (this.#queued > 0) this.#drain()
  }

  closed(connection: Connection): void {
    this.#lent.delete(connection)
    const at = this.#connections.indexOf(connection)
    if (at >= 0) this.#connections.splice(at, 1)
    if (this.#queued > 0) this.#dialMore()
  }

  /** Closes what has long been unused. */
  reap(): void {
    const { idleMsMax } = this.settings.limits
    for (const connection of [...this.#connections]) if (connection.idleMs > idleMsMax) connection.close()
  }

  close(error: AerospikeError): void {
    this.#closed = error
    this.#failQueue(error)
    this.#tender?.then(
      tender => tender.close(error),
      () => {},
    )
    for (const connection of [...this.#connections, ...this.#lent]) connection.close(error)
  }

  async #connect(silentMsMax?: number): Promise<Connection> {
    const connection = await this.dialer.dial(this.host, this, this, silentMsMax)
    if (!this.#closed) return connection
    connection.close(this.#closed)
    throw this.#closed
  }

  /** Why nothing more may wait here. */
  #refusal(): AerospikeError | undefined {
    const { limits, clock } = this.settings
    if (this.#closed) return this.#closed
    if (this.#queued >= limits.queuePerNodeMax) {
      return this.#error('CLIENT_OVERLOADED', `has ${limits.queuePerNodeMax} requests waiting already`)
    }
    const unreachable = this.#connections.length + this.#dialing === 0 && clock.monotonic() < this.#redialMs
    return unreachable ? (this.#lastError ?? this.#error('CONNECTION_ERROR', 'cannot be reached')) : undefined
  }

  get #queued(): number {
    return this.#queue.length - this.#queueFirst
  }

  #roomy(): Connection | undefined {
    const { pipelineMax } = this.settings.limits
    for (const connection of this.#connections)
      if (connection.inFlight < pipelineMax && !connection.late) return connection
    return undefined
  }

  #drain(): void {
    while (this.#queued > 0) {
      const connection = this.#roomy()
      if (!connection) break
      const exchange = this.#queue[this.#queueFirst++]
      if (exchange && !exchange.abandoned) connection.send(exchange)
    }
    if (this.#queueFirst * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#queueFirst)
      this.#queueFirst = 0
    }
  }

  #dialMore(): void {
    const { connectionsPerNodeMax, pipelineMax } = this.settings.limits
    if (this.#closed) return
    const wanted = Math.ceil(this.#queued / pipelineMax)
    // While nothing answers, one attempt at a time says enough.
    const most = this.#connections.length === 0 ? 1 : connectionsPerNodeMax - this.#connections.length
    while (this.#dialing < Math.min(wanted, most)) this.#dial()
  }

  #dial(): void {
    this.#dialing++
    this.dialer.dial(this.host, this, this).then(
      connection => {
        this.#dialing--
        this.#dialFailures = 0
        if (this.#closed) return connection.close()
        this.#connections.push(connection)
        this.#drain()
        if (this.#queued > 0) this.#dialMore()
      },
      (cause: unknown) => {
        this.#dialing--
        const error = asAerospikeError(cause)
        this.#lastError = error
        this.#redialMs =
          this.settings.clock.monotonic() + Math.min(REDIAL_MS_MAX, REDIAL_MS * 2 ** this.#dialFailures++)
        if (this.#connections.length === 0 && this.#dialing === 0) this.#failQueue(error)
      },
    )
  }

  #failQueue(error: AerospikeError): void {
    const queued = this.#queue.splice(this.#queueFirst)
    this.#queue.length = 0
    this.#queueFirst = 0
    for (const exchange of queued) if (!exchange.abandoned) exchange.failed(error, 'no')
  }

  #error(code: 'CONNECTION_ERROR' | 'CLIENT_OVERLOADED', what: string): AerospikeError {
    return new AerospikeError(code, `The node ${this.name} (${this.address}) ${what}`, { node: this.address })
  }
}
