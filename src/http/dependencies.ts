import type { Clock } from '../clock.ts'
import type { Explain } from '../explain.ts'
import type { FilterDesk } from '../filters/index.ts'
import type { IpList } from '../ip_list.ts'
import type { LicenceView } from '../licence/licence.ts'
import type { Log } from '../log.ts'
import type { Message } from '../message.ts'
import type { RateLimiter } from '../rate_limit.ts'
import type { LinkState } from '../smpp/link.ts'
import type { HostUsage } from '../stats/host.ts'
import type { Traffic } from '../stats/traffic.ts'
import type { MessageStore } from '../store/store.ts'
import type { Submit } from '../submit.ts'
import type { Users } from '../users/index.ts'

/** All that the HTTP edge asks of the gateway. Each part is as small as its use here. */
export interface HttpDependencies {
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'after'>
  readonly log: Pick<Log, 'error'>
  readonly users: HttpUsers
  readonly submit: Submit
  /** A message of this app; another app's is undefined, as one that never was. */
  readonly info: (appId: number, messageId: string) => Promise<Message | undefined>
  readonly links: Links
  readonly pools: () => readonly PoolView[]
  readonly store: Pick<MessageStore, 'totals' | 'campaigns' | 'topCampaigns' | 'inbox' | 'unmatched'>
  readonly explain: Explain
  readonly filters: FilterDesk
  readonly licence: Licence
  readonly stats: Stats
  readonly rateLimits: { readonly global: Limiter; readonly perApp: Limiter }
  readonly ips: { readonly allowed: IpList; readonly trustedProxies: IpList }
  readonly metrics: Metrics
  /** The effective configuration as `server-config` shows it, with no secret in it. */
  readonly serverConfig: () => Promise<Readonly<Record<string, unknown>>>
  /** Re-reads rules, filters, links and limits; what is wrong is a GatewayError `invalid`, and the old stays. */
  readonly reload: (who: string) => Promise<void>
  readonly ready: () => Readiness
}

export type HttpUsers = Pick<
  Users,
  | 'app'
  | 'appCount'
  | 'authenticate'
  | 'login'
  | 'register'
  | 'registerProxyUser'
  | 'user'
  | 'list'
  | 'delete'
  | 'toggleAdmin'
>

export interface LinkView {
  readonly id: number
  readonly name: string
  readonly host: string
  readonly port: number
  readonly systemId: string
  readonly systemType: string
  readonly interfaceVersion: string
  readonly responseTimeoutMs: number
  readonly state: LinkState
  /** True while a session is bound (a throttled link is). */
  readonly bound: boolean
  /** Parts sent in the last second. */
  readonly currentTps: number
  /** 0: no limit. */
  readonly limitTps: number
  readonly enabled: boolean
}

export interface Links {
  /** By id. */
  list(): readonly LinkView[]
  byId(id: number): LinkView | undefined
  /** Bound SMPP sessions over all links. */
  sessions(): number
  /** Of a link that there is: kept over a restart and put into the audit table when it resolves. */
  toggle(id: number, enabled: boolean, reason: string, who: string): Promise<void>
}

export interface PoolView {
  readonly id: number
  readonly name: string
  /** Names, in the pool's order. */
  readonly links: readonly string[]
  /** What its links allow together; 0: no limit. */
  readonly totalTps: number
}

export interface Licence {
  current(): LicenceView
  /**
   * Checks, keeps and applies a licence file, and puts it into the audit table; throws a GatewayError `invalid` that says
   * what is wrong with it.
   */
  upload(file: Uint8Array, who: string): Promise<LicenceView>
}

export interface Stats extends Pick<Traffic, 'requests' | 'errors'> {
  system(): HostUsage
}

type Limiter = Pick<RateLimiter, 'take'>

export interface Metrics {
  /** The Prometheus text format, version 0.0.4. */
  render(): string | Promise<string>
  /** Every answered request, once. `route` is the path's pattern, or `unmatched`: a bounded set. */
  observe(method: string, route: string, status: number, durationMs: number): void
}

export interface Readiness {
  readonly ready: boolean
  /** What is amiss, in words for an operator: why it is not ready, or what to know although it is; else empty. */
  readonly reason: string
}
