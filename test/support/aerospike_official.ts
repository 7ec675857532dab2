import { Double, GeoJson, type Host, type ReadValue, type Value } from '../../src/aerospike/index.ts'

/** A value as it travels to and from the official client's process. */
export type Tagged =
  | readonly ['null']
  | readonly ['boolean', boolean]
  | readonly ['integer' | 'string' | 'blob' | 'geojson', string]
  | readonly ['double', number]
  | readonly ['list', readonly Tagged[]]
  | readonly ['map', readonly (readonly [Tagged, Tagged])[]]

export function tag(value: Value | ReadValue): Tagged {
  if (value === null) return ['null']
  if (typeof value === 'boolean') return ['boolean', value]
  if (typeof value === 'string') return ['string', value]
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return ['integer', String(value)]
  if (typeof value === 'number') return ['double', value]
  if (value instanceof Double) return ['double', value.value]
  if (value instanceof Uint8Array) return ['blob', Buffer.from(value).toString('base64')]
  if (value instanceof GeoJson) return ['geojson', value.json]
  if (value instanceof Map) return ['map', [...value].map(([key, item]) => [tag(key), tag(item)])]
  if (Array.isArray(value)) return ['list', value.map(tag)]
  return ['map', Object.entries(value).map(([key, item]) => [tag(key), tag(item)])]
}

export function tagBins(bins: { readonly [name: string]: Value }): Record<string, Tagged> {
  return Object.fromEntries(Object.entries(bins).map(([name, value]) => [name, tag(value)]))
}

/** The official client, in a process of Node's. */
export class OfficialClient {
  readonly #process: Bun.Subprocess<'pipe', 'pipe', 'inherit'>
  readonly #lines: AsyncIterator<string>

  constructor(hosts: readonly Host[], namespace: string) {
    const addresses = hosts.map(({ host, port }) => `${host}:${port}`).join()
    this.#process = Bun.spawn(['node', `${import.meta.dir}/aerospike_official.mjs`, addresses, namespace], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    })
    this.#lines = lines(this.#process.stdout)
  }

  /** One order at a time. */
  async ask(order: string, parameters: object): Promise<unknown> {
    this.#process.stdin.write(`${JSON.stringify({ order, ...parameters })}\n`)
    this.#process.stdin.flush()
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`The official client ended: it needs Node (its addon runs nowhere else).`)
    const answer: { value?: unknown; error?: string } = JSON.parse(value)
    if (answer.error !== undefined) throw new Error(`The official client failed: ${answer.error}`)
    return answer.value
  }

  async close(): Promise<void> {
    this.#process.stdin.end()
    await this.#process.exited
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let held = ''
  const decoder = new TextDecoder()
  for await (const chunk of stream) {
    held += decoder.decode(chunk, { stream: true })
    const parts = held.split('\n')
    held = parts.pop() ?? ''
    yield* parts
  }
}
