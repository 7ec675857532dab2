import { STATUS } from '../smpp/status.ts'
import type { ReceiptState } from '../smpp/text/receipt.ts'
import { messageStateOf } from '../smpp/text/receipt.ts'
import type { Draw, Selector } from './selector.ts'
import { readSelector, SELECTOR_RULE } from './selector.ts'

/**
 * What the SMSC does otherwise than well, as one table: it makes the types, reads the settings, and is the
 * command's flags and help. A setting is text everywhere, in a test as on the command line.
 */

/** Milliseconds, both included; drawn anew for each message. */
export interface Span {
  readonly minMs: number
  readonly maxMs: number
}

/** The value of the first rule that selects the message. */
export type Rules<T> = readonly { readonly value: T; readonly selects: Selector }[]

export type IdForm = (typeof ID_FORMS)[number]
const ID_FORMS = ['decimal', 'padded', 'hex', 'upper', 'padded-hex'] as const

interface Setting<T> {
  /** What is to be written, in a word for the help. */
  readonly hint: string
  /** And in full, for complaints. */
  readonly value: string
  readonly default: string
  readonly description: string
  /** Undefined when the text is no such value. */
  readonly read: (text: string) => T | undefined
}

const setting = <T>(
  of: Omit<Setting<T>, 'default' | 'description'>,
  standard: string,
  description: string,
) => ({
  ...of,
  default: standard,
  description,
})

const time = { hint: 'TIME', value: 'a time such as 20ms or 1.5s, or two such as 10ms-50ms', read: readSpan }
const count = { hint: 'N', value: 'a whole number', read: readCount }
const flag = { hint: 'on|off', value: 'on or off', read: readFlag }
const selector = { hint: 'WHICH', value: SELECTOR_RULE, read: readSelector }
const status = { hint: 'STATUS', value: 'a command_status such as 0x58 or ESME_RTHROTTLED', read: readStatus }
const text = { hint: 'TEXT', value: 'a text of 1000 characters at most', read: readText }
const idForm = oneOf(ID_FORMS)

const TABLE = {
  delay: setting(time, '0ms', 'before the response to each message'),
  lose: setting(selector, 'never', 'messages that are taken and whose response is never sent'),
  reorder: setting(count, '0', 'send responses in groups of N, the last first'),
  error: setting(
    {
      hint: 'STATUS=WHICH,…',
      value: `rules such as 0x45=1/10,0x0b=4917*; a rule is STATUS=WHICH, WHICH is ${SELECTOR_RULE}`,
      read: rulesOf(readStatus),
    },
    '',
    'messages that are refused, by what status',
  ),
  throttleRate: setting(count, '0', 'ESME_RTHROTTLED past N messages in any second; 0 is no limit'),
  throttleWindow: setting(count, '0', 'ESME_RTHROTTLED past N messages without a response; 0 is no limit'),
  dropAfter: setting(count, '0', 'cut each connection at the N-th message that it takes; 0 is never'),
  dropReset: setting(flag, 'off', 'cut with a reset (RST), not an end (FIN)'),
  mute: setting(flag, 'off', 'take everything and answer nothing, enquire_link neither'),
  bindStatus: setting(status, '0x00', 'answer of each bind'),
  receipts: setting(flag, 'on', 'send the receipts that are asked for'),
  receiptDelay: setting(time, '0ms', 'from the response to the receipt'),
  receiptEarly: setting(selector, 'never', 'messages whose receipt goes before the response'),
  receiptTwice: setting(selector, 'never', 'messages that get their receipt twice'),
  receiptBind: setting(
    oneOf(['any', 'same', 'other']),
    'any',
    'the session of the receipt: the message’s own if it can, that one alone, or another of the account',
  ),
  receiptIn: setting(
    oneOf(['both', 'text', 'tlv', 'payload']),
    'both',
    'text and TLVs, one of them, or TLVs and the text in message_payload',
  ),
  receiptText: setting(
    text,
    '',
    'the text when it is not that of SMPP 3.4 Appendix B; {id} {stat} {err} {submit} {done} {text} are filled in',
  ),
  receiptState: setting(
    {
      hint: 'STATE=WHICH,…',
      value: `rules such as undeliverable=0.1,expired=*99; WHICH is ${SELECTOR_RULE}`,
      read: rulesOf(readState),
    },
    '',
    'final states other than delivered',
  ),
  receiptError: setting(count, '1', 'the error code of a receipt that tells of a failure'),
  idResponse: setting(idForm, 'decimal', 'how message_id is written in a response'),
  idReceipt: setting(idForm, 'decimal', 'how it is written in a receipt'),
  moRate: setting(count, '0', 'messages from handsets a second, to each account'),
  moText: setting(text, 'Hello from a handset', 'what they say'),
} satisfies Record<string, Setting<unknown>>

type Table = typeof TABLE
export type Faults = { readonly [K in keyof Table]: Exclude<ReturnType<Table[K]['read']>, undefined> }
/** Faults as one writes them. */
export type FaultSettings = { readonly [K in keyof Table]?: string }

/** A setting was wrong; the text says which and what it should be. */
export class FaultError extends Error {
  override readonly name = 'FaultError'
}

export interface FaultOption {
  readonly key: keyof Table
  /** On a command line, without `--`: `receipt-delay`. */
  readonly name: string
  /** A `boolean` needs no value there and is `on`. */
  readonly type: 'string' | 'boolean'
  readonly hint: string
  readonly value: string
  readonly default: string
  readonly description: string
}

const nameOf = (key: string): string => key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

/** In the order of the help. */
export const FAULT_OPTIONS: readonly FaultOption[] = (Object.keys(TABLE) as (keyof Table)[]).map(key => {
  const { hint, value, default: standard, description } = TABLE[key]
  const type = TABLE[key].read === readFlag && standard === 'off' ? 'boolean' : 'string'
  return { key, name: nameOf(key), type, hint, value, default: standard, description }
})

/** The faults of `settings`, the table's defaults for the rest. Throws a FaultError. */
export function readFaults(settings: FaultSettings): Faults {
  return Object.fromEntries(
    FAULT_OPTIONS.map(({ key, name, value, default: standard }) => {
      const written = settings[key] ?? standard
      const read = TABLE[key].read(written)
      if (read === undefined) throw new FaultError(`${name}: "${written}" is not ${value}`)
      return [key, read]
    }),
  ) as Faults
}

function readSpan(text: string): Span | undefined {
  const times = text.split('-').map(readTime)
  const [minMs, maxMs = minMs] = times
  if (times.length > 2 || minMs === undefined || maxMs === undefined || minMs > maxMs) return undefined
  return { minMs, maxMs }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 }
const TIME_MS_MAX = 24 * 3600 * 1000

function readTime(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? []
  const ms = Number(digits) * (UNITS[unit] ?? 0)
  return ms <= TIME_MS_MAX ? ms : undefined
}

const TEXT_LENGTH_MAX = 1000

function readText(text: string): string | undefined {
  return text.isWellFormed() && text.length <= TEXT_LENGTH_MAX ? text : undefined
}

const COUNT_MAX = 1_000_000

function readCount(text: string): number | undefined {
  return /^\d{1,7}$/.test(text) && Number(text) <= COUNT_MAX ? Number(text) : undefined
}

function readFlag(text: string): boolean | undefined {
  return text === 'on' ? true : text === 'off' ? false : undefined
}

function readStatus(text: string): number | undefined {
  if (/^0x[0-9a-f]{1,8}$/i.test(text)) return Number.parseInt(text, 16)
  return new Map<string, number>(Object.entries(STATUS)).get(text)
}

function readState(text: string): ReceiptState | undefined {
  const state = text as ReceiptState
  return messageStateOf(state) > 0 ? state : undefined
}

function oneOf<const T extends string>(words: readonly T[]) {
  return {
    hint: words.join('|'),
    value: `one of ${words.join(', ')}`,
    read: (text: string): T | undefined => words.find(word => word === text),
  }
}

/** `VALUE=WHICH,VALUE=WHICH`; no WHICH is always; an empty text is no rule. */
function rulesOf<T>(read: (text: string) => T | undefined) {
  return (text: string): Rules<T> | undefined => {
    if (text === '') return []
    const rules = text.split(',').map(rule => {
      const [word = '', which = 'always', ...more] = rule.trim().split('=')
      const value = read(word)
      const selects = readSelector(which)
      return value === undefined || !selects || more.length > 0 ? undefined : { value, selects }
    })
    return rules.every(rule => rule !== undefined) ? rules : undefined
  }
}

/** What befalls the next message to `destination`; undefined when no rule selects it. Every rule counts it. */
export function ruled<T>(rules: Rules<T>, destination: string, draw: Draw): T | undefined {
  let value: T | undefined
  for (const rule of rules) if (rule.selects(destination, draw)) value ??= rule.value
  return value
}

export const drawMs = ({ minMs, maxMs }: Span, draw: Draw): number =>
  minMs === maxMs ? minMs : minMs + draw() * (maxMs - minMs)

/** An id as one side writes it. */
export function formatId(id: number, form: IdForm): string {
  switch (form) {
    case 'decimal':
      return String(id)
    case 'padded':
      return String(id).padStart(20, '0')
    case 'hex':
      return id.toString(16)
    case 'upper':
      return id.toString(16).toUpperCase()
    case 'padded-hex':
      return id.toString(16).padStart(16, '0')
  }
}

/** The id that was written so; NaN when it was not. */
export function readId(text: string, form: IdForm): number {
  return Number.parseInt(text, form === 'decimal' || form === 'padded' ? 10 : 16)
}
