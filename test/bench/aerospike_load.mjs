// @ts-nocheck: Node runs this as it stands, without a step in between that would take types out.
// The same load for both clients: so many loops at once, each doing puts and gets in turn, for so long.

export const KEYS = 10_000
export const bins = n => ({
  n,
  state: 'submitted',
  text: 'a message of some forty characters or so',
  at: 1767225600000,
})

/** `act(kind, key)` does one operation. Answers figures of this process. */
export async function load(act, inFlight, durationMs) {
  const latencies = new Float64Array(20_000_000 / 10)
  let done = 0
  const loop = async (number, until) => {
    for (let n = number; performance.now() < until; n += 7919) {
      const began = performance.now()
      await act(n & 1 ? 'put' : 'get', n % KEYS)
      if (done < latencies.length) latencies[done] = performance.now() - began
      done++
    }
  }
  const loops = until => Promise.all(Array.from({ length: inFlight }, (_, number) => loop(number, until)))
  // Long enough for the compilers, whose threads count as CPU too.
  await loops(performance.now() + durationMs / 2)
  done = 0
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  await loops(began + durationMs)
  const seconds = (performance.now() - began) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  const cpuSeconds = (cpu.user + cpu.system) / 1e6
  const sorted = latencies.subarray(0, Math.min(done, latencies.length)).sort()
  const percentile = share => sorted[Math.floor(sorted.length * share)]
  return {
    opsPerSecond: done / seconds,
    opsPerCpuSecond: done / cpuSeconds,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  }
}
