import { decode, encode } from '../../src/smpp/codec.ts'
import { Framer, type Take } from '../../src/smpp/framer.ts'
import type { Connect, Sink } from '../../src/smpp/net.ts'
import type { Transport } from '../../src/smpp/outbox.ts'
import type { BodyInput, Command, Pdu } from '../../src/smpp/pdu.ts'
import { HEADER_OCTETS, PDUS } from '../../src/smpp/pdu.ts'
import type { Log } from '../../src/smpp/ports.ts'
import { gsmLength, putGsm } from '../../src/smpp/text/gsm0338.ts'
import { ByteWriter } from '../../src/smpp/writer.ts'

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

export function pduBytes<C extends Command>(
  command: C,
  body: BodyInput<C>,
  sequence: number,
  status = 0,
): Uint8Array {
  const out = new ByteWriter()
  encode(out, command, body, sequence, status)
  return out.view().slice()
}

/** A PDU whose body is `hex`, whatever its fields may hold. */
export function octetsOf(command: Command, hex: string, sequence: number): Uint8Array {
  const body = Uint8Array.fromHex(hex.replaceAll(' ', ''))
  const bytes = new Uint8Array(HEADER_OCTETS + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length)
  view.setUint32(4, PDUS[command].id)
  view.setUint32(12, sequence)
  bytes.set(body, HEADER_OCTETS)
  return bytes
}

/** One decoded PDU as octets again. */
export const encodePdu = (pdu: Pdu): Uint8Array =>
  pduBytes(pdu.command, pdu, pdu.sequence_number, pdu.command_status)

/** The octets of `text`; undefined when it does not fit. */
export function encodeGsm(text: string): Uint8Array | undefined {
  const length = gsmLength(text)
  if (length === -1) return undefined
  const octets = new Uint8Array(length)
  putGsm(octets, 0, text, 0, text.length)
  return octets
}

/** For those that look at each frame as octets of its own. */
export const framed =
  (take: (frame: Uint8Array) => void): Take =>
  (bytes, from, to) =>
    take(bytes.subarray(from, to))

/** A transport that keeps what is written; `capacity` octets are taken before it blocks. */
export class FakeTransport implements Transport {
  capacity = Number.POSITIVE_INFINITY
  closed = false
  writes = 0
  readonly pdus: Pdu[] = []
  readonly #framer = new Framer()

  write(bytes: Uint8Array): number {
    this.writes++
    const taken = Math.min(this.capacity, bytes.length)
    this.capacity -= taken
    this.#framer.push(bytes.slice(0, taken), (octets, from, to) => this.pdus.push(decode(octets, from, to)))
    return taken
  }

  close(): void {
    this.closed = true
  }

  /** The last PDU written, by its command and status. */
  get last(): string {
    const pdu = this.pdus.at(-1)
    return pdu ? `${pdu.command} ${pdu.sequence_number} 0x${pdu.command_status.toString(16)}` : 'nothing'
  }
}

/** Two ends of a connection in memory; octets arrive in a later turn, and a close closes both. */
export function memoryNet(soon: (task: () => void) => void): {
  readonly connect: Connect
  /** The SMSC side of each connection; undefined refuses it. */
  accept: ((transport: Transport) => Sink) | undefined
  /** Connections asked for. */
  attempts: number
  /** The side that connected writes in vain. */
  full: boolean
  /** Tells the side that connected last that it may write again. */
  drained: () => void
} {
  const net = {
    accept: undefined as ((transport: Transport) => Sink) | undefined,
    attempts: 0,
    full: false,
    drained: () => {},
    connect: ((_address, opened, failed) => {
      net.attempts++
      let cancelled = false
      soon(() => {
        if (cancelled) return
        if (net.accept) {
          const write = (take: Transport['write']) => (bytes: Uint8Array) => (net.full ? 0 : take(bytes))
          const open = (transport: Transport): Sink => {
            const sink = opened({ write: write(transport.write), close: transport.close })
            net.drained = () => sink.drained()
            return sink
          }
          join(net.accept, open, soon)
        } else failed('connection refused')
      })
      return () => {
        cancelled = true
      }
    }) satisfies Connect,
  }
  return net
}

function join(
  accept: (transport: Transport) => Sink,
  open: (transport: Transport) => Sink,
  soon: (task: () => void) => void,
): void {
  const sinks: { a?: Sink; b?: Sink } = {}
  const to = (end: 'a' | 'b'): Transport => ({
    write(bytes) {
      const copy = bytes.slice()
      soon(() => sinks[end]?.received(copy))
      return bytes.length
    },
    close: () => soon(() => sinks[end]?.close('closed by the peer')),
  })
  sinks.b = accept(to('a'))
  sinks.a = open(to('b'))
}
