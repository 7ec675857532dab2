import type { Carrier } from './carrier.ts'

export const STRATEGIES = ['least_loaded', 'round_robin', 'weighted', 'priority'] as const
export type StrategyName = (typeof STRATEGIES)[number]

/** Picks one of `open` (links with room, in the pool's order, never empty). */
export type Strategy<C> = (open: readonly C[]) => C

type Link = Carrier<never>

/** `weight` is asked by `weighted` alone; the order of a pool's links is the order of `priority`. */
export function createStrategy<C extends Link>(name: StrategyName, weight: (link: C) => number): Strategy<C> {
  switch (name) {
    case 'least_loaded':
      return leastLoaded
    case 'round_robin':
      return roundRobin<C>()
    case 'weighted':
      return weighted(weight)
    case 'priority':
      return first
  }
}

function first<C>(open: readonly C[]): C {
  const [link] = open
  if (link === undefined) throw new RangeError('a strategy is asked with at least one link')
  return link
}

function leastLoaded<C extends Link>(open: readonly C[]): C {
  return open.reduce((best, link) => (link.load() < best.load() ? link : best), first(open))
}

/** The link after the one that was last taken, whichever links have room just now. */
function roundRobin<C extends Link>(): Strategy<C> {
  const taken = new Map<number, number>()
  let turn = 0
  return open => {
    const link = open.reduce(
      (best, each) => ((taken.get(each.id) ?? 0) < (taken.get(best.id) ?? 0) ? each : best),
      first(open),
    )
    taken.set(link.id, ++turn)
    return link
  }
}

/** Smooth weighted round robin: shares follow the weights without bursts to one link. */
function weighted<C extends Link>(weight: (link: C) => number): Strategy<C> {
  const credit = new Map<number, number>()
  return open => {
    let total = 0
    let best = first(open)
    for (const link of open) {
      const share = weight(link)
      total += share
      credit.set(link.id, (credit.get(link.id) ?? 0) + share)
      if ((credit.get(link.id) ?? 0) > (credit.get(best.id) ?? 0)) best = link
    }
    credit.set(best.id, (credit.get(best.id) ?? 0) - total)
    return best
  }
}
