import { parseArgs } from 'node:util'
import type { Config } from '../config/index.ts'
import { explain, load } from './configuration.ts'
import { codeOf, command } from './usage.ts'

const USAGE = `sms-proxy health [--config FILE | --url URL]
    asks the server on this host whether it is healthy: exit code 0, else 1; for health checks of containers
`

const TIMEOUT_MS = 3000

/** `argv` follows the word `health`. */
export const health = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const { values } = parseArgs({
      args: argv,
      options: { config: { type: 'string' }, url: { type: 'string' } },
    })
    if (values.url !== undefined) return await ask(values.url)
    const loaded = load(values.config)
    return 'problems' in loaded ? explain(loaded.problems) : await ask(urlOf(loaded.config))
  })

const ANY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }

function urlOf({ endpoint: { host, port }, tls }: Config): string {
  const name = ANY[host] ?? (host.includes(':') ? `[${host}]` : host)
  return `${tls ? 'https' : 'http'}://${name}:${port}/healthy`
}

async function ask(url: string): Promise<number> {
  try {
    // The certificate is for the outside name; this asks whether the server lives, not who it is.
    const response = await fetch(url, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      tls: { rejectUnauthorized: false },
    })
    process.stdout.write(`${url}: ${response.status} ${(await response.text()).trim()}\n`)
    return response.ok ? 0 : 1
  } catch (error) {
    throw new Error(`${url} does not answer: ${codeOf(error)}`)
  }
}
