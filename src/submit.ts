import { ChurningMap } from './churning_map.ts'
import type { Clock } from './clock.ts'
import { GatewayError } from './errors.ts'
import type { FilterMessage, Filters, Verdict } from './filters/filter.ts'
import type { Ids } from './ids.ts'
import { type Message, taken } from './message.ts'
import { withResults } from './outcome.ts'
import { type LinkDialect, type Prepared, prepare } from './prepare.ts'
import type { PartResult } from './routing/carrier.ts'
import type { Job } from './routing/pool.ts'
import { SendJob } from './send_job.ts'
import type { BodyInput } from './smpp/pdu.ts'
import type { Encoding } from './smpp/text/segment.ts'
import { type Earlier, type MessageStore, StoreError } from './store/store.ts'

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
  readonly encoding: 'auto' | Encoding
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
 * Sends a message: filters → rules → pool → link → SMSC → store → answer. Resolves with the stored message
 * once its outcome is on disk: the SMSC took every part (`taken(message)`), or `error` says why not. Throws a
 * GatewayError where there is no message: bad request, refusal, unknown esme, store failure.
 */
export type Submit = (request: SendRequest) => Promise<Message>

/** What a send needs of a link. */
export interface SendLink extends LinkDialect {
  readonly id: number
  readonly name: string
  readonly account: string
}

/** What a send needs of a pool (`routing/pool.ts`). */
export interface SendPool {
  send(job: Job<BodyInput<'submit_sm'>, SendLink>): Promise<readonly PartResult<SendLink>[]>
}

/** Where a message goes, by the rules and the link it names; throws `refused` or `unknown_esme`. */
export type Route = (message: FilterMessage) => SendPool

export type SubmitStore = Pick<MessageStore, 'recall' | 'claim' | 'save' | 'fault'>

export interface SubmitDependencies {
  readonly filters: Filters
  /** True when a link of this id is configured. */
  readonly hasEsme: (id: number) => boolean
  readonly route: Route
  readonly store: SubmitStore
  readonly ids: Ids
  readonly clock: Clock
  readonly partsMax: () => number
  /** The reference that joins the parts of the next long text to a destination, 0 to 255. */
  readonly reference: (destination: string) => number
  /** Throws `licence_expired` when no sends are allowed. */
  readonly licensed: () => void
}

/** What is remembered with each part on its way, for a response that comes after its time. */
export interface PartTag {
  readonly messageId: string
  readonly part: number
  /** Settles once the message's outcome is stored, or could not be: what comes late comes after that. */
  readonly stored: Promise<void>
}

/** An idempotency key answers for as long (contract §3). */
const KEY_MS = 24 * 3600 * 1000

export function createSubmit(deps: SubmitDependencies): Submit {
  const { filters, route, store, ids, clock } = deps
  /** Sends under an idempotency key that have no outcome yet: a second caller waits for the first's. */
  const underWay = new ChurningMap<
    string,
    { readonly bodyHash: Uint8Array; readonly outcome: Promise<Message> }
  >()
  /** Outcomes under a key that are not on disk, by message id: told to the store again when the caller asks. */
  const unsaved = new ChurningMap<string, Message>()

  /** Rejects with the store's own error. */
  const saveKeyed = async (outcome: Message): Promise<Message> => {
    remember(unsaved, outcome)
    const stored = await store.save(outcome)
    unsaved.delete(outcome.id)
    return stored
  }

  const firstResult = (earlier: Earlier): Promise<Message> | Message => {
    const message = storedResult(earlier)
    if (message.state !== 'accepted') return message
    const outcome = unsaved.get(message.id)
    if (outcome) {
      return saveKeyed(outcome).catch((error: unknown) => {
        throw notKept(outcome, error)
      })
    }
    throw new GatewayError(
      'key_reused',
      'a message with this Idempotency-Key is on its way: ask again for its result',
    )
  }

  const send = async (request: SendRequest): Promise<Message> => {
    const { idempotency } = request
    // Before all that may have changed since: what was taken once is not refused when it is asked for again.
    const first = idempotency && (await recall(store, request.appId, idempotency))
    if (first) return firstResult(first)
    deps.licensed()
    if (!deps.hasEsme(request.esme)) throw new GatewayError('unknown_esme', 'unknown esme')
    const prepared = prepare(request, deps.partsMax(), deps.reference, clock.now())
    const described = describe(request, prepared, clock.now())
    const verdict = filters.check(described)
    requirePass(verdict instanceof Promise ? await verdict : verdict)
    const pool = route(described)
    const fault = store.fault()
    if (fault !== undefined) throw new GatewayError('not_sent', `not sent: ${fault}`)

    const accepted = begin(request, prepared, ids, clock.now())
    const raced = idempotency && (await claim(store, idempotency, accepted))
    if (raced) return firstResult(raced)
    const job = new SendJob(request, prepared, accepted.id, clock)
    const outcome = withResults(accepted, await pool.send(job), clock.now())
    try {
      return await (idempotency ? saveKeyed(outcome) : store.save(outcome))
    } catch (error) {
      throw notKept(outcome, error)
    } finally {
      job.stored.tell()
    }
  }

  return request => {
    const { idempotency } = request
    if (!idempotency) return send(request)
    const key = `${request.appId} ${idempotency.key}`
    const first = underWay.get(key)
    if (first) {
      if (sameOctets(first.bodyHash, idempotency.bodyHash)) return first.outcome
      return Promise.reject(keyReused())
    }
    const outcome = send(request).finally(() => underWay.delete(key))
    underWay.set(key, { bodyHash: idempotency.bodyHash, outcome })
    return outcome
  }
}

/** A request as filters and rules see it. `now` in Unix milliseconds. */
export function describe(
  request: SendRequest,
  { source, destination, text }: Prepared,
  now: number,
): FilterMessage {
  return {
    source: source.digits,
    destination: destination.digits,
    message: request.text,
    esme: request.esme,
    app_id: request.appId,
    app_name: request.appName,
    transaction_id: request.transactionId,
    campaign_uuid: request.campaign,
    encoding: text.encoding,
    parts: text.parts.length,
    time: Math.floor(now / 1000),
  }
}

function requirePass(verdict: Verdict): void {
  if (!verdict.pass) throw new GatewayError('refused', refusedBy(verdict.filter, verdict.reason))
}

/** What a caller hears of a filter that refuses. */
export const refusedBy = (filter: string, reason: string): string =>
  `rejected by filter "${filter}"${reason && `: ${reason}`}`

const UNANSWERED = { state: 'accepted', smscId: '', account: '', error: 0 } as const

function begin(
  request: SendRequest,
  { source, destination, text }: Prepared,
  ids: Ids,
  now: number,
): Message {
  return {
    id: ids.messageId(),
    taskId: ids.taskId(),
    appId: request.appId,
    esme: request.esme,
    campaign: request.campaign,
    transactionId: request.transactionId,
    source: source.digits,
    destination: destination.digits,
    state: 'accepted',
    parts: text.parts.map(() => UNANSWERED),
    sentAt: now,
    updatedAt: now,
    error: '',
  }
}

type Idempotency = NonNullable<SendRequest['idempotency']>

/** What stands under this key, if anything does. */
const recall = (
  store: SubmitStore,
  appId: number,
  { key, bodyHash }: Idempotency,
): Promise<Earlier | undefined> => store.recall({ appId, key, bodyHash }).catch(notRecalled)

/** Puts the key on disk before anything leaves; what stands under it when another gateway was quicker. */
async function claim(
  store: SubmitStore,
  { key, bodyHash }: Idempotency,
  message: Message,
): Promise<Earlier | undefined> {
  const expiresAt = message.sentAt + KEY_MS
  const claimed = await store
    .claim({ appId: message.appId, key, bodyHash, expiresAt }, message)
    .catch(notSent)
  return claimed.fresh ? undefined : claimed
}

function storedResult({ sameBody, message }: Earlier): Message {
  if (!sameBody) throw keyReused()
  if (!message) throw new GatewayError('key_reused', 'the message of this Idempotency-Key is no longer kept')
  return message
}

/** Each stands for a commit that failed; while the store is faulty no new message is sent. */
const UNSAVED_MAX = 10_000

function remember(unsaved: ChurningMap<string, Message>, outcome: Message): void {
  unsaved.set(outcome.id, outcome)
  if (unsaved.size > UNSAVED_MAX) unsaved.shed(1)
}

/** Words and code say whether the SMSC may have the message, as they do where the store takes it. */
function notKept(message: Message, error: unknown): GatewayError {
  const what = taken(message) ? 'the SMSC took the message, but' : `${message.error}, and`
  return new GatewayError(
    message.parts.every(part => part.state === 'failed') ? 'not_sent' : 'store_failed',
    `${what} its outcome could not be stored: ${publicWords(error)}`,
    error,
  )
}

/** Nobody knows what became of an earlier message under this key: nothing here says that it was not sent. */
function notRecalled(error: unknown): never {
  throw new GatewayError(
    'store_failed',
    `the first result of this Idempotency-Key cannot be read: ${publicWords(error)}`,
    error,
  )
}

function notSent(error: unknown): never {
  throw new GatewayError('not_sent', `not sent: ${publicWords(error)}`, error)
}

const publicWords = (error: unknown): string =>
  error instanceof StoreError ? error.message : 'store failure'

const keyReused = (): GatewayError =>
  new GatewayError(
    'key_reused',
    'this Idempotency-Key was used with another body; use a new key for a new message',
  )

const sameOctets = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((octet, at) => octet === b[at])
