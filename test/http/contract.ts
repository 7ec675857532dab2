import { expect } from 'bun:test'
import { Ajv2020 } from 'ajv/dist/2020'

interface Operation {
  readonly security: readonly object[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: object }>> }
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { schema: object; example?: unknown }>> }>
  >
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: object
}

/** An answer has no member that its schema does not name: a secret, or the shape of another error. */
const closed = (_: string, node: unknown): unknown =>
  typeof node === 'object' && node !== null && 'properties' in node
    ? { additionalProperties: false, ...node }
    : node

/** Answers held against the document that the server itself serves. */
export class Contract {
  readonly #ajv = new Ajv2020({ strict: false })

  private constructor(private readonly document: Document) {}

  static async of(url: string): Promise<Contract> {
    const text = await (await fetch(`${url}/openapi.json`)).text()
    return new Contract(JSON.parse(text, closed) as Document)
  }

  get rows(): readonly string[] {
    const methods = Object.entries(this.document.paths)
    return methods.flatMap(([path, all]) => Object.keys(all).map(method => `${method.toUpperCase()} ${path}`))
  }

  statusesOf(row: string): readonly string[] {
    return Object.keys(this.#operation(row).responses)
  }

  accessOf(row: string): 'none' | 'app' | 'admin' {
    const [needed] = this.#operation(row).security
    if (!needed) return 'none'
    return 'AdminKey' in needed ? 'admin' : 'app'
  }

  /** The body that the row takes, with its example; undefined for a row that takes none. */
  bodyOf(row: string): { readonly type: string; readonly example: object | undefined } | undefined {
    const [content] = Object.entries(this.#operation(row).requestBody?.content ?? {})
    return content && { type: content[0], example: content[1].example }
  }

  /** The JSON that the document shows for this status. */
  exampleOf(row: string, status: number): unknown {
    return this.#operation(row).responses[String(status)]?.content['application/json']?.example
  }

  /** Fails unless the document has this status for the row, and the body is as it says. */
  check(row: string, status: number, mediaType: string, body: unknown): void {
    const answer = this.#operation(row).responses[String(status)]
    expect(answer, `${row} documents no ${status}`).toBeDefined()
    const [media] = mediaType.split(';')
    const schema = answer?.content[media ?? '']?.schema
    expect(schema, `${row} ${status} documents no ${media}`).toBeDefined()
    const validate = this.#ajv.compile({ ...schema, components: this.document.components })
    validate(body)
    expect(validate.errors ?? [], `${row} ${status}: ${JSON.stringify(body)}`).toEqual([])
  }

  #operation(row: string): Operation {
    const [method = '', path = ''] = row.split(' ')
    const operation = this.document.paths[path]?.[method.toLowerCase()]
    if (!operation) throw new Error(`${row} is not documented`)
    return operation
  }
}
