import { systemClock } from '../../src/clock.ts'
import { connect } from '../../src/smpp/net.ts'
import type { BodyInput, DeliverSm, Pdu, Request } from '../../src/smpp/pdu.ts'
import type { Log } from '../../src/smpp/ports.ts'
import { type Answer, Session } from '../../src/smpp/session.ts'
import type { Reply } from '../../src/smpp/window.ts'

type Bind = 'bind_transceiver' | 'bind_transmitter' | 'bind_receiver'

/** The least ESME that can be: one session, what it was sent, and what came back in which order. */
export class Esme {
  readonly delivered: DeliverSm[] = []
  /** Responses and deliver_sm in the order in which they came: `response 1000000`, `deliver_sm`. */
  readonly order: string[] = []
  readonly log: string[] = []
  readonly closed: Promise<string>
  /** What a deliver_sm is answered. */
  answer: Answer = 0
  #session: Session | undefined
  #onClosed: (reason: string) => void = () => undefined
  readonly #waiting = new Set<{ readonly count: number; readonly resolve: () => void }>()

  constructor() {
    this.closed = new Promise(resolve => {
      this.#onClosed = resolve
    })
  }

  static async bound(port: number, bind: Bind = 'bind_transceiver', system_id = 'esme'): Promise<Esme> {
    const esme = new Esme()
    await esme.open(port)
    await esme.request(bind, { system_id, password: 'secret', interface_version: 0x34 })
    return esme
  }

  get session(): Session {
    if (!this.#session) throw new Error('not open')
    return this.#session
  }

  open(port: number, responseTimeoutMs = 2000): Promise<void> {
    const warn = (_: object, text: string): void => void this.log.push(text)
    const log: Log = { debug() {}, info() {}, warn, error: warn }
    const options = { role: 'esme', window: 10_000, responseTimeoutMs, enquireLinkMs: 0 } as const
    return new Promise((resolve, reject) => {
      connect(
        { host: '127.0.0.1', port },
        transport => {
          const request = (pdu: Pdu): Answer => this.#delivered(pdu)
          const closed = (reason: string): void => this.#onClosed(reason)
          this.#session = new Session(transport, options, { request, closed }, systemClock, log)
          resolve()
          return this.#session
        },
        reason => reject(new Error(reason)),
      )
    })
  }

  /** `order` is kept by callback: a promise would settle behind what came in the same read. */
  request<C extends Request>(command: C, body: BodyInput<C>): Promise<Reply> {
    return new Promise(resolve =>
      this.session.send(command, body, undefined, reply => {
        if (reply.kind === 'response' && 'message_id' in reply.pdu)
          this.order.push(`response ${reply.pdu.message_id}`)
        resolve(reply)
      }),
    )
  }

  submit(destination_addr = '4917012345', more: BodyInput<'submit_sm'> = {}): Promise<Reply> {
    return this.request('submit_sm', {
      ...{ source_addr: 'Sender', source_addr_ton: 5, dest_addr_ton: 1, dest_addr_npi: 1 },
      ...{ destination_addr, registered_delivery: 1, short_message: Buffer.from('Hello'), ...more },
    })
  }

  /** `0x0 1000000`: status and message id of each, in the order of the submits. */
  async submits(count: number, destination?: string): Promise<string[]> {
    return Promise.all(Array.from({ length: count }, async () => told(await this.submit(destination))))
  }

  /** What was delivered, as soon as it is `count`. */
  async deliveries(count: number): Promise<readonly DeliverSm[]> {
    if (this.delivered.length < count)
      await new Promise<void>(resolve => this.#waiting.add({ count, resolve }))
    return this.delivered
  }

  close(): void {
    this.#session?.close('done')
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #delivered(pdu: Pdu): Answer {
    if (pdu.command !== 'deliver_sm') return 3
    this.delivered.push(pdu)
    this.order.push('deliver_sm')
    for (const waiting of this.#waiting) {
      if (this.delivered.length < waiting.count) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
    return this.answer
  }
}

/** `0x0 1000000`, or why there was no response. */
export function told(reply: Reply): string {
  if (reply.kind !== 'response') return reply.kind === 'unknown' ? `unknown ${reply.reason}` : reply.kind
  const { pdu } = reply
  const id = 'message_id' in pdu ? pdu.message_id : ''
  return `0x${pdu.command_status.toString(16)} ${id}`.trim()
}
