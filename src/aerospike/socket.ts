import type { Connect, Host, Socket, SocketHandlers } from './ports.ts'

export interface TlsOptions {
  /** PEM texts of the authorities to trust, in place of the system's. */
  readonly ca?: string | readonly string[]
  /** PEM texts of the client's own certificate and key, for a cluster that asks for one. */
  readonly cert?: string
  readonly key?: string
}

/** TCP, or TLS when `tls` is given, through Bun's sockets. */
export function socketConnector(tls: TlsOptions | undefined): Connect {
  return (to, handlers, late) => connect(to, handlers, late, tls)
}

async function connect(
  to: Host,
  handlers: SocketHandlers,
  late: Promise<never>,
  tls: TlsOptions | undefined,
): Promise<Socket> {
  let closed = false
  const close = (cause: unknown) => {
    if (closed) return
    closed = true
    handlers.closed(cause)
  }
  const refusal = Promise.withResolvers<never>()
  refusal.promise.catch(() => {})
  const handshake = Promise.withResolvers<void>()
  if (!tls) handshake.resolve()
  const socket = await Bun.connect({
    hostname: to.host,
    port: to.port,
    ...(tls
      ? {
          tls: {
            serverName: to.tlsName ?? to.host,
            rejectUnauthorized: true,
            ...(tls.ca === undefined ? {} : { ca: typeof tls.ca === 'string' ? tls.ca : [...tls.ca] }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
          },
        }
      : {}),
    socket: {
      binaryType: 'buffer',
      data: (_socket, chunk) => handlers.data(chunk),
      drain: () => handlers.drain(),
      handshake(_socket, authorized, problem) {
        if (authorized && !problem) handshake.resolve()
        else refusal.reject(problem ?? new Error('the certificate of the node is not trusted'))
      },
      close(_socket, cause) {
        refusal.reject(cause ?? new Error('closed by the node'))
        close(cause)
      },
      error(_socket, cause) {
        refusal.reject(cause)
        close(cause)
      },
    },
  })
  try {
    await Promise.race([handshake.promise, refusal.promise, late])
  } catch (cause) {
    socket.terminate()
    throw cause
  }
  // Small frames must not wait for an acknowledgement (Nagle).
  socket.setNoDelay(true)
  return {
    write: (octets, count) => Math.max(0, socket.write(octets, 0, count)),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => {
      socket.terminate()
      close(undefined)
    },
  }
}
