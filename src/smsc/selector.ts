/** Which messages a fault befalls, and the language in which one says it. */

/** A number from 0 to 1, 1 excluded. */
export type Draw = () => number

/** True when the next message, to `destination`, is one of those meant. Those that count keep their count. */
export type Selector = (destination: string, draw: Draw) => boolean

export const SELECTOR_RULE =
  'never, always, a share such as 0.1, every n-th such as 1/10, a beginning such as 4917*, an end such as *99'

const never: Selector = () => false
const always: Selector = () => true

/** Undefined when `text` is none. */
export function readSelector(text: string): Selector | undefined {
  if (text === 'never') return never
  if (text === 'always') return always
  if (/^(?:0?\.\d+|0|1|1\.0*|0\.)$/.test(text)) {
    const share = Number(text)
    return (_, draw) => draw() < share
  }
  const nth = Number(/^1\/([1-9]\d*)$/.exec(text)?.[1])
  if (nth > 0) {
    let count = 0
    return () => ++count % nth === 0
  }
  const [, end, start] = /^(?:\*(\w+)|(\w+)\*)$/.exec(text) ?? []
  if (end !== undefined) return destination => destination.endsWith(end)
  if (start !== undefined) return destination => destination.startsWith(start)
  return undefined
}
