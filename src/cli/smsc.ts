import { parseArgs } from 'node:util'
import { systemClock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../smpp/ports.ts'
import { FAULT_OPTIONS, FaultError, type FaultSettings } from '../smsc/faults.ts'
import { SELECTOR_RULE } from '../smsc/selector.ts'
import { type Received, Smsc, type SmscAccount, type SmscOptions, seededDraw } from '../smsc/smsc.ts'
import { compileAsUsual, listenFault, UsageError, wholeNumber } from './usage.ts'

/** Options beside the faults. */
const OWN = {
  host: { hint: 'ADDRESS', default: '127.0.0.1', description: 'where to listen' },
  port: { hint: 'PORT', default: '2775', description: '0 takes a free one' },
  account: {
    hint: 'SYSTEM_ID:PASSWORD',
    default: '',
    description: 'who may bind; may be given several times; anyone without it',
  },
  seed: {
    hint: 'N',
    default: '',
    description: 'the same number draws the same faults; by chance without it',
  },
} as const

/**
 * `argv` follows the word `smsc`. Runs until SIGTERM or SIGINT. Answers the exit code: 0, 1 (it did not
 * work), 2 (asked wrongly).
 */
export async function smsc(argv: string[]): Promise<number> {
  try {
    const values = readArguments(argv)
    if (values.help === true) {
      process.stdout.write(usage())
      return 0
    }
    await run(values)
    return 0
  } catch (error) {
    const isUsage = error instanceof UsageError || error instanceof FaultError
    const text = messageOf(error)
    process.stderr.write(`${error instanceof FaultError ? '--' : ''}${text}\n`)
    if (isUsage) process.stderr.write('see sms-proxy smsc --help\n')
    return isUsage ? 2 : 1
  }
}

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>

function readArguments(argv: string[]): Values {
  const faults = FAULT_OPTIONS.map(({ name, type }) => [name, { type }] as const)
  try {
    return parseArgs({
      args: argv,
      options: {
        ...Object.fromEntries(faults),
        ...{ host: { type: 'string' }, port: { type: 'string' }, seed: { type: 'string' } },
        ...{ account: { type: 'string', multiple: true }, verbose: { type: 'boolean', short: 'v' } },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}

async function run(values: Values): Promise<void> {
  const port = wholeNumber('port', values.port ?? OWN.port.default, 65_535)
  const seed = values.seed === undefined ? systemClock.now() : wholeNumber('seed', values.seed, 2 ** 32 - 1)
  const host = String(values.host ?? OWN.host.default)
  const simulator = startSmsc({
    host,
    port,
    accounts: accountsOf(values.account),
    faults: faultsOf(values),
    // Two runs never give the same id, so that a gateway that stays up takes no receipt for another's.
    firstId: systemClock.now() * 100,
    clock: systemClock,
    draw: seededDraw(seed),
    log: values.verbose === true ? lines : silent,
    ...(values.verbose === true && { onMessage: show }),
  })
  process.stdout.write(`SMSC on port ${simulator.port}\n`)
  compileAsUsual()
  await signalled()
  await simulator.close(CLOSE_MS)
  const { messages, taken, refused } = simulator.counts
  process.stdout.write(`${messages} messages, ${taken} taken, ${refused} refused\n`)
}

function startSmsc(options: SmscOptions): Smsc {
  try {
    return new Smsc(options)
  } catch (error) {
    throw listenFault(error, options, 'name another with --host and --port')
  }
}

/** To wait for what is under way when it stops. */
const CLOSE_MS = 1000

const signalled = (): Promise<void> =>
  new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })

function accountsOf(value: Values[string]): SmscAccount[] {
  return (Array.isArray(value) ? value : []).map(text => {
    const [systemId = '', ...password] = String(text).split(':')
    if (systemId === '' || password.length === 0)
      throw new UsageError('--account: write the system_id, a colon and the password')
    return { systemId, password: password.join(':') }
  })
}

function faultsOf(values: Values): FaultSettings {
  return Object.fromEntries(
    FAULT_OPTIONS.flatMap(({ key, name }) => {
      const value = values[name]
      return value === undefined ? [] : [[key, value === true ? 'on' : String(value)]]
    }),
  )
}

function usage(): string {
  const rows = [
    ...Object.entries(OWN).map(([name, { hint, ...option }]) => row(name, hint, option)),
    row('verbose', '', { default: '', description: 'show each message, and each PDU that is refused' }),
  ]
  const faults = FAULT_OPTIONS.map(option =>
    row(option.name, option.type === 'boolean' ? '' : option.hint, option),
  )
  return `sms-proxy smsc [--port PORT] [faults]
    an SMSC for tests, which answers well, or as badly as it is told

${rows.join('\n')}

Faults:
${faults.join('\n')}

  TIME    20ms, 1.5s, 2m, or a range to draw from: 10ms-50ms
  WHICH   ${SELECTOR_RULE}
  STATUS  0x58 or ESME_RTHROTTLED
  STATE   delivered, expired, deleted, undeliverable, accepted, unknown, rejected, submitted
`
}

function row(name: string, hint: string, option: { default: string; description: string }): string {
  const flag = `  --${name}${hint === '' ? '' : ` ${hint}`}`
  const standard = option.default === '' || option.default === 'off' ? '' : ` (${option.default})`
  const gap = flag.length < FLAG_COLUMNS ? flag.padEnd(FLAG_COLUMNS) : `${flag}\n${' '.repeat(FLAG_COLUMNS)}`
  return `${gap}${option.description}${standard}`
}

const FLAG_COLUMNS = 34

function show({ systemId, pdu, status, messageId }: Received): void {
  const answer = messageId === '' ? `0x${status.toString(16)}` : messageId
  process.stdout.write(`${systemId}: ${pdu.source_addr} to ${pdu.destination_addr}: ${answer}\n`)
}

const line = (fields: object, text: string): void =>
  void process.stderr.write(`${text} ${JSON.stringify(fields)}\n`)
const ignore = (): void => undefined
const lines: Log = { debug: ignore, info: line, warn: line, error: line }
const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore }
