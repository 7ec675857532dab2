/** What an operator, or a caller, is told of a cluster that fails: no host, no address. */

import { AerospikeError, type ErrorName } from '../aerospike/index.ts'
import { messageOf, systemCode } from '../errors.ts'
import { StoreError } from './store.ts'

export const DISPLACED = 'another gateway has taken the place of this one in the store: restart it'
export const AWAY = 'the Aerospike cluster does not answer'

/** The record breaks a rule of the server: another try would end the same. */
const CALLERS_FAULTS: ReadonlySet<ErrorName> = new Set([
  'INVALID_ARGUMENT',
  'PARAMETER_ERROR',
  'RECORD_TOO_BIG',
  'BIN_TYPE_ERROR',
])

/** The server has one code for all of these. */
const FORBIDDEN =
  'the Aerospike namespace forbids the write: set nsup-period in it, say to 120 (seconds), or else see whether a ' +
  'set has reached its stop-writes-count or stop-writes-size, or the clocks of the nodes differ'

const WRONG_LOGIN = 'the Aerospike cluster refuses user and password'

/** Any other is {@link AWAY}. */
const FAULTS: Partial<Record<ErrorName, string>> = {
  FAIL_FORBIDDEN: FORBIDDEN,
  SERVER_MEM_ERROR: 'the Aerospike namespace is full and takes no writes',
  DEVICE_OVERLOAD: 'the storage of the Aerospike cluster is overloaded',
  CLIENT_OVERLOADED: 'too many writes wait for the Aerospike cluster',
  PARTITION_UNAVAILABLE: 'a part of the Aerospike cluster is unavailable',
  INVALID_NAMESPACE: 'the Aerospike cluster has lost its namespace',
  NOT_AUTHENTICATED: 'the Aerospike cluster asks for a password',
  INVALID_USER: WRONG_LOGIN,
  INVALID_CREDENTIAL: WRONG_LOGIN,
  // Of a message it is the caller's fault, and none of these.
  RECORD_TOO_BIG: 'the journal of this gateway in the Aerospike cluster is full',
  ROLE_VIOLATION: 'the Aerospike cluster does not let this gateway write',
}

/** A fault of what all messages share: no message is to blame for it, whatever the code. */
export const ofJournal = (cause: unknown): unknown =>
  cause instanceof AerospikeError ? new StoreError('the journal cannot be written', { cause }) : cause

const codeOf = (cause: unknown): ErrorName | undefined => {
  const error = cause instanceof StoreError ? cause.cause : cause
  return error instanceof AerospikeError ? error.code : undefined
}

export const isCallersFault = (cause: unknown): boolean =>
  cause instanceof AerospikeError && CALLERS_FAULTS.has(cause.code)

/** Everybody wants this record: the others are well. */
export const isOfOneRecord = (cause: unknown): boolean => codeOf(cause) === 'KEY_BUSY'

/** It takes no writes, and lets records be removed. */
export const isFull = (cause: unknown): boolean => codeOf(cause) === 'SERVER_MEM_ERROR'

export const faultOf = (cause: unknown): string => FAULTS[codeOf(cause) ?? 'NO_NODE'] ?? AWAY

/** What time alone may mend, and no operator has to. */
const AWAY_CODES: ReadonlySet<ErrorName> = new Set([
  'NO_NODE',
  'CONNECTION_ERROR',
  'CLIENT_TIMEOUT',
  'SERVER_TIMEOUT',
  'PARTITION_UNAVAILABLE',
])

/** True of an error of `openAerospikeStore` when it is the cluster that is away. */
export const isAway = (error: unknown): boolean => {
  const code = codeOf(error instanceof Error ? error.cause : undefined)
  return code !== undefined && AWAY_CODES.has(code)
}

/** Why the store cannot be opened, for the operator alone. */
export function openFault(cause: unknown, namespace: string): string {
  const code = codeOf(cause)
  if (code === 'FAIL_FORBIDDEN') return FORBIDDEN
  if (code === 'INVALID_NAMESPACE') return `the Aerospike cluster has no namespace "${namespace}"`
  const why = messageOf(cause)
  const below = cause instanceof Error && cause.cause instanceof Error ? cause.cause : undefined
  const details = below ? `${why} (${below.message})` : why
  return `the Aerospike store cannot be opened: ${details}${remedy(code, below)}`
}

/** What to set in the configuration, where that can help. */
function remedy(code: ErrorName | undefined, below: Error | undefined): string {
  const reason = systemCode(below) ?? ''
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return ': set aerospike.tls_name to a name in the certificate'
  if (/SELF_SIGNED|ISSUER|UNABLE_TO_VERIFY/.test(reason))
    return ': set aerospike.tls_ca to the authority that signed the certificate'
  if (code === 'INVALID_USER' || code === 'INVALID_CREDENTIAL' || code === 'NOT_AUTHENTICATED')
    return ': set aerospike.user and aerospike.password'
  if (code === 'CONNECTION_ERROR' && (reason === '' || reason === 'ECONNRESET'))
    return ': is aerospike.tls as the cluster has it?'
  return ''
}
