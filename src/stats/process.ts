import { readdir } from 'node:fs/promises'
import type { Cancel, Clock } from '../clock.ts'
import { Histogram, type HistogramData } from './histogram.ts'

export interface ProcessUsage {
  /** Of user and system, since the start. */
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly heapBytes: number
  /** Unix seconds. */
  readonly startedAt: number
}

export function processUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: rss,
    heapBytes: heapUsed,
    startedAt: performance.timeOrigin / 1000,
  }
}

/** Open file descriptors, sockets among them; 0 where the system has no /proc. */
export async function openFiles(): Promise<number> {
  const files = await readdir('/proc/self/fd').catch(() => [])
  // The reading itself holds one.
  return Math.max(files.length - 1, 0)
}

const PROBE_MS = 100

/** How late the loop runs a timer, in seconds: what every request in it waits too. Bun's own gauges are empty. */
export function watchLoop(clock: Pick<Clock, 'monotonic' | 'after'>): { lag: HistogramData; stop: Cancel } {
  const lag = new Histogram()
  let cancel: Cancel
  const probe = (): void => {
    const due = clock.monotonic() + PROBE_MS
    cancel = clock.after(PROBE_MS, () => {
      lag.observe(Math.max(clock.monotonic() - due, 0) / 1000)
      probe()
    })
  }
  probe()
  return { lag, stop: () => cancel() }
}
