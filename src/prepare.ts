import { ADDRESS_RULE, type Address, readNumber, readSource, SENDER_RULE } from './addresses.ts'
import type { Clock } from './clock.ts'
import { GatewayError } from './errors.ts'
import type { BodyInput } from './smpp/pdu.ts'
import { type Segmented, segment, TextError } from './smpp/text/segment.ts'
import { ESM_UDHI } from './smpp/text/udh.ts'
import { absoluteTime, validityPeriod } from './smpp/time.ts'
import type { SendRequest } from './submit.ts'

/** A request whose addresses and text are in their SMPP form: nothing about it can be refused for its form. */
export interface Prepared {
  readonly source: Address
  readonly destination: Address
  readonly text: Segmented
}

/** How a link writes messages: short codes (contract §3), and the service that it asks for. */
export interface LinkDialect {
  readonly serviceType: string
  readonly shortCodeTon: number
  readonly shortCodeNpi: number
}

const YEAR_MS = 365 * 24 * 3600 * 1000

/**
 * `reference` gives the concatenation reference for a destination, `now` is in Unix milliseconds. Throws `invalid`
 * with the field's name.
 */
export function prepare(
  request: SendRequest,
  partsMax: number,
  reference: (destination: string) => number,
  now: number,
): Prepared {
  const { scheduleAt = now } = request
  if (scheduleAt < now)
    throw new GatewayError('invalid', 'schedule_at is in the past: leave it out to send at once')
  if (scheduleAt > now + YEAR_MS) throw new GatewayError('invalid', 'schedule_at must be within a year')
  requireWhole('transaction_id', request.transactionId)
  requireWhole('campaign_uuid', request.campaign)
  const source = readSource(request.source)
  if (!source) throw new GatewayError('invalid', `source must be ${SENDER_RULE}`)
  const destination = readNumber(request.destination)
  if (!destination) throw new GatewayError('invalid', `destination must be ${ADDRESS_RULE}`)
  try {
    const text = segment(request.text, {
      encoding: request.encoding,
      flash: request.flash,
      partsMax,
      reference: () => reference(destination.digits),
    })
    return { source, destination, text }
  } catch (error) {
    if (error instanceof TextError) throw new GatewayError('invalid', `message: ${error.message}`)
    throw error
  }
}

/** What UTF-8 cannot write no store gives back as it was. */
function requireWhole(field: string, text: string): void {
  if (!text.isWellFormed())
    throw new GatewayError('invalid', `${field} must have no half of a surrogate pair`)
}

const TON_INTERNATIONAL = 1
const TON_ALPHANUMERIC = 5
const NPI_ISDN = 1

/** The `submit_sm` of one part (SMPP 3.4 §4.4.1), as `dialect` writes it. */
export function submitSm(
  request: SendRequest,
  prepared: Prepared,
  part: number,
  dialect: LinkDialect,
  clock: Pick<Clock, 'now'>,
): BodyInput<'submit_sm'> {
  const { source, destination, text } = prepared
  const short = text.parts[part]
  if (!short) throw new RangeError(`part ${part} of ${text.parts.length}`)
  return {
    service_type: dialect.serviceType,
    source_addr_ton: ton(source, dialect),
    source_addr_npi: npi(source, dialect),
    source_addr: source.digits,
    dest_addr_ton: ton(destination, dialect),
    dest_addr_npi: npi(destination, dialect),
    destination_addr: destination.digits,
    esm_class: text.udhi ? ESM_UDHI : 0,
    priority_flag: request.priority,
    schedule_delivery_time: request.scheduleAt === undefined ? '' : absoluteTime(request.scheduleAt),
    validity_period: validity(request, clock),
    registered_delivery: request.registeredDelivery ? 1 : 0,
    data_coding: text.dataCoding,
    short_message: short,
  }
}

/** From when it is sent. The relative form counts from now, and a scheduled message would expire before it is due. */
function validity({ validitySeconds, scheduleAt }: SendRequest, clock: Pick<Clock, 'now'>): string {
  if (validitySeconds === undefined) return ''
  if (scheduleAt !== undefined) return absoluteTime(scheduleAt + validitySeconds * 1000)
  return validityPeriod(validitySeconds, clock.now())
}

const ton = (address: Address, dialect: LinkDialect): number => {
  if (address.kind === 'e164') return TON_INTERNATIONAL
  return address.kind === 'short' ? dialect.shortCodeTon : TON_ALPHANUMERIC
}

const npi = (address: Address, dialect: LinkDialect): number => {
  if (address.kind === 'e164') return NPI_ISDN
  return address.kind === 'short' ? dialect.shortCodeNpi : 0
}
