import { stringify } from 'yaml'
import type { Described } from './forms.ts'
import { ConfigSchema } from './schema.ts'

const HEAD = `# Configuration of sms-proxy. "sms-proxy check" tells what is wrong with it.
#
# Durations: 20ms, 5s, 1h30m, 7d. Sizes: 64KB, 8MB (powers of 1024). Relative paths are relative to this file.
# \${NAME} in a value is the environment variable NAME. Every key may also come from the environment:
# SMS_PROXY_STORAGE__DB_PATH is storage.db_path, SMS_PROXY_SMPP__LINKS__0__HOST the host of the first link.
# The admin key comes from the environment alone: ADMIN_API_KEY.
`

/** A configuration with every key, its meaning and its default; what is optional is commented out. */
export const configTemplate = (): string => `${HEAD}\n${properties(ConfigSchema, '').join('\n').trimEnd()}\n`

function properties(schema: Described, path: string): string[] {
  const required = new Set(schema.required)
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const lines = property(name, inner, path === '' ? name : `${path}.${name}`)
    const comment = required.has(name)
      ? lines
      : lines.map(line => (line.startsWith('#') ? line : `# ${line}`))
    return path === '' ? [...comment, ''] : comment
  })
}

function property(name: string, schema: Described, path: string): string[] {
  const about = `# ${describe(schema)}`
  if (schema.type === 'object') return [about, `${name}:`, ...indent(properties(schema, path))]
  if (schema.items?.type === 'object') {
    const [first = '', ...rest] = properties(schema.items, `${path}[]`)
    return [about, `${name}:`, `  - ${first}`, ...indent(indent(rest))]
  }
  return [about, `${name}: ${sample(schema, path)}`]
}

const indent = (lines: readonly string[]): string[] => lines.map(line => (line === '' ? line : `  ${line}`))

const describe = ({ description = '', enum: names }: Described): string =>
  names ? `${description}: ${names.join(' | ')}` : description

/** The first pool of the sample has the first link of the sample. */
const LISTS: Readonly<Record<string, string>> = { 'smpp.pools[].links': '[smpp-link-1]' }

function sample(schema: Described, path: string): string {
  if (schema.type === 'array') return LISTS[path] ?? '[]'
  const value = schema.default ?? schema.examples?.[0]
  return stringify(value, { defaultStringType: 'PLAIN', lineWidth: 0 }).trimEnd()
}
