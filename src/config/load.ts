import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { codeOf } from '../errors.ts'
import { CHECKS, type Check } from './checks.ts'
import { type Environment, expand, overlay, variablesOf } from './environment.ts'
import { Reader } from './read.ts'
import { type Config, ConfigSchema } from './schema.ts'
import { emptyMap, type Problem, parseTree, placeOf, type Tree } from './tree.ts'

export type Loaded =
  | { readonly config: Config }
  /** `faulty`: what was read, with defaults for single values that are wrong. Fit to be looked at, not to run on. */
  | { readonly problems: readonly Problem[]; readonly faulty?: Config }

/** Looked for, in this order, when no file is named. */
export const CONFIG_FILES = ['./sms-proxy.yaml', '/etc/sms-proxy/sms-proxy.yaml'] as const

const FILE_BYTES_MAX = 4 * 1024 * 1024

export const findConfigFile = (): string | undefined => CONFIG_FILES.find(file => existsSync(file))

/**
 * The configuration of `file` with the environment over it, or everything that is wrong with it. Without a
 * file the environment alone must say it all. `checks` come after those of this folder, unless something is wrong
 * that nothing can stand for: a name that is missing would make others of it dangle.
 */
export function loadConfig(
  file: string | undefined,
  env: Environment,
  checks: readonly Check[] = [],
): Loaded {
  const source = readTree(file, env)
  if ('problems' in source) return source
  // Laid over first: what the environment replaces may name what is not set.
  const misplaced = overlay(source.tree, env, ConfigSchema)
  const missing: Problem[] = []
  const tree = expand(source.tree, env, missing)
  const folder = file === undefined ? process.cwd() : dirname(resolve(file))
  const reader = new Reader(folder, [...missing, ...misplaced])
  const value = reader.read(ConfigSchema, tree, '')
  if (value === undefined || !reader.isComplete) return { problems: reader.problems }
  // The reader has checked each value against the schema that this type comes from.
  const config = freeze({ ...(value as Config), adminKey: env.ADMIN_API_KEY || undefined })
  const complaints = [...CHECKS, ...checks].flatMap(check =>
    check(config).map(complaint => ({ place: placeOf(tree, complaint.path), ...complaint })),
  )
  const told = new Set(reader.problems.map(({ path }) => path))
  const problems = [...reader.problems, ...complaints.filter(({ path }) => path === '' || !told.has(path))]
  return problems.length > 0 ? { problems, faulty: config } : { config }
}

/** `file:line:column: path message`, one line. */
export const showProblem = ({ place, path, message }: Problem): string =>
  `${place}: ${path === '' ? '' : `${path} `}${message}`

/** The same for who asks from elsewhere: no folder of this host is in it. */
export const showPublicly = ({ place, path, message, publicMessage }: Problem): string =>
  showProblem({ place: basename(place), path, message: publicMessage ?? message })

function readTree(file: string | undefined, env: Environment): { tree: Tree } | { problems: Problem[] } {
  const problem = (place: string, message: string) => ({ problems: [{ place, path: '', message }] })
  if (file === undefined) {
    if (variablesOf(env).length > 0) return { tree: emptyMap('environment') }
    const looked = CONFIG_FILES.join(' and ')
    return problem(
      'configuration',
      `there is none (looked for ${looked}): make one with "sms-proxy init", or name one with --config`,
    )
  }
  try {
    const bytes = statSync(file).size
    if (bytes > FILE_BYTES_MAX)
      return problem(file, `has ${bytes} octets; a configuration has at most ${FILE_BYTES_MAX}`)
    const parsed = parseTree(readFileSync(file, 'utf8'), file)
    if ('problems' in parsed || parsed.tree.kind !== 'scalar' || parsed.tree.value !== null) return parsed
    return { tree: emptyMap(file) }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') return problem(file, 'there is no such file: make one with "sms-proxy init"')
    return problem(file, `cannot be read: ${code}`)
  }
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) freeze(inner)
    Object.freeze(value)
  }
  return value
}
