import Registry, { type Sample } from 'prom-client/lib/registry.js'
import { type Clock, nextTurn } from './clock.ts'
import { FILTER_STATES } from './filters/index.ts'
import { LICENCE_STATES } from './licence/licence.ts'
import { LINK_STATES } from './smpp/link.ts'
import type { HistogramData } from './stats/histogram.ts'
import type { FilterRow, LinkRow, MetricsSources } from './stats/sources.ts'
import type { SpoolCounts } from './store/spooled_store.ts'

type Labels = readonly (string | number)[]
type Rows<T> = Iterable<readonly [Labels, T]>
type Read<T> = (from: MetricsSources) => Rows<T> | Promise<Rows<T>>

interface Family {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}
type NumberFamily = Family & { readonly kind: 'counter' | 'gauge'; readonly read: Read<number> }
type HistogramFamily = Family & { readonly kind: 'histogram'; readonly read: Read<HistogramData> }

const counter = (name: string, help: string, labels: string[], read: Read<number>): NumberFamily => {
  return { kind: 'counter', name, help, labels, read }
}
const gauge = (name: string, help: string, labels: string[], read: Read<number>): NumberFamily => {
  return { kind: 'gauge', name, help, labels, read }
}
const histogram = (
  name: string,
  help: string,
  labels: string[],
  read: Read<HistogramData>,
): HistogramFamily => {
  return { kind: 'histogram', name, help, labels, read }
}

const one = <T>(value: T): Rows<T> => [[[], value]]
const ofFilters =
  (pick: (row: FilterRow) => number): Read<number> =>
  async from =>
    [...(await from.filters())].map(row => [[row.name], pick(row)])
const ofLinks =
  (pick: (row: LinkRow) => number): Read<number> =>
  from =>
    [...from.links()].map(row => [[row.name], pick(row)])

const ofSpool =
  (name: keyof SpoolCounts): Read<number> =>
  from =>
    one(from.spool()?.[name] ?? 0)

const statesOf = (
  rows: Iterable<{ readonly name: string; readonly state: string }>,
  states: readonly string[],
) =>
  [...rows].flatMap(({ name, state }) =>
    states.map(other => [[name, other], Number(other === state)] as const),
  )

/** Everything that /metrics has. */
const FAMILIES: readonly (NumberFamily | HistogramFamily)[] = [
  gauge(
    'sms_proxy_build_info',
    'The version that runs; always 1.',
    ['version', 'commit', 'bun'],
    ({ build }) => [[[build.version, build.commit, Bun.version], 1]],
  ),

  histogram(
    'sms_proxy_http_request_duration_seconds',
    'Time from a request to its answer.',
    ['method', 'route', 'status'],
    from => [...from.http()].map(({ method, route, status, seconds }) => [[method, route, status], seconds]),
  ),
  counter('sms_proxy_rate_limit_refusals_total', 'Requests refused by a rate limit.', ['level'], from =>
    [...from.rateLimits()].map(([level, refused]) => [[level], refused]),
  ),
  counter(
    'sms_proxy_sends_total',
    'Requests to send by what became of the message; one repeated under its Idempotency-Key counts each time.',
    ['result'],
    from => [...from.sends()].map(([result, count]) => [[result], count]),
  ),

  gauge(
    'sms_proxy_filter_state',
    'Which state a filter is in: 1 for that one.',
    ['filter', 'state'],
    async from => statesOf(await from.filters(), FILTER_STATES),
  ),
  gauge(
    'sms_proxy_filter_broken',
    '1 while the file as it stands is not in force; its last good version is, if there was one.',
    ['filter'],
    ofFilters(row => Number(row.error !== '')),
  ),
  counter(
    'sms_proxy_filter_hits_total',
    'Messages shown to a filter, or that would have been had it not tripped.',
    ['filter'],
    ofFilters(row => row.hits),
  ),
  counter(
    'sms_proxy_filter_matches_total',
    'Messages that a filter matched.',
    ['filter'],
    ofFilters(row => row.matches),
  ),
  counter(
    'sms_proxy_filter_refusals_total',
    'Messages that the answer of a filter refused or, in shadow mode, would have; on_error refuses others.',
    ['filter'],
    ofFilters(row => row.refusals),
  ),
  counter(
    'sms_proxy_filter_errors_total',
    'Messages that a filter had no sound answer to, timeouts among them.',
    ['filter'],
    ofFilters(row => row.errors),
  ),
  counter(
    'sms_proxy_filter_timeouts_total',
    'Answers that took too long.',
    ['filter'],
    ofFilters(row => row.timeouts),
  ),
  gauge('sms_proxy_filter_duration_seconds', 'Time an answer takes.', ['filter', 'percentile'], async from =>
    [...(await from.filters())].flatMap(
      ({ name, p50_us, p99_us }) =>
        [
          [[name, 50], p50_us / 1e6],
          [[name, 99], p99_us / 1e6],
        ] as const,
    ),
  ),

  gauge('sms_proxy_rules', 'Rules in force.', [], from => one(from.rules().count)),
  gauge(
    'sms_proxy_rules_broken',
    '1 while the file of rules as it stands is not in force; the last good rules are.',
    [],
    from => one(Number(from.rules().broken)),
  ),

  gauge('sms_proxy_link_state', 'Which state a link is in: 1 for that one.', ['link', 'state'], from =>
    statesOf(from.links(), LINK_STATES),
  ),
  gauge(
    'sms_proxy_link_in_flight',
    'Parts written and not yet answered.',
    ['link'],
    ofLinks(row => row.stats.inFlight),
  ),
  gauge(
    'sms_proxy_link_window',
    'Parts that may be in flight now.',
    ['link'],
    ofLinks(row => row.stats.window),
  ),
  gauge(
    'sms_proxy_link_tps',
    'Parts sent in the last second.',
    ['link'],
    ofLinks(row => row.stats.sentLastSecond),
  ),
  gauge(
    'sms_proxy_link_tps_limit',
    'Parts a second that a link allows; 0 is no limit.',
    ['link'],
    ofLinks(row => row.limitTps),
  ),
  gauge(
    'sms_proxy_link_response_seconds',
    'Smoothed time from submit_sm to its answer; 0 before the first.',
    ['link'],
    ofLinks(row => row.stats.rttMs / 1000),
  ),
  counter(
    'sms_proxy_link_submits_total',
    'Parts handed to a link; each is in flight, accepted, refused, unknown or unwritten.',
    ['link'],
    ofLinks(row => row.stats.submitted),
  ),
  counter(
    'sms_proxy_link_accepted_total',
    'Parts that the SMSC took.',
    ['link'],
    ofLinks(row => row.stats.accepted),
  ),
  counter(
    'sms_proxy_link_refusals_total',
    'Parts that the SMSC refused, by SMPP command_status.',
    ['link', 'code'],
    from => [...from.links()].flatMap(({ name, stats }) => byCode(name, stats)),
  ),
  counter(
    'sms_proxy_link_unknown_total',
    'Parts written and not answered in time, or not before the connection ended.',
    ['link'],
    ofLinks(row => row.stats.unknown),
  ),
  counter(
    'sms_proxy_link_unwritten_total',
    'Parts given back before they were written.',
    ['link'],
    ofLinks(row => row.stats.unwritten),
  ),
  counter(
    'sms_proxy_link_received_total',
    'Receipts and MO messages that came in.',
    ['link'],
    ofLinks(row => row.stats.delivered),
  ),
  gauge(
    'sms_proxy_pool_queued',
    'Messages that wait for room on a link of the pool; a link in none is a pool of its own.',
    ['pool'],
    from => [...from.queues()].map(({ name, queued }) => [[name], queued]),
  ),

  counter('sms_proxy_receipts_total', 'Delivery receipts by what was done with them.', ['outcome'], from => {
    const { matched, held, failed } = from.receipts()
    return [
      [['matched'], matched],
      [['held'], held],
      [['failed'], failed],
    ]
  }),
  counter('sms_proxy_inbound_total', 'MO messages stored, each segment of a long one counted.', [], from =>
    one(from.receipts().inbound),
  ),

  counter('sms_proxy_store_commits_total', 'Commits to the store.', [], from => one(from.store().commits)),
  counter('sms_proxy_store_writes_total', 'Writes in these commits.', [], from => one(from.store().writes)),
  counter('sms_proxy_store_failures_total', 'Commits that failed.', [], from => one(from.store().failures)),
  counter('sms_proxy_store_seconds_total', 'Time spent in commits.', [], from => one(from.store().seconds)),
  gauge('sms_proxy_store_faulty', '1 while writes fail.', [], from => one(Number(from.store().faulty))),

  gauge('sms_proxy_spool_entries', 'Writes that wait on disk for the cluster.', [], ofSpool('entries')),
  gauge('sms_proxy_spool_entries_limit', 'Writes that may wait.', [], ofSpool('entriesMax')),
  gauge('sms_proxy_spool_age_seconds', 'How long the first of them has waited.', [], from =>
    one((from.spool()?.ageMs ?? 0) / 1000),
  ),
  counter('sms_proxy_spool_spooled_total', 'Writes that went to the spool.', [], ofSpool('spooled')),
  counter('sms_proxy_spool_replayed_total', 'Spooled writes told to the cluster.', [], ofSpool('replayed')),
  gauge(
    'sms_proxy_spool_refused',
    'Spooled writes that the cluster refused: set aside.',
    [],
    ofSpool('refused'),
  ),

  gauge('sms_proxy_licence_state', 'The state of the licence: 1 for that one.', ['state'], from =>
    LICENCE_STATES.map(state => [[state], Number(state === from.licence().status)]),
  ),
  gauge('sms_proxy_licence_connections_limit', 'Links that may be bound; 0 is no limit.', [], from =>
    one(from.licence().max_connections),
  ),
  gauge('sms_proxy_licence_tps_limit', 'Parts a second over all links; 0 is no limit.', [], from =>
    one(from.licence().max_tps),
  ),
  gauge(
    'sms_proxy_licence_last_day_timestamp_seconds',
    'When the last valid day begins; 0 without a licence.',
    [],
    from => {
      const { valid_until } = from.licence()
      return one(valid_until === '' ? 0 : Date.parse(`${valid_until}T00:00:00Z`) / 1000)
    },
  ),

  counter('process_cpu_seconds_total', 'Processor time, user and system.', [], from =>
    one(from.process().cpuSeconds),
  ),
  gauge('process_resident_memory_bytes', 'Resident memory.', [], from => one(from.process().residentBytes)),
  gauge('process_start_time_seconds', 'When the process started, Unix time.', [], from =>
    one(from.process().startedAt),
  ),
  gauge('process_open_fds', 'Open file descriptors.', [], async from => one(await from.openFiles())),
  gauge('sms_proxy_heap_bytes', 'JavaScript heap in use.', [], from => one(from.process().heapBytes)),
  histogram('sms_proxy_event_loop_lag_seconds', 'How late timers run.', [], from => one(from.loopLag())),
]

/** Between two turns of the loop, about: a thousand links are a scrape of twenty thousand lines. */
const TURN_MS = 5

/** prom-client renders what `from` says at the moment of the scrape, in the Prometheus text format 0.0.4. */
export function createMetrics(
  from: MetricsSources,
  clock: Pick<Clock, 'monotonic' | 'soon'>,
): { render(): Promise<string> } {
  const registry = new Registry()
  return {
    async render() {
      const asked = { ...from, links: once(() => [...from.links()]), filters: once(from.filters) }
      const texts: string[] = []
      let turnedAt = clock.monotonic()
      for (const family of FAMILIES) {
        texts.push(await registry.getMetricsAsString(await pulled(family, asked)))
        if (clock.monotonic() - turnedAt < TURN_MS) continue
        await nextTurn(clock)
        turnedAt = clock.monotonic()
      }
      return `${texts.join('\n\n')}\n`
    },
  }
}

function once<T>(ask: () => T): () => T {
  let answer: { readonly value: T } | undefined
  return () => {
    answer ??= { value: ask() }
    return answer.value
  }
}

/** A family as prom-client has it, with what was counted elsewhere. */
async function pulled(family: NumberFamily | HistogramFamily, from: MetricsSources) {
  const { name, help, labels: names, kind: type } = family
  const labelled = (values: Labels) => Object.fromEntries(names.map((label, at) => [label, values[at] ?? '']))
  const values =
    family.kind === 'histogram'
      ? [...(await family.read(from))].flatMap(([values, data]) => cumulated(name, labelled(values), data))
      : [...(await family.read(from))].map(([values, value]) => ({ labels: labelled(values), value }))
  return { get: async () => ({ name, help, type, values }) }
}

function cumulated(name: string, labels: Sample['labels'], { bounds, counts, sum }: HistogramData): Sample[] {
  let count = 0
  const buckets = Array.from(counts, (more, index) => {
    count += more
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[index] ?? '+Inf' }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}

/** Those that have no count of their own share a label. */
function byCode(
  link: string,
  { refused, refusedOtherwise }: LinkRow['stats'],
): (readonly [Labels, number])[] {
  const rows = [...refused].map(
    ([code, count]) => [[link, `0x${code.toString(16).padStart(8, '0')}`], count] as const,
  )
  return refusedOtherwise === 0 ? rows : [...rows, [[link, 'other'], refusedOtherwise]]
}
