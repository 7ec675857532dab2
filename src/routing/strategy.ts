import type { Carrier } from './carrier.ts'

export const STRATEGIES = ['least_loaded', 'round_robin', 'weighted', 'priority'] as const
export type StrategyName = (typeof STRATEGIES)[number]

export interface Strategy<C> {
  /** One of `open` (links with room, in the pool's order, never empty). Asking changes nothing. */
  choose(open: readonly C[]): C
  /** `link` was chosen among `open`, and takes a message. */
  took(link: C, open: readonly C[]): void
}

type Link = Carrier<never>

/** `weight` is asked by `weighted` alone; the order of a pool's links is the order of `priority`. */
export function createStrategy<C extends Link>(name: StrategyName, weight: (link: C) => number): Strategy<C> {
  switch (name) {
    case 'least_loaded':
      return { choose: leastLoaded, took: forget }
    case 'round_robin':
      return roundRobin<C>()
    case 'weighted':
      return weighted(weight)
    case 'priority':
      return { choose: first, took: forget }
  }
}

const forget = (): void => undefined

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
  return {
    choose: open =>
      open.reduce(
        (best, each) => ((taken.get(each.id) ?? 0) < (taken.get(best.id) ?? 0) ? each : best),
        first(open),
      ),
    took: link => void taken.set(link.id, ++turn),
  }
}

/** Smooth weighted round robin: shares follow the weights without bursts to one link. */
function weighted<C extends Link>(weight: (link: C) => number): Strategy<C> {
  const credit = new Map<number, number>()
  const withShare = (link: C): number => (credit.get(link.id) ?? 0) + weight(link)
  return {
    choose: open =>
      open.reduce((best, link) => (withShare(link) > withShare(best) ? link : best), first(open)),
    took(link, open) {
      const total = open.reduce((sum, each) => sum + weight(each), 0)
      for (const each of open) credit.set(each.id, withShare(each))
      credit.set(link.id, (credit.get(link.id) ?? 0) - total)
    },
  }
}
