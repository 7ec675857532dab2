import type { Clock, Random } from './clock.ts'
import { idTime } from './message_id.ts'

/** The two numbers of a message: an id that sorts by time, and a safe integer that grows. */
export interface Ids {
  /** UUIDv7 (RFC 9562 §5.7), growing within one millisecond: 30 bits count on from a random start (§6.2, method 1). */
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

/** The last that were given away in an earlier life. */
export interface LastIds {
  readonly messageId: string
  readonly taskId: number
}

/** `last`: new ones are greater, also where the clock was set back since. */
export function createIds(clock: Clock, random: Random, node = 0, last?: LastIds): Ids {
  if (!(node >= 0 && node < NODES)) throw new RangeError(`node ${node} is not 0 to ${NODES - 1}`)
  let idMs = 0
  let counter = 0
  let taskMs = 0
  let sequence = 0
  /** The next id's characters: those of its time and of its random end stay from one id to the next. */
  const id = Buffer.from('00000000-0000-7000-8000-000000000000')

  function putTime(): void {
    putHex(id, 0, 8, Math.floor(idMs / 2 ** 16))
    putHex(id, 9, 4, idMs % 2 ** 16)
  }

  function begin(ms: number): void {
    idMs = ms
    putTime()
    const octets = random(10)
    for (let at = 4; at < 10; at++) putHex(id, AT_RANDOM + 2 * (at - 4), 2, octets[at] ?? 0)
    // The top bit stays clear: 2^29 ids fit into this millisecond before the counter would wrap.
    counter = (octets[0] ?? 0) & 0x1f
    for (let at = 1; at < 4; at++) counter = (counter << 8) | (octets[at] ?? 0)
  }

  if (last) {
    begin(idTime(last.messageId) + 1)
    taskMs = Math.floor(last.taskId / (NODES * SEQUENCES)) + 1
  }

  return {
    messageId() {
      const now = clock.now()
      if (now > idMs) begin(now)
      else if (++counter === 2 ** 30) {
        idMs++
        putTime()
        counter = 0
      }
      putHex(id, 15, 3, counter >>> 18)
      putHex(id, 19, 1, 8 | ((counter >>> 16) & 3))
      putHex(id, 20, 3, (counter >>> 4) & 0xfff)
      putHex(id, AT_RANDOM, 1, counter & 0xf)
      // One string: put together from seven pieces and padded, an id took half a microsecond more of a send.
      return Buffer.prototype.latin1Slice.call(id, 0, id.length)
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

/** Where the last group of an id begins: the counter's last digit, then 11 random ones. */
const AT_RANDOM = 24
const HEX = Buffer.from('0123456789abcdef')

function putHex(out: Uint8Array, at: number, digits: number, value: number): void {
  let rest = value
  for (let to = at + digits - 1; to >= at; to--) {
    out[to] = HEX[rest & 0xf] ?? 0
    rest >>>= 4
  }
}
