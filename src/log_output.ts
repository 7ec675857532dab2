import { write } from 'node:fs'

/** A reader that stops reading must not fill the memory: what comes past this is lost. */
const WAITING_CHARACTERS_MAX = 8 * 1024 * 1024
/** Between the tries while a reader has no room. */
const FULL_MS = 20

/**
 * Lines to a file descriptor, in order and beside the loop: those that come while a write is under way share the
 * next. A full disk or a reader that went away costs the lines that it refuses, never a message: it throws and
 * tells nothing, and the next line tries again.
 */
export function lineOutput(fd: number): { write(line: string): void } {
  let waiting = ''
  let writing = false

  const put = (octets: Buffer, from: number): void =>
    write(fd, octets, from, octets.length - from, null, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(put, FULL_MS, octets, from).unref()
      else if (!error && from + written < octets.length) put(octets, from + written)
      else next()
    })

  const next = (): void => {
    writing = waiting !== ''
    if (!writing) return
    const octets = Buffer.from(waiting)
    waiting = ''
    put(octets, 0)
  }

  return {
    write(line) {
      if (waiting.length + line.length > WAITING_CHARACTERS_MAX) return
      waiting += line
      if (!writing) next()
    },
  }
}
