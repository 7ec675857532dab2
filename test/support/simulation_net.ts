import { decode } from '../../src/smpp/codec.ts'
import { Framer } from '../../src/smpp/framer.ts'
import type { Address, Connect, Sink, SocketTransport } from '../../src/smpp/net.ts'
import type { Transport } from '../../src/smpp/outbox.ts'
import type { Pdu } from '../../src/smpp/pdu.ts'
import type { Draw } from '../../src/smsc/selector.ts'
import type { TurnedClock } from './clock.ts'

/** A network in memory: connections with a latency, that split octets, fill up, and are cut with octets under way. */

export interface Host {
  accept(transport: SocketTransport): Sink
  /** `silent`: a connection never comes up. `full`: sockets take no octets for now. */
  state: 'up' | 'refusing' | 'silent' | 'full'
  latencyMsMax: number
}

/** What passes at our end of the wires. */
export interface Observer {
  sent(pdu: Pdu, wire: Wire): void
  arrived(pdu: Pdu, wire: Wire): void
  /** At the end of a wire: the socket had taken a PDU in part. */
  halved(): void
}

/** What a Bun socket answers to a write after its end. */
const SHUT = -1

type End = 'esme' | 'smsc'
const other = (end: End): End => (end === 'esme' ? 'smsc' : 'esme')

/** One connection. */
export class Wire {
  /** The `system_type` of its bind: each link of a simulation has its own. */
  link = ''
  /** Something waited for a full socket: what left then says nothing about the link's pace. */
  wasFull = false
  #open = true
  #cut = false
  /** Our end knows that it is closed: the socket takes nothing more. */
  #shut = false
  #waits = false
  readonly #sinks: Partial<Record<End, Sink>> = {}
  readonly #underWay: Record<End, (Uint8Array | 'close')[]> = { esme: [], smsc: [] }
  readonly #latest: Record<End, number> = { esme: 0, smsc: 0 }
  readonly #sent = new Framer()
  readonly #arrived = new Framer()

  constructor(
    readonly host: Host,
    private readonly clock: TurnedClock,
    private readonly draw: Draw,
    private readonly observer: Observer,
  ) {}

  join(opened: (transport: Transport) => Sink): void {
    this.#sinks.smsc = this.host.accept({
      write: bytes => {
        this.#send('esme', bytes.slice())
        return bytes.length
      },
      close: () => this.#send('esme', 'close'),
      abort: () => this.cut(),
    })
    this.#sinks.esme = opened({
      write: bytes => this.#written(bytes),
      close: () => {
        this.#shut = true
        this.#ended()
        this.#send('smsc', 'close')
      },
    })
  }

  /** Our end has not closed it. */
  get open(): boolean {
    return this.#open
  }

  #ended(): void {
    if (!this.#open) return
    this.#open = false
    if (this.#sent.held > 0) this.observer.halved()
  }

  /** Our process is gone. */
  kill(): void {
    delete this.#sinks.esme
    this.cut()
  }

  /** Octets under way are lost, save perhaps the beginning of the next piece. */
  cut(): void {
    if (this.#cut) return
    this.#cut = true
    for (const end of ['esme', 'smsc'] as const) {
      const [next] = this.#underWay[end].splice(0)
      if (next instanceof Uint8Array && this.draw() < 0.5)
        this.#receive(end, next.subarray(0, Math.floor(this.draw() * (next.length + 1))))
      this.clock.soon(() => {
        if (end === 'esme') this.#shut = true
        this.#sinks[end]?.close('connection reset')
      })
    }
    this.#ended()
  }

  /** The socket takes octets again. */
  drain(): void {
    if (!this.#waits) return
    this.#waits = false
    this.clock.soon(() => this.#sinks.esme?.drained())
  }

  #written(bytes: Uint8Array): number {
    if (this.#shut) return SHUT
    const taken = this.host.state === 'full' ? Math.floor(this.draw() * bytes.length * 0.9) : bytes.length
    if (taken < bytes.length) {
      this.#waits = true
      this.wasFull = true
    }
    const copy = bytes.slice(0, taken)
    this.#sent.push(copy, (octets, from, to) => {
      const pdu = decode(octets, from, to)
      if ('system_type' in pdu) this.link = pdu.system_type
      this.observer.sent(pdu, this)
    })
    this.#send('smsc', copy)
    return taken
  }

  #send(to: End, what: Uint8Array | 'close'): void {
    if (this.#cut) return
    this.#underWay[to].push(what)
    const now = this.clock.monotonic()
    const latencyMs = this.host.latencyMsMax * this.draw()
    const at = Math.max(this.#latest[to], now + latencyMs)
    this.#latest[to] = at
    const arrive = (): void => this.#arrive(to)
    if (at > now) this.clock.after(at - now, arrive)
    else this.clock.soon(arrive)
  }

  #arrive(end: End): void {
    const what = this.#underWay[end].shift()
    if (what === undefined) return
    if (what === 'close') {
      this.#cut = true
      this.#shut = true
      this.#sinks[end]?.close('closed by the peer')
      this.#sinks[other(end)]?.close('connection closed')
      this.#ended()
      return
    }
    const at = this.draw() < 0.05 ? Math.floor(this.draw() * what.length) : what.length
    this.#receive(end, what.subarray(0, at))
    if (at < what.length) this.#receive(end, what.subarray(at))
  }

  #receive(end: End, bytes: Uint8Array): void {
    if (end === 'esme' && this.#open)
      this.#arrived.push(bytes, (octets, from, to) => this.observer.arrived(decode(octets, from, to), this))
    this.#sinks[end]?.received(bytes)
  }
}

export class MemoryNet {
  readonly wires = new Set<Wire>()
  #processes = 0

  constructor(
    private readonly clock: TurnedClock,
    private readonly draw: Draw,
    private readonly observer: Observer,
    private readonly hosts: ReadonlyMap<string, Host>,
  ) {}

  readonly connect: Connect = ({ host: name }: Address, opened, failed) => {
    const host = this.hosts.get(name)
    if (host?.state === 'silent') return () => undefined
    const process = this.#processes
    let called = false
    this.clock.soon(() => {
      if (called || process !== this.#processes) return
      if (!host || host.state === 'refusing') failed('connection refused')
      else {
        for (const wire of this.wires) if (!wire.open) this.wires.delete(wire)
        const wire = new Wire(host, this.clock, this.draw, this.observer)
        this.wires.add(wire)
        wire.join(opened)
      }
    })
    return () => {
      called = true
    }
  }

  /** Every connection to `host`, or to all. */
  cut(host?: Host): void {
    for (const wire of this.wires) if (!host || wire.host === host) wire.cut()
  }

  /** Our process is gone. */
  kill(): void {
    this.#processes++
    for (const wire of this.wires) wire.kill()
  }

  drain(): void {
    for (const wire of this.wires) wire.drain()
  }
}
