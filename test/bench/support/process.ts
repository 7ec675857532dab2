import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** What a bench starts and watches. Everything ends with the bench, however that ends. */

export type Child = Bun.Subprocess<'ignore', 'pipe', 'inherit'>

const children = new Set<Bun.Subprocess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

/** With two cores and more the load has the last one for itself, and what is measured has the others. */
const CORES = cpus().length
const LOAD_CORES = String(CORES - 1)
const SERVER_CORES = CORES === 2 ? '0' : `0-${CORES - 2}`

export type Place = 'load' | 'server' | 'anywhere'

/** `command`, on the cores that `place` has. */
export const placed = (command: readonly string[], place: Place): string[] =>
  place === 'anywhere' || CORES < 2 || !Bun.which('taskset')
    ? [...command]
    : ['taskset', '-c', place === 'load' ? LOAD_CORES : SERVER_CORES, ...command]

export interface Spawned {
  readonly cwd?: string
  readonly env?: Record<string, string | undefined>
  readonly ipc?: (message: unknown) => void
}

export function start(command: readonly string[], place: Place, { cwd, env, ipc }: Spawned = {}): Child {
  const child = Bun.spawn(placed(command, place), {
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env }),
    ...(ipc !== undefined && { ipc }),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  children.add(child)
  void child.exited.then(() => children.delete(child))
  return child
}

export async function stop(child: Child, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await child.exited
  clearTimeout(late)
}

/** Ticks of the kernel's clock a second, as /proc counts them on Linux. */
const TICKS = 100

/** User and system time of a process with all its threads, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

export function rssMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

/** A port that was free a moment ago, for programs that cannot choose one themselves. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = probe
  probe.stop(true)
  return port
}
