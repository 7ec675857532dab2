import { type Static, Type } from '@sinclair/typebox'
import { asFiltersSee } from '../../addresses.ts'
import { GatewayError } from '../../errors.ts'
import { FILTER_STATES } from '../../filters/index.ts'
import type { HttpDependencies } from '../dependencies.ts'
import { badRequest, ok } from '../problem.ts'
import { json, type Route, route } from '../route.ts'
import { Encoding, FAILURE_GROUP, Integer, oneOf, PassOrReject, success } from '../shapes.ts'

const Count = Integer()
const Seconds = Type.Integer({ minimum: 0, description: 'Unix seconds; 0: never' })
const Microseconds = Type.Number({ minimum: 0, description: 'Microseconds' })
const NameOf = (what: string) => Type.String({ minLength: 1, maxLength: 64, description: what })

export const FilterState = oneOf(FILTER_STATES, {
  description:
    'tripped: out of use for a while, for some apps or all, after it failed repeatedly; broken: there is no good version of it',
})

const Filter = Type.Object(
  {
    name: Type.String(),
    state: FilterState,
    tripped_apps: Type.Array(Type.Integer(), {
      description: 'While it is tripped: the apps that it is out of use for, or none when it is so for all',
    }),
    description: Type.String(),
    blacklist: Type.Boolean({ description: 'False: it refuses what it does not match' }),
    active: Type.Boolean(),
    mode: oneOf(['enforce', 'shadow']),
    error: Type.String({
      description: 'Why the file as it stands is not in force (its last good version may be), or empty',
    }),
    hits: Type.Integer({
      minimum: 0,
      description: 'Messages that it was asked about, or would have been had it not tripped',
    }),
    matches: Count,
    refusals: Type.Integer({
      minimum: 0,
      description:
        'Refused by its answer or, in shadow mode, would have been; what `filters.on_error` refused is not among them',
    }),
    errors: Type.Integer({
      minimum: 0,
      description: 'Questions that it failed to answer, timeouts among them',
    }),
    timeouts: Count,
    p50_us: Microseconds,
    p99_us: Microseconds,
    seconds: Type.Number({ minimum: 0, description: 'All its answers together' }),
    memory_bytes: Count,
    last_error: Type.String(),
    last_error_at: Seconds,
    changed_at: Seconds,
    snippet: Type.String({ description: 'The version in force' }),
  },
  { $id: 'FilterStatus' },
)

const List = Type.Object(
  { name: Type.String(), entries: Count, error: Type.String(), changed_at: Seconds },
  { $id: 'FilterList' },
)

const Inspection = Type.Object({
  folder_error: Type.String({ description: 'Why the folder cannot be looked at, or empty' }),
  filters: Type.Array(Filter),
  lists: Type.Array(List),
})

/** What is left out is that of a sample message. */
const SampleMessage = Type.Partial(
  Type.Object({
    source: Type.String(),
    destination: Type.String(),
    message: Type.String(),
    esme: Type.Integer(),
    app_id: Type.Integer(),
    app_name: Type.String(),
    transaction_id: Type.String(),
    campaign_uuid: Type.String(),
    encoding: Encoding,
    parts: Type.Integer({ minimum: 1 }),
    time: Type.Integer({ minimum: 0, description: 'Unix seconds' }),
  }),
  { additionalProperties: false },
)

const TestBody = Type.Object(
  {
    name: Type.Optional(NameOf('A filter that is there, in its version in force')),
    snippet: Type.Optional(Type.String({ minLength: 1, description: 'The text of a filter' })),
    message: Type.Optional(SampleMessage),
  },
  { $id: 'FilterTestRequest', additionalProperties: false },
)

const Verdict = Type.Object(
  {
    verdict: PassOrReject,
    match: Type.Boolean(),
    reason: Type.String(),
    time_us: Microseconds,
    error: Type.String({
      description: 'Why there was no answer, in which case `filters.on_error` gave the verdict, or empty',
    }),
  },
  { $id: 'FilterVerdict' },
)

const group = { ...FAILURE_GROUP, access: 'admin', tag: 'Admin: Filters' } as const

export const filterRoutes = ({ filters }: Pick<HttpDependencies, 'filters'>): readonly Route[] => [
  route({
    ...group,
    method: 'GET',
    path: '/api/v1/admin/filters',
    operationId: 'filters',
    summary: 'Filters and lists',
    description: 'What is in force, what it did, and what is wrong with its file.',
    reply: {
      status: 200,
      description: 'By name, which is their order',
      schema: success(Inspection),
      example: {
        success: true,
        data: {
          folder_error: '',
          filters: [
            {
              name: 'premium',
              state: 'active',
              tripped_apps: [],
              description: 'Premium-rate numbers',
              blacklist: true,
              active: true,
              mode: 'enforce',
              error: '',
              hits: 120_000,
              matches: 12,
              refusals: 12,
              errors: 0,
              timeouts: 0,
              p50_us: 6.1,
              p99_us: 14.2,
              seconds: 0.8,
              memory_bytes: 71_000,
              last_error: '',
              last_error_at: 0,
              changed_at: 1700000000,
              snippet: 'export const blacklist = true; export default sms => /^1900/.test(sms.destination)',
            },
          ],
          lists: [{ name: 'numbers', entries: 1_000_000, error: '', changed_at: 1700000000 }],
        },
      },
    },
    handle: async () => ok({ success: true, data: await filters.inspect({ memory: true }) }),
  }),
  route({
    ...group,
    method: 'POST',
    path: '/api/v1/admin/filters/test',
    operationId: 'testFilter',
    summary: 'Ask a filter about a message',
    description:
      'A filter that is there, or a snippet that nobody has saved yet, apart from the traffic: nothing is counted, kept or sent.',
    body: json(TestBody, {
      snippet: 'export const blacklist = true; export default sms => /^1900/.test(sms.destination)',
      message: { destination: '19005551234' },
    }),
    reply: {
      status: 200,
      description: 'What it does to the message',
      schema: success(Verdict),
      example: {
        success: true,
        data: { verdict: 'reject', match: true, reason: '', time_us: 41.5, error: '' },
      },
    },
    errors: { 400: 'Invalid request body', 404: 'There is no filter of that name' },
    handle: async ({ body }) => ok({ success: true, data: await ask(filters, body) }),
  }),
]

async function ask(
  filters: HttpDependencies['filters'],
  { name, snippet, message = {} }: Static<typeof TestBody>,
) {
  if ((name === undefined) === (snippet === undefined)) {
    throw badRequest('give either `name`, of a filter that is there, or `snippet`')
  }
  const sms = { ...message, ...asFiltersSee(message) }
  if (snippet !== undefined) return filters.test({ snippet, message: sms })
  if (!(await filters.inspect()).filters.some(filter => filter.name === name)) {
    throw new GatewayError('not_found', 'there is no filter of that name')
  }
  return filters.test({ name: name ?? '', message: sms })
}
