import type { Header } from './codec.ts'
import { decode, encode, headerOf } from './codec.ts'
import { FramingError, PduError } from './error.ts'
import { Framer } from './framer.ts'
import { KeepAlive } from './keep_alive.ts'
import { u32At } from './octets.ts'
import type { Transport } from './outbox.ts'
import { Outbox } from './outbox.ts'
import type { BodyInput, Command, Pdu, Request, Response } from './pdu.ts'
import { commandOf, isResponseId, RESPONSES } from './pdu.ts'
import type { Log, SessionClock } from './ports.ts'
import type { Role, SessionState } from './state.ts'
import { boundBy, isAllowed } from './state.ts'
import { STATUS, statusName } from './status.ts'
import type { Pending, Reply } from './window.ts'
import { Window } from './window.ts'

export interface SessionOptions {
  readonly role: Role
  /** Requests without an answer at most; bind, unbind and enquire_link come on top. */
  readonly window: number
  readonly responseTimeoutMs: number
  /** Nothing received for so long: ask. 0: never. */
  readonly enquireLinkMs: number
  /** Inbound requests whose answer is not known yet, at most. */
  readonly inboundMax?: number
  /** Octets that the socket has not taken yet, at most: past half of it no request, past it the session ends. */
  readonly outputBytesMax?: number
  /** Timed out requests that are remembered for a late response. */
  readonly lateMax?: number
}

/** A `command_status`, or one with a body; undefined answers nothing. */
export type Answer = number | { readonly status: number; readonly body: BodyInput<Response> } | undefined

export interface SessionEvents {
  /**
   * A request that is allowed in the present state, save enquire_link and unbind, which the session answers.
   * What it throws is answered as a temporary error.
   */
  request(pdu: Pdu): Answer | Promise<Answer>
  /** `room` may have risen. */
  room?(): void
  /** A response came after its request had timed out. */
  late?(tag: unknown, pdu: Pdu): void
  /** Once, after every pending request was told what became of it. */
  closed(reason: string): void
}

/**
 * A receipt takes some 150 octets and Bun reads up to 512 KiB at once: a full read fits. Past the bound we
 * answer with an error that means "later" and keep reading, because the answers to our own requests and the
 * peer's enquire_link come in on the same stream.
 */
const INBOUND_MAX = 8192
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024
const LATE_MAX = 10_000

/** One SMPP session over one connection, for either end (SMPP 3.4 §2). */
export class Session {
  #state: SessionState = 'open'
  #leaving: 'no' | 'unbinding' | 'closing' = 'no'
  /**
   * SMSCs are what they are: with a service_type that is too long, a message_id without its NUL, a stray octet behind the
   * text. To refuse what they send loses an id or a receipt, or has it come again for ever. An ESME can be mended, and
   * has to know.
   */
  readonly #lenient: boolean
  #inbound = 0
  #closingReason = ''
  readonly #framer = new Framer()
  readonly #outbox: Outbox
  readonly #window: Window
  readonly #inboundMax: number
  readonly #outputBytesMax: number
  readonly #keepAlive: KeepAlive
  readonly #timers = { deadline: idle, leave: idle }
  #deadlineSet = false
  #quiet: (() => void) | undefined

  constructor(
    private readonly transport: Transport,
    private readonly options: SessionOptions,
    private readonly events: SessionEvents,
    private readonly clock: SessionClock,
    private readonly log: Log,
  ) {
    this.#lenient = options.role === 'esme'
    this.#window = new Window(options.window, options.lateMax ?? LATE_MAX)
    this.#inboundMax = options.inboundMax ?? INBOUND_MAX
    this.#outputBytesMax = options.outputBytesMax ?? OUTPUT_BYTES_MAX
    this.#outbox = new Outbox(transport, clock.soon, () => this.#emptied())
    this.#keepAlive = new KeepAlive(options.enquireLinkMs, clock, () => this.#enquire())
  }

  get state(): SessionState {
    return this.#state
  }

  /** Requests that the window takes now; 0 once the session is on its way out, while the socket is full, and in doubt. */
  get room(): number {
    if (this.#leaving !== 'no' || this.#state === 'closed' || this.#outbox.blocked || this.doubted) return 0
    return this.#outbox.waiting < this.#outputBytesMax / 2 ? this.#window.room : 0
  }

  /** Requests in the window without an answer. */
  get inFlight(): number {
    return this.#window.inFlight
  }

  /** Octets wait for the socket to take them. */
  get blocked(): boolean {
    return this.#outbox.blocked
  }

  /** A request timed out while nothing else was heard either: the peer is asked whether it is there. */
  get doubted(): boolean {
    return this.#keepAlive.doubted
  }

  resize(window: number): void {
    this.#window.size = window
  }

  /** Sends a request and answers what became of it. With no room it is `unwritten`. Throws a PduError. */
  request<C extends Request>(command: C, body: BodyInput<C>, tag?: unknown): Promise<Reply> {
    return new Promise((resolve, reject) => {
      try {
        this.send(command, body, tag, resolve)
      } catch (error) {
        reject(error)
      }
    })
  }

  /** The same with a callback, for the path where every promise counts. */
  send<C extends Request>(
    command: C,
    body: BodyInput<C>,
    tag: unknown,
    settle: (reply: Reply) => void,
  ): void {
    const counted = command !== 'enquire_link' && command !== 'unbind' && boundBy(command) === undefined
    if (this.#state === 'closed' || (counted && this.room === 0)) settle({ kind: 'unwritten' })
    else this.#send(command, body, tag, counted, settle)
  }

  #send<C extends Request>(
    command: C,
    body: BodyInput<C>,
    tag: unknown,
    counted: boolean,
    settle: (reply: Reply) => void,
  ): void {
    const sequence = this.#window.nextSequence()
    const position = this.#outbox.position
    encode(this.#outbox.writer, command, body, sequence)
    const deadline = this.clock.monotonic() + this.options.responseTimeoutMs
    this.#window.add({ command, sequence, deadline, position, counted, tag, settle })
    if (!this.#deadlineSet) this.#watchDeadline(this.options.responseTimeoutMs)
    this.#appended()
  }

  /** Octets from the peer, in any split. */
  received(chunk: Uint8Array): void {
    if (this.#state === 'closed') return
    const begun = this.#framer.held + chunk.length
    try {
      this.#framer.push(chunk, this.#take)
      if (this.#framer.held < begun) this.#heard()
    } catch (error) {
      if (!(error instanceof FramingError)) throw error
      this.log.warn({ reason: error.message }, 'SMPP framing lost')
      this.#write('generic_nack', {}, 0, STATUS.ESME_RINVCMDLEN)
      this.#closeSoon(error.message)
    }
  }

  /** A PDU has ended: what comes behind a `command_length` that is too long may go on for hours, and is no answer. */
  #heard(): void {
    const { doubted } = this
    this.#keepAlive.heard()
    if (doubted) this.events.room?.()
  }

  /** The transport takes octets again. */
  drained(): void {
    if (this.#state === 'closed') return
    this.#outbox.drained()
    this.events.room?.()
  }

  /** The transport is gone, or shall be: pending requests are told, then `events.closed`. */
  close(reason: string): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#keepAlive.stop()
    this.#timers.deadline()
    this.#timers.leave()
    this.transport.close()
    const { taken } = this.#outbox
    this.#outbox.end()
    for (const pending of this.#window.drop())
      pending.settle(
        pending.position >= taken ? { kind: 'unwritten' } : { kind: 'unknown', reason: 'closed' },
      )
    this.#quiet?.()
    this.events.closed(reason)
  }

  /**
   * Takes no more requests, waits up to `drainMs` for those in flight (both ways), unbinds, closes.
   * Resolves when it is closed.
   */
  async unbind(drainMs: number, reason: string): Promise<void> {
    if (this.#state === 'closed' || this.#leaving !== 'no') return
    this.#leaving = 'unbinding'
    if (!this.#isQuiet()) await this.#becomesQuiet(drainMs)
    if (this.#state !== 'open') await this.request('unbind', {})
    this.close(reason)
  }

  /**
   * The peer closes behind our answer, so what is in flight, both ways, may end before it: requests of the peer that were
   * not answered would come again, and ours stay unknown. One that asks twice, or while we leave ourselves, has it at once.
   */
  async #unboundByPeer(sequence: number): Promise<void> {
    if (this.#leaving === 'no' && !this.#isQuiet()) {
      this.#leaving = 'unbinding'
      await this.#becomesQuiet(this.options.responseTimeoutMs)
    }
    this.#write('unbind_resp', {}, sequence, STATUS.ESME_ROK)
    this.#closeSoon('unbound by the peer')
  }

  /** Resolves once nothing is in flight, or after `drainMs`. */
  #becomesQuiet(drainMs: number): Promise<void> {
    return new Promise(resolve => {
      this.#quiet = resolve
      this.#timers.leave = this.clock.after(drainMs, resolve)
    })
  }

  #isQuiet(): boolean {
    return this.#window.inFlight === 0 && this.#inbound === 0
  }

  #settled(): void {
    if (this.#quiet && this.#isQuiet()) this.#quiet()
  }

  readonly #take = (bytes: Uint8Array, from: number, to: number): void => {
    if (this.#state === 'closed' || this.#leaving === 'closing') return
    let pdu: Pdu
    try {
      pdu = decode(bytes, from, to, this.#lenient)
    } catch (error) {
      if (!(error instanceof PduError)) throw error
      this.#unreadable(headerOf(bytes, from), error)
      return
    }
    if (isResponseId(u32At(bytes, from + 4))) this.#response(pdu)
    else this.#request(pdu)
  }

  /** A body that cannot be read is answered, never a reason to close (SMPP 3.4 §3.2, §4.3). */
  #unreadable({ id, status, sequence }: Header, error: PduError): void {
    this.log.warn({ command_id: id, sequence, reason: error.message }, 'SMPP PDU refused')
    const command = commandOf(id)
    if (!isResponseId(id)) {
      const response = command && RESPONSES[command]
      this.#write(response ?? 'generic_nack', {}, sequence, error.status)
      return
    }
    // An error, and that we are bound, is told by the header alone.
    const pending = command && this.#window.take(sequence, command)
    if (!pending) {
      const late = command && status !== STATUS.ESME_ROK && this.#window.takeLate(sequence, command)
      if (late) this.events.late?.(late.tag, nack(sequence, status))
      return
    }
    this.#bound(pending, command, status)
    if (status === STATUS.ESME_ROK) pending.settle({ kind: 'unknown', reason: 'unreadable' })
    else pending.settle({ kind: 'response', pdu: nack(sequence, status) })
    this.#freed(pending)
  }

  #response(pdu: Pdu): void {
    const pending = this.#window.take(pdu.sequence_number, pdu.command)
    if (!pending) {
      this.#unmatched(pdu)
      return
    }
    this.#bound(pending, pdu.command, pdu.command_status)
    pending.settle({ kind: 'response', pdu })
    this.#freed(pending)
  }

  #bound({ command }: Pending, response: Command, status: number): void {
    const bound = boundBy(command)
    if (bound && status === STATUS.ESME_ROK && response !== 'generic_nack') this.#state = bound
  }

  #unmatched(pdu: Pdu): void {
    const late = this.#window.takeLate(pdu.sequence_number, pdu.command)
    if (late) {
      this.events.late?.(late.tag, pdu)
      return
    }
    const { command, sequence_number: sequence, command_status } = pdu
    this.log.warn({ command, sequence, status: statusName(command_status) }, 'SMPP response to nothing')
  }

  #freed(pending: Pending): void {
    if (!pending.counted) return
    this.#settled()
    this.events.room?.()
  }

  #request(pdu: Pdu): void {
    const { command, sequence_number: sequence } = pdu
    if (!isAllowed(this.options.role, this.#state, command)) {
      const again = boundBy(command) !== undefined && this.#state !== 'open'
      this.#answer(pdu, again ? STATUS.ESME_RALYBND : STATUS.ESME_RINVBNDSTS)
    } else if (command === 'enquire_link') this.#write('enquire_link_resp', {}, sequence, STATUS.ESME_ROK)
    else if (command === 'unbind') void this.#unboundByPeer(sequence)
    else if (this.#inbound >= this.#inboundMax) this.#answer(pdu, this.#later())
    else this.#handle(pdu)
  }

  #handle(pdu: Pdu): void {
    let given: Answer | Promise<Answer>
    try {
      given = this.events.request(pdu)
    } catch (error) {
      this.#failed(pdu, error)
      return
    }
    if (!(given instanceof Promise)) {
      this.#tell(pdu, given)
      return
    }
    this.#inbound++
    given.then(
      answer => {
        this.#tell(pdu, answer)
        this.#ended()
      },
      (error: unknown) => {
        this.#failed(pdu, error)
        this.#ended()
      },
    )
  }

  #ended(): void {
    this.#inbound--
    this.#settled()
  }

  /** An answer that cannot be written is a failure like any other. */
  #tell(pdu: Pdu, answer: Answer): void {
    try {
      this.#answer(pdu, answer)
    } catch (error) {
      this.#failed(pdu, error)
    }
  }

  #failed(pdu: Pdu, error: unknown): void {
    this.log.error({ command: pdu.command, sequence: pdu.sequence_number, err: error }, 'SMPP request failed')
    this.#answer(pdu, this.#later())
  }

  /** What tells the peer to try again: an SMSC throttles, an ESME has a temporary error (§5.1.3). */
  #later(): number {
    return this.options.role === 'smsc' ? STATUS.ESME_RTHROTTLED : STATUS.ESME_RX_T_APPN
  }

  #answer(pdu: Pdu, answer: Answer): void {
    const response = RESPONSES[pdu.command]
    if (answer === undefined) return
    const status = typeof answer === 'number' ? answer : answer.status
    const bound = boundBy(pdu.command)
    if (bound && status === STATUS.ESME_ROK && this.#state === 'open') this.#state = bound
    if (!response) {
      if (status !== STATUS.ESME_ROK) this.#write('generic_nack', {}, pdu.sequence_number, status)
    } else this.#write(response, typeof answer === 'number' ? {} : answer.body, pdu.sequence_number, status)
  }

  #write<C extends Command>(command: C, body: BodyInput<C>, sequence: number, status: number): void {
    if (this.#state === 'closed') return
    encode(this.#outbox.writer, command, body, sequence, status)
    this.#appended()
  }

  #appended(): void {
    if (this.#outbox.waiting > this.#outputBytesMax) this.close('the peer does not read')
    else this.#outbox.appended()
  }

  /** Ends the session once what is written has left, or after the response time. */
  #closeSoon(reason: string): void {
    if (this.#state === 'closed' || this.#leaving === 'closing') return
    this.#leaving = 'closing'
    this.#closingReason = reason
    this.#timers.leave()
    this.#timers.leave = this.clock.after(this.options.responseTimeoutMs, () => this.close(reason))
    this.#outbox.flush()
    if (this.#outbox.waiting === 0) this.close(reason)
  }

  #emptied(): void {
    if (this.#leaving === 'closing') this.close(this.#closingReason)
  }

  /** One timer for all requests: that of the oldest. */
  #watchDeadline(delayMs: number): void {
    this.#deadlineSet = true
    this.#timers.deadline = this.clock.after(delayMs, () => this.#expire())
  }

  #expire(): void {
    const now = this.clock.monotonic()
    const taken = this.#outbox.taken
    for (const pending of this.#window.inOrder()) {
      if (pending.deadline > now) break
      if (pending.position >= taken) {
        this.close('the peer takes no octets')
        return
      }
      // Before its place is free: what goes into it would be lost as well. Half the time, since answers to what was
      // written before it may have come after it was.
      this.#keepAlive.doubt(this.options.responseTimeoutMs / 2)
      // Asking may have ended it, or who was told of the one before, and then all are told.
      if (this.#state === 'closed') return
      this.#window.expire(pending)
      pending.settle({ kind: 'unknown', reason: 'timeout' })
      this.#freed(pending)
    }
    // Also for those that were made meanwhile.
    const [oldest] = this.#window.inOrder()
    this.#deadlineSet = false
    if (oldest) this.#watchDeadline(oldest.deadline - now)
  }

  /** Finds the half-open connection: any answer will do, silence drops it. */
  #enquire(): void {
    this.send('enquire_link', {}, undefined, reply => {
      if (reply.kind === 'unknown' && reply.reason === 'timeout')
        this.close(`enquire_link not answered in ${this.options.responseTimeoutMs} ms`)
      else if (this.#state !== 'closed') this.#keepAlive.watch()
    })
  }
}

const idle = (): void => undefined

/** An error response whose body is unreadable says no more than a generic_nack would. */
const nack = (sequence: number, status: number): Pdu => ({
  command: 'generic_nack',
  command_status: status,
  sequence_number: sequence,
  tlvs: {},
})
