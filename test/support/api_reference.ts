import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The reference that callers were given, read for what it promises. */

export interface ReferenceRow {
  /** As the OpenAPI document writes it: `PUT /api/v1/smpp/{id}/toggle`. */
  readonly row: string
  readonly auth: 'none' | 'app' | 'admin'
  /** Behind the limit of the app. */
  readonly limited: boolean
}

export interface Example {
  readonly row: string
  /** Undefined where the reference shows none. */
  readonly request: unknown
  readonly status: number
  readonly response: unknown
}

const TEXT = readFileSync(join(import.meta.dir, 'api_reference.txt'), 'utf8')

const rowOf = (method: string, path: string): string =>
  `${method} ${path.replace(/:(\w+)/g, '{$1}').replace(/(?<=.)\/$/, '')}`

/** The *Endpoint Summary*. */
export function summary(): readonly ReferenceRow[] {
  const lines = TEXT.matchAll(/^\| \d+ \| (\w+) \| (\S+) \| (.+?) \|/gm)
  return [...lines].map(([, method = '', path = '', auth = '']) => ({
    row: rowOf(method, path),
    auth: auth === '—' ? 'none' : auth === 'Admin Key' ? 'admin' : 'app',
    limited: auth.includes('L2'),
  }))
}

/** Each `Response N:` with its body, and the `Request:` before it. */
export function examples(): readonly Example[] {
  const heads = [...TEXT.matchAll(/^(GET|POST|PUT|DELETE) (\/\S*)$/gm)]
  return heads.flatMap(([, method = '', path = ''], at) => {
    const section = TEXT.slice(heads[at]?.index, heads[at + 1]?.index)
    const answer = /^Response (\d+):\n/m.exec(section)
    if (!answer) return []
    const asked = /^Request:\n/m.exec(section)
    return {
      row: rowOf(method, path),
      request: asked ? jsonAt(section, asked.index + asked[0].length) : undefined,
      status: Number(answer[1]),
      response: jsonAt(section, answer.index + answer[0].length),
    }
  })
}

/** The JSON that begins there: it ends with the line that makes it whole. */
function jsonAt(text: string, start: number): unknown {
  for (let end = text.indexOf('\n', start); end >= 0; end = text.indexOf('\n', end + 1)) {
    try {
      return JSON.parse(text.slice(start, end))
    } catch {}
  }
  throw new Error(`no JSON at "${text.slice(start, start + 40)}"`)
}
