import { parseArgs } from 'node:util'
import { systemClock, systemRandom } from '../clock.ts'
import { type Config, findConfigFile, showPublicly } from '../config/index.ts'
import { GatewayError } from '../errors.ts'
import { type Gateway, startGateway } from '../gateway.ts'
import { createLog, type Log } from '../log.ts'
import { explain, load } from './configuration.ts'
import { command, compileAsUsual, listenFault } from './usage.ts'

const USAGE = `sms-proxy serve [--config FILE]
    runs the server until SIGTERM or SIGINT; SIGHUP reads rules, filters, links and limits anew
`

/** `argv` follows the word `serve`. */
export const serve = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const { values } = parseArgs({ args: argv, options: { config: { type: 'string' } } })
    // Looked for once: a reload takes no other file when this one is gone, nor one that came since when there was none.
    const file = values.config ?? findConfigFile()
    const loaded = load(file)
    if ('problems' in loaded) return explain(loaded.problems)
    const { config } = loaded
    const log = createLog({
      level: config.log.level,
      format: config.log.format,
      server: config.server_name,
    })
    // Also while it starts: by itself the signal would end what has begun to send, and process 1 of a container not at all.
    const told = signalled(log)
    const gateway = await start(config, log, () => reread(file), 'set another endpoint')
    await told
    await gateway.stop()
    log.info({}, 'stopped')
    return 0
  })

/** Starts the gateway, which reloads at SIGHUP. `remedy`: what to do where it cannot listen. */
export async function start(
  config: Config,
  log: Log,
  readConfig: () => Config,
  remedy: string,
): Promise<Gateway> {
  // A bug of ours: said where an operator looks, and no reason to drop every other message and link.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error: unknown) => log.error({ err: error }, 'unexpected error: please report it'))
  const parts = { clock: systemClock, random: systemRandom, log, readConfig }
  const starting = startGateway(config, parts).catch((error: unknown) => {
    throw listenFault(error, config.endpoint, remedy)
  })
  // Before it has started: by itself the signal ends a process, and whoever reloads need not know how long a start takes.
  process.on('SIGHUP', () => {
    starting
      .then(gateway => gateway.reload('SIGHUP'))
      .catch((error: unknown) => {
        const why = error instanceof GatewayError ? error.publicText : String(error)
        log.error({ why }, 'not reloaded: the old configuration stays')
      })
  })
  const gateway = await starting
  compileAsUsual()
  return gateway
}

/** Whoever runs this for others (npm, timeout, a shell) passes a signal on that the whole group has got: it is the same. */
const SAME_SIGNAL_MS = 500

/** Resolves when the process is told to stop; a second such signal ends it at once. */
export function signalled(log: Log): Promise<void> {
  return new Promise(resolve => {
    let toldAt: number | undefined
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        const now = systemClock.monotonic()
        if (toldAt !== undefined) {
          if (now - toldAt > SAME_SIGNAL_MS) process.exit(1)
          return
        }
        toldAt = now
        log.info({ signal }, 'stopping: requests in flight may end')
        resolve()
      })
    }
  })
}

function reread(file: string | undefined): Config {
  const loaded = load(file)
  if ('config' in loaded) return loaded.config
  throw new GatewayError('invalid', loaded.problems.map(showPublicly).join('\n'))
}
