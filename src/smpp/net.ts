import type { Socket, TCPSocketListener } from 'bun'
import type { Transport } from './outbox.ts'

/** Where an SMSC listens. */
export interface Address {
  readonly host: string
  readonly port: number
  /** `caPem`: a private authority instead of the public ones. */
  readonly tls?: boolean | { readonly caPem: string }
}

/** What a transport tells: a Session is one. */
export interface Sink {
  received(chunk: Uint8Array): void
  drained(): void
  close(reason: string): void
}

/**
 * Opens a connection. Exactly one of `opened` and `failed` is called, in a later turn of the loop, unless the
 * answer (a cancel) is called first; then neither.
 */
export type Connect = (
  address: Address,
  opened: (transport: Transport) => Sink,
  failed: (reason: string) => void,
) => () => void

/** A peer that does not close its side is cut off after this. */
const LINGER_SECONDS = 2

interface SocketData {
  sink: Sink | undefined
  /** We have closed our side. */
  ended?: true
}

export interface SocketTransport extends Transport {
  /** Resets the connection at once: what is under way may be lost, both ways. */
  abort(): void
}

const transportOf = (socket: Socket<SocketData>): SocketTransport => ({
  write: bytes => socket.write(bytes),
  close: () => {
    socket.data.ended = true
    socket.timeout(LINGER_SECONDS)
    socket.end()
  },
  abort: () => void socket.terminate(),
})

/** What is the same for both ends. */
const handlers = {
  data: (socket: Socket<SocketData>, chunk: Uint8Array) => socket.data.sink?.received(chunk),
  drain: (socket: Socket<SocketData>) => socket.data.sink?.drained(),
  // Bun tells this of each socket that it accepted every two minutes, however much passes over it.
  timeout: (socket: Socket<SocketData>) => {
    if (socket.data.ended) socket.terminate()
  },
  error: (socket: Socket<SocketData>, error: Error) => socket.data.sink?.close(error.message),
}

/** TCP or TLS by Bun. A TLS peer whose certificate does not hold is refused. */
export const connect: Connect = (address, opened, failed) => {
  let done = false
  let pending: Socket<SocketData> | undefined
  const fail = (reason: string): void => {
    if (done) return
    done = true
    failed(reason)
  }
  const open = (socket: Socket<SocketData>): void => {
    if (done) {
      socket.terminate()
      return
    }
    done = true
    socket.setNoDelay(true)
    socket.data.sink = opened(transportOf(socket))
  }
  const tls = tlsOf(address)
  Bun.connect<SocketData>({
    hostname: address.host,
    port: address.port,
    data: { sink: undefined },
    ...(tls && { tls }),
    socket: {
      ...handlers,
      open: socket => {
        pending = socket
        if (done || !tls) open(socket)
      },
      handshake: (socket, authorized, error) => {
        if (authorized) open(socket)
        else {
          fail(`TLS: ${error?.message ?? 'the certificate does not hold'}`)
          socket.terminate()
        }
      },
      close: socket => {
        socket.data.sink?.close('connection closed')
        fail('connection closed before it was up')
      },
    },
  }).catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)))
  return () => {
    if (done) return
    done = true
    pending?.terminate()
  }
}

function tlsOf({
  host,
  tls,
}: Address): { serverName: string; rejectUnauthorized: true; ca?: string } | undefined {
  if (!tls) return undefined
  return { serverName: host, rejectUnauthorized: true, ...(typeof tls === 'object' && { ca: tls.caPem }) }
}

export interface ListenOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly tls?: { readonly certPem: string; readonly keyPem: string }
}

export interface Listener {
  readonly port: number
  /** Takes no more connections; `cut` ends those that stand. */
  stop(cut: boolean): void
}

/** The other end: each connection is given to `accepted`. Throws when the port is taken. */
export function listen(
  { host, port, tls }: ListenOptions,
  accepted: (transport: SocketTransport, peer: string) => Sink,
): Listener {
  const listener: TCPSocketListener<SocketData> = Bun.listen<SocketData>({
    hostname: host,
    port,
    ...(tls && { tls: { cert: tls.certPem, key: tls.keyPem } }),
    socket: {
      ...handlers,
      open: socket => {
        socket.setNoDelay(true)
        socket.data = { sink: undefined }
        socket.data.sink = accepted(transportOf(socket), socket.remoteAddress)
      },
      close: socket => socket.data?.sink?.close('connection closed'),
    },
  })
  return { port: listener.port, stop: cut => listener.stop(cut) }
}
