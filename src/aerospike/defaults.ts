import type { Clock, Logger, Random } from './ports.ts'

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
  soon: task => void setImmediate(task),
}

export const systemRandom: Random = count => crypto.getRandomValues(new Uint8Array(count))

export const silentLogger: Logger = { info() {}, warn() {} }
