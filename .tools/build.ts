/**
 * Builds `dist/sms-proxy`, one file that needs glibc 2.17 and nothing else. Options:
 *   --target=bun-linux-arm64        another platform
 *   --compile-executable-path=FILE  the Bun to build on, for instance the one in @oven/bun-linux-aarch64-musl
 *   --outfile=FILE                  another place
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const root = join(import.meta.dir, '..')

/** Workers are entry points of their own: `new Worker(new URL('./x.ts', import.meta.url).href)` finds them by path. */
const workers = [...new Bun.Glob('src/**/*.worker.ts').scanSync(root)].sort()

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'bun' },
    'compile-executable-path': { type: 'string' },
    outfile: { type: 'string', default: join(root, 'dist', 'sms-proxy') },
  },
})

/** The commit that is built; `BUILD_COMMIT` says it where there is no git (an image's build). */
const commit =
  process.env.BUILD_COMMIT ||
  spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout?.trim() ||
  'unknown'

const folder = dirname(values.outfile)
mkdirSync(folder, { recursive: true })
// Bun leaves a source map of each chunk beside the binary, which has them in it too, under another name with each build.
const scratch = mkdtempSync(join(folder, '.build-'))
const binary = join(scratch, basename(values.outfile))
const executable = values['compile-executable-path']
const { status } = spawnSync(
  process.execPath,
  [
    'build',
    '--compile',
    '--minify',
    '--bytecode',
    // A command loads what it needs (src/cli/cli.ts).
    '--splitting',
    '--format=esm',
    '--sourcemap',
    // Until `compileAsUsual` of src/cli/usage.ts.
    '--compile-jit-policy=8',
    // Without these two the binary would read ./.env and ./bunfig.toml of the folder it is started in.
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    `--target=${values.target}`,
    ...(executable ? [`--compile-executable-path=${executable}`] : []),
    `--define=BUILD_COMMIT=${JSON.stringify(commit)}`,
    `--outfile=${binary}`,
    'src/main.ts',
    ...workers,
  ],
  { cwd: root, stdio: 'inherit' },
)
if (status === 0) renameSync(binary, values.outfile)
rmSync(scratch, { recursive: true })
process.exit(status ?? 1)
