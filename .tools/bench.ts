/** Runs the benches in test/bench one after the other; with words, those whose name has one of them. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dir, '..')
const words = process.argv.slice(2)
const benches = [...new Bun.Glob('test/bench/*.ts').scanSync(root)]
  .sort()
  .filter(file => words.length === 0 || words.some(word => file.includes(word)))

if (benches.length === 0) {
  process.stderr.write(`no bench is named like ${words.join(', ')}\n`)
  process.exit(2)
}
let failed = 0
for (const file of benches) {
  process.stdout.write(`— ${file}\n`)
  if (spawnSync(process.execPath, [file], { cwd: root, stdio: 'inherit' }).status !== 0) failed++
}
process.exit(failed === 0 ? 0 : 1)
