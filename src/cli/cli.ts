import { codeOf } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { beginAnew } from './allocator.ts'

/** `argv` follows the command's word; answers the exit code. */
type Run = (argv: string[]) => Promise<number>

interface Command {
  /** What follows `sms-proxy` in the help. */
  readonly form: string
  readonly about: string
  /** Each is a chunk of the binary: `health` takes two thirds of the time without the server's. */
  readonly load: () => Promise<Run>
}

/** In the order of the help. */
const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries<Command>({
    serve: {
      form: 'serve [--config FILE]',
      about: 'run the server (the default)',
      load: async () => {
        beginAnew()
        return (await import('./serve.ts')).serve
      },
    },
    demo: {
      form: 'demo [--port PORT]',
      about: 'the server with an SMSC simulator and a user: nothing to configure',
      load: async () => (await import('./demo.ts')).demo,
    },
    init: {
      form: 'init [FILE]',
      about: 'write a commented configuration',
      load: async () => (await import('./init.ts')).init,
    },
    check: {
      form: 'check [--config FILE]',
      about: 'check configuration, rules and filters, all at once',
      load: async () => (await import('./check.ts')).check,
    },
    filter: {
      form: 'filter test FILE …',
      about: 'run a filter on a message, without a server',
      load: async () => (await import('./filter.ts')).filter,
    },
    user: {
      form: 'user add|list|delete|…',
      about: 'users, apps and their networks',
      load: async () => (await import('./user.ts')).user,
    },
    store: {
      form: 'store copy --from … --to …',
      about: 'copy messages between SQLite and Aerospike',
      load: async () => (await import('./store.ts')).store,
    },
    license: {
      form: 'license show|sign|keygen',
      about: 'read and make licences',
      load: async () => (await import('./licence.ts')).licence,
    },
    smsc: {
      form: 'smsc [--port PORT] …',
      about: 'an SMSC to test against, with its faults as options',
      load: async () => (await import('./smsc.ts')).smsc,
    },
    health: {
      form: 'health [--config FILE]',
      about: 'ask the server on this host whether it is healthy',
      load: async () => (await import('./health.ts')).health,
    },
    version: {
      form: 'version',
      about: 'version, commit, platform',
      load: async () => (await import('./version.ts')).version,
    },
  }),
)

/** The command that runs when none is named. */
const DEFAULT = 'serve'

const FORM_COLUMNS = 27

const help = (): string => `sms-proxy: an SMS gateway from REST to SMPP

${[...COMMANDS.values()]
  .map(({ form, about }) => `  sms-proxy ${form.padEnd(FORM_COLUMNS)}  ${about}\n`)
  .join('')}
Each has --help. Exit codes: 0 it worked; 1 it did not; 2 it was asked wrongly, or the configuration is wrong.
The configuration is --config FILE, else ./sms-proxy.yaml, else /etc/sms-proxy/sms-proxy.yaml.
`

/** What stands for a command's word where people try. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['--version', 'version'],
  ['-v', 'version'],
  ['licence', 'license'],
])

/**
 * Output that nobody could read is a failure, told once; of a reader that went away on purpose (`| head`) there is nothing to
 * tell. What runs goes on to its end: a simulator is not there for its lines alone.
 */
function watchOutput(): void {
  let told = false
  process.stdout.on('error', (error: unknown) => {
    process.exitCode = 1
    if (!told && codeOf(error) !== 'EPIPE')
      process.stderr.write(`the standard output cannot be written: ${codeOf(error)}\n`)
    told = true
  })
}

/** Runs the command that `argv` names; answers the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  watchOutput()
  const [first] = argv
  if (first === '--help' || first === '-h' || first === 'help') {
    process.stdout.write(help())
    return 0
  }
  const alias = ALIASES.get(first ?? '')
  // Options alone are the default command's.
  const named = alias !== undefined || (first !== undefined && !first.startsWith('-'))
  const word = alias ?? (named ? (first ?? '') : DEFAULT)
  const command = COMMANDS.get(word)
  if (command) return await (await command.load())(argv.slice(named ? 1 : 0))
  const meant = nearest(word, [...COMMANDS.keys()])
  const hint = meant ? `: did you mean "sms-proxy ${meant}"?` : ''
  process.stderr.write(`sms-proxy: there is no command "${word}"${hint}\n\n${help()}`)
  return 2
}
