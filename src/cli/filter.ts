import { parseArgs } from 'node:util'
import { asFiltersSee } from '../addresses.ts'
import { systemClock } from '../clock.ts'
import { codeOf } from '../errors.ts'
import type { FilterMessage } from '../filters/filter.ts'
import { Histogram } from '../filters/histogram.ts'
import { SAMPLE_MESSAGE } from '../filters/index.ts'
import { openFilter } from '../filters/probe.ts'
import { FilterFault, pack, type Sandbox } from '../filters/sandbox.ts'
import { parseTime } from '../rfc3339.ts'
import { segment } from '../smpp/text/segment.ts'
import { command, UsageError, wholeNumber } from './usage.ts'

const USAGE = `sms-proxy filter test  FILE [what the message is]   asks a filter about one message, without a server
sms-proxy filter bench FILE [what the message is]   asks it for two seconds, and says what an answer costs
    --message TEXT  --source ADDRESS  --destination NUMBER  --time RFC3339  --esme ID  --app-id ID  --app-name NAME
    --transaction-id ID  --campaign ID  --timeout MS (20)  --memory MIB (8)
    exit code: 0 the message passes, 1 it is refused, 2 the filter is broken or does not answer
`

const OPTIONS = {
  message: { type: 'string' },
  source: { type: 'string' },
  destination: { type: 'string' },
  time: { type: 'string' },
  esme: { type: 'string' },
  'app-id': { type: 'string' },
  'app-name': { type: 'string' },
  'transaction-id': { type: 'string' },
  campaign: { type: 'string' },
  timeout: { type: 'string' },
  memory: { type: 'string' },
} as const

type Values = { readonly [name in keyof typeof OPTIONS]?: string }

const BENCH_MS = 2000
/** As the id of a link. */
const ESME_MAX = 2 ** 31 - 1

/** `argv` follows the word `filter`. */
export const filter = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const { values, positionals } = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true })
    const [verb, file, ...rest] = positionals
    if ((verb !== 'test' && verb !== 'bench') || file === undefined || rest.length > 0) {
      throw new UsageError('say "test" or "bench", and one file')
    }
    const sms = messageOf(values)
    const packed = pack(sms)
    if (!packed) throw new UsageError('--message is longer than a filter can take')
    const timeoutMs = whole('timeout', values.timeout, 20)
    const memoryBytes = whole('memory', values.memory, 8) * 1024 ** 2
    try {
      const sandbox = await openFilter(file, { timeoutMs, memoryBytes, monotonic: systemClock.monotonic })
      const passes = test(sandbox, sms, packed)
      if (verb === 'bench') bench(sandbox, packed)
      return passes ? 0 : 1
    } catch (error) {
      if (error instanceof FilterFault)
        process.stderr.write(`${paint(31, 'broken')}  ${file}: ${error.message}\n`)
      else process.stderr.write(`${file} cannot be read (${codeOf(error)})\n`)
      return 2
    }
  })

/** True when the message passes. */
function test(sandbox: Sandbox, sms: FilterMessage, packed: Uint8Array): boolean {
  const { description, blacklist, active, mode } = sandbox.declaration
  const began = systemClock.monotonic()
  const { match, reason } = sandbox.ask(packed)
  const micros = (systemClock.monotonic() - began) * 1000
  const passes = match !== blacklist
  const kind = [
    blacklist ? 'blacklist' : 'whitelist',
    ...(active ? [] : ['inactive']),
    ...(mode === 'shadow' ? [mode] : []),
  ]
  const parts = `${sms.parts} ${sms.parts === 1 ? 'part' : 'parts'}`
  process.stdout.write(
    `${sandbox.name} (${kind.join(', ')})${description === '' ? '' : `: ${description}`}\n` +
      `  from ${sms.source} to ${sms.destination}, ${sms.encoding}, ${parts}: ${JSON.stringify(sms.message)}\n` +
      `${passes ? paint(32, 'passes') : paint(31, 'refused')}${reason === '' ? '' : `  ${reason}`}` +
      `  (${match ? 'it matches' : 'it does not match'}, ${micros.toFixed(0)} µs the first time)\n`,
  )
  return passes
}

function bench(sandbox: Sandbox, packed: Uint8Array): void {
  const took = new Histogram()
  const { monotonic } = systemClock
  let answers = 0
  const began = monotonic()
  for (let now = began; now - began < BENCH_MS; answers++) {
    sandbox.ask(packed)
    const ended = monotonic()
    took.add((ended - now) * 1000)
    now = ended
  }
  const mean = ((monotonic() - began) * 1000) / answers
  const figure = (micros: number) => `${micros.toFixed(1)} µs`
  process.stdout.write(
    `${answers} answers, ${figure(mean)} each; p50 ${figure(took.percentile(0.5))}, ` +
      `p99 ${figure(took.percentile(0.99))}; it holds ${(sandbox.memory().bytes / 1024).toFixed(0)} KiB\n`,
  )
}

function messageOf(values: Values): FilterMessage {
  const message = values.message ?? SAMPLE_MESSAGE.message
  const { encoding, parts } = segment(message, {
    encoding: 'auto',
    flash: false,
    partsMax: 255,
    reference: () => 0,
  })
  const appId = whole('app-id', values['app-id'], SAMPLE_MESSAGE.app_id)
  const time = values.time === undefined ? systemClock.now() : parseTime(values.time)
  if (time === undefined) throw new UsageError('--time is a moment such as 2026-01-31T22:30:00Z')
  return {
    source: SAMPLE_MESSAGE.source,
    destination: SAMPLE_MESSAGE.destination,
    ...asFiltersSee(values),
    message,
    esme: values.esme === undefined ? SAMPLE_MESSAGE.esme : wholeNumber('esme', values.esme, ESME_MAX),
    app_id: appId,
    app_name: values['app-name'] ?? SAMPLE_MESSAGE.app_name,
    transaction_id: values['transaction-id'] ?? '',
    campaign_uuid: values.campaign ?? `app-${appId}`,
    encoding,
    parts: parts.length,
    time: Math.floor(time / 1000),
  }
}

function whole(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--${option} is a whole number, 1 or more`)
  return Number(text)
}

const paint = (colour: number, text: string): string =>
  process.stdout.isTTY && !process.env.NO_COLOR ? `\x1b[${colour}m${text}\x1b[0m` : text
