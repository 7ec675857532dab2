import { type Static, Type } from '@sinclair/typebox'
import { candidateWords, type Explanation } from '../../explain.ts'
import { ipAllowed, normaliseIp } from '../../ip_list.ts'
import { DEFAULT_APP_ID } from '../../users/index.ts'
import type { HttpDependencies } from '../dependencies.ts'
import { badRequest, ok } from '../problem.ts'
import { json, type Route, route } from '../route.ts'
import { Encoding, FAILURE_GROUP, Id, Integer, LinkState, oneOf, PassOrReject, success } from '../shapes.ts'
import { FilterState } from './filters.ts'
import { SendBody, toSend } from './sms.ts'

const ExplainBody = Type.Object(
  {
    ...SendBody.properties,
    app_id: Type.Optional({ ...Id, description: `The app that sends; ${DEFAULT_APP_ID} when left out` }),
    ip: Type.Optional(
      Type.String({ maxLength: 64, description: "The caller's address, to be held against the lists" }),
    ),
    time: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 8.64e12, description: 'Unix seconds; now when left out' }),
    ),
  },
  { $id: 'ExplainRequest', additionalProperties: false },
)

const Words = Type.Object({
  outcome: oneOf(['sent', 'queued', 'refused']),
  error: Type.String({ description: 'What the caller would be told; empty unless it is refused' }),
  summary: Type.String(),
  source: Type.String(),
  destination: Type.String(),
  encoding: Encoding,
  parts: Integer({ minimum: 1 }),
  checks: Type.Array(
    Type.Object({
      check: oneOf(['ip', 'licence', 'esme', 'store']),
      pass: Type.Boolean(),
      error: Type.String(),
    }),
  ),
  filters: Type.Array(
    Type.Object({
      name: Type.String(),
      state: FilterState,
      verdict: PassOrReject,
      match: Type.Boolean(),
      reason: Type.String(),
      error: Type.String(),
      time_us: Type.Number({ minimum: 0 }),
    }),
  ),
  rules: Type.Array(
    Type.Object({
      rule: Type.String(),
      matches: Type.Boolean(),
      decides: Type.Boolean({ description: 'The first that matches' }),
      says: Type.String({
        description: 'Its pool or its refusal, or the first condition that does not hold',
      }),
    }),
  ),
  pool: Type.Union([
    Type.Null(),
    Type.Object({
      id: Integer(),
      name: Type.String(),
      chosen_by: Type.String({ description: 'The rule, or the link that was asked for' }),
      strategy: Type.String(),
      queued: Type.Integer({ minimum: 0, description: 'Messages that wait' }),
      queue_max: Integer(),
      links: Type.Array(
        Type.Object({
          id: Integer(),
          name: Type.String(),
          taken: Type.Boolean(),
          reason: Type.String(),
          state: LinkState,
          enabled: Type.Boolean(),
          in_flight: Integer(),
          window: Type.Integer({ minimum: 0, description: 'Less than configured while the SMSC throttles' }),
          tps: Integer(),
          limit_tps: Type.Integer({ minimum: 0, description: '0: no limit' }),
        }),
      ),
    }),
  ]),
})

export const explainRoutes = (
  deps: Pick<HttpDependencies, 'explain' | 'users' | 'ips' | 'clock'>,
): readonly Route[] => [
  route({
    ...FAILURE_GROUP,
    method: 'POST',
    path: '/api/v1/admin/route/explain',
    access: 'admin',
    tag: 'Admin: Routing',
    operationId: 'explainRoute',
    summary: 'Why a message goes where it goes',
    description:
      'Takes the body of a send and sends nothing: the word of each check, filter and rule, the pool, and of each of its links why it is taken or not.',
    body: json(ExplainBody, {
      esme: 1,
      source: 'Bank',
      destination: '+447700900123',
      message: 'Hello world',
    }),
    reply: {
      status: 200,
      description: 'What would become of it now',
      schema: success(Words),
      example: {
        success: true,
        data: {
          outcome: 'sent',
          error: '',
          summary: 'goes out over smpp-link-1 of pool-1: the request names it, and it has room',
          source: 'Bank',
          destination: '447700900123',
          encoding: 'gsm7',
          parts: 1,
          checks: [
            { check: 'licence', pass: true, error: '' },
            { check: 'esme', pass: true, error: '' },
            { check: 'store', pass: true, error: '' },
          ],
          filters: [
            {
              name: 'premium',
              state: 'active',
              verdict: 'pass',
              match: false,
              reason: '',
              error: '',
              time_us: 40.5,
            },
          ],
          rules: [{ rule: 'uk', matches: true, decides: true, says: 'pool-1' }],
          pool: {
            id: 0,
            name: 'pool-1',
            chosen_by: 'rule "uk"',
            strategy: 'least_loaded',
            queued: 0,
            queue_max: 10_000,
            links: [
              {
                id: 1,
                name: 'smpp-link-1',
                taken: true,
                reason: 'the request names it, and it has room',
                state: 'LOADED',
                enabled: true,
                in_flight: 3,
                window: 100,
                tps: 40,
                limit_tps: 100,
              },
            ],
          },
        },
      },
    },
    errors: { 400: 'Invalid request body, or an app that is not known' },
    async handle({ body }) {
      const { app_id = DEFAULT_APP_ID, ip, time, ...send } = body
      const app = deps.users.app(app_id)
      if (!app) throw badRequest('unknown app_id')
      if (ip !== undefined && normaliseIp(ip) === undefined)
        throw badRequest('ip must be an IPv4 or IPv6 address')
      const now = deps.clock.now()
      const explanation = await deps.explain({
        ...toSend(send, app),
        at: time === undefined ? now : time * 1000,
        ipAllowed:
          ip === undefined
            ? undefined
            : [app.allowedIps, deps.ips.allowed].every(list => ipAllowed(list, ip)),
      })
      return ok({ success: true, data: show(explanation) })
    },
  }),
]

function show({
  outcome,
  error,
  summary,
  message,
  checks,
  filters,
  route,
}: Explanation): Static<typeof Words> {
  const { source, destination, encoding, parts } = message
  const { rules, decision, pool } = route
  return {
    outcome,
    error,
    summary,
    source,
    destination,
    encoding,
    parts,
    checks: [...checks],
    filters: [...filters],
    rules: rules.map(verdict => ({
      rule: verdict.rule,
      matches: verdict.matches,
      decides: verdict.rule === decision?.rule,
      says: verdict.matches ? wordOf(verdict.decision) : verdict.why,
    })),
    pool: pool
      ? {
          id: pool.id,
          name: pool.name,
          chosen_by: decision ? `rule "${decision.rule}"` : `link ${message.esme}`,
          strategy: pool.strategy,
          queued: pool.queued,
          queue_max: pool.queueMax,
          links: pool.candidates.map(candidate => ({
            id: candidate.link.settings.id,
            name: candidate.link.settings.name,
            taken: candidate.taken,
            reason: candidateWords(candidate),
            state: candidate.link.state,
            enabled: candidate.link.enabled,
            in_flight: candidate.link.stats.inFlight,
            window: candidate.link.stats.window,
            tps: candidate.link.stats.sentLastSecond,
            limit_tps: candidate.link.settings.limitTps,
          })),
        }
      : null,
  }
}

const wordOf = (decision: NonNullable<Explanation['route']['decision']>): string =>
  'pool' in decision ? decision.pool : `refuses: ${decision.refuse}`
