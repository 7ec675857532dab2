import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cancel, Clock } from '../clock.ts'
import { field, readCgroup, text } from './cgroup.ts'

/** The `system` of GET /dashboard/stats: per cent with one decimal; 0 where the host does not tell. */
export interface HostUsage {
  readonly cpu: number
  readonly ram: number
  readonly disk: number
}

/**
 * How full the host is, as a container sees it: where a cgroup limits processor or memory, use is counted
 * against that limit, else against the whole machine. Read in the background; nobody waits for a disk.
 */
export interface Host {
  /** As of the last sample. */
  usage(): HostUsage
  /** Takes one sample: the processor's share is that since the sample before. Never rejects. */
  sample(): Promise<void>
  /** Samples now and then every `intervalMs`, until called off. */
  start(): Cancel
}

export interface HostOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'after'>
  /** A folder on the disk that matters. */
  readonly dataDir: string
  readonly intervalMs?: number
  /** Where `proc` and `sys` are. */
  readonly root?: string
}

/** Processor time since the machine or the group began, of what there was to have. */
interface CpuReading {
  readonly source: 'cgroup' | 'machine'
  readonly usedMs: number
  readonly availableMs: number
}

export function createHost({ clock, dataDir, intervalMs = 5000, root = '/' }: HostOptions): Host {
  let usage: HostUsage = { cpu: 0, ram: 0, disk: 0 }
  let before: CpuReading | undefined

  async function sample(): Promise<void> {
    const cgroup = await readCgroup(root)
    const now: CpuReading | undefined = cgroup.cpu
      ? { source: 'cgroup', usedMs: cgroup.cpu.usedMs, availableMs: clock.monotonic() * cgroup.cpu.cores }
      : await readMachineCpu(root)
    const memory = cgroup.memory ?? (await readMachineMemory(root))
    const cpu =
      now && before?.source === now.source
        ? perCent(now.usedMs - before.usedMs, now.availableMs - before.availableMs)
        : usage.cpu
    before = now
    usage = {
      cpu,
      ram: memory ? perCent(memory.usedBytes, memory.limitBytes) : 0,
      disk: await diskUsage(dataDir),
    }
  }

  return {
    usage: () => usage,
    sample,
    start() {
      let stopped = false
      let cancel: Cancel = () => undefined
      const again = async (): Promise<void> => {
        await sample()
        if (!stopped) cancel = clock.after(intervalMs, () => void again())
      }
      void again()
      return () => {
        stopped = true
        cancel()
      }
    },
  }
}

/** `/proc/stat`, first line: user nice system idle iowait irq softirq steal, in hundredths of a second. */
async function readMachineCpu(root: string): Promise<CpuReading | undefined> {
  const line = (await text(join(root, 'proc/stat')))?.split('\n')[0] ?? ''
  const ticks = line.split(/\s+/).slice(1, 9).map(Number)
  if (ticks.length < 5 || ticks.some(Number.isNaN)) return undefined
  const total = ticks.reduce((sum, value) => sum + value, 0)
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0)
  return { source: 'machine', usedMs: (total - idle) * 10, availableMs: total * 10 }
}

async function readMachineMemory(
  root: string,
): Promise<{ usedBytes: number; limitBytes: number } | undefined> {
  const content = await text(join(root, 'proc/meminfo'))
  const totalKb = field(content, 'MemTotal')
  const availableKb = field(content, 'MemAvailable')
  if (!totalKb || availableKb === undefined) return undefined
  return { usedBytes: (totalKb - availableKb) * 1024, limitBytes: totalKb * 1024 }
}

/** As `df` counts: what is used of what a user may have, without root's reserve. */
async function diskUsage(folder: string): Promise<number> {
  try {
    const { blocks, bfree, bavail } = await statfs(folder)
    return perCent(blocks - bfree, blocks - bfree + bavail)
  } catch {
    return 0
  }
}

function perCent(part: number, whole: number): number {
  if (whole <= 0) return 0
  return Math.round(Math.min(Math.max(part / whole, 0), 1) * 1000) / 10
}
