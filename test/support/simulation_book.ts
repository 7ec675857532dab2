import type { Message } from '../../src/message.ts'
import type { DataSm, Pdu, SubmitSm } from '../../src/smpp/pdu.ts'
import { readText } from '../../src/smpp/text/inbound.ts'
import { type Receipt, readReceipt } from '../../src/smpp/text/receipt.ts'
import type { Taken } from '../../src/smsc/message.ts'
import type { TurnedClock } from './clock.ts'
import type { Wire } from './simulation_net.ts'

/** What is known of one part of a caller's send, from both ends of the wires. */
export interface PartFacts {
  /** By which link it was written, each time. */
  readonly writes: string[]
  /** Refusals that asked for patience and reached us. */
  retries: number
  /** The SMSC took it. */
  readonly takes: { readonly account: string; readonly messageId: string; readonly taken: Taken }[]
  /** An answer that said yes reached us while its session stood. */
  answered: string | undefined
}

/** A caller's send: once under one key, or without one. */
export interface Call {
  readonly number: number
  /** The one it goes through. */
  readonly pool: string
  readonly destination: string
  readonly parts: number
  readonly campaign: string
  readonly receipts: boolean
  readonly keyed: boolean
  /** The process ended before its outcome was stored. */
  lost: boolean
  /** What the caller heard last, if anything. */
  heard: { readonly message: Message } | { readonly code: string; readonly text: string } | undefined
}

/** An acknowledged receipt. */
export interface Acknowledged {
  readonly account: string
  readonly receipt: Receipt
}

export interface LinkFacts {
  readonly limitTps: number
  readonly window: number
  readonly responseTimeoutMs: number
  readonly account: string
}

const RETRYABLE = [0x08, 0x14, 0x58, 0x64]
const TAG = /<(\d+)>/

/**
 * Keeps the books of a run: each octet at our sockets and each message at the SMSCs is written down, and what
 * must never happen is a complaint at once.
 */
export class Book {
  readonly parts = new Map<string, PartFacts>()
  readonly calls: Call[] = []
  readonly acknowledged: Acknowledged[] = []
  /** How many of them since `newLife`. */
  acknowledgedNow = 0
  readonly complaints: string[] = []
  /** Lines for a person, kept only when asked for. */
  readonly trace: string[] = []
  /** submit_sm at the sockets by link, since `newLife`. */
  sent = new Map<string, number>()
  writes = 0
  /** Sockets were full at some time in this life: what waited in one moved when its link was lost. */
  wasFull = false
  /** PDUs of which a full socket took the beginning, before it was lost. */
  halves = 0
  readonly #open = new Map<Wire, Map<number, { readonly key: string; readonly at: number }>>()
  readonly #receipts = new Map<Wire, Map<number, Acknowledged>>()
  #paces = new Map<string, number[]>()
  #paceExempt = new Map<string, number>()
  #allTimes: number[] = []
  /** By link, pool and destination: the latest call that was written there. */
  #order = new Map<string, number>()

  constructor(
    private readonly clock: TurnedClock,
    private readonly linkNamed: (name: string) => LinkFacts | undefined,
    private readonly tpsMax: number,
    private readonly traced: boolean,
  ) {}

  note(text: string): void {
    if (this.traced) this.trace.push(`${this.clock.monotonic().toFixed(1).padStart(10)} ${text}`)
  }

  complain(text: string): void {
    this.note(`!! ${text}`)
    this.complaints.push(text)
  }

  /** A process begins: it knows nothing of what the last one sent. */
  newLife(): void {
    this.sent = new Map()
    this.acknowledgedNow = 0
    this.#paces = new Map()
    this.#paceExempt = new Map()
    this.#allTimes = []
    this.#order = new Map()
  }

  factsOf(key: string): PartFacts {
    let facts = this.parts.get(key)
    if (!facts) {
      facts = { writes: [], retries: 0, takes: [], answered: undefined }
      this.parts.set(key, facts)
    }
    return facts
  }

  /** The call and part that a submit_sm belongs to: `12.1`. */
  keyOf(pdu: SubmitSm | DataSm): string {
    const { text, concatenation } = readText(pdu)
    return `${TAG.exec(text)?.[1] ?? `? ${text}`}.${(concatenation?.part ?? 1) - 1}`
  }

  taken(pdu: SubmitSm | DataSm, account: string, status: number, messageId: string, taken?: Taken): void {
    const key = this.keyOf(pdu)
    this.note(
      `smsc ${account} ${taken ? `takes ${key} as ${messageId}` : `refuses ${key} 0x${status.toString(16)}`}`,
    )
    if (!taken) return
    const { takes } = this.factsOf(key)
    takes.push({ account, messageId, taken })
    if (takes.length > 1) this.complain(`part ${key} was taken twice`)
  }

  sentPdu(pdu: Pdu, wire: Wire): void {
    if (pdu.command === 'submit_sm') this.#submitted(pdu, wire)
    if (pdu.command !== 'deliver_sm_resp') return
    const receipt = this.#receipts.get(wire)?.get(pdu.sequence_number)
    this.#receipts.get(wire)?.delete(pdu.sequence_number)
    if (!receipt || pdu.command_status !== 0) return
    this.acknowledged.push(receipt)
    this.acknowledgedNow++
  }

  arrivedPdu(pdu: Pdu, wire: Wire): void {
    if (pdu.command === 'deliver_sm') {
      const receipt = readReceipt(pdu)
      const account = this.linkNamed(wire.link)?.account ?? ''
      this.note(`${wire.link} receipt ${receipt?.id} ${receipt?.state}`)
      if (receipt) mapOf(this.#receipts, wire).set(pdu.sequence_number, { account, receipt })
    }
    if (pdu.command !== 'submit_sm_resp') return
    const open = this.#open.get(wire)?.get(pdu.sequence_number)
    this.#open.get(wire)?.delete(pdu.sequence_number)
    if (!open) return
    const facts = this.factsOf(open.key)
    this.note(`${wire.link} hears of ${open.key}: 0x${pdu.command_status.toString(16)} ${pdu.message_id}`)
    if (pdu.command_status === 0) facts.answered = pdu.message_id
    else if (RETRYABLE.includes(pdu.command_status)) facts.retries++
  }

  #submitted(pdu: SubmitSm, wire: Wire): void {
    const key = this.keyOf(pdu)
    const facts = this.factsOf(key)
    this.note(`${wire.link} writes ${key}`)
    facts.writes.push(wire.link)
    this.writes++
    this.sent.set(wire.link, (this.sent.get(wire.link) ?? 0) + 1)
    if (facts.writes.length > facts.retries + 1)
      this.complain(`part ${key} was written ${facts.writes.length} times after ${facts.retries} refusals`)
    const link = this.linkNamed(wire.link)
    if (!link) {
      this.complain(`part ${key} was written to a link that is no more: ${wire.link}`)
      return
    }
    this.#checkWindow(pdu, wire, key, link)
    this.#checkPace(wire, link)
    this.#checkOrder(key, pdu.destination_addr, wire.link)
  }

  #checkWindow({ sequence_number }: SubmitSm, wire: Wire, key: string, link: LinkFacts): void {
    const open = mapOf(this.#open, wire)
    const now = this.clock.monotonic()
    open.set(sequence_number, { key, at: now })
    let outstanding = 0
    for (const { at } of open.values()) if (now - at < link.responseTimeoutMs) outstanding++
    // A response that is late is still told to whom it belongs; `open` remembers it, and does not count it.
    if (outstanding > link.window && !wire.wasFull)
      this.complain(`${wire.link} has ${outstanding} outstanding, its window is ${link.window}`)
  }

  #checkPace(wire: Wire, { limitTps }: LinkFacts): void {
    const now = this.clock.monotonic()
    // What a full socket held back leaves in one piece, whenever the peer reads again.
    if (wire.wasFull) this.#paceExempt.set(wire.link, now)
    const exempt = now - (this.#paceExempt.get(wire.link) ?? Number.NEGATIVE_INFINITY) < 2000
    const times = lastSecond(this.#paces.get(wire.link) ?? [], now)
    this.#paces.set(wire.link, times)
    if (limitTps > 0 && times.length > limitTps && !exempt)
      this.complain(`${wire.link} wrote ${times.length} in a second, its limit is ${limitTps}`)
    this.#allTimes = lastSecond(this.#allTimes, now)
    const anyExempt = [...this.#paceExempt.values()].some(at => now - at < 2000)
    if (this.tpsMax > 0 && this.#allTimes.length > this.tpsMax && !anyExempt)
      this.complain(`${this.#allTimes.length} were written in a second, the licence allows ${this.tpsMax}`)
  }

  /** Calls by one pool to one destination keep their order on a link, save those that a refusal or a key held back. */
  #checkOrder(key: string, destination: string, link: string): void {
    const number = Number.parseInt(key, 10)
    const call = this.calls[number]
    if (!call || call.keyed || this.#wasRefused(call)) return
    const name = `${link} ${call.pool} ${destination}`
    const latest = this.#order.get(name) ?? -1
    const before = this.calls[latest]
    if (number < latest && before && !this.#wasRefused(before) && !this.wasFull)
      this.complain(`${link} wrote ${key} to ${destination} after ${latest}`)
    this.#order.set(name, Math.max(latest, number))
  }

  #wasRefused({ number, parts }: Call): boolean {
    for (let part = 0; part < parts; part++)
      if ((this.parts.get(`${number}.${part}`)?.retries ?? 0) > 0) return true
    return false
  }
}

function mapOf<K, A, B>(maps: Map<K, Map<A, B>>, key: K): Map<A, B> {
  let map = maps.get(key)
  if (!map) {
    map = new Map()
    maps.set(key, map)
  }
  return map
}

/** `times` of the second that ends at `now`, and `now`. */
function lastSecond(times: number[], now: number): number[] {
  let first = 0
  while (first < times.length && now - (times[first] as number) >= 1000) first++
  const kept = first === 0 ? times : times.slice(first)
  kept.push(now)
  return kept
}
