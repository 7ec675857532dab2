/**
 * Builds the binary and runs benches: all of them, or those named. `--long` takes a million messages and ten million
 * rows where it otherwise takes some seconds. What it prints is Markdown, for test/bench/RESULTS.md.
 */
import { spawnSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dir, '..')

/** By the words on the command line; in the order in which all of them run. */
const BENCHES: Readonly<Record<string, readonly string[]>> = {
  kannel: ['kannel.ts'],
  sends: ['sends.ts'],
  latency: ['latency.ts'],
  throttle: ['throttle.ts'],
  window: ['window.ts'],
  length: ['length.ts'],
  memory: ['memory.ts'],
  startup: ['startup.ts'],
  engine: ['engine.ts'],
  parts: ['codec.ts', 'text.ts', 'tokens.ts', 'filters.ts', 'smsc.ts'],
  store: ['store.ts'],
  stored: ['stored.ts'],
  aerospike: ['aerospike.ts'],
}

const words = process.argv.slice(2).filter(word => !word.startsWith('-'))
const long = process.argv.includes('--long')
const unknown = words.find(word => !(word in BENCHES))
if (unknown !== undefined) {
  process.stderr.write(`there is no bench "${unknown}": name some of ${Object.keys(BENCHES).join(', ')}\n`)
  process.exit(2)
}

const binary = join(root, 'dist', 'bench', 'sms-proxy')
const built = spawnSync(process.execPath, ['.tools/build.ts', `--outfile=${binary}`], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
})
if (built.status !== 0) process.exit(1)

const commit = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], {
  cwd: root,
  encoding: 'utf8',
}).stdout?.trim()
const machine = `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB`
console.log(`${new Date().toISOString().slice(0, 16)}Z, commit ${commit}, Bun ${Bun.version}, ${machine}`)

let failed = 0
for (const name of words.length > 0 ? words : Object.keys(BENCHES)) {
  console.log(`\n## \`bun run bench ${name}${long ? ' --long' : ''}\``)
  for (const file of BENCHES[name] ?? []) {
    const { status } = spawnSync(process.execPath, [`test/bench/${file}`, ...(long ? ['--long'] : [])], {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, BENCH_BINARY: binary },
    })
    if (status !== 0) failed++
  }
}
process.exit(failed === 0 ? 0 : 1)
