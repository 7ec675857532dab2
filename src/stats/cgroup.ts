import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

/** What the kernel lets this container have, and what it has used; a side without a limit is absent. */
export interface CgroupUsage {
  /** `cores`: how many processors' worth of time it may use. */
  readonly cpu?: { readonly usedMs: number; readonly cores: number }
  readonly memory?: { readonly usedBytes: number; readonly limitBytes: number }
}

/**
 * Reads cgroup v2 or v1 under `root` (`/`). The group of this process comes first, then its
 * parents: the first that sets a limit counts, with the use of all that is in it. Page cache that the kernel
 * gives back when it is asked (inactive files) is not use.
 */
export async function readCgroup(root: string): Promise<CgroupUsage> {
  const own = (await text(join(root, 'proc/self/cgroup'))) ?? ''
  const base = join(root, 'sys/fs/cgroup')
  const cpu =
    (await firstOf(folders(base, own, ''), cpuV2)) ??
    (await firstOf(folders(join(base, 'cpu'), own, 'cpu'), cpuV1))
  const memory =
    (await firstOf(folders(base, own, ''), memoryV2)) ??
    (await firstOf(folders(join(base, 'memory'), own, 'memory'), memoryV1))
  return { ...(cpu && { cpu }), ...(memory && { memory }) }
}

/**
 * Processors' worth of time that this process can use: as many as its affinity leaves it, or less by a quota. Under a quota
 * of one, threads on several cores use it up in less than its period, and stand still for the rest.
 */
export async function processors(root = '/', visible = availableParallelism()): Promise<number> {
  if (visible === 1) return 1
  const { cpu } = await readCgroup(root)
  return Math.min(visible, cpu?.cores ?? visible)
}

async function cpuV2(folder: string): Promise<CgroupUsage['cpu']> {
  const [quota, period] = ((await text(join(folder, 'cpu.max'))) ?? '').split(' ').map(Number)
  const used = field(await text(join(folder, 'cpu.stat')), 'usage_usec')
  return quota && period && used !== undefined ? { usedMs: used / 1000, cores: quota / period } : undefined
}

async function cpuV1(folder: string): Promise<CgroupUsage['cpu']> {
  const quota = await number(join(folder, 'cpu.cfs_quota_us'))
  const period = await number(join(folder, 'cpu.cfs_period_us'))
  if (!quota || !period || quota < 0) return undefined
  // Mounted as one (`cpu,cpuacct`), or each for itself.
  const beside = folder.replace('/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpuacct')
  const used = (await number(join(folder, 'cpuacct.usage'))) ?? (await number(join(beside, 'cpuacct.usage')))
  return used === undefined ? undefined : { usedMs: used / 1e6, cores: quota / period }
}

/** "No limit" is a number next to 2^63 in v1, and a word in v2. */
const UNLIMITED_BYTES = 2 ** 60

const memoryOf =
  (limit: string, use: string, inactive: string) =>
  async (folder: string): Promise<CgroupUsage['memory']> => {
    const limitBytes = await number(join(folder, limit))
    const current = await number(join(folder, use))
    if (!limitBytes || limitBytes > UNLIMITED_BYTES || current === undefined) return undefined
    const cache = field(await text(join(folder, 'memory.stat')), inactive) ?? 0
    return { usedBytes: Math.max(current - cache, 0), limitBytes }
  }

const memoryV2 = memoryOf('memory.max', 'memory.current', 'inactive_file')
const memoryV1 = memoryOf('memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file')

/**
 * The folders to look in, from this process's own group up to `base`. `own` has lines `id:controllers:path`;
 * in a container without a cgroup namespace the path is the host's and names nothing here: `base` is ours.
 */
function folders(base: string, own: string, controller: string): string[] {
  const line = own.split('\n').find(entry => (entry.split(':')[1] ?? '?').split(',').includes(controller))
  const names = (line?.split(':').slice(2).join(':') ?? '/')
    .split('/')
    .filter(name => name !== '' && name !== '..')
  return Array.from({ length: names.length + 1 }, (_, up) => join(base, ...names.slice(0, names.length - up)))
}

async function firstOf<T>(
  paths: readonly string[],
  read: (folder: string) => Promise<T | undefined>,
): Promise<T | undefined> {
  for (const path of paths) {
    const found = await read(path)
    if (found) return found
  }
  return undefined
}

/** Undefined where the file is absent or may not be read: then the host is not told of it. */
export async function text(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The number after `name` at the start of a line. */
export function field(content: string | undefined, name: string): number | undefined {
  const line = content
    ?.split('\n')
    .find(entry => entry.startsWith(`${name} `) || entry.startsWith(`${name}:`))
  const value = Number.parseInt(line?.slice(name.length + 1) ?? '', 10)
  return Number.isNaN(value) ? undefined : value
}

async function number(path: string): Promise<number | undefined> {
  const value = Number.parseInt((await text(path)) ?? '', 10)
  return Number.isNaN(value) ? undefined : value
}
