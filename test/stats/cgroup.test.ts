import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processors } from '../../src/stats/cgroup.ts'

const folder = mkdtempSync(join(tmpdir(), 'cgroup-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let roots = 0
function rootWith(cpuMax: string): string {
  const root = join(folder, String(roots++))
  const group = join(root, 'sys/fs/cgroup')
  mkdirSync(group, { recursive: true })
  writeFileSync(join(group, 'cpu.max'), cpuMax)
  writeFileSync(join(group, 'cpu.stat'), 'usage_usec 1\n')
  return root
}

test.each([
  ['max 100000', 8, 8],
  ['100000 100000', 8, 1],
  ['150000 100000', 8, 1.5],
  ['400000 100000', 2, 2],
  ['50000 100000', 1, 1],
])('under a quota of %s, %d processors are worth %d', async (cpuMax, visible, worth) => {
  expect(await processors(rootWith(cpuMax), visible)).toBe(worth)
})

test('where no group is told of, all that are seen count', async () => {
  expect(await processors(join(folder, 'nowhere'), 4)).toBe(4)
  expect(await processors()).toBeGreaterThanOrEqual(0.1)
})
