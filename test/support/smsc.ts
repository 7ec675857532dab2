import { systemClock } from '../../src/clock.ts'
import type { Log } from '../../src/smpp/ports.ts'
import type { FaultSettings } from '../../src/smsc/faults.ts'
import { type Received, Smsc, type SmscOptions, seededDraw } from '../../src/smsc/smsc.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** An SMSC on a free port of 127.0.0.1 that keeps every message it gets. */
export class TestSmsc {
  readonly smsc: Smsc
  readonly received: Received[] = []
  readonly #waiting = new Set<{ readonly count: number; readonly resolve: () => void }>()

  constructor(faults: FaultSettings = {}, options: Partial<SmscOptions> = {}) {
    this.smsc = new Smsc({
      ...{ host: '127.0.0.1', port: 0, firstId: 1_000_000, faults },
      ...{ clock: systemClock, draw: seededDraw(1), log: silent },
      ...options,
      onMessage: message => {
        this.received.push(message)
        for (const waiting of this.#waiting) {
          if (this.received.length < waiting.count) continue
          this.#waiting.delete(waiting)
          waiting.resolve()
        }
      },
    })
  }

  get port(): number {
    return this.smsc.port
  }

  /** The messages, as soon as there are `count`. */
  async arrived(count: number): Promise<readonly Received[]> {
    if (this.received.length < count)
      await new Promise<void>(resolve => this.#waiting.add({ count, resolve }))
    return this.received
  }

  close(): Promise<void> {
    return this.smsc.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** `await using smsc = startSmsc({ delay: '20ms' })` */
export const startSmsc = (faults?: FaultSettings, options?: Partial<SmscOptions>): TestSmsc =>
  new TestSmsc(faults, options)
