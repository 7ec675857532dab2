import { Histogram, type HistogramData } from './histogram.ts'

export interface HttpRow {
  readonly method: string
  readonly route: string
  readonly status: number
  /** Seconds from the request to its answer. */
  readonly seconds: HistogramData
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Answered requests by method, route and status. `route` is the route's own pattern, so that the rows are bounded. */
export class HttpTally {
  readonly #rows = new Map<string, Map<string, Map<number, Histogram>>>()

  observe(method: string, route: string, status: number, durationMs: number): void {
    // A caller may make methods up.
    const known = METHODS.has(method) ? method : 'other'
    const seen = this.#rows.get(route)?.get(known)?.get(status)
    const seconds = seen ?? this.#row(route, known, status)
    seconds.observe(durationMs / 1000)
  }

  #row(route: string, method: string, status: number): Histogram {
    const methods = entry(this.#rows, route, () => new Map<string, Map<number, Histogram>>())
    const statuses = entry(methods, method, () => new Map<number, Histogram>())
    return entry(statuses, status, () => new Histogram())
  }

  *rows(): Iterable<HttpRow> {
    for (const [route, methods] of this.#rows) {
      for (const [method, statuses] of methods) {
        for (const [status, seconds] of statuses) yield { method, route, status, seconds }
      }
    }
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
