import { type Static, Type } from '@sinclair/typebox'
import { type ErrorCode, GatewayError } from '../../errors.ts'
import { deliveredParts, MESSAGE_STATES, type Message, PART_STATES, taken } from '../../message.ts'
import { parseTime } from '../../rfc3339.ts'
import { ENCODINGS } from '../../smpp/text/segment.ts'
import type { SendRequest } from '../../submit.ts'
import type { HttpDependencies } from '../dependencies.ts'
import { badRequest, type ErrorBody, ok, reply } from '../problem.ts'
import { type Call, json, type Route, route } from '../route.ts'
import { mapOf, oneOf } from '../shapes.ts'

const Esme = Type.Integer({ minimum: 0, maximum: 0x7fffffff, description: 'The id of an SMPP link' })
const Address = (description: string) => Type.String({ minLength: 1, maxLength: 64, description })
const YEAR_SECONDS = 365 * 24 * 3600

export const SendBody = Type.Object(
  {
    esme: Esme,
    source: Address('A number, a short code of 3 to 6 digits, or a name of at most 11 characters'),
    destination: Address('A number of 7 to 15 digits, or a short code of 3 to 6 digits'),
    message: Type.String({ minLength: 1, description: 'The text; a long one goes in parts' }),
    transaction_id: Type.Optional(
      Type.String({ maxLength: 128, description: 'Yours; it comes back as it is' }),
    ),
    campaign_uuid: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    validity_period: Type.Optional(
      Type.Integer({ minimum: 1, maximum: YEAR_SECONDS, description: 'Seconds' }),
    ),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 3 })),
    schedule_at: Type.Optional(Type.String({ maxLength: 40, description: 'RFC 3339, within a year' })),
    flash: Type.Optional(Type.Boolean()),
    encoding: Type.Optional(oneOf(['auto', ...ENCODINGS])),
    registered_delivery: Type.Optional(
      Type.Boolean({ description: 'Ask for a receipt; true when left out' }),
    ),
  },
  { $id: 'SendRequest', additionalProperties: false },
)
export type SendBody = Static<typeof SendBody>

const SendReply = Type.Object(
  {
    success: Type.Boolean(),
    error: Type.String(),
    esme: Type.Integer(),
    transaction_id: Type.String(),
    message_id: Type.String(),
    status: oneOf(['submitted', 'rejected', 'failed', 'unknown', '']),
    sms_ids: Type.Array(Type.String(), { description: "The SMSC's ids, one a part, in order" }),
    task_id: Type.Integer({ minimum: 0 }),
  },
  { $id: 'SendReply' },
)

const EsmeBody = Type.Object({ esme: Esme }, { $id: 'CheckEsmeRequest' })
const EsmeReply = Type.Object(
  {
    persist: Type.Boolean({ description: 'True while the link is bound' }),
    system_id: Type.String(),
    error: Type.String(),
  },
  { $id: 'CheckEsmeReply' },
)

const InfoBody = Type.Object(
  { esme: Esme, message_id: Type.String({ minLength: 1, maxLength: 64 }) },
  { $id: 'InfoRequest' },
)
const InfoReply = Type.Object(
  {
    message_id: Type.String(),
    mode: oneOf(['submit_sm', '']),
    parts: mapOf(oneOf(PART_STATES), 'By the number of the part, from 1'),
    delivered_count: Type.Integer({ minimum: 0 }),
    sent_at: Type.Integer({ minimum: 0, description: 'Unix seconds' }),
    updated_at: Type.Integer({ minimum: 0, description: 'Unix seconds' }),
    transaction_id: Type.String(),
    task_id: Type.Integer({ minimum: 0 }),
    status: oneOf([...MESSAGE_STATES, '']),
    error: Type.String(),
  },
  { $id: 'InfoReply' },
)

const group = {
  method: 'POST',
  access: 'app',
  guarded: true,
  tag: 'SMS Gateway',
  failure: 'internal error',
} as const

/** What became of a message that failed without one, by the error's code; the rest never came so far. */
const STATUS_OF: Partial<Record<ErrorCode, Static<typeof SendReply>['status']>> = {
  refused: 'rejected',
  unknown_esme: 'failed',
  not_sent: 'failed',
  store_failed: 'unknown',
  internal: 'unknown',
}

const sendError: ErrorBody = (error, body, code) => {
  const { esme, transaction_id } = fieldsOf(body)
  return {
    success: false,
    error,
    esme: Number.isSafeInteger(esme) ? esme : 0,
    transaction_id: typeof transaction_id === 'string' ? transaction_id : '',
    message_id: '',
    status: (code && STATUS_OF[code]) ?? '',
    sms_ids: [],
    task_id: 0,
  }
}

const fieldsOf = (body: unknown): Record<string, unknown> =>
  typeof body === 'object' && body !== null ? { ...body } : {}

const infoError: ErrorBody = error => ({
  message_id: '',
  mode: '',
  parts: {},
  delivered_count: 0,
  sent_at: 0,
  updated_at: 0,
  transaction_id: '',
  task_id: 0,
  status: '',
  error,
})

export const smsRoutes = (deps: Pick<HttpDependencies, 'submit' | 'info' | 'links'>): readonly Route[] => [
  route({
    ...group,
    path: '/api/v1/sms/send',
    operationId: 'sendSms',
    summary: 'Send a message',
    description:
      'Answers when the SMSC took every part and the message is stored. `status` `unknown` means that the SMSC may have it: it is never sent again by itself.',
    headers: [
      {
        name: 'Idempotency-Key',
        description:
          'The same key and body within 24 hours answer the first result and send nothing; with another body it is 409.',
        schema: Type.String({ pattern: '^[!-~]{1,255}$' }),
      },
    ],
    body: json(SendBody, {
      esme: 1,
      source: '+123456789',
      destination: '+987654321',
      message: 'Hello world',
      transaction_id: 'tx-001',
    }),
    reply: {
      status: 200,
      description: 'Sent',
      schema: SendReply,
      example: {
        success: true,
        error: '',
        esme: 1,
        transaction_id: 'tx-001',
        message_id: 'msg-uuid',
        status: 'submitted',
        sms_ids: ['sms-001', 'sms-002'],
        task_id: 12345,
      },
    },
    errors: {
      400: 'Invalid request body',
      403: 'IP not allowed, rejected by a filter or a rule, or the licence has expired',
      409: 'The Idempotency-Key was used with another body, or its message is on its way or no longer kept',
      500: 'Service or SMPP error',
    },
    errorSchema: SendReply,
    errorBody: sendError,
    handle: call => deps.submit(sendRequest(call)).then(sendReply),
  }),
  route({
    ...group,
    path: '/api/v1/sms/check-esme',
    operationId: 'checkEsme',
    summary: 'Ask whether a link is bound',
    description: 'An unknown id is no failure: `persist` is false, and `error` says so.',
    body: json(EsmeBody, { esme: 1 }),
    reply: {
      status: 200,
      description: 'The answer',
      schema: EsmeReply,
      example: { persist: true, system_id: 'my_system', error: '' },
    },
    errors: { 400: 'Invalid request body', 403: 'IP not allowed' },
    errorSchema: EsmeReply,
    errorBody: error => ({ persist: false, system_id: '', error }),
    handle({ body }) {
      const link = deps.links.byId(body.esme)
      if (!link) return ok({ persist: false, system_id: '', error: 'unknown esme' })
      return ok({ persist: link.bound, system_id: link.systemId, error: '' })
    },
  }),
  route({
    ...group,
    path: '/api/v1/sms/info',
    operationId: 'smsInfo',
    summary: 'What became of a message',
    description: 'The state of a message of this app, and of each of its parts.',
    body: json(InfoBody, { esme: 1, message_id: 'msg-uuid' }),
    reply: {
      status: 200,
      description: 'The message',
      schema: InfoReply,
      example: {
        message_id: 'msg-uuid',
        mode: 'submit_sm',
        parts: { '1': 'delivered' },
        delivered_count: 1,
        sent_at: 1700000000,
        updated_at: 1700000010,
        transaction_id: 'tx-001',
        task_id: 12345,
        status: 'delivered',
        error: '',
      },
    },
    errors: { 400: 'Invalid request', 403: 'IP not allowed', 404: 'Message not found', 500: 'Service error' },
    errorSchema: InfoReply,
    errorBody: infoError,
    async handle({ body, caller }) {
      const message = await deps.info(appOf(caller).id, body.message_id)
      if (!message) throw new GatewayError('not_found', 'message not found')
      return ok({
        message_id: message.id,
        mode: 'submit_sm',
        parts: Object.fromEntries(message.parts.map((part, at) => [at + 1, part.state])),
        delivered_count: deliveredParts(message),
        sent_at: Math.floor(message.sentAt / 1000),
        updated_at: Math.floor(message.updatedAt / 1000),
        transaction_id: message.transactionId,
        task_id: message.taskId,
        status: message.state,
        error: message.error,
      })
    },
  }),
]

/** A 500 says whether the SMSC may have the message: the one thing that its sender must know. */
const outcomeOf = ({ state }: Message): 'unknown' | 'failed' => (state === 'unknown' ? 'unknown' : 'failed')

function sendReply(message: Message): Response {
  const sent = taken(message)
  const answer = {
    success: sent,
    error: sent ? '' : message.error,
    esme: message.esme,
    transaction_id: message.transactionId,
    message_id: message.id,
    status: sent ? 'submitted' : outcomeOf(message),
    sms_ids: idsOf(message),
    task_id: message.taskId,
  }
  return sent ? ok(answer) : reply(500, answer)
}

function idsOf({ parts }: Message): readonly string[] {
  const ids: string[] = []
  for (const { smscId } of parts) if (smscId !== '') ids.push(smscId)
  return ids
}

function appOf(caller: Call<unknown>['caller']) {
  if (caller.app) return caller.app
  throw new Error('a route of an app was reached without one')
}

function sendRequest({ body, bytes, caller, request }: Call<SendBody>): SendRequest {
  const idempotent = idempotency(request.headers.get('idempotency-key'), bytes)
  return toSend(body, appOf(caller), idempotent)
}

/** The body of a send in domain terms. */
export function toSend(
  body: SendBody,
  app: { readonly id: number; readonly name: string },
  idempotent?: SendRequest['idempotency'],
): SendRequest {
  return {
    appId: app.id,
    appName: app.name,
    esme: body.esme,
    source: body.source,
    destination: body.destination,
    text: body.message,
    transactionId: body.transaction_id ?? '',
    campaign: body.campaign_uuid ?? `app-${app.id}`,
    encoding: body.encoding ?? 'auto',
    flash: body.flash ?? false,
    registeredDelivery: body.registered_delivery ?? true,
    priority: body.priority ?? 0,
    validitySeconds: body.validity_period,
    scheduleAt: body.schedule_at === undefined ? undefined : timeOf(body.schedule_at),
    idempotency: idempotent,
  }
}

function timeOf(text: string): number {
  const at = parseTime(text)
  if (at === undefined) throw badRequest('schedule_at must be an RFC 3339 time, as in 2026-12-31T23:59:00Z')
  return at
}

function idempotency(key: string | null, bytes: Uint8Array): SendRequest['idempotency'] {
  if (key === null) return undefined
  if (!/^[!-~]{1,255}$/.test(key)) {
    throw badRequest('Idempotency-Key must have 1 to 255 visible ASCII characters')
  }
  return { key, bodyHash: new Bun.CryptoHasher('sha256').update(bytes).digest() }
}
