/**
 * Result codes as the server sends them in octet 5 of a message, by the names that Aerospike's documentation
 * and its other clients use.
 */
export const resultCodes = {
  OK: 0,
  SERVER_ERROR: 1,
  RECORD_NOT_FOUND: 2,
  GENERATION_ERROR: 3,
  PARAMETER_ERROR: 4,
  RECORD_EXISTS: 5,
  BIN_EXISTS: 6,
  CLUSTER_KEY_MISMATCH: 7,
  SERVER_MEM_ERROR: 8,
  SERVER_TIMEOUT: 9,
  ALWAYS_FORBIDDEN: 10,
  PARTITION_UNAVAILABLE: 11,
  BIN_TYPE_ERROR: 12,
  RECORD_TOO_BIG: 13,
  KEY_BUSY: 14,
  SCAN_ABORT: 15,
  UNSUPPORTED_FEATURE: 16,
  BIN_NOT_FOUND: 17,
  DEVICE_OVERLOAD: 18,
  KEY_MISMATCH: 19,
  INVALID_NAMESPACE: 20,
  BIN_NAME_TOO_LONG: 21,
  FAIL_FORBIDDEN: 22,
  ELEMENT_NOT_FOUND: 23,
  ELEMENT_EXISTS: 24,
  ENTERPRISE_ONLY: 25,
  OP_NOT_APPLICABLE: 26,
  FILTERED_OUT: 27,
  LOST_CONFLICT: 28,
  XDR_KEY_BUSY: 32,
  SECURITY_NOT_SUPPORTED: 51,
  SECURITY_NOT_ENABLED: 52,
  SECURITY_SCHEME_NOT_SUPPORTED: 53,
  INVALID_COMMAND: 54,
  INVALID_FIELD: 55,
  ILLEGAL_STATE: 56,
  INVALID_USER: 60,
  USER_ALREADY_EXISTS: 61,
  INVALID_PASSWORD: 62,
  EXPIRED_PASSWORD: 63,
  FORBIDDEN_PASSWORD: 64,
  INVALID_CREDENTIAL: 65,
  EXPIRED_SESSION: 66,
  INVALID_ROLE: 70,
  INVALID_PRIVILEGE: 72,
  NOT_AUTHENTICATED: 80,
  ROLE_VIOLATION: 81,
  NOT_WHITELISTED: 82,
  QUOTA_EXCEEDED: 83,
  UDF_BAD_RESPONSE: 100,
  MRT_BLOCKED: 120,
  MRT_VERSION_MISMATCH: 121,
  MRT_EXPIRED: 122,
  MRT_TOO_MANY_WRITES: 123,
  MRT_COMMITTED: 124,
  MRT_ABORTED: 125,
  MRT_ALREADY_LOCKED: 126,
  MRT_MONITOR_EXISTS: 127,
  BATCH_DISABLED: 150,
  BATCH_MAX_REQUESTS_EXCEEDED: 151,
  BATCH_QUEUES_FULL: 152,
  GEO_INVALID_GEOJSON: 160,
  INDEX_FOUND: 200,
  INDEX_NOT_FOUND: 201,
  INDEX_OOM: 202,
  INDEX_NOT_READABLE: 203,
  INDEX_GENERIC: 204,
  INDEX_NAME_MAXLEN: 205,
  INDEX_MAXCOUNT: 206,
  QUERY_ABORTED: 210,
} as const

export type ServerErrorName = Exclude<keyof typeof resultCodes, 'OK'> | 'UNKNOWN_RESULT'

/** What goes wrong on this side of the wire. */
export type ClientErrorName =
  /** The call itself is wrong: a bin name too long, an integer past 64 bits, a policy that contradicts itself. */
  | 'INVALID_ARGUMENT'
  /** The answer did not come within the time given. */
  | 'CLIENT_TIMEOUT'
  /** The connection could not be made, or was lost. */
  | 'CONNECTION_ERROR'
  /** No node of the cluster is known for what was asked. */
  | 'NO_NODE'
  /** A limit of this client (in flight, queue, connections) is reached; nothing was sent. */
  | 'CLIENT_OVERLOADED'
  /** The peer sent what the protocol does not allow; its connection is closed. */
  | 'PROTOCOL_ERROR'
  /** `close()` was called. */
  | 'CLIENT_CLOSED'

export type ErrorName = ServerErrorName | ClientErrorName

const names = new Map<number, ServerErrorName>()
for (const [name, code] of Object.entries(resultCodes)) if (isServerError(name)) names.set(code, name)

function isServerError(name: string): name is ServerErrorName {
  return name !== 'OK'
}

/** The only error that this library throws or rejects with. */
export class AerospikeError extends Error {
  override readonly name = 'AerospikeError'
  /** The server's octet; undefined when the error is of this side. */
  readonly resultCode: number | undefined
  /**
   * True when a write may have been applied though no answer says so. Such a write is never repeated by the
   * client: only the caller knows whether repeating it does harm.
   */
  readonly inDoubt: boolean
  /** `host:port` of the node that was asked. */
  readonly node: string | undefined

  constructor(
    readonly code: ErrorName,
    text: string,
    facts: { resultCode?: number; inDoubt?: boolean; node?: string; cause?: unknown } = {},
  ) {
    super(text, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.resultCode = facts.resultCode
    this.inDoubt = facts.inDoubt ?? false
    this.node = facts.node
  }

  /** The same failure, of a write that may have been applied. */
  doubted(): AerospikeError {
    if (this.inDoubt) return this
    return new AerospikeError(this.code, `${this.message}; the write may have been applied`, {
      ...(this.resultCode === undefined ? {} : { resultCode: this.resultCode }),
      ...(this.node === undefined ? {} : { node: this.node }),
      inDoubt: true,
      cause: this.cause,
    })
  }
}

export function serverError(resultCode: number, node: string): AerospikeError {
  const code = names.get(resultCode) ?? 'UNKNOWN_RESULT'
  return new AerospikeError(code, `${node} answered ${code} (${resultCode})`, { resultCode, node })
}

export function invalid(text: string): AerospikeError {
  return new AerospikeError('INVALID_ARGUMENT', text)
}

export function malformed(text: string): AerospikeError {
  return new AerospikeError('PROTOCOL_ERROR', text)
}
