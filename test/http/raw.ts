import { connect } from 'node:net'

/**
 * Octets as they are, past what `fetch` would tidy up; resolves with the first answer, or what there is of it when
 * the connection ends, or when nothing came for `silentMs`.
 */
export function raw(port: number, request: string | Uint8Array, silentMs = 0): Promise<string> {
  return new Promise(resolve => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    socket.setTimeout(silentMs, () => socket.destroy())
    socket.on('data', data => {
      answer += data.toString()
      const [head = '', body] = answer.split('\r\n\r\n')
      const length = /content-length: (\d+)/i.exec(head)?.[1]
      if (length !== undefined && Buffer.byteLength(body ?? '') >= Number(length)) socket.destroy()
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(answer))
  })
}
