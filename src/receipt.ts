import type { Clock } from './clock.ts'
import type { Ids } from './ids.ts'
import type { Log } from './log.ts'
import { AccountHabits, type IdForm } from './receipt_ids.ts'
import type { DataSm, DeliverSm } from './smpp/pdu.ts'
import { STATUS } from './smpp/status.ts'
import { readText } from './smpp/text/inbound.ts'
import { type Receipt, readReceipt } from './smpp/text/receipt.ts'
import type { InboundMessage, MessageStore, Settled, StoredReceipt } from './store/store.ts'

/** What the way back needs of the link that a PDU came in on. */
export interface ReceiptLink {
  readonly id: number
  readonly name: string
  readonly account: string
}

/** Handles a `deliver_sm` or `data_sm`; answers the `command_status` of its response, once that is true. */
export type Receive = (pdu: DeliverSm | DataSm, link: ReceiptLink) => Promise<number>

/** What came in, ever, by what became of it. */
export interface ReceiptCounts {
  /** Receipts that found their message. */
  matched: number
  /** Receipts kept for a message that is not known yet. */
  held: number
  /** MO messages and segments of them. */
  inbound: number
  /** Not stored: the SMSC was asked to send them again. */
  failed: number
}

export interface ReceiptDependencies {
  readonly store: Pick<MessageStore, 'settle' | 'keepInbound'>
  readonly ids: Pick<Ids, 'messageId'>
  readonly clock: Pick<Clock, 'now' | 'soon'>
  readonly log: Log
}

/**
 * The way back: link → parse → match → store → `deliver_sm_resp`. A receipt finds its message by the SMSC's id
 * within the account; one that finds none is kept, for its message may not be stored yet. Whatever the store
 * does not take is answered with a temporary error (ESME_RX_T_APPN), so that the SMSC sends it again. What is no
 * receipt goes to the inbox, where the store joins the segments of a long message.
 */
export function createReceive({ store, ids, clock, log }: ReceiptDependencies): {
  readonly receive: Receive
  readonly counts: Readonly<ReceiptCounts>
} {
  const habits = new AccountHabits()
  const counts: ReceiptCounts = { matched: 0, held: 0, inbound: 0, failed: 0 }

  let turn: Promise<void> | undefined
  /**
   * An SMSC that delivers at once sends the receipt behind its response, and both come in one read: what the
   * response sets off goes to the store first. A receipt that has to be held costs the store four times as much.
   */
  const endOfTurn = (): Promise<void> => {
    turn ??= new Promise(resolve =>
      clock.soon(() => {
        turn = undefined
        resolve()
      }),
    )
    return turn
  }

  const answered = (
    settled: Settled,
    forms: readonly IdForm[],
    receipt: Receipt,
    link: ReceiptLink,
  ): void => {
    if (settled.matched) {
      counts.matched++
      habits.learned(link.account, forms, settled.form)
    } else {
      counts.held++
      log.debug(
        { link: link.name, smsc_id: receipt.id, state: receipt.state },
        'receipt kept: no message with this id yet',
      )
    }
  }

  const keep = async (pdu: DeliverSm | DataSm, link: ReceiptLink): Promise<void> => {
    await store.keepInbound(inbound(pdu, link, ids.messageId(), clock.now()))
    counts.inbound++
  }

  return {
    counts,
    receive: async (pdu, link) => {
      try {
        const receipt = readReceipt(pdu)
        if (receipt) {
          await endOfTurn()
          const forms = habits.forms(link.account, receipt.id)
          answered(await store.settle(stored(receipt, forms, pdu, link, clock.now())), forms, receipt, link)
        } else await keep(pdu, link)
        return STATUS.ESME_ROK
      } catch (error) {
        counts.failed++
        log.error({ link: link.name, err: error }, 'not stored: the SMSC is asked to send it again')
        return STATUS.ESME_RX_T_APPN
      }
    },
  }
}

const stored = (
  receipt: Receipt,
  forms: readonly IdForm[],
  pdu: DeliverSm | DataSm,
  { account }: ReceiptLink,
  at: number,
): StoredReceipt => ({
  account,
  ids: forms.map(idOf),
  address: digitsOf(pdu.source_addr),
  state: wordOf(receipt),
  error: receipt.error,
  at,
})

/** A notification on the way tells of an attempt, not of an end: that the handset has it is all it can say for good. */
const wordOf = ({ state, intermediate }: Receipt): Receipt['state'] =>
  intermediate && state !== 'delivered' && state !== 'accepted' ? 'submitted' : state

const idOf = ({ id }: IdForm): string => id

const NO_DIGIT = /\D/g
/** A receipt's source is the handset; SMSCs write it with `+`, with spaces, or leave it out. */
const digitsOf = (address: string): string => address.replace(NO_DIGIT, '')

function inbound(pdu: DeliverSm | DataSm, link: ReceiptLink, id: string, receivedAt: number): InboundMessage {
  const { text, concatenation } = readText(pdu)
  return {
    id,
    account: link.account,
    link: link.id,
    source: pdu.source_addr,
    destination: pdu.destination_addr,
    text,
    // A long message of one segment is whole.
    segment: concatenation && concatenation.total > 1 ? concatenation : undefined,
    receivedAt,
  }
}
