/**
 * `npm test`: types, lint, every test, the build, and the tests of the built binary; ends with one line,
 * `N passed, N failed`, counted from the runners' own reports. A check that has no tests to count (types, lint,
 * build) counts as one failure when it fails, and so does a file without a test. In CI a skipped test is a failure:
 * its tool is missing.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { install } from './install.mjs'
import { countTests, emptyFiles, failedTests } from './junit.mjs'

/** Ends a test that hangs, and none that is slow: the runner's own 5 s would do that on a busy machine. */
const TIMEOUT = '--timeout=240000'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const bun = install()
const reports = mkdtempSync(join(tmpdir(), 'sms-proxy-test-'))
const total = { passed: 0, failed: 0, skipped: 0 }
/** @type {string[]} */
const broken = []
/** @type {string[]} */
const failures = []

check('types', ['node_modules/typescript/bin/tsc'])
check('lint and format', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'])
// A file of tests on each core, alone in its own process; those of the binary put their load on all cores, one after the other.
const chosen = process.argv.slice(2)
const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.ts'))
  .map(file => `test/${file.replaceAll(sep, '/')}`)
const [endToEnd, others] = [true, false].map(is => files.filter(file => file.startsWith('test/e2e/') === is))
tests(
  'tests',
  ['test', '--parallel', '--path-ignore-patterns=test/e2e/**', ...chosen],
  chosen.length === 0 ? others : [],
)
if (chosen.length === 0 && check('build', ['.tools/build.ts']))
  tests('end to end', ['test', './test/e2e'], endToEnd)

rmSync(reports, { recursive: true })
if (process.env.CI && total.skipped > 0) {
  broken.push('skipped tests (in CI every tool that a test needs must be there)')
  total.failed += total.skipped
  total.skipped = 0
}
// Once more at the end: a log of thousands of lines is read, and often kept, by its last ones.
for (const failure of failures.slice(0, 20)) process.stdout.write(`failed: ${failure}\n`)
if (broken.length > 0) process.stdout.write(`failed: ${broken.join(', ')}\n`)
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`)
process.exitCode = total.failed > 0 ? 1 : 0

/**
 * Runs a check that passes or fails as a whole.
 * @type {(name: string, args: string[]) => boolean}
 */
function check(name, args) {
  const passed = run(name, args)
  if (!passed) {
    total.failed++
    broken.push(name)
  }
  return passed
}

/**
 * Runs tests, some of them in each of `files`; a run that fails with no failed test in its report (a file that does
 * not load, a crash) is one failure.
 * @type {(name: string, args: string[], files?: readonly string[]) => void}
 */
function tests(name, args, files = []) {
  const report = join(reports, `${name.replaceAll(' ', '-')}.xml`)
  const passed = run(name, [...args, TIMEOUT, '--reporter=junit', `--reporter-outfile=${report}`])
  let counts = { passed: 0, failed: 0, skipped: 0 }
  try {
    const xml = readFileSync(report, 'utf8')
    counts = countTests(xml)
    failures.push(...failedTests(xml))
    const empty = emptyFiles(xml, files)
    failures.push(...empty.map(file => `${file} has no test`))
    counts.failed += empty.length
  } catch {}
  if (!passed && counts.failed === 0) counts.failed = 1
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  if (counts.failed > 0) broken.push(name)
}

/** @type {(name: string, args: string[]) => boolean} */
function run(name, args) {
  process.stdout.write(`— ${name}\n`)
  return spawnSync(bun, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
}
