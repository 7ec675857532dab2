import { malformed } from '../errors.ts'
import { beginFrame, endFrame, frameTypes } from './header.ts'
import type { Writer } from './writer.ts'

/** The info protocol: names, one a line; the answer repeats each with a tab and its value. */
export function writeInfo(writer: Writer, names: readonly string[]): void {
  const start = beginFrame(writer, frameTypes.info)
  for (const name of names) writer.text(`${name}\n`)
  endFrame(writer, start)
}

export function parseInfo(body: Uint8Array): Map<string, string> {
  const values = new Map<string, string>()
  for (const line of Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    .toString('utf8')
    .split('\n')) {
    if (line === '') continue
    const tab = line.indexOf('\t')
    if (tab < 0) values.set(line, '')
    else values.set(line.slice(0, tab), line.slice(tab + 1))
  }
  return values
}

/** A value that must be there. */
export function infoValue(values: ReadonlyMap<string, string>, name: string): string {
  const value = values.get(name)
  if (value === undefined || value === '') throw malformed(`The node did not say its "${name}".`)
  if (/^(ERROR|FAIL)/i.test(value)) throw malformed(`The node answered "${value}" to "${name}".`)
  return value
}

export function infoNumber(values: ReadonlyMap<string, string>, name: string): number {
  const number = Number(infoValue(values, name))
  if (!Number.isInteger(number)) throw malformed(`The node's "${name}" is not a whole number.`)
  return number
}
