import { SHORT_MESSAGE_OCTETS_MAX } from '../smpp/fields.ts'
import type { BodyInput } from '../smpp/pdu.ts'
import { bodyOf, type Carried, decodeText } from '../smpp/text/inbound.ts'
import type { ReceiptState } from '../smpp/text/receipt.ts'
import { ESM_RECEIPT, messageStateOf, statOf, writeReceipt } from '../smpp/text/receipt.ts'
import { absoluteTime } from '../smpp/time.ts'
import type { Tlvs } from '../smpp/tlv.ts'
import type { Faults } from './faults.ts'
import { formatId } from './faults.ts'

/** A message that the SMSC took. */
export interface Taken {
  readonly id: number
  /** The account's; nobody else may ask for it. */
  readonly systemId: string
  readonly source: Endpoint
  readonly destination: Endpoint
  /** The first characters, for its receipt; empty when none was asked for. */
  readonly text: string
  readonly submittedAt: number
  /** What it comes to. */
  readonly state: ReceiptState
  readonly error: number
  /** From its response to its final state. */
  readonly finalMs: number
  /** Unix milliseconds; `state` holds from then on. */
  readonly doneAt: number
}

export interface Endpoint {
  readonly ton: number
  readonly npi: number
  readonly address: string
}

const RECEIPT_TEXT_CHARACTERS = 20
const OCTETS_PER_CHARACTER_MAX = 2

/** The beginning of what a submit_sm or data_sm says, as ASCII. */
export function beginningOf(pdu: Carried): string {
  const octets = bodyOf(pdu).octets.subarray(0, RECEIPT_TEXT_CHARACTERS * OCTETS_PER_CHARACTER_MAX)
  return decodeText(octets, pdu.data_coding)
    .slice(0, RECEIPT_TEXT_CHARACTERS)
    .replace(/[^ -~]/g, '?')
}

const FINE: ReadonlySet<ReceiptState> = new Set(['delivered', 'accepted', 'submitted'])

export const isFailure = (state: ReceiptState): boolean => !FINE.has(state)

export const errorOf = (state: ReceiptState, { receiptError }: Faults): number =>
  isFailure(state) ? receiptError : 0

/** GSM, of `network_error_code` (SMPP 3.4 §5.3.2.31). */
const NETWORK_GSM = 3

/** The deliver_sm that tells what became of `message`. */
export function receiptOf(message: Taken, faults: Faults): BodyInput<'deliver_sm'> {
  const id = formatId(message.id, faults.idReceipt)
  const { receiptIn } = faults
  const octets = receiptIn === 'tlv' ? new Uint8Array() : textOf(message, id, faults)
  const tlvs: Tlvs = {
    ...(receiptIn !== 'text' && told(message, id)),
    ...(receiptIn === 'payload' && { message_payload: octets }),
  }
  const { source, destination } = message
  return {
    source_addr_ton: destination.ton,
    source_addr_npi: destination.npi,
    source_addr: destination.address,
    dest_addr_ton: source.ton,
    dest_addr_npi: source.npi,
    destination_addr: source.address,
    esm_class: ESM_RECEIPT,
    tlvs,
    ...(receiptIn !== 'payload' && { short_message: octets }),
  }
}

const told = ({ state, error }: Taken, id: string): Tlvs => ({
  receipted_message_id: id,
  message_state: messageStateOf(state),
  ...(error > 0 && { network_error_code: Uint8Array.of(NETWORK_GSM, error >> 8, error) }),
})

function textOf(message: Taken, id: string, { receiptText }: Faults): Uint8Array {
  const { state, error, submittedAt: submitDate, doneAt: doneDate, text } = message
  const written =
    receiptText === ''
      ? writeReceipt({ id, state, error, submitDate, doneDate, text })
      : receiptText.replace(
          /\{(id|stat|err|submit|done|text)\}/g,
          (_, name: string) =>
            new Map([
              ['id', id],
              ['stat', statOf(state)],
              ['err', String(error)],
              ['submit', seconds(submitDate)],
              ['done', seconds(doneDate)],
            ]).get(name) ?? text,
        )
  return new Uint8Array(Buffer.from(written.slice(0, SHORT_MESSAGE_OCTETS_MAX), 'latin1'))
}

/** `YYMMDDhhmmss`, UTC. */
const seconds = (at: number): string => absoluteTime(at).slice(0, 12)

/** The latest messages by id; older ones are forgotten. */
export class Ledger {
  readonly #messages: (Taken | undefined)[] = []
  #next: number

  constructor(firstId: number) {
    this.#next = firstId
  }

  nextId(): number {
    return this.#next++
  }

  keep(message: Taken): void {
    this.#messages[message.id % KEPT_MAX] = message
  }

  /** Undefined for an id that was never given, or too long ago. */
  find(id: number): Taken | undefined {
    const message = this.#messages[id % KEPT_MAX]
    return message?.id === id ? message : undefined
  }
}

const KEPT_MAX = 65_536
