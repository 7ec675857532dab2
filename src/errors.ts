/**
 * What can go wrong with a request, told three times: a stable code for programs, a public text for the
 * caller, a private cause for the log. The edge (`http/problem.ts`) alone turns a code into a status.
 */

export type ErrorCode =
  /** The request is wrong in itself; the text says what, where and how to mend it. */
  | 'invalid'
  /** A filter or a rule refused the message. */
  | 'refused'
  | 'licence_expired'
  | 'unknown_esme'
  /** The `Idempotency-Key` was used with another body, or its message is on its way or no longer kept. */
  | 'key_reused'
  | 'not_found'
  /** The outcome is final and nothing of the message is on its way: it may be sent again. */
  | 'not_sent'
  /** The store did not take the outcome of what the SMSC may have. */
  | 'store_failed'
  /** Not ready, or about to stop. */
  | 'unavailable'
  | 'internal'

export class GatewayError extends Error {
  override readonly name = 'GatewayError'

  constructor(
    readonly code: ErrorCode,
    /** Goes to the caller as it stands: no path, no secret, no other app's data. */
    readonly publicText: string,
    /** Goes to the log alone. */
    cause?: unknown,
  ) {
    super(publicText, cause === undefined ? undefined : { cause })
  }
}

/** What was thrown says of itself; for an operator, since it may hold a path. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown)

/** The code that the system, Node or SQLite gave it (ENOENT); a DOMException's is a number, and none of these. */
export const systemCode = (thrown: unknown): string | undefined =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined

/** For an operator: the system's code, or what was thrown in its own words. */
export const codeOf = (thrown: unknown): string => systemCode(thrown) ?? messageOf(thrown)
