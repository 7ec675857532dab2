import { type DestinationStream, pino, stdTimeFunctions } from 'pino'
import { prettyFactory } from 'pino-pretty'
import { messageOf } from './errors.ts'
import { lineOutput } from './log_output.ts'

/** Structured logs: what happened in `text`, always the same words; what it happened to in `fields`. */
export interface Log {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
  /** The same log, with each line naming the part that speaks. */
  child(component: string): Log
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** `auto`: pretty on a terminal, JSON lines elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
  /** Added to every line. */
  readonly server: string
}

/** Fields that no line has, at the top or one level down, whoever put them there. */
const SECRETS = ['password', 'secret', 'app_secret', 'appSecret', 'token', 'authorization', 'adminKey']

/** Logs to the standard output, or to `out`. All in this thread: a compiled binary has no worker file to load. */
export function createLog(options: LogOptions, out?: DestinationStream): Log {
  const { level, server } = options
  const looksNice =
    options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY === true)
  const output = out ?? lineOutput(STANDARD_OUTPUT)
  const stream = looksNice ? prettyStream(output, out === undefined) : output
  const logger = pino(
    {
      level,
      base: server === '' || looksNice ? null : { server },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: errorFields },
      redact: { paths: SECRETS.flatMap(name => [name, `*.${name}`]), remove: true },
    },
    stream,
  )
  return wrap(logger)
}

type Writer = Pick<Log, 'debug' | 'info' | 'warn' | 'error'> & { child(bindings: object): Writer }

const wrap = (writer: Writer): Log => ({
  debug: (fields, text) => writer.debug(fields, text),
  info: (fields, text) => writer.info(fields, text),
  warn: (fields, text) => writer.warn(fields, text),
  error: (fields, text) => writer.error(fields, text),
  child: component => wrap(writer.child({ component })),
})

const STANDARD_OUTPUT = 1

function prettyStream(out: DestinationStream, standard: boolean): DestinationStream {
  const print = prettyFactory({
    colorize: standard && process.stdout.isTTY === true && !process.env.NO_COLOR,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'component',
    messageFormat: (line, key) => `${line.component ? `${line.component}: ` : ''}${line[key]}`,
  })
  return { write: line => void out.write(print(line) ?? '') }
}

/** An error and what caused it; the stack of the first, in one line. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { cause } = error
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...(cause === undefined ? {} : { cause: messageOf(cause) }),
  }
}
