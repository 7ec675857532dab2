import type { Inspection } from './filters/index.ts'
import type { LinkView, PoolView, Readiness } from './http/dependencies.ts'
import type { Network } from './network.ts'
import type { MessageStore } from './store/store.ts'

/** The parts as the edge shows them to operators. */

export const linkView = ({
  settings,
  state,
  bound,
  enabled,
  stats,
}: ReturnType<Network['links']>[number]): LinkView => ({
  id: settings.id,
  name: settings.name,
  host: settings.address.host,
  port: settings.address.port,
  systemId: settings.systemId,
  systemType: settings.systemType,
  interfaceVersion: settings.interfaceVersion === 0x34 ? '3.4' : '3.3',
  responseTimeoutMs: settings.responseTimeoutMs,
  state,
  bound,
  currentTps: stats.sentLastSecond,
  limitTps: settings.limitTps,
  enabled,
})

export const poolViews = (network: Pick<Network, 'pools'>): PoolView[] =>
  network.pools().map(({ id, name, links }) => {
    const limits = links.map(link => link.settings.limitTps)
    // With one link that has no limit the pool has none.
    const totalTps = limits.includes(0) ? 0 : limits.reduce((sum, limit) => sum + limit, 0)
    return { id, name, links: links.map(link => link.name), totalTps }
  })

/** The filters of `server-config`. */
export const filterViews = ({ filters }: Inspection) =>
  Object.fromEntries(
    filters.map(({ name, active, blacklist, description, snippet, error }) => [
      name,
      { active, blacklist, description, snippet, ...(error !== '' && { error }) },
    ]),
  )

export function readiness(
  stopping: boolean,
  store: Pick<MessageStore, 'fault'>,
  network: Pick<Network, 'links'>,
  warning: string | undefined,
): Readiness {
  const fault = store.fault()
  if (stopping) return { ready: false, reason: 'the gateway is stopping' }
  if (fault !== undefined) return { ready: false, reason: fault }
  if (!network.links().some(({ bound }) => bound)) return { ready: false, reason: 'no link is bound' }
  return { ready: true, reason: warning ?? '' }
}
