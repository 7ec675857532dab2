import type { Message } from './message.ts'

/** A checked request to send, in domain terms; `http/` makes it from JSON. */
export interface SendRequest {
  readonly appId: number
  readonly appName: string
  /** The id of the link asked for. */
  readonly esme: number
  /** As the caller wrote it; addresses are brought to their SMPP form here. */
  readonly source: string
  readonly destination: string
  readonly text: string
  readonly transactionId: string
  /** Never empty: `app-<id>` when the caller named none. */
  readonly campaign: string
  readonly encoding: 'auto' | 'gsm7' | 'latin1' | 'ucs2'
  readonly flash: boolean
  readonly registeredDelivery: boolean
  /** 0 to 3. */
  readonly priority: number
  /** Seconds; undefined leaves it to the SMSC. */
  readonly validitySeconds: number | undefined
  /** Unix milliseconds; undefined is now. */
  readonly scheduleAt: number | undefined
  readonly idempotency: { readonly key: string; readonly bodyHash: Uint8Array } | undefined
}

/**
 * Sends a message: filters → rules → balancer → link → SMSC → store → answer. Resolves with the stored
 * message once its outcome is on disk: every part has an SMSC id (`taken(message)`), or `error` says why not.
 * Throws a GatewayError where there is no message: bad request, refusal, unknown esme, store failure.
 */
export type Submit = (request: SendRequest) => Promise<Message>

/** True when the SMSC took every part, which is what a 200 says, whatever the receipts said since. */
export const taken = (message: Message): boolean => message.parts.every(part => part.smscId !== '')
