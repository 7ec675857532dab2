import type { Command } from './pdu.ts'

/** SMPP 3.4 §2.2. `open`: connected, not yet bound. */
export type SessionState = 'open' | 'bound_tx' | 'bound_rx' | 'bound_trx' | 'closed'

/** Which end of the session we are. */
export type Role = 'esme' | 'smsc'

const TRANSMIT: readonly SessionState[] = ['bound_tx', 'bound_trx']
const RECEIVE: readonly SessionState[] = ['bound_rx', 'bound_trx']
const OPEN: readonly SessionState[] = ['open']
/** Stricter peers exist than tables: a keep-alive is answered before the bind as well. */
const ANY: readonly SessionState[] = ['open', 'bound_tx', 'bound_rx', 'bound_trx']

/**
 * In which states a request may come in, by the end that takes it: SMPP 3.4 §2.3, table 2-1, and more where a refusal
 * would lose a receipt.
 */
const ALLOWED: Readonly<Record<Role, Partial<Record<Command, readonly SessionState[]>>>> = {
  smsc: {
    bind_transmitter: OPEN,
    bind_receiver: OPEN,
    bind_transceiver: OPEN,
    submit_sm: TRANSMIT,
    submit_multi: TRANSMIT,
    data_sm: TRANSMIT,
    query_sm: TRANSMIT,
    cancel_sm: TRANSMIT,
    replace_sm: TRANSMIT,
    enquire_link: ANY,
    unbind: ANY,
  },
  esme: {
    outbind: OPEN,
    // SMSCs deliver what waited before they answer the bind, or send a receipt to the transmitter its message came by.
    deliver_sm: ANY,
    data_sm: ANY,
    alert_notification: RECEIVE,
    enquire_link: ANY,
    unbind: ANY,
  },
}

export const isAllowed = (role: Role, state: SessionState, request: Command): boolean =>
  ALLOWED[role][request]?.includes(state) ?? false

const BOUND: Partial<Record<Command, SessionState>> = {
  bind_transmitter: 'bound_tx',
  bind_receiver: 'bound_rx',
  bind_transceiver: 'bound_trx',
}

/** The state that a bind leads to; undefined for any other request. */
export const boundBy = (request: Command): SessionState | undefined => BOUND[request]
