import type { Cancel, Clock } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import { createLate } from '../../src/late.ts'
import { SlidingSecond } from '../../src/licence/sliding_second.ts'
import { Network, type NetworkSettings } from '../../src/network.ts'
import { createReceive, type ReceiptCounts } from '../../src/receipt.ts'
import { References } from '../../src/smpp/text/reference.ts'
import { countSends, type SendResult } from '../../src/stats/sends.ts'
import { createSubmit, type PartTag, type Submit } from '../../src/submit.ts'
import type { TurnedClock } from './clock.ts'
import type { MemoryNet } from './simulation_net.ts'
import { silent } from './simulation_quiet.ts'
import type { MemoryStore } from './simulation_store.ts'

/** What one process does to the clock: it ends with it, and its timers can be counted. */
class LifeClock implements Clock {
  readonly #timers = new Set<Cancel>()
  #dead = false

  constructor(private readonly clock: TurnedClock) {}

  now = (): number => this.clock.now()
  monotonic = (): number => this.clock.monotonic()

  after = (delayMs: number, task: () => void): Cancel => {
    if (this.#dead) return () => undefined
    const end: Cancel = () => {
      cancel()
      this.#timers.delete(end)
    }
    const cancel = this.clock.after(delayMs, () => {
      this.#timers.delete(end)
      task()
    })
    this.#timers.add(end)
    return end
  }

  soon = (task: () => void): void =>
    this.clock.soon(() => {
      if (!this.#dead) task()
    })

  get timers(): number {
    return this.#timers.size
  }

  die(): void {
    this.#dead = true
    for (const cancel of this.#timers) cancel()
  }
}

export interface LifeParts {
  readonly clock: TurnedClock
  readonly draw: () => number
  readonly net: MemoryNet
  readonly store: MemoryStore
  readonly switchedOn: (link: number) => boolean | undefined
  /** Parts a second over all links; 0 is no limit. */
  readonly tpsMax: number
}

/** One process of the gateway, from its start to its end: everything between `submit` and the wires but HTTP. */
export class Life {
  readonly clock: LifeClock
  readonly network: Network
  readonly submit: Submit
  readonly sends: ReadonlyMap<SendResult, number>
  readonly receipts: Readonly<ReceiptCounts>

  constructor(settings: NetworkSettings, parts: LifeParts) {
    const { draw, net, store, switchedOn } = parts
    const clock = new LifeClock(parts.clock)
    this.clock = clock
    const random = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => draw() * 256)
    const ids = createIds(clock, random)
    const { receive, counts } = createReceive({ store, ids, clock, log: silent })
    const late = createLate({ store, clock, log: silent })
    this.receipts = counts
    this.network = new Network(settings, {
      clock,
      log: silent,
      smpp: { connect: net.connect, clock, random, log: silent },
      deliver: receive,
      late: (tag, answer) => void late(tag as PartTag, answer),
      switchedOn,
      licence: { connectionsMax: () => 0, tps: new SlidingSecond(clock, parts.tpsMax) },
    })
    const references = new References(random)
    const { submit, counts: sends } = countSends(
      createSubmit({
        filters: { check: () => ({ pass: true }) },
        hasEsme: id => this.network.hasLink(id),
        route: message => this.network.route(message),
        store,
        ids,
        clock,
        partsMax: () => 10,
        reference: destination => references.next(destination),
        licensed: () => undefined,
      }),
    )
    this.submit = submit
    this.sends = sends
    store.recover(clock.now())
    this.network.bindLinks()
  }

  /** `kill -9`: nothing of it runs any more; its sockets close, the octets in them arrive or do not. */
  kill(net: MemoryNet): void {
    this.clock.die()
    net.kill()
  }

  /** As on SIGTERM. */
  async stop(): Promise<void> {
    this.network.closePools()
    await this.network.close()
  }
}
