import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createHost } from '../../src/stats/host.ts'
import { TurnedClock } from '../support/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'host-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const MACHINE = {
  'proc/stat': 'cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1 1\n',
  'proc/meminfo': 'MemTotal:       1000 kB\nMemFree:   10 kB\nMemAvailable:   400 kB\n',
}

let roots = 0
function rootWith(files: Record<string, string>) {
  const root = join(folder, String(roots++))
  const write = (more: Record<string, string>): void => {
    for (const [name, content] of Object.entries(more)) {
      mkdirSync(dirname(join(root, name)), { recursive: true })
      writeFileSync(join(root, name), content)
    }
  }
  write({ ...MACHINE, ...files })
  const clock = new TurnedClock()
  return { write, clock, host: createHost({ clock, root, dataDir: folder }) }
}

test('without a limit it is the whole machine: 60 busy ticks of 200 since the last sample', async () => {
  const { host, write } = rootWith({ 'proc/self/cgroup': '0::/\n' })
  await host.sample()
  expect(host.usage()).toMatchObject({ cpu: 0, ram: 60 })
  // The two at the end, time of guests, are part of the first two.
  write({ 'proc/stat': 'cpu  130 10 110 830 110 5 5 0 30 10\n' })
  await host.sample()
  expect(host.usage().cpu).toBe(30)
})

test('under cgroup v2 use is counted against the limits, without the cache that can go', async () => {
  const { host, write, clock } = rootWith({
    'proc/self/cgroup': '0::/\n',
    'sys/fs/cgroup/cpu.max': '50000 100000\n',
    'sys/fs/cgroup/cpu.stat': 'usage_usec 1000000\nuser_usec 900000\n',
    'sys/fs/cgroup/memory.max': '1000000\n',
    'sys/fs/cgroup/memory.current': '700000\n',
    'sys/fs/cgroup/memory.stat': 'anon 1\ninactive_file 200000\n',
  })
  await host.sample()
  clock.skip(1000)
  write({ 'sys/fs/cgroup/cpu.stat': 'usage_usec 1200000\n' })
  await host.sample()
  expect(host.usage()).toMatchObject({ cpu: 40, ram: 50 })
})

test('a limit on the service, or on the slice above it, is found', async () => {
  const { host } = rootWith({
    'proc/self/cgroup': '0::/system.slice/sms-proxy.service\n',
    'sys/fs/cgroup/system.slice/sms-proxy.service/memory.max': 'max\n',
    'sys/fs/cgroup/system.slice/sms-proxy.service/memory.current': '1\n',
    'sys/fs/cgroup/system.slice/memory.max': '1000\n',
    'sys/fs/cgroup/system.slice/memory.current': '250\n',
  })
  await host.sample()
  expect(host.usage().ram).toBe(25)
})

test('under cgroup v1 too, with the path of the host that names nothing in the container', async () => {
  const { host, write, clock } = rootWith({
    'proc/self/cgroup': '4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n',
    'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '200000\n',
    'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/cpuacct/cpuacct.usage': '0\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '1000\n',
    'sys/fs/cgroup/memory/memory.usage_in_bytes': '900\n',
    'sys/fs/cgroup/memory/memory.stat': 'inactive_file 500\ntotal_inactive_file 100\n',
  })
  await host.sample()
  clock.skip(1000)
  write({ 'sys/fs/cgroup/cpuacct/cpuacct.usage': '500000000\n' })
  await host.sample()
  expect(host.usage()).toMatchObject({ cpu: 25, ram: 80 })
})

test("a limit of cgroup v1 is that of the process's own group, where it is to be seen", async () => {
  const { host, write, clock } = rootWith({
    'proc/self/cgroup': '4:memory:/service\n1:cpu,cpuacct:/service\n',
    'sys/fs/cgroup/cpu/service/cpu.cfs_quota_us': '50000\n',
    'sys/fs/cgroup/cpu/service/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/cpu/service/cpuacct.usage': '0\n',
    'sys/fs/cgroup/memory/service/memory.limit_in_bytes': '1000\n',
    'sys/fs/cgroup/memory/service/memory.usage_in_bytes': '100\n',
  })
  await host.sample()
  clock.skip(1000)
  write({ 'sys/fs/cgroup/cpu/service/cpuacct.usage': '250000000\n' })
  await host.sample()
  expect(host.usage()).toMatchObject({ cpu: 50, ram: 10 })
})

test('the "no limit" of cgroup v1 is none', async () => {
  const { host } = rootWith({
    'proc/self/cgroup': '4:memory:/\n1:cpu:/\n',
    'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/cpu/cpuacct.usage': '0\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    'sys/fs/cgroup/memory/memory.usage_in_bytes': '900\n',
  })
  await host.sample()
  expect(host.usage().ram).toBe(60)
})

test('a limit that comes later starts anew instead of comparing what differs', async () => {
  const { host, write } = rootWith({})
  await host.sample()
  write({ 'sys/fs/cgroup/cpu.max': '100000 100000', 'sys/fs/cgroup/cpu.stat': 'usage_usec 99000000' })
  await host.sample()
  expect(host.usage().cpu).toBe(0)
})

test('the disk is that of the data folder, as df counts', async () => {
  const { host } = rootWith({})
  await host.sample()
  const { blocks, bfree, bavail } = await statfs(folder)
  expect(Math.abs(host.usage().disk - (100 * (blocks - bfree)) / (blocks - bfree + bavail))).toBeLessThan(1)
})

// The second is there, and has no blocks to be used or free.
test.each([join(folder, 'nowhere'), '/proc'])(
  'where the host tells nothing of %s it is 0, and nothing throws',
  async dataDir => {
    const host = createHost({ clock: new TurnedClock(), root: join(folder, 'nowhere'), dataDir })
    await host.sample()
    await host.sample()
    expect(host.usage()).toEqual({ cpu: 0, ram: 0, disk: 0 })
  },
)

test('once started it samples by itself, and stops when called off', async () => {
  const { host, clock, write } = rootWith({})
  const cancel = host.start()
  const until = async (ram: number): Promise<void> => {
    while (host.usage().ram !== ram || clock.timers === 0) await clock.settle()
  }
  await until(60)
  write({ 'proc/meminfo': 'MemTotal: 1000 kB\nMemAvailable: 100 kB\n' })
  await clock.advance(5000)
  await until(90)
  cancel()
  expect(clock.timers).toBe(0)
  // Called off while it samples.
  host.start()()
  await host.sample()
  await clock.settle()
  expect(clock.timers).toBe(0)
})

test('on this machine the figures are within 0 to 100', async () => {
  const host = createHost({
    clock: { monotonic: () => performance.now(), after: () => () => undefined },
    dataDir: folder,
  })
  await host.sample()
  const { cpu, ram, disk } = host.usage()
  for (const value of [cpu, ram, disk]) expect(value >= 0 && value <= 100).toBe(true)
  expect(ram).toBeGreaterThan(0)
})
