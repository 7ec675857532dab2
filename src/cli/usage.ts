import { codeOf, messageOf } from '../errors.ts'

/** A mistake of the caller's; the text says how to mend it. */
export class UsageError extends Error {}

/**
 * Runs a command to its exit code: 0 it worked, 1 it did not, 2 it was asked wrongly (or the configuration is
 * wrong). What goes wrong is one text for people on the standard error, with `usage` when that helps.
 */
export async function command(
  usage: string,
  argv: readonly string[],
  run: () => Promise<number>,
): Promise<number> {
  if (argv.some(word => word === '--help' || word === '-h')) {
    process.stdout.write(usage)
    return 0
  }
  try {
    return await run()
  } catch (error) {
    const asked = error instanceof UsageError || codeOf(error).startsWith('ERR_PARSE_ARGS')
    process.stderr.write(`${messageOf(error)}\n${asked ? `\n${usage}` : ''}`)
    return asked ? 2 : 1
  }
}

/** What this process asks of its own host goes there: `fetch` would ask the proxy of HTTP_PROXY, as a container often has it. */
export function askDirectly(): void {
  for (const name of ['NO_PROXY', 'no_proxy']) process.env[name] = '*'
}

/** A whole number from 0 to `max`. Throws a {@link UsageError}. */
export function wholeNumber(name: string, value: unknown, max: number): number {
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
  if (!(number <= max))
    throw new UsageError(`--${name}: "${String(value)}" is not a whole number up to ${max}`)
  return number
}

/** The error of a server that cannot listen, in words with a remedy; any other as it is. */
export function listenFault(
  error: unknown,
  { host, port }: { readonly host: string; readonly port: number },
  remedy: string,
): unknown {
  const at = `${host}:${port}`
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return new Error(`${at} is taken: stop the other server, or ${remedy}`)
  if (code === 'EACCES' || code === 'EPERM')
    return new Error(`${at} may not be listened at, as a port below 1024 may by few: ${remedy}`)
  const listening = error instanceof Error && /, listen$|^Failed to listen/.test(error.message)
  return listening ? new Error(`${at} is at no address of this machine: ${remedy}`) : error
}

/**
 * Said once the start is over: what runs from now on runs again and again. The binary begins with a JIT that is slow to
 * compile (.tools/build.ts), since the code of a start runs once: 47 ms to the first answer, not 61.
 */
export const compileAsUsual = (): void => Bun.unsafe.setJITPolicy(1)
