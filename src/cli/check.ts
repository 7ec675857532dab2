import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { systemClock } from '../clock.ts'
import {
  type Config,
  findConfigFile,
  linksAlone,
  type Problem,
  showEndpoint,
  showProblem,
} from '../config/index.ts'
import { type FilterState, openFilters } from '../filters/index.ts'
import { readRules } from '../settings.ts'
import { load } from './configuration.ts'
import { table } from './table.ts'
import { command } from './usage.ts'

const USAGE = `sms-proxy check [--config FILE]
    checks configuration, rules and filters without starting anything, says all that is wrong at once (exit
    code 2), and else what it found
`

/** `argv` follows the word `check`. */
export const check = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const { values } = parseArgs({ args: argv, options: { config: { type: 'string' } } })
    const loaded = load(values.config ?? findConfigFile())
    const config = 'config' in loaded ? loaded.config : loaded.faulty
    const filters = config ? await inspectFilters(config) : { states: [], problems: [] }
    const problems = [...('problems' in loaded ? loaded.problems : []), ...filters.problems]
    if (config === undefined || problems.length > 0) {
      const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
      process.stderr.write(`${problems.map(showProblem).join('\n')}\n\n${count}\n`)
      return 2
    }
    process.stdout.write(summary(config, filters.states))
    return 0
  })

interface Inspected {
  readonly states: readonly FilterState[]
  readonly problems: readonly Problem[]
}

async function inspectFilters({ filters: { dir, timeout, memory } }: Config): Promise<Inspected> {
  // No folder is no filter: an installation needs none, and the server takes them when they come.
  if (!existsSync(dir)) return { states: [], problems: [] }
  const silent = { info: () => undefined, warn: () => undefined }
  const filters = await openFilters({
    dir,
    timeoutMs: timeout,
    memoryBytes: memory,
    // Whatever the configuration says: here a broken filter is one problem among others.
    onError: 'pass',
    clock: systemClock,
    logger: silent,
  })
  const { folder_error, filters: states, lists } = filters.inspect()
  await filters.close()
  const problems = [...states, ...lists]
    .filter(one => one.error !== '')
    .map(({ name, error }) => ({ place: dir, path: name, message: error }))
  if (folder_error !== '') problems.unshift({ place: dir, path: '', message: folder_error })
  return { states, problems }
}

function summary(config: Config, filters: readonly FilterState[]): string {
  const { smpp, tls, storage, adminKey } = config
  const rules = readRules(config)
  const count = 'rules' in rules ? rules.rules.list.length : 0
  const links = smpp.links.map(link => [
    link.id,
    link.name,
    `${link.host}:${link.port}${link.tls ? ' (TLS)' : ''}`,
    link.system_id,
    link.bind,
    link.window,
    link.limit_tps === 0 ? 'no limit' : String(link.limit_tps),
    link.enabled ? 'on' : 'off',
  ])
  const pools = [
    ...smpp.pools.map(pool => [pool.name, pool.strategy, pool.links.join(', ')]),
    ...linksAlone(smpp).map(link => [link.name, 'the link alone', link.name]),
  ]
  const shown = filters.map(({ name, state, blacklist, description }) => [
    name,
    state,
    blacklist ? 'refuses what matches' : 'refuses what does not match',
    description,
  ])
  return `The configuration is right.

  listens on  ${tls ? 'https' : 'http'}://${showEndpoint(config.endpoint)}
  database    ${storage.db_path}${clusterLine(config)}
  admin key   ${adminKey ? 'set' : 'not set: the admin routes will answer 503 (set ADMIN_API_KEY)'}
  rules       ${count === 0 ? 'none: each message takes the pool of its esme' : count}

${part('Links', ['id', 'name', 'SMSC', 'account', 'bind', 'window', 'TPS', ''], links)}
${part('Pools', ['name', 'strategy', 'links'], pools)}
${part(`Filters in ${config.filters.dir}`, ['name', 'state', 'kind', 'description'], shown)}`
}

function clusterLine({ aerospike }: Config): string {
  if (!aerospike) return ''
  const { hosts, namespace, tls, user } = aerospike
  const login =
    user === undefined ? '' : ` as ${user}${tls ? '' : ', whose login whoever listens can use: set tls'}`
  return `\n  messages    in the Aerospike namespace ${namespace} at ${hosts}${tls ? ' (TLS)' : ''}${login}`
}

const part = (
  name: string,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string => (rows.length === 0 ? `${name}: none\n` : `${name}\n${table(head, rows)}`)
