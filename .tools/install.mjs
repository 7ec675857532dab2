/**
 * Puts in place what the lock file names, Bun among it. Plain Node.js: it runs before anything is installed.
 * Install scripts stay off (.npmrc), so nothing is compiled or downloaded beside the packages themselves;
 * the one script that is needed, Bun's own, is run here.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bun = join(root, 'node_modules', 'bun', 'bin', 'bun.exe')

/** Makes node_modules fit the lock file; answers the path of Bun. Ends the process when that is not possible. */
export function install() {
  if (Number(process.versions.node.split('.')[0]) < 20)
    fail(`Node.js 20 or newer is needed; this is ${process.version}`)
  if (!fits()) {
    process.stderr.write('installing packages …\n')
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
    const { status, error } = spawnSync(npm, ['ci', '--ignore-scripts', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    })
    if (status !== 0) fail(`npm ci failed${error ? `: ${error.message}` : ''}`)
  }
  if (!runs(bun)) {
    spawnSync(process.execPath, [join(root, 'node_modules', 'bun', 'install.js')], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    })
    if (!runs(bun)) fail('Bun cannot run here: is this platform one that the npm package "bun" supports?')
  }
  return bun
}

/** Is every package of the lock file that this platform needs installed, in its version? */
function fits() {
  try {
    const wanted = packagesOf('package-lock.json')
    const found = packagesOf(join('node_modules', '.package-lock.json'))
    return Object.entries(wanted).every(
      ([path, { version, optional }]) => path === '' || optional === true || found[path]?.version === version,
    )
  } catch {
    return false
  }
}

/** @type {(file: string) => Record<string, { version?: string, optional?: boolean }>} */
const packagesOf = file => JSON.parse(readFileSync(join(root, file), 'utf8')).packages

/** @type {(program: string) => boolean} */
const runs = program => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0

/** @type {(why: string) => never} */
function fail(why) {
  process.stderr.write(`${why}\n`)
  process.exit(1)
}
