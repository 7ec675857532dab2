import type { Field, FieldKind, FieldValues } from './fields.ts'
import { cstring, destinations, shortMessage, time, u8, unsuccessful } from './fields.ts'
import { STATUS } from './status.ts'
import type { Tlvs } from './tlv.ts'

/** One row of the table: SMPP 3.4 §4, in the order of the wire. */
interface PduSpec {
  readonly id: number
  readonly fields: readonly Field[]
  /** The specification leaves the body out of an answer that is an error (§4.1.2, §4.4.2). */
  readonly bareOnError?: true
}

const sourceOf = (octetsMax: number) =>
  [
    u8('source_addr_ton'),
    u8('source_addr_npi'),
    cstring('source_addr', octetsMax, STATUS.ESME_RINVSRCADR),
  ] as const
const destinationOf = (octetsMax: number) =>
  [
    u8('dest_addr_ton'),
    u8('dest_addr_npi'),
    cstring('destination_addr', octetsMax, STATUS.ESME_RINVDSTADR),
  ] as const

const systemId = cstring('system_id', 16, STATUS.ESME_RINVSYSID)
const password = cstring('password', 9, STATUS.ESME_RINVPASWD)
const serviceType = cstring('service_type', 6, STATUS.ESME_RINVSERTYP)
const messageId = cstring('message_id', 65, STATUS.ESME_RINVMSGID)
const scheduleDeliveryTime = time('schedule_delivery_time', STATUS.ESME_RINVSCHED)
const validityPeriod = time('validity_period', STATUS.ESME_RINVEXPIRY)

const bind = [
  systemId,
  password,
  cstring('system_type', 13, STATUS.ESME_RINVSYSTYP),
  u8('interface_version'),
  u8('addr_ton'),
  u8('addr_npi'),
  cstring('address_range', 41, STATUS.ESME_RBINDFAIL),
] as const

const afterAddresses = [
  u8('esm_class'),
  u8('protocol_id'),
  u8('priority_flag'),
  scheduleDeliveryTime,
  validityPeriod,
  u8('registered_delivery'),
  u8('replace_if_present_flag'),
  u8('data_coding'),
  u8('sm_default_msg_id'),
  shortMessage,
] as const

const sm = [serviceType, ...sourceOf(21), ...destinationOf(21), ...afterAddresses] as const

/** Encoders, decoders and types all come from here; a response is its request's name with `_resp`. */
export const PDUS = {
  generic_nack: { id: 0x80000000, fields: [] },
  bind_receiver: { id: 0x01, fields: bind },
  bind_receiver_resp: { id: 0x80000001, fields: [systemId], bareOnError: true },
  bind_transmitter: { id: 0x02, fields: bind },
  bind_transmitter_resp: { id: 0x80000002, fields: [systemId], bareOnError: true },
  query_sm: { id: 0x03, fields: [messageId, ...sourceOf(21)] },
  query_sm_resp: {
    id: 0x80000003,
    fields: [messageId, time('final_date', STATUS.ESME_RQUERYFAIL), u8('message_state'), u8('error_code')],
  },
  submit_sm: { id: 0x04, fields: sm },
  submit_sm_resp: { id: 0x80000004, fields: [messageId], bareOnError: true },
  deliver_sm: { id: 0x05, fields: sm },
  deliver_sm_resp: { id: 0x80000005, fields: [messageId] },
  unbind: { id: 0x06, fields: [] },
  unbind_resp: { id: 0x80000006, fields: [] },
  replace_sm: {
    id: 0x07,
    fields: [
      messageId,
      ...sourceOf(21),
      scheduleDeliveryTime,
      validityPeriod,
      u8('registered_delivery'),
      u8('sm_default_msg_id'),
      shortMessage,
    ],
  },
  replace_sm_resp: { id: 0x80000007, fields: [] },
  cancel_sm: { id: 0x08, fields: [serviceType, messageId, ...sourceOf(21), ...destinationOf(21)] },
  cancel_sm_resp: { id: 0x80000008, fields: [] },
  bind_transceiver: { id: 0x09, fields: bind },
  bind_transceiver_resp: { id: 0x80000009, fields: [systemId], bareOnError: true },
  outbind: { id: 0x0b, fields: [systemId, password] },
  enquire_link: { id: 0x15, fields: [] },
  enquire_link_resp: { id: 0x80000015, fields: [] },
  submit_multi: { id: 0x21, fields: [serviceType, ...sourceOf(21), destinations, ...afterAddresses] },
  submit_multi_resp: { id: 0x80000021, fields: [messageId, unsuccessful] },
  alert_notification: {
    id: 0x102,
    fields: [
      ...sourceOf(65),
      u8('esme_addr_ton'),
      u8('esme_addr_npi'),
      cstring('esme_addr', 65, STATUS.ESME_RINVDSTADR),
    ],
  },
  data_sm: {
    id: 0x103,
    fields: [
      serviceType,
      ...sourceOf(65),
      ...destinationOf(65),
      u8('esm_class'),
      u8('registered_delivery'),
      u8('data_coding'),
    ],
  },
  data_sm_resp: { id: 0x80000103, fields: [messageId] },
} as const satisfies Record<string, PduSpec>

export type Command = keyof typeof PDUS
export type Response = Extract<Command, `${string}_resp`>
/** Commands that have a response of their own. */
export type Request = { [C in Command]: `${C}_resp` extends Command ? C : never }[Command]

type FieldOf<C extends Command> = (typeof PDUS)[C]['fields'][number]
type Body<C extends Command> = {
  readonly [F in FieldOf<C> as F['name']]: F['kind'] extends FieldKind ? FieldValues[F['kind']] : never
}

/** What is encoded: a field left out is 0 or empty, which is what the specification calls its default. */
export type BodyInput<C extends Command> = Partial<Body<C>> & { readonly tlvs?: Tlvs }

/** What was decoded. It holds no reference to the frame it came from. */
export type PduOf<C extends Command> = Body<C> & {
  readonly command: C
  readonly command_status: number
  readonly sequence_number: number
  readonly tlvs: Tlvs
}
export type Pdu = { [C in Command]: PduOf<C> }[Command]

export type SubmitSm = PduOf<'submit_sm'>
export type DeliverSm = PduOf<'deliver_sm'>
export type DataSm = PduOf<'data_sm'>
export type BindRequest = PduOf<'bind_receiver' | 'bind_transmitter' | 'bind_transceiver'>

export const COMMANDS = Object.keys(PDUS) as Command[]

/** The response of each request that has one. */
export const RESPONSES: Readonly<Record<string, Response | undefined>> = Object.fromEntries(
  COMMANDS.filter(command => `${command}_resp` in PDUS).map(command => [
    command,
    `${command}_resp` as Response,
  ]),
)

const BY_ID: ReadonlyMap<number, Command> = new Map(COMMANDS.map(command => [PDUS[command].id, command]))

export const commandOf = (id: number): Command | undefined => BY_ID.get(id)
/** Bit 31 of `command_id` marks a response (§5.1.2.1). */
export const isResponseId = (id: number): boolean => id >= 0x80000000
export const HEADER_OCTETS = 16
export const SEQUENCE_MAX = 0x7fffffff
