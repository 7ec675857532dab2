import { absoluteTime } from '../time.ts'
import type { Carried } from './inbound.ts'
import { bodyOf, decodeText } from './inbound.ts'

/** Delivery receipts and intermediate notifications (SMPP 3.4 §5.2.12, Appendix B). */

/** What a receipt can say; the names are those of a part's states. */
export type ReceiptState =
  | 'submitted'
  | 'delivered'
  | 'expired'
  | 'deleted'
  | 'undeliverable'
  | 'accepted'
  | 'unknown'
  | 'rejected'

export interface Receipt {
  /** The SMSC's id as it stood; empty when the receipt names none. */
  readonly id: string
  readonly state: ReceiptState
  /** The network's error code; 0 when there was none, or none that is a number. */
  readonly error: number
  /** A notification on the way: no final word. */
  readonly intermediate: boolean
  /** Unix milliseconds. Receipts name no time zone: read as UTC. */
  readonly submitDate: number | undefined
  readonly doneDate: number | undefined
}

const MESSAGE_TYPE = 0x3c
export const ESM_RECEIPT = 0x04
const ESM_INTERMEDIATE = 0x20

/**
 * Undefined when the PDU is no receipt: a message from a handset. It is one by its esm_class, or by the TLVs
 * that only an SMSC can add. Text that looks like a receipt is not enough: any handset can write it.
 */
export function readReceipt(pdu: Carried): Receipt | undefined {
  const type = pdu.esm_class & MESSAGE_TYPE
  const { receipted_message_id, message_state, network_error_code } = pdu.tlvs
  const typed = type === ESM_RECEIPT || type === ESM_INTERMEDIATE
  if (!typed && receipted_message_id === undefined && message_state === undefined) return undefined
  const text = textOf(pdu)
  const fields = readAppendixB(text) ?? readFields(text)
  const id = receipted_message_id || fields.get('id') || ''
  // With one of the TLVs the text may say the rest: which message, and what became of it.
  if (!typed && (id === '' || (message_state ?? fields.get('stat')) === undefined)) return undefined
  const networkError = network_error_code
    ? ((network_error_code[1] ?? 0) << 8) | (network_error_code[2] ?? 0)
    : 0
  const intermediate = type === ESM_INTERMEDIATE
  return {
    id,
    state: MESSAGE_STATES[message_state ?? -1] ?? stateOf(fields.get('stat'), intermediate),
    error: networkError || errorOf(fields.get('err')),
    intermediate,
    // Two dates cost as much to read as all the rest, and few ask for them.
    get submitDate() {
      return dateOf(fields.get('submitdate'))
    },
    get doneDate() {
      return dateOf(fields.get('donedate'))
    },
  }
}

const UCS2 = 0x08
const LATIN1 = 0x03

/** SMSCs write ASCII whatever data_coding says, and 0 most of all; in GSM 03.38 a `_` of an id would be `§`. */
const textOf = (pdu: Carried): string =>
  decodeText(bodyOf(pdu).octets, pdu.data_coding === UCS2 ? UCS2 : LATIN1)

/** `message_state` (SMPP 3.4 §5.2.28); 0 SCHEDULED and 9 SKIPPED are of SMPP 5.0 §4.7.15. */
const MESSAGE_STATES: readonly ReceiptState[] = [
  'submitted',
  'submitted',
  'delivered',
  'expired',
  'deleted',
  'undeliverable',
  'accepted',
  'unknown',
  'rejected',
  'undeliverable',
]

/**
 * The words of `stat:`; the first of a state is Appendix B's. FAILED is undeliverable: the SMSC took the
 * message and could not deliver it.
 */
const STAT_WORDS: readonly (readonly [ReceiptState, readonly string[]])[] = [
  ['delivered', ['DELIVRD', 'DELIVERED', 'DELIVERD']],
  ['expired', ['EXPIRED']],
  ['deleted', ['DELETED']],
  ['undeliverable', ['UNDELIV', 'UNDELIVERABLE', 'UNDELIVERED', 'UNDELIVRD', 'FAILED', 'SKIPPED']],
  ['accepted', ['ACCEPTD', 'ACCEPTED']],
  ['unknown', ['UNKNOWN']],
  ['rejected', ['REJECTD', 'REJECTED']],
  ['submitted', ['ENROUTE', 'SCHEDULED', 'BUFFERED', 'BUFFRED']],
]
/** SMSCs cut the word as short as this. */
const STAT_LETTERS_MIN = 5
const STATS: ReadonlyMap<string, ReceiptState> = new Map(
  STAT_WORDS.flatMap(([state, words]) => words.flatMap(word => prefixes(word).map(key => [key, state]))),
)

function prefixes(word: string): string[] {
  const count = Math.max(1, word.length - STAT_LETTERS_MIN + 1)
  return Array.from({ length: count }, (_, cut) => word.slice(0, word.length - cut))
}

function stateOf(stat: string | undefined, intermediate: boolean): ReceiptState {
  const asWritten = STATS.get(stat ?? '')
  if (asWritten) return asWritten
  const word = /^[A-Z0-9_-]+/i.exec(stat ?? '')?.[0] ?? ''
  const byNumber = /^\d$/.test(word) ? MESSAGE_STATES[Number(word)] : undefined
  const known = byNumber ?? STATS.get(word.toUpperCase().replace(/[_-]/g, ''))
  return known ?? (intermediate ? 'submitted' : 'unknown')
}

/** Decimal; hexadecimal when it has a letter from A to F; words have no number. */
function errorOf(err: string | undefined): number {
  // What the SMSCs of a message that came through all say.
  if (err === '000' || err === undefined) return 0
  const word = /^\S+/.exec(err)?.[0] ?? ''
  if (/^\d{1,9}$/.test(word)) return Number(word)
  const digits = /^(?:0x)?([0-9a-f]{1,8})$/i.exec(word)?.[1]
  return digits === undefined ? 0 : Number.parseInt(digits, 16)
}

/** `YYMMDDhhmm`, with seconds or without, a century before it or not. */
function dateOf(date: string | undefined): number | undefined {
  const digits = /^\d+/.exec(date ?? '')?.[0] ?? ''
  const short = digits.length === 14 && digits.startsWith('20') ? digits.slice(2) : digits
  if (short.length < 10) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (short.match(/../g) ?? []).map(
    Number,
  )
  const at = Date.UTC(2000 + year, month - 1, day, hour, minute, second)
  const back = new Date(at)
  return back.getUTCMonth() === month - 1 && back.getUTCDate() === day && hour < 24 ? at : undefined
}

interface Fields {
  get(name: string): string | undefined
}

const APPENDIX_B =
  /^id:(\S+) sub:\S* dlvrd:\S* submit date:(\S+) done date:(\S+) stat:(\S+) err:([^\s\0]+)(?: [Tt]ext:|[\s\0]*$)/
const APPENDIX_B_NAMES = ['', 'id', 'submitdate', 'donedate', 'stat', 'err']

/** The fields of a text that is Appendix B's to the letter, as most are: a tenth of what a search for each name takes. */
function readAppendixB(text: string): Fields | undefined {
  const match = APPENDIX_B.exec(text)
  return match ? new AppendixB(match) : undefined
}

class AppendixB implements Fields {
  constructor(private readonly match: RegExpExecArray) {}

  get(name: string): string | undefined {
    return this.match[APPENDIX_B_NAMES.indexOf(name)]
  }
}

const KEY = /(?:^|\s)(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text)\s*:/gi

/**
 * The fields of the text by name (`id`, `stat`, `submitdate` …), in whatever order and case. A value ends
 * where the next name begins. What is behind `text:` is the message's own and may hold anything: it is asked
 * only for what is missing before it, and then the last word counts, since the fields come after the message.
 */
function readFields(text: string): Fields {
  const fields = new Map<string, string>()
  const behind = new Map<string, string>()
  let into = fields
  let name = ''
  let from = 0
  const take = (value: string): void => {
    if (name === 'text') into = behind
    else if (name !== '' && (into === behind || !fields.has(name))) into.set(name, value.trim())
  }
  KEY.lastIndex = 0
  for (let match = KEY.exec(text); match; match = KEY.exec(text)) {
    take(text.slice(from, match.index))
    name = (match[1] ?? '').toLowerCase().replace(/[ _]/, '')
    from = KEY.lastIndex
  }
  // Some SMSCs end the text with a NUL.
  take(text.slice(from).replace(/[\s\0]+$/, ''))
  for (const [missing, value] of behind) if (!fields.has(missing)) fields.set(missing, value)
  return fields
}

export interface WrittenReceipt {
  readonly id: string
  readonly state: ReceiptState
  readonly error: number
  /** Unix milliseconds. */
  readonly submitDate: number
  /** Unix milliseconds. */
  readonly doneDate: number
  /** The first 20 characters of the message. */
  readonly text: string
}

/** The text of Appendix B, as an SMSC writes it. */
export function writeReceipt({ id, state, error, submitDate, doneDate, text }: WrittenReceipt): string {
  const delivered = state === 'delivered' ? '001' : '000'
  return (
    `id:${id} sub:001 dlvrd:${delivered} submit date:${minutes(submitDate)} done date:${minutes(doneDate)} ` +
    `stat:${statOf(state)} err:${String(error).padStart(3, '0')} text:${text.slice(0, 20)}`
  )
}

/** The seven letters of Appendix B. */
export const statOf = (state: ReceiptState): string =>
  STAT_WORDS.find(([named]) => named === state)?.[1][0] ?? 'UNKNOWN'

/** `message_state` of a state (SMPP 3.4 §5.2.28). */
export const messageStateOf = (state: ReceiptState): number => MESSAGE_STATES.indexOf(state, 1)

/** `YYMMDDhhmm`, UTC. */
const minutes = (at: number): string => absoluteTime(at).slice(0, 10)
