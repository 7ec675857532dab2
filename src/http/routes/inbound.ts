import { Type } from '@sinclair/typebox'
import { PART_STATES } from '../../message.ts'
import type { HeldReceipt, InboxMessage } from '../../store/store.ts'
import type { HttpDependencies } from '../dependencies.ts'
import { answerPage, PAGE_ERRORS, PAGE_QUERY, paged } from '../page.ts'
import { type Route, route } from '../route.ts'
import { FAILURE_GROUP, Integer, oneOf } from '../shapes.ts'

const Seconds = Type.Integer({ minimum: 0, description: 'Unix seconds' })
const Account = Type.String({ description: 'The SMSC account that brought it: host:port/system_id' })

const UnmatchedReceipt = Type.Object(
  {
    account: Account,
    smsc_ids: Type.Array(Type.String(), {
      description: "The SMSC's id in each form that was looked for, in lower case and without leading zeros",
    }),
    destination: Type.String({ description: 'The handset, in digits; empty when the receipt does not say' }),
    status: oneOf(PART_STATES),
    error_code: Type.Integer({ description: 'network_error_code or `err`, 0 when there is none' }),
    received_at: Seconds,
  },
  { $id: 'UnmatchedReceipt' },
)

const InboxRow = Type.Object(
  {
    id: Type.String(),
    source: Type.String(),
    destination: Type.String(),
    message: Type.String({
      description:
        'The text, or in hexadecimal digits what data_coding says is none; each missing part is marked: `[part 2 of 3 missing]`',
    }),
    complete: Type.Boolean({ description: 'False while parts of it are missing' }),
    parts: Integer({ minimum: 1 }),
    missing: Type.Array(Integer({ minimum: 1 }), { description: 'Numbers of the parts that did not come' }),
    esme: Type.Integer({ minimum: 0, description: 'The id of the link that brought its first part' }),
    account: Account,
    received_at: Seconds,
  },
  { $id: 'InboxMessage' },
)

const group = { ...FAILURE_GROUP, method: 'GET', access: 'admin', errors: PAGE_ERRORS } as const

/** What came from the SMSCs: messages of handsets, and receipts that nobody waits for. */
export const inboundRoutes = ({ store }: Pick<HttpDependencies, 'store'>): readonly Route[] => [
  route({
    ...group,
    path: '/api/v1/admin/inbox',
    tag: 'Admin: Inbox',
    operationId: 'inbox',
    summary: 'Messages from handsets',
    description:
      'Newest first, from the arrival of their first part. A long message is joined as its parts come, for up to an hour; what is missing is marked.',
    query: PAGE_QUERY,
    reply: {
      status: 200,
      description: 'A page of messages',
      schema: paged(InboxRow),
      example: {
        success: true,
        data: [
          {
            id: '019aaf3c-9f00-7c1e-8b7d-2f1a5e6c7d80',
            source: '447700900123',
            destination: '12345',
            message: 'Please call me back[part 2 of 2 missing]',
            complete: false,
            parts: 2,
            missing: [2],
            esme: 1,
            account: 'smpp.example.com:2775/my_system',
            received_at: 1700000000,
          },
        ],
        pagination: { page: 1, limit: 50, total: 1, totalPages: 1 },
      },
    },
    failure: 'the inbox cannot be read',
    handle: ({ request }) => answerPage(request, page => store.inbox(page), showMessage),
  }),
  route({
    ...group,
    path: '/api/v1/admin/receipts/unmatched',
    tag: 'Admin: Receipts',
    operationId: 'unmatchedReceipts',
    summary: 'Receipts without a message',
    description:
      'Newest first. Each is kept for a day, in case its message is stored yet. Many of them: an account is shared with another program, or an SMSC changes its ids in a way that is not known here.',
    query: PAGE_QUERY,
    reply: {
      status: 200,
      description: 'A page of receipts',
      schema: paged(UnmatchedReceipt),
      example: {
        success: true,
        data: [
          {
            account: 'smpp.example.com:2775/my_system',
            smsc_ids: ['6699', '1a2b'],
            destination: '447700900123',
            status: 'delivered',
            error_code: 0,
            received_at: 1700000000,
          },
        ],
        pagination: { page: 1, limit: 50, total: 1, totalPages: 1 },
      },
    },
    failure: 'the receipts cannot be read',
    handle: ({ request }) => answerPage(request, page => store.unmatched(page), showReceipt),
  }),
]

function showMessage({ id, source, destination, parts, link, account, receivedAt }: InboxMessage): object {
  const missing = parts.flatMap((text, at) => (text === null ? [at + 1] : []))
  return {
    id,
    source,
    destination,
    message: textOf(parts),
    complete: missing.length === 0,
    parts: parts.length,
    missing,
    esme: link,
    account,
    received_at: Math.floor(receivedAt / 1000),
  }
}

/** A surrogate pair that was cut in two is whole again once both parts are there; half of one is U+FFFD. */
const textOf = (parts: InboxMessage['parts']): string =>
  parts
    .map((text, at) => text ?? `[part ${at + 1} of ${parts.length} missing]`)
    .join('')
    .toWellFormed()

const showReceipt = ({ account, ids, address, state, error, at }: HeldReceipt): object => ({
  account,
  smsc_ids: ids,
  destination: address,
  status: state,
  error_code: error,
  received_at: Math.floor(at / 1000),
})
