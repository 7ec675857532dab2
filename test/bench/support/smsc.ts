import { systemClock } from '../../../src/clock.ts'
import { listen } from '../../../src/smpp/net.ts'
import type { Pdu, SubmitSm } from '../../../src/smpp/pdu.ts'
import { type Answer, Session } from '../../../src/smpp/session.ts'
import { STATUS } from '../../../src/smpp/status.ts'
import { type Child, start, stop } from './process.ts'

/**
 * An SMSC that is no bottleneck: our codec and session, and no more. The simulator of `src/smsc` can do all that
 * this does and costs six times as much a message, which on two cores the load would have to share.
 */
export interface SmscSettings {
  /** Every answer comes so much later; 0: at once. */
  readonly delayMs: number
  /** Takes so many a second and no more than `outstandingMax` at once; what is more is ESME_RTHROTTLED. 0: no limit. */
  readonly takesPerSecond: number
  readonly outstandingMax: number
  /** A receipt leaves when so many younger ones wait behind it; 0: behind its response. */
  readonly receiptsHeld: number
}

export interface SmscCounts {
  readonly taken: number
  readonly throttled: number
  readonly receipts: number
  /** How long answers took, all together, as it was in truth. */
  readonly delayedMs: number
  /** Destinations that came, each once: what was lost or doubled shows. */
  readonly distinct: number
}

/** Receipts for stored messages: the n-th of them is for message `(first + n * step) % among`. */
export interface Delivery {
  readonly first: number
  readonly step: number
  readonly among: number
  readonly count: number
  readonly outstandingMax: number
}

/** Of the n-th stored message: the SMSC's id, and the handset. */
export const storedId = (n: number): string => String(1_000_000 + n)
export const storedDestination = (n: number): string => String(440_000_000_000 + n)

export interface BenchSmsc {
  readonly port: number
  readonly pid: number
  counts(): Promise<SmscCounts>
  /** Resolves with the seconds it took, once all are answered. */
  deliver(delivery: Delivery): Promise<number>
  stop(): Promise<void>
}

const NORMAL: SmscSettings = { delayMs: 0, takesPerSecond: 0, outstandingMax: 20, receiptsHeld: 0 }

/** In a process of its own, on the load's core. */
export async function startSmsc(settings: Partial<SmscSettings> = {}): Promise<BenchSmsc> {
  const ready = Promise.withResolvers<number>()
  let answered = Promise.withResolvers<SmscCounts>()
  let delivered = Promise.withResolvers<number>()
  const command = [process.execPath, import.meta.path, JSON.stringify({ ...NORMAL, ...settings })]
  const child: Child = start(command, 'load', {
    ipc: message => {
      if (typeof message === 'number') ready.resolve(message)
      else if (typeof message === 'string') delivered.resolve(Number(message))
      else answered.resolve(message as SmscCounts)
    },
  })
  return {
    port: await ready.promise,
    pid: child.pid,
    counts: () => {
      answered = Promise.withResolvers()
      child.send('counts')
      return answered.promise
    },
    deliver: delivery => {
      delivered = Promise.withResolvers()
      child.send(delivery)
      return delivered.promise
    },
    stop: () => stop(child),
  }
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const WINDOW = 5000
const QUEUE_MAX = 1_000_000

function serve({ delayMs, takesPerSecond, outstandingMax, receiptsHeld }: SmscSettings): void {
  const counts = { taken: 0, throttled: 0, receipts: 0, delayedMs: 0 }
  const seen = new Set<string>()
  let id = 0
  let bound: Session | undefined

  /** Answers wait in the order in which they came, since all wait equally long. */
  const waiting: { dueAt: number; cameAt: number; answer: () => void }[] = []
  const outstanding = () => waiting.length
  let timer = false
  const wake = (): void => {
    timer = false
    const now = performance.now()
    let due = 0
    for (const { dueAt, cameAt, answer } of waiting) {
      if (dueAt > now) break
      counts.delayedMs += now - cameAt
      answer()
      due++
    }
    waiting.splice(0, due)
    watch()
  }
  const watch = (): void => {
    const [first] = waiting
    if (!first || timer) return
    timer = true
    setTimeout(wake, Math.max(0, first.dueAt - performance.now()))
  }
  let lastDueAt = 0
  const later = (answer: () => void): void => {
    const cameAt = performance.now()
    const gapMs = takesPerSecond === 0 ? 0 : 1000 / takesPerSecond
    lastDueAt = Math.max(cameAt + delayMs, lastDueAt + gapMs)
    waiting.push({ dueAt: lastDueAt, cameAt, answer })
    watch()
  }

  const { port } = listen({ host: '127.0.0.1', port: 0 }, transport => {
    let receipts: ReturnType<typeof receiptOf>[] = []
    /** Of `receipts`, what has left: to shift a long array costs its length. */
    let left = 0
    let delivering = false
    const deliver = (): void => {
      delivering = false
      while (receipts.length - left > receiptsHeld && session.room > 0) {
        const receipt = receipts[left++]
        if (receipt) session.send('deliver_sm', receipt, undefined, () => counts.receipts++)
      }
      if (left < 1000 || left < receiptsHeld) return
      receipts = receipts.slice(left)
      left = 0
    }
    const take = (pdu: SubmitSm): Answer => {
      counts.taken++
      if (takesPerSecond > 0) seen.add(pdu.destination_addr)
      const message_id = (++id).toString(16).padStart(8, '0')
      if ((pdu.registered_delivery & 1) === 1 && receipts.length < QUEUE_MAX) {
        if (!delivering) systemClock.soon(deliver)
        delivering = true
        receipts.push(receiptOf(pdu, message_id))
      }
      return { status: 0, body: { message_id } }
    }
    const request = (pdu: Pdu): Answer | Promise<Answer> => {
      if (pdu.command.startsWith('bind_')) {
        bound = session
        return { status: 0, body: { system_id: 'bench' } }
      }
      if (pdu.command !== 'submit_sm') return 0
      if (delayMs === 0 && takesPerSecond === 0) return take(pdu)
      if (takesPerSecond > 0 && outstanding() >= outstandingMax) {
        counts.throttled++
        return STATUS.ESME_RTHROTTLED
      }
      return new Promise(resolve => later(() => resolve(take(pdu))))
    }
    const session = new Session(
      transport,
      { role: 'smsc', window: WINDOW, responseTimeoutMs: 60_000, enquireLinkMs: 0, inboundMax: QUEUE_MAX },
      { request, room: deliver, closed() {} },
      systemClock,
      quiet,
    )
    return session
  })

  const deliverAll = ({ first, step, among, count, outstandingMax }: Delivery): void => {
    const startedAt = performance.now()
    let sent = 0
    let answered = 0
    const next = (): void => {
      if (sent === count) return
      const n = (first + sent++ * step) % among
      const receipt = receiptOf({ ...HANDSET, destination_addr: storedDestination(n) }, storedId(n))
      bound?.send('deliver_sm', receipt, undefined, () => {
        if (++answered === count) process.send?.(String((performance.now() - startedAt) / 1000))
        else next()
      })
    }
    for (let n = 0; n < outstandingMax; n++) next()
  }

  process.on('message', (message: 'counts' | Delivery) => {
    if (message === 'counts') process.send?.({ ...counts, distinct: seen.size })
    else deliverAll(message)
  })
  process.send?.(port)
}

const encoder = new TextEncoder()

const HANDSET = {
  dest_addr_ton: 1,
  dest_addr_npi: 1,
  source_addr_ton: 5,
  source_addr_npi: 0,
  source_addr: 'Bench',
}
type Addressed = typeof HANDSET & { readonly destination_addr: string }

function receiptOf(pdu: Addressed, id: string) {
  return {
    source_addr_ton: pdu.dest_addr_ton,
    source_addr_npi: pdu.dest_addr_npi,
    source_addr: pdu.destination_addr,
    dest_addr_ton: pdu.source_addr_ton,
    dest_addr_npi: pdu.source_addr_npi,
    destination_addr: pdu.source_addr,
    esm_class: 4,
    short_message: encoder.encode(
      `id:${id} sub:001 dlvrd:001 submit date:2601020304 done date:2601020304 stat:DELIVRD err:000 text:Your code is 1234`,
    ),
  }
}

if (import.meta.main) serve(JSON.parse(process.argv[2] ?? '{}'))
