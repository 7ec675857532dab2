import { type Child, cpuSeconds, rssMiB, start, stop } from './process.ts'

/**
 * HTTP from a process of its own: keep-alive connections over plain sockets, requests made beforehand, so that the
 * load costs little beside what it measures.
 */
export interface LoadSettings {
  readonly port: number
  readonly connections: number
  readonly durationMs: number
  /** Before the measurement. */
  readonly warmUpMs: number
  /** Whatever comes first ends the load. */
  readonly requestsMax: number
  /** A second, at fixed times, whether or not the answers before have come; 0: each connection as fast as it can. */
  readonly rate: number
  /** Whose CPU and memory to look at. */
  readonly pids: readonly number[]
  /** What is sent; `#` is replaced by ten digits, another number for each of the first 10,000. */
  readonly request: string
}

export interface LoadResult {
  readonly seconds: number
  /** Answers of status 2xx within the measured time. */
  readonly good: number
  readonly bad: number
  /** Requests in all, warm-up included. */
  readonly sent: number
  /** The first answer that was not 2xx. */
  readonly firstBad: string
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
  /** Of the processes of `pids`, in the measured time. */
  readonly cpuSeconds: number
  readonly loadCpuSeconds: number
  /** The sum, at the end. */
  readonly rssMiB: number
}

/** `began` is called when the warm-up is over. */
export async function load(settings: LoadSettings, began: () => void = () => {}): Promise<LoadResult> {
  const done = Promise.withResolvers<LoadResult>()
  const child: Child = start([process.execPath, import.meta.path, JSON.stringify(settings)], 'load', {
    ipc: message => (message === 'began' ? began() : done.resolve(message as LoadResult)),
  })
  void child.exited.then(code => done.reject(new Error(`the load ended with ${code}`)))
  const result = await done.promise
  await stop(child)
  return result
}

const VARIANTS = 10_000
const LATENCIES_MAX = 4_000_000
/** What is due within one of these leaves together. */
const TICK_MS = 0.5
/** For the last answers. */
const LEAVE_MS = 300

interface Connection {
  socket: Bun.Socket<Connection> | undefined
  sentAt: number
  rest: string
}

async function run(settings: LoadSettings): Promise<void> {
  const { port, connections, durationMs, warmUpMs, requestsMax, rate, pids } = settings
  const requests = Array.from({ length: VARIANTS }, (_, n) =>
    Buffer.from(settings.request.replaceAll('#', String(2_000_000_000 + n * 7919))),
  )
  const latencies = new Float64Array(LATENCIES_MAX)
  const idle: Connection[] = []
  /** When requests were due that no connection was free for. */
  const overdue: number[] = []
  let sent = 0
  let good = 0
  let bad = 0
  let firstBad = ''
  let measuring = false
  let stopped = false

  const send = (connection: Connection, dueAt: number): void => {
    connection.sentAt = dueAt
    const request = requests[sent++ % VARIANTS]
    if (request) connection.socket?.write(request)
    if (sent === requestsMax) finish()
  }
  const next = (connection: Connection): void => {
    if (rate === 0) {
      if (!stopped) send(connection, performance.now())
      return
    }
    const dueAt = overdue.shift()
    if (dueAt === undefined) idle.push(connection)
    else send(connection, dueAt)
  }
  const answered = (connection: Connection, head: string): void => {
    if (head.startsWith('HTTP/1.1 2')) {
      if (measuring) {
        if (good < LATENCIES_MAX) latencies[good] = performance.now() - connection.sentAt
        good++
      }
    } else {
      bad++
      firstBad ||= head
    }
    next(connection)
  }
  const received = (connection: Connection, chunk: Buffer): void => {
    let text = connection.rest + chunk.toString('latin1')
    for (;;) {
      const body = text.indexOf('\r\n\r\n') + 4
      const at = text.search(/content-length: */i)
      const end = body + Number.parseInt(text.slice(at + 15, at + 24), 10)
      if (body < 4 || text.length < end) break
      const head = text.slice(0, end)
      text = text.slice(end)
      answered(connection, head)
    }
    connection.rest = text
  }
  const opened = Array.from({ length: connections }, async () => {
    const connection: Connection = { socket: undefined, sentAt: 0, rest: '' }
    connection.socket = await Bun.connect<Connection>({
      hostname: '127.0.0.1',
      port,
      data: connection,
      socket: { data: (socket, chunk) => received(socket.data, chunk), close() {}, error() {} },
    })
    connection.socket.setNoDelay(true)
    return connection
  })
  const all = await Promise.all(opened)

  const sum = (of: (pid: number) => number): number => pids.reduce((total, pid) => total + of(pid), 0)
  let cpuBefore = 0
  let ownBefore = 0
  let startedAt = 0
  const measure = (): void => {
    startedAt = performance.now()
    cpuBefore = sum(cpuSeconds)
    ownBefore = cpuSeconds(process.pid)
    measuring = true
    process.send?.('began')
  }
  const finish = (): void => {
    if (stopped) return
    stopped = true
    measuring = false
    const seconds = (performance.now() - startedAt) / 1000
    const cpu = sum(cpuSeconds) - cpuBefore
    const own = cpuSeconds(process.pid) - ownBefore
    const sorted = latencies.subarray(0, Math.min(good, LATENCIES_MAX)).sort()
    const percentile = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    const result: LoadResult = {
      ...{ seconds, good, bad, sent, firstBad: firstBad.slice(0, 2000) },
      ...{ p50Ms: percentile(0.5), p99Ms: percentile(0.99), p999Ms: percentile(0.999), maxMs: percentile(1) },
      ...{ cpuSeconds: cpu, loadCpuSeconds: own, rssMiB: sum(rssMiB) },
    }
    // What is still under way may end: a client that leaves is another measurement.
    setTimeout(() => process.send?.(result), LEAVE_MS)
  }
  setTimeout(measure, warmUpMs)
  setTimeout(finish, warmUpMs + durationMs)

  if (rate === 0) for (const connection of all) next(connection)
  else {
    idle.push(...all)
    const from = performance.now()
    let due = 0
    const tick = (): void => {
      if (stopped) return
      for (const until = performance.now() - from; (due * 1000) / rate <= until; due++) {
        const connection = idle.pop()
        const dueAt = from + (due * 1000) / rate
        if (connection) send(connection, dueAt)
        else overdue.push(dueAt)
      }
      setTimeout(tick, TICK_MS)
    }
    tick()
  }
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}'))
