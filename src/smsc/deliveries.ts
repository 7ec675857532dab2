import { PduError } from '../smpp/error.ts'
import type { BodyInput } from '../smpp/pdu.ts'
import type { Session } from '../smpp/session.ts'
import { isTemporary, STATUS } from '../smpp/status.ts'
import type { Reply } from '../smpp/window.ts'
import type { Later, SmscClock } from './later.ts'

/** What goes to the ESMEs of one account: receipts and messages from handsets. */

export interface Delivery {
  readonly body: BodyInput<'deliver_sm'>
  /** The session of the message it tells of, and whether that one, any, or any other may have it. */
  readonly origin?: Session
  readonly to: 'any' | 'same' | 'other'
  /** True when the ESME took it, false when it was given up. */
  readonly done?: (taken: boolean) => void
  tries: number
}

/** Past it the newest is given up. */
const QUEUE_MAX = 200_000
const TRIES_MAX = 10
const RETRY_MS = 1000

/**
 * A queue that waits for a session which can receive and has room. What the ESME refuses for now, or never
 * answers, is tried again; what it refuses for good, or ten times, is given up.
 */
export class Deliveries {
  #queue: Delivery[] = []
  /** The next of `#queue`. */
  #head = 0
  #scheduled = false

  constructor(
    private readonly sessions: ReadonlySet<Session>,
    private readonly clock: SmscClock,
    private readonly later: Later,
  ) {}

  get waiting(): number {
    return this.#queue.length - this.#head
  }

  push(delivery: Delivery): void {
    if (this.waiting >= QUEUE_MAX) {
      delivery.done?.(false)
      return
    }
    this.#queue.push(delivery)
    this.schedule()
  }

  /** A session was bound or has room again. At the end of the turn, behind the responses written in it. */
  schedule(): void {
    if (this.#scheduled || this.waiting === 0) return
    this.#scheduled = true
    this.clock.soon(this.flush)
  }

  /** Sends what can be sent now. */
  readonly flush = (): void => {
    this.#scheduled = false
    for (; this.#head < this.#queue.length; this.#head++) {
      const delivery = this.#queue[this.#head] as Delivery
      if (isHopeless(delivery)) {
        delivery.done?.(false)
        continue
      }
      const session = this.#sessionFor(delivery)
      if (!session) break
      this.#send(delivery, session)
    }
    if (this.#head === this.#queue.length) this.#queue = []
    else if (this.#head > this.#queue.length / 2) this.#queue = this.#queue.slice(this.#head)
    else return
    this.#head = 0
  }

  /** Gives up all that waits. */
  clear(): void {
    for (const delivery of this.#queue.slice(this.#head)) delivery.done?.(false)
    this.#queue = []
    this.#head = 0
  }

  #sessionFor({ origin, to }: Delivery): Session | undefined {
    if (to !== 'other' && origin && canTake(origin)) return origin
    if (to === 'same') return undefined
    for (const session of this.sessions) if (session !== origin && canTake(session)) return session
    return undefined
  }

  #send(delivery: Delivery, session: Session): void {
    try {
      session.send('deliver_sm', delivery.body, undefined, reply => this.#settled(delivery, reply))
    } catch (error) {
      if (!(error instanceof PduError)) throw error
      delivery.done?.(false)
    }
  }

  #settled(delivery: Delivery, reply: Reply): void {
    const status = reply.kind === 'response' ? reply.pdu.command_status : STATUS.ESME_RX_T_APPN
    if (status === STATUS.ESME_ROK) delivery.done?.(true)
    else if (!isTemporary(status) || ++delivery.tries >= TRIES_MAX) delivery.done?.(false)
    else this.later.after(RETRY_MS, () => this.push(delivery))
  }
}

const receives = ({ state }: Session): boolean => state === 'bound_rx' || state === 'bound_trx'

/** For one session alone, which will never take it. */
const isHopeless = ({ origin, to }: Delivery): boolean => to === 'same' && !(origin && receives(origin))

const canTake = (session: Session): boolean => receives(session) && session.room > 0
