import type { Clock } from './clock.ts'
import type { Metrics, Stats } from './http/dependencies.ts'
import { createMetrics } from './metrics.ts'
import { createHost } from './stats/host.ts'
import { HttpTally } from './stats/http_tally.ts'
import { openFiles, processUsage, watchLoop } from './stats/process.ts'
import type { MetricsSources } from './stats/sources.ts'
import { createTraffic } from './stats/traffic.ts'
import { COMMIT, VERSION } from './version.ts'

/** What is counted of traffic, host and process, for dashboards and scrapes. */
export interface Numbers {
  readonly metrics: Metrics
  readonly stats: Stats
  stop(): void
}

type Counted = Omit<MetricsSources, 'build' | 'http' | 'process' | 'openFiles' | 'loopLag'>

/** `counted`: what the parts of the gateway count themselves. `dataDir`: a folder on the disk that matters. */
export function createNumbers(clock: Clock, dataDir: string, counted: Counted): Numbers {
  const traffic = createTraffic(clock)
  const tally = new HttpTally()
  const host = createHost({ clock, dataDir })
  const stopHost = host.start()
  const loop = watchLoop(clock)
  const sources: MetricsSources = {
    ...counted,
    build: { version: VERSION, commit: COMMIT },
    http: () => tally.rows(),
    process: processUsage,
    openFiles,
    loopLag: () => loop.lag,
  }
  const { render } = createMetrics(sources, clock)
  return {
    metrics: {
      render,
      observe: (method, route, status, durationMs) => {
        tally.observe(method, route, status, durationMs)
        traffic.record(status)
      },
    },
    stats: {
      requests: () => traffic.requests(),
      errors: () => traffic.errors(),
      system: () => host.usage(),
    },
    stop: () => {
      stopHost()
      loop.stop()
    },
  }
}
