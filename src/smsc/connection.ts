import type { SocketTransport } from '../smpp/net.ts'
import type { Transport } from '../smpp/outbox.ts'
import type { BindRequest, DataSm, Pdu, PduOf, SubmitSm } from '../smpp/pdu.ts'
import type { Log } from '../smpp/ports.ts'
import type { Answer } from '../smpp/session.ts'
import { Session } from '../smpp/session.ts'
import { boundBy } from '../smpp/state.ts'
import { STATUS } from '../smpp/status.ts'
import { messageStateOf } from '../smpp/text/receipt.ts'
import { absoluteTime } from '../smpp/time.ts'
import type { Account } from './account.ts'
import type { Faults } from './faults.ts'
import { drawMs, formatId, readId, ruled } from './faults.ts'
import type { Later, SmscClock } from './later.ts'
import type { Ledger, Taken } from './message.ts'
import { beginningOf, errorOf, isFailure, receiptOf } from './message.ts'
import type { Draw } from './selector.ts'

/** What a connection needs of the SMSC. */
export interface Hub {
  readonly systemId: string
  readonly clock: SmscClock
  readonly later: Later
  readonly draw: Draw
  readonly log: Log
  readonly ledger: Ledger
  /** Before there is an account. */
  readonly faults: Faults
  /** The account of a bind, or the status that refuses it. */
  admit(pdu: BindRequest): Account | number
  received(pdu: SubmitSm | DataSm, account: Account, status: number, messageId: string): void
  /** `messageId` as it was written in the response. */
  receipted(messageId: string, taken: boolean): void
  gone(connection: Connection): void
}

/** deliver_sm without a response at most. */
const WINDOW = 1000
const RESPONSE_TIMEOUT_MS = 10_000
/** Delayed responses; a real SMSC has no such memory either. */
const INBOUND_MAX = 100_000
const VERSION_3_4 = 0x34
/** An incomplete group of reordered responses leaves after this. */
const REORDER_WAIT_MS = 50

const REGISTERED_MASK = 3
const REGISTERED_ALL = 1
const REGISTERED_FAILURE = 2

/** One ESME's connection: takes its requests and answers them as the faults of its account say. */
export class Connection {
  readonly session: Session
  account: Account | undefined
  #messages = 0
  /** Responses that wait to be sent in another order. */
  #held: (() => void)[] = []

  constructor(
    private readonly transport: SocketTransport,
    readonly peer: string,
    private readonly hub: Hub,
  ) {
    const options = {
      ...({ role: 'smsc', window: WINDOW, responseTimeoutMs: RESPONSE_TIMEOUT_MS } as const),
      ...{ enquireLinkMs: 0, inboundMax: INBOUND_MAX },
    }
    const events = {
      request: (pdu: Pdu) => this.#request(pdu),
      room: () => this.account?.deliveries.schedule(),
      closed: () => {
        this.account?.sessions.delete(this.session)
        this.hub.gone(this)
      },
    }
    this.session = new Session(this.#mutable(), options, events, hub.clock, hub.log)
  }

  get faults(): Faults {
    return this.account?.faults ?? this.hub.faults
  }

  /** Octets that are no PDU of the session's, straight into the stream. */
  sendRaw(octets: Uint8Array): void {
    this.transport.write(octets)
  }

  /** Ends the connection without an unbind. */
  cut(reset: boolean): void {
    if (reset) this.transport.abort()
    this.session.close('cut')
  }

  /** The connection as the session sees it: while it is mute all is written, and nothing leaves. */
  #mutable(): Transport {
    return {
      write: bytes => (this.faults.mute ? bytes.length : this.transport.write(bytes)),
      close: () => this.transport.close(),
    }
  }

  #request(pdu: Pdu): Answer | Promise<Answer> {
    switch (pdu.command) {
      case 'bind_receiver':
      case 'bind_transmitter':
      case 'bind_transceiver':
        return this.#bind(pdu)
      case 'submit_sm':
      case 'data_sm':
        return this.account ? this.#message(pdu, this.account) : STATUS.ESME_RINVBNDSTS
      case 'query_sm':
        return this.#query(pdu)
      default:
        return STATUS.ESME_RINVCMDID
    }
  }

  #bind(pdu: BindRequest): Answer {
    const account = this.hub.admit(pdu)
    if (typeof account === 'number') return account
    if (account.faults.bindStatus !== STATUS.ESME_ROK) return account.faults.bindStatus
    this.account = account
    // The session is bound when its response is written, which is after this.
    this.hub.clock.soon(() => {
      if (this.session.state === boundBy(pdu.command)) account.bound(this.session)
    })
    const body = { system_id: this.hub.systemId, tlvs: { sc_interface_version: VERSION_3_4 } }
    return { status: STATUS.ESME_ROK, body }
  }

  #message(pdu: SubmitSm | DataSm, account: Account): Answer | Promise<Answer> {
    const { faults } = account
    const { draw } = this.hub
    const to = pdu.destination_addr
    if (account.isThrottled()) return this.#refused(pdu, account, STATUS.ESME_RTHROTTLED)
    const status = ruled(faults.error, to, draw)
    if (status !== undefined) return this.#respond(this.#refused(pdu, account, status), account, nothing)

    const message = this.#taken(pdu, account)
    const message_id = formatId(message.id, faults.idResponse)
    this.hub.received(pdu, account, STATUS.ESME_ROK, message_id)
    const receipt = isAsked(pdu.registered_delivery, message, faults)
      ? this.#receipt(message, account)
      : nothing
    if (++this.#messages === faults.dropAfter) {
      receipt()
      this.cut(faults.dropReset)
      return undefined
    }
    if (faults.lose(to, draw)) {
      receipt()
      return undefined
    }
    const answer = { status: STATUS.ESME_ROK, body: { message_id } }
    if (!faults.receiptEarly(to, draw)) return this.#respond(answer, account, receipt)
    receipt()
    account.deliveries.flush()
    return this.#respond(answer, account, nothing)
  }

  #refused(pdu: SubmitSm | DataSm, account: Account, status: number): number {
    this.hub.received(pdu, account, status, '')
    return status
  }

  #taken(pdu: SubmitSm | DataSm, { systemId, faults }: Account): Taken {
    const { clock, draw, ledger } = this.hub
    const state = ruled(faults.receiptState, pdu.destination_addr, draw) ?? 'delivered'
    const submittedAt = clock.now()
    const finalMs = drawMs(faults.receiptDelay, draw)
    const message: Taken = {
      id: ledger.nextId(),
      systemId,
      source: { ton: pdu.source_addr_ton, npi: pdu.source_addr_npi, address: pdu.source_addr },
      destination: { ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi, address: pdu.destination_addr },
      text: (pdu.registered_delivery & REGISTERED_MASK) === 0 ? '' : beginningOf(pdu),
      submittedAt,
      state,
      error: errorOf(state, faults),
      finalMs,
      doneAt: submittedAt + Math.round(finalMs),
    }
    ledger.keep(message)
    return message
  }

  /** Sends the receipt, in its time from now. */
  #receipt(message: Taken, account: Account): () => void {
    const { faults, deliveries } = account
    const times = faults.receiptTwice(message.destination.address, this.hub.draw) ? 2 : 1
    const id = formatId(message.id, faults.idResponse)
    const done = (taken: boolean): void => this.hub.receipted(id, taken)
    const push = (): void => {
      const body = receiptOf(message, faults)
      for (let time = 0; time < times; time++)
        deliveries.push({ body, origin: this.session, to: faults.receiptBind, tries: 0, done })
    }
    return message.finalMs === 0 ? push : () => this.hub.later.after(message.finalMs, push)
  }

  /** The answer in its time and order; `then` runs as it is given, and what it sends goes behind it. */
  #respond(answer: Answer, account: Account, then: () => void): Answer | Promise<Answer> {
    const { delay, reorder } = account.faults
    if (delay.maxMs === 0 && reorder < 2) {
      then()
      return answer
    }
    account.outstanding++
    return new Promise(resolve => {
      const leave = (): void => {
        account.outstanding--
        resolve(answer)
        then()
      }
      const due = reorder < 2 ? leave : () => this.#hold(leave, reorder)
      const delayMs = drawMs(delay, this.hub.draw)
      if (delayMs === 0) due()
      else this.hub.later.after(delayMs, due)
    })
  }

  #hold(leave: () => void, group: number): void {
    this.#held.push(leave)
    // In a microtask, when the session waits for the last of them too: they settle in the order of release.
    if (this.#held.length >= group) queueMicrotask(this.#release())
    else if (this.#held.length === 1) this.hub.later.after(REORDER_WAIT_MS, () => this.#release()())
  }

  /** Takes the group that is held, and answers what lets it go, the last first. */
  #release(): () => void {
    const group = this.#held.reverse()
    this.#held = []
    return () => {
      for (const leave of group) leave()
    }
  }

  #query({ message_id }: PduOf<'query_sm'>): Answer {
    const { ledger, clock } = this.hub
    const message = ledger.find(readId(message_id, this.faults.idResponse))
    if (!message || message.systemId !== this.account?.systemId) return STATUS.ESME_RQUERYFAIL
    const isFinal = message.doneAt <= clock.now()
    return {
      status: STATUS.ESME_ROK,
      body: {
        message_id,
        final_date: isFinal ? absoluteTime(message.doneAt) : '',
        message_state: messageStateOf(isFinal ? message.state : 'submitted'),
        error_code: isFinal ? Math.min(message.error, OCTET_MAX) : 0,
      },
    }
  }
}

const nothing = (): void => undefined
const OCTET_MAX = 0xff

/** `registered_delivery` asks for all receipts (1) or for those of failures (2) (SMPP 3.4 §5.2.17). */
function isAsked(registered: number, { state }: Taken, { receipts }: Faults): boolean {
  const asked = registered & REGISTERED_MASK
  return receipts && (asked === REGISTERED_ALL || (asked === REGISTERED_FAILURE && isFailure(state)))
}
