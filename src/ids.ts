import type { Clock, Random } from './clock.ts'

/** The two numbers of a message: an id that sorts by time, and a safe integer that grows. */
export interface Ids {
  /** UUIDv7 (RFC 9562 §5.7), growing within one millisecond: 30 bits count on from a random start (§6.2, method 2). */
  messageId(): string
  /**
   * 41 bits of milliseconds since 2020, 5 bits of node, 7 bits of sequence: positive, growing, below 2^53
   * until 2089. A burst past 128 a millisecond, or a clock set back, borrows from the milliseconds to come.
   */
  taskId(): number
}

const EPOCH_MS = Date.UTC(2020, 0, 1)
const NODES = 32
const SEQUENCES = 128

export function createIds(clock: Clock, random: Random, node = 0): Ids {
  if (!(node >= 0 && node < NODES)) throw new RangeError(`node ${node} is not 0 to ${NODES - 1}`)
  let idMs = 0
  /** The first two groups of an id, which are its time. */
  let head = ''
  let counter = 0
  let tail = ''
  let taskMs = 0
  let sequence = 0
  return {
    messageId() {
      const now = clock.now()
      if (now > idMs) {
        idMs = now
        head = headOf(idMs)
        const octets = random(10)
        tail = octets.subarray(4).toHex().slice(1)
        // The top bit stays clear: 2^29 ids fit into this millisecond before the counter would wrap.
        counter = (octets[0] ?? 0) & 0x1f
        for (const octet of octets.subarray(1, 4)) counter = (counter << 8) | octet
      } else if (++counter === 2 ** 30) {
        idMs++
        head = headOf(idMs)
        counter = 0
      }
      const high = (counter >>> 18).toString(16).padStart(3, '0')
      const variant = (8 | ((counter >>> 16) & 3)).toString(16)
      const low = (counter & 0xffff).toString(16).padStart(4, '0')
      return `${head}-7${high}-${variant}${low.slice(0, 3)}-${low.slice(3)}${tail}`
    },
    taskId() {
      const now = clock.now() - EPOCH_MS
      if (now > taskMs) {
        taskMs = now
        sequence = 0
      } else if (++sequence === SEQUENCES) {
        taskMs++
        sequence = 0
      }
      return (taskMs * NODES + node) * SEQUENCES + sequence
    },
  }
}

function headOf(unixMs: number): string {
  const time = unixMs.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}`
}
