import { parseArgs } from 'node:util'
import { type Config, findConfigFile, loadConfig } from '../config/index.ts'
import { codeOf } from '../errors.ts'
import { explain } from './configuration.ts'
import { askDirectly, command } from './usage.ts'

const USAGE = `sms-proxy health [--config FILE | --url URL]
    asks the server on this host whether it is healthy: exit code 0, else 1; for health checks of containers.
    URL is the whole address, as in http://127.0.0.1:8088/healthy.
    A mistake in the configuration that is not of its endpoint is told, and decides nothing.
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
    const loaded = loadConfig(values.config ?? findConfigFile(), process.env)
    if ('config' in loaded) return await ask(urlOf(loaded.config))
    // Told, and of no weight where it is not of the address: a server that runs keeps to what it read when all was right.
    const code = explain(loaded.problems)
    const { faulty, problems } = loaded
    return faulty && !problems.some(({ path }) => ADDRESS.has(path)) ? await ask(urlOf(faulty)) : code
  })

/** Where these are wrong nobody knows where to ask. */
const ADDRESS: ReadonlySet<string> = new Set(['endpoint', 'tls'])

const ANY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }

function urlOf({ endpoint: { host, port }, tls }: Config): string {
  const name = ANY[host] ?? (host.includes(':') ? `[${host}]` : host)
  return `${tls ? 'https' : 'http'}://${name}:${port}/healthy`
}

async function ask(url: string): Promise<number> {
  askDirectly()
  try {
    // The certificate is for the outside name; this asks whether the server lives, not who it is.
    const response = await fetch(url, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      tls: { rejectUnauthorized: false },
    })
    process.stdout.write(`${url}: ${response.status} ${(await response.text()).trim()}\n`)
    // The global limit counts this too: who is over it lives, and a restart would help nobody.
    return response.ok || response.status === 429 ? 0 : 1
  } catch (error) {
    throw new Error(`${url} does not answer: ${codeOf(error)}`)
  }
}
