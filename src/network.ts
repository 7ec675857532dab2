import type { Cancel, Clock } from './clock.ts'
import { GatewayError } from './errors.ts'
import type { FilterMessage } from './filters/filter.ts'
import type { SlidingSecond } from './licence/sliding_second.ts'
import type { Log } from './log.ts'
import { type LinkSettings, NetworkLink, type Shortage, type SubmitFields } from './network_link.ts'
import type { Candidate } from './routing/candidate.ts'
import { Health } from './routing/health.ts'
import { Pool } from './routing/pool.ts'
import {
  type Decision,
  decide,
  explain as explainRules,
  type Rules,
  type RuleVerdict,
  refusalOf,
} from './routing/rules.ts'
import { createStrategy, type StrategyName } from './routing/strategy.ts'
import type { LinkStats } from './smpp/counters.ts'
import { accountOf, type LinkEvents, type LinkParts, type LinkState } from './smpp/link.ts'
import { SLIDING_MS } from './smpp/pacer.ts'

export type { LinkSettings } from './network_link.ts'

/** The links and pools of the configuration as one thing: what a send goes through, and what an operator sees. */

export interface PoolSettings {
  readonly id: number
  readonly name: string
  /** Names of links; their order is that of the strategy `priority`. */
  readonly links: readonly string[]
  readonly strategy: StrategyName
}

export interface NetworkSettings {
  readonly links: readonly LinkSettings[]
  readonly pools: readonly PoolSettings[]
  readonly rules: Rules
  readonly queueTimeoutMs: number
  readonly queueMax: number
}

export interface NetworkParts {
  readonly clock: Clock
  readonly log: Log
  readonly smpp: Omit<LinkParts, 'events'>
  readonly deliver: LinkEvents['deliver']
  readonly late: LinkEvents['late']
  /** What an operator said of a link, over what the configuration says. */
  readonly switchedOn: (linkId: number) => boolean | undefined
  readonly licence: LinkLicence
}

export interface LinkLicence {
  /** Links that may be bound at the same time; 0 is no limit. */
  connectionsMax(): number
  /** Parts over all links. */
  readonly tps: SlidingSecond
}

export interface LinkView {
  readonly settings: LinkSettings
  readonly state: LinkState
  readonly bound: boolean
  readonly enabled: boolean
  readonly stats: LinkStats
}

export interface PoolView {
  readonly id: number
  readonly name: string
  readonly links: readonly NetworkLink[]
}

export interface RouteExplanation {
  readonly rules: readonly RuleVerdict[]
  /** That of the first rule that matches; undefined leaves it to the link that was asked for. */
  readonly decision: Decision | undefined
  /** Where it would go; undefined when a rule refuses it, or there is no such link. */
  readonly pool: PoolExplanation | undefined
}

export interface PoolExplanation {
  readonly id: number
  readonly name: string
  readonly strategy: StrategyName
  /** Messages that wait, and how many may. */
  readonly queued: number
  readonly queueMax: number
  /** A message to the same destination waits, and this one would behind it. */
  readonly behind: boolean
  readonly candidates: readonly (Candidate<LinkView> & { readonly shortage: Shortage | undefined })[]
}

type LinkPool = Pool<SubmitFields, NetworkLink>

export class Network {
  #settings: NetworkSettings
  #links = new Map<number, NetworkLink>()
  /** By the names that rules use: pools, and links that are in none. */
  #pools = new Map<string, LinkPool>()
  /** The pool of each link: the first that names it, or one of its own. */
  #poolOf = new Map<number, LinkPool>()
  #allPools: readonly LinkPool[] = []
  #licenceTimer: Cancel | undefined
  /** Links on their way out: replaced or removed while the gateway runs. */
  readonly #leaving = new Map<NetworkLink, Promise<void>>()
  /** When links were last taken out, by their accounts: what they sent counts for who comes after them. */
  readonly #left = new Map<string, number>()
  /** A link waits until another that drains is gone. */
  #waits = false
  readonly #health: Health<NetworkLink>

  constructor(
    settings: NetworkSettings,
    private readonly parts: NetworkParts,
  ) {
    this.#settings = settings
    this.#health = new Health<NetworkLink>({
      clock: parts.clock,
      ejected: (link, forMs) =>
        parts.log.warn({ link: link.name, for_ms: forMs }, 'link answers badly: set aside'),
    })
    this.#build(settings)
  }

  /** Links and pools as `settings` has them: what did not change keeps its session and its queue. */
  apply(settings: NetworkSettings): void {
    this.#settings = settings
    this.#build(settings)
    this.bindLinks()
    this.#pump()
  }

  /** From the next message on; what waits in a queue stays there. */
  follow(rules: Rules): void {
    this.#settings = { ...this.#settings, rules }
  }

  hasLink(id: number): boolean {
    return this.#links.has(id)
  }

  /** The pool for a message: a rule's, or that of the link it names. Throws `refused` or `unknown_esme`. */
  route(message: FilterMessage): LinkPool {
    const decision = decide(this.#settings.rules, message)
    if (decision && 'refuse' in decision) {
      throw new GatewayError('refused', refusalOf(decision))
    }
    const pool = this.#poolFor(decision, message)
    if (!pool) throw new GatewayError('unknown_esme', 'unknown esme')
    return pool
  }

  /** What `route` and the pool would do with a message that came now; nothing is changed by asking. */
  explain(message: FilterMessage): RouteExplanation {
    const { rules } = this.#settings
    const decision = decide(rules, message)
    const pool = this.#poolFor(decision, message)
    return {
      rules: explainRules(rules, message),
      decision,
      pool: pool && {
        id: pool.options.id,
        name: pool.options.name,
        strategy: this.#settings.pools.find(({ name }) => name === pool.options.name)?.strategy ?? 'priority',
        queued: pool.queued,
        queueMax: pool.options.queueMax,
        behind: pool.waitsFor(message.destination),
        candidates: pool
          .explain({ preferred: message.esme, destination: message.destination })
          .map(candidate => ({
            ...candidate,
            link: this.#view(candidate.link),
            shortage: candidate.link.shortage(),
          })),
      },
    }
  }

  links(): LinkView[] {
    return [...this.#links.values()].map(link => this.#view(link))
  }

  link(id: number): LinkView | undefined {
    const link = this.#links.get(id)
    return link && this.#view(link)
  }

  /** The pools of the configuration, in its order. */
  pools(): PoolView[] {
    return this.#settings.pools.flatMap(({ id, name }) => {
      const pool = this.#pools.get(name)
      return pool ? [{ id, name, links: pool.options.links }] : []
    })
  }

  /** Bound SMPP sessions over all links; a pair counts twice. */
  sessions(): number {
    let sessions = 0
    for (const link of this.#links.values()) sessions += link.smpp.sessions()
    return sessions
  }

  /** Messages that wait for room, by pool: also where a link is a pool of its own. */
  queues(): { readonly name: string; readonly queued: number }[] {
    return this.#allPools.map(({ options: { name }, queued }) => ({ name, queued }))
  }

  /** Binds or unbinds links as switches, configuration and licence now say. */
  bindLinks(): void {
    const max = this.parts.licence.connectionsMax() || Number.POSITIVE_INFINITY
    const links = [...this.#links.values()].sort((a, b) => a.id - b.id)
    const wanted = links.filter(link => this.#switchedOn(link))
    for (const link of links) if (!this.#switchedOn(link)) link.smpp.disable('switched off')
    for (const link of wanted.slice(max)) link.smpp.disable(`the licence allows ${max} connections`)
    // What drains is a connection too: who comes after it waits.
    let used = [...this.#leaving.keys(), ...links].filter(
      ({ smpp }) => smpp.enabled || smpp.connected(),
    ).length
    this.#waits = false
    for (const link of wanted.slice(0, max)) {
      if (link.smpp.enabled) continue
      const unlicensed = !link.smpp.connected() && ++used > max
      if (unlicensed || this.#predecessorDrains(link)) this.#waits = true
      else link.smpp.enable()
    }
  }

  /** What it comes after is connected still: many accounts have one session, and a second bind is refused for minutes. */
  #predecessorDrains({ id, account }: NetworkLink): boolean {
    for (const leaving of this.#leaving.keys())
      if ((leaving.id === id || leaving.account === account) && leaving.smpp.connected()) return true
    return false
  }

  /** Tells all that wait in queues that nothing was sent, and takes no more. */
  closePools(): void {
    for (const pool of this.#allPools) pool.close('closing')
  }

  /** Lets what is in flight end, unbinds all links, and resolves when the last socket is closed. */
  async close(): Promise<void> {
    this.#licenceTimer?.()
    await Promise.all([
      ...this.#leaving.values(),
      ...[...this.#links.values()].map(link => link.smpp.close()),
    ])
  }

  #poolFor(decision: Decision | undefined, { esme }: FilterMessage): LinkPool | undefined {
    if (!decision) return this.#poolOf.get(esme)
    return 'pool' in decision ? this.#pools.get(decision.pool) : undefined
  }

  #view(link: NetworkLink): LinkView {
    return {
      settings: link.settings,
      state: link.smpp.state(),
      bound: link.smpp.bound(),
      enabled: this.#switchedOn(link),
      stats: link.smpp.stats(),
    }
  }

  #switchedOn(link: NetworkLink): boolean {
    return this.parts.switchedOn(link.id) ?? link.settings.enabled
  }

  #build(settings: NetworkSettings): void {
    const before = this.#links
    const now = this.parts.clock.monotonic()
    for (const [account, at] of this.#left) if (now - at > SLIDING_MS) this.#left.delete(account)
    const accounts = new Set([...[...before.values()].map(({ account }) => account), ...this.#left.keys()])
    this.#links = new Map(
      settings.links.map(link => [link.id, this.#kept(before.get(link.id), link, accounts)]),
    )
    for (const link of before.values()) {
      if (this.#links.get(link.id) === link) continue
      this.#left.set(link.account, now)
      this.#leaving.set(
        link,
        link.smpp.close().finally(() => this.#leaving.delete(link)),
      )
    }
    const byName = new Map([...this.#links.values()].map(link => [link.name, link]))
    const pools = this.#pools
    const own = this.#poolOf
    this.#pools = new Map()
    this.#poolOf = new Map()
    for (const { id, name, links, strategy } of settings.pools) {
      const members = links.flatMap(each => byName.get(each) ?? [])
      const pool = this.#pool(pools.get(name), id, name, members, strategy)
      this.#pools.set(name, pool)
      for (const link of members) if (!this.#poolOf.has(link.id)) this.#poolOf.set(link.id, pool)
    }
    for (const link of this.#links.values()) {
      if (this.#poolOf.has(link.id)) continue
      const kept = own.get(link.id)
      const alone = kept?.options.name === link.name ? kept : undefined
      const pool = this.#pool(alone, link.id, link.name, [link], 'priority')
      this.#poolOf.set(link.id, pool)
      if (!this.#pools.has(link.name)) this.#pools.set(link.name, pool)
    }
    const gone = this.#allPools
    this.#allPools = [...new Set([...this.#pools.values(), ...this.#poolOf.values()])]
    for (const pool of gone) if (!this.#allPools.includes(pool)) pool.close('removed')
  }

  /**
   * The link there is, when only its limits have changed; else a new one. `accounts`: what was sent as one of these may
   * be less than a second ago.
   */
  #kept(before: NetworkLink | undefined, settings: LinkSettings, accounts: ReadonlySet<string>): NetworkLink {
    if (before && sameBind(before.settings, settings)) {
      before.smpp.setLimits(settings)
      before.settings = settings
      return before
    }
    const { clock, smpp, deliver, late, log, licence } = this.parts
    const events: LinkEvents = {
      deliver,
      late,
      room: () => {
        if (this.#waits) this.bindLinks()
        this.#poolOf.get(settings.id)?.pump()
      },
      state: (link, from, to, reason) => {
        const fields = { link: link.name, from, to, reason }
        if ((to === 'UNBOUND' && from !== 'DISABLED') || to === 'THROTTLED') log.warn(fields, 'link state')
        else log.info(fields, 'link state')
      },
    }
    const { tps } = licence
    const hold = (): void => {
      this.#licenceTimer ??= clock.after(tps.waitMs(), () => {
        this.#licenceTimer = undefined
        this.#pump()
      })
    }
    const known = accounts.has(accountOf(settings))
    const link = new NetworkLink(settings, { ...smpp, clock, log, events }, tps, hold)
    if (known) {
      // What another link of the account sent counts in the same second: a limit after none takes all as sent now.
      link.smpp.setLimits({ ...settings, limitTps: 0 })
      link.smpp.setLimits(settings)
    }
    return link
  }

  #pool(
    before: LinkPool | undefined,
    id: number,
    name: string,
    links: readonly NetworkLink[],
    strategyName: StrategyName,
  ): LinkPool {
    const { queueTimeoutMs, queueMax } = this.#settings
    const strategy = createStrategy<NetworkLink>(strategyName, link => link.settings.weight)
    if (before) {
      Object.assign(before.options, { id, links, strategy, queueTimeoutMs, queueMax })
      return before
    }
    const { clock } = this.parts
    return new Pool({ id, name, links, strategy, queueTimeoutMs, queueMax, clock, health: this.#health })
  }

  #pump(): void {
    for (const pool of this.#allPools) pool.pump()
  }
}

/** What a session was bound with, or what a message is written with: a change of it needs a new link. */
function sameBind(a: LinkSettings, b: LinkSettings): boolean {
  const bindOf = ({ limitTps, window, enabled, weight, ...bind }: LinkSettings): unknown => bind
  return Bun.deepEquals(bindOf(a), bindOf(b))
}
