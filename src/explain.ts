import { type Clock, nextTurn } from './clock.ts'
import { GatewayError } from './errors.ts'
import type { FilterMessage } from './filters/filter.ts'
import { type FilterDesk, type FilterState, type TestResult, TRIPPED } from './filters/index.ts'
import type { Network, PoolExplanation, RouteExplanation } from './network.ts'
import { UNSENT } from './outcome.ts'
import { prepare } from './prepare.ts'
import { refusalOf } from './routing/rules.ts'
import { describe, refusedBy, type SendRequest, type SubmitDependencies } from './submit.ts'

/** What would become of a message, told without sending it: the steps of `submit.ts`, in their order. */
export type Explain = (request: ExplainRequest) => Promise<Explanation>

export interface ExplainRequest extends SendRequest {
  /** Whether the caller's address is on the lists; undefined when nobody named one. */
  readonly ipAllowed: boolean | undefined
  /** Unix milliseconds: when it is sent. */
  readonly at: number
}

export interface Explanation {
  readonly outcome: 'sent' | 'queued' | 'refused'
  /** What the caller would be told; empty unless it is refused. */
  readonly error: string
  /** What decides, in one sentence. */
  readonly summary: string
  /** As filters and rules see it. */
  readonly message: FilterMessage
  /** Address, licence and the like; one that nobody can know is left out. */
  readonly checks: readonly Check[]
  /** In the order in which they are asked. All are asked here; a send ends with the first that refuses. */
  readonly filters: readonly FilterWord[]
  readonly route: RouteExplanation
}

export interface Check {
  readonly check: 'ip' | 'licence' | 'esme' | 'store'
  readonly pass: boolean
  /** What a caller is told when it does not pass. */
  readonly error: string
}

/** Its `verdict` is what it does to the message: a filter that is inactive, broken or in shadow mode lets it pass. */
export interface FilterWord extends TestResult {
  readonly name: string
  readonly state: FilterState['state']
}

export interface ExplainDependencies extends Pick<SubmitDependencies, 'hasEsme' | 'partsMax' | 'licensed'> {
  readonly filters: FilterDesk
  /** What a filter that is out of use does to a message. */
  readonly onError: 'reject' | 'pass'
  readonly network: Pick<Network, 'explain'>
  readonly store: Pick<SubmitDependencies['store'], 'fault'>
  readonly clock: Pick<Clock, 'now' | 'soon'>
}

/**
 * Changes nothing: no filter, link, queue or counter knows afterwards that it was asked. Throws what a send of
 * a request that is wrong in itself throws.
 */
export function createExplain(deps: ExplainDependencies): Explain {
  return async request => {
    // Which reference joins the parts makes no difference here; the next one is left to the next message.
    const prepared = prepare(request, deps.partsMax(), () => 0, deps.clock.now())
    const message = describe(request, prepared, request.at)
    const checks = [
      ...(request.ipAllowed === undefined ? [] : [check('ip', request.ipAllowed ? '' : 'IP not allowed')]),
      check('licence', refusalBy(deps.licensed)),
      check('esme', deps.hasEsme(request.esme) ? '' : 'unknown esme'),
    ]
    const filters = await askFilters(deps, message)
    const route = deps.network.explain(message)
    const fault = deps.store.fault()
    const store = check('store', fault === undefined ? '' : `not sent: ${fault}`)
    const refusals = [
      ...checks.map(({ error }) => error),
      ...filters.map(refusalOfFilter),
      refusalOfRoute(route),
      store.error,
      route.pool && route.pool.queued >= route.pool.queueMax ? UNSENT.queue_full : '',
    ]
    const error = refusals.find(refusal => refusal !== '')
    return {
      ...(error === undefined ? outcomeOf(route.pool) : { outcome: 'refused', error, summary: error }),
      message,
      checks: [...checks, store],
      filters,
      route,
    }
  }
}

const check = (name: Check['check'], error: string): Check => ({ check: name, pass: error === '', error })

function refusalBy(step: () => void): string {
  try {
    step()
    return ''
  } catch (error) {
    if (error instanceof GatewayError) return error.publicText
    throw error
  }
}

async function askFilters(deps: ExplainDependencies, message: FilterMessage): Promise<FilterWord[]> {
  const words: FilterWord[] = []
  for (const filter of (await deps.filters.inspect({ app: message.app_id })).filters) {
    words.push(await askFilter(deps, filter, message))
    // Each is compiled anew, apart from the live ones: traffic goes on in between.
    await nextTurn(deps.clock)
  }
  return words
}

async function askFilter(
  { filters, onError }: ExplainDependencies,
  { name, state, mode }: FilterState,
  message: FilterMessage,
): Promise<FilterWord> {
  const silent = { name, state, match: false, error: '', time_us: 0 }
  if (state === 'inactive') return { ...silent, verdict: 'pass', reason: 'it is not active' }
  if (state === 'broken') return { ...silent, verdict: 'pass', reason: 'there is no good version of it' }
  const { verdict, match, reason, error, time_us } =
    state === 'tripped'
      ? { ...silent, verdict: onError, reason: onError === 'reject' ? TRIPPED : '' }
      : await filters.test({ name, message })
  if (mode !== 'shadow') return { name, state, verdict, match, reason, error, time_us }
  const shown = verdict === 'reject' ? `in shadow mode: it would refuse${reason && `: ${reason}`}` : reason
  return { name, state, verdict: 'pass', match, reason: shown, error, time_us }
}

const refusalOfFilter = ({ name, verdict, reason }: FilterWord): string =>
  verdict === 'pass' ? '' : refusedBy(name, reason)

function refusalOfRoute({ decision, pool }: RouteExplanation): string {
  if (decision && 'refuse' in decision) return refusalOf(decision)
  return pool ? '' : 'unknown esme'
}

function outcomeOf(pool: PoolExplanation | undefined): Pick<Explanation, 'outcome' | 'error' | 'summary'> {
  const taken = pool?.candidates.find(candidate => candidate.taken)
  const name = pool?.name ?? ''
  if (pool?.behind) {
    const summary = `waits in the queue of ${name}, behind another message to the same destination`
    return { outcome: 'queued', error: '', summary }
  }
  if (!taken) {
    return { outcome: 'queued', error: '', summary: `waits in the queue of ${name}: no link can take it now` }
  }
  return {
    outcome: 'sent',
    error: '',
    summary: `goes out over ${taken.link.settings.name} of ${name}: ${candidateWords(taken)}`,
  }
}

type Candidate = PoolExplanation['candidates'][number]

/** Why a link is taken or not, for an operator. */
export function candidateWords({ taken, reason, shortage, link }: Candidate): string {
  if (taken) return TAKEN[reason]
  if (reason === 'not_bound') {
    if (link.settings.bind === 'receiver') return 'a receiver, which sends nothing'
    return `not bound: ${link.enabled ? link.state : 'switched off'}`
  }
  if (reason === 'no_room') return SHORT[shortage ?? 'window']
  return NOT_TAKEN[reason]
}

const TAKEN: Readonly<Record<Extract<Candidate, { taken: true }>['reason'], string>> = {
  preferred: 'the request names it, and it has room',
  destination: 'messages to the same destination are on their way over it, and stay in order',
  strategy: "by the pool's strategy among the links with room",
  last_resort: 'set aside for answering badly, but no other link is bound',
}

type Passed = Extract<Candidate, { taken: false }>['reason']
const NOT_TAKEN: Readonly<Record<Exclude<Passed, 'not_bound' | 'no_room'>, string>> = {
  lane: 'the parts of a long message are on their way over it, and stay together',
  patience: 'its SMSC asked to try this message again later',
  destination: 'messages to the same destination are on their way over another link',
  set_aside: 'set aside for a while, since it answers badly',
  returning: 'back from being set aside, and takes a share of the messages only: not this one',
  another: 'could take it, but another link was chosen',
}

const SHORT: Readonly<Record<NonNullable<Candidate['shortage']>, string>> = {
  window: 'its window is full: as many parts are unanswered as may be',
  tps: 'limit_tps is used up for this second',
  pause: 'it pauses, since its SMSC asked for fewer messages',
  silence: 'its SMSC left a message unanswered and says nothing else: it is asked whether it is there',
  licence: 'max_tps of the licence is used up for this second',
}
