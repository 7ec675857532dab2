import { describe, expect, test } from 'bun:test'
import { Ajv2020 } from 'ajv/dist/2020'
import fc from 'fast-check'
import type { HttpDependencies } from '../../src/http/dependencies.ts'
import { openApi } from '../../src/http/openapi.ts'
import { explainRoutes } from '../../src/http/routes/explain.ts'
import { filterRoutes } from '../../src/http/routes/filters.ts'
import { proxyUserRoutes } from '../../src/http/routes/proxy_users.ts'
import { smppRoutes } from '../../src/http/routes/smpp.ts'
import { smsRoutes } from '../../src/http/routes/sms.ts'
import { userRoutes } from '../../src/http/routes/user.ts'

/** No handler runs: bodies are checked, and no more. */
const NOTHING = {} as HttpDependencies
const ROUTES = [userRoutes, smppRoutes, smsRoutes, filterRoutes, explainRoutes, proxyUserRoutes].flatMap(of =>
  of(NOTHING),
)

interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
}

interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          { requestBody?: { content: { 'application/json'?: { schema: Schema; example: object } } } }
        >
      >
    >
  >
}

const document = JSON.parse(JSON.stringify(openApi(ROUTES, '0.0.0'))) as Document
const ajv = new Ajv2020({ strict: false })

/** Values at the bounds of the schema, on both sides of them. */
function around(schema: Schema): fc.Arbitrary<unknown> {
  const named = schema.$ref?.split('/').at(-1)
  if (named !== undefined) return around(document.components.schemas[named] ?? {})
  const right = (): fc.Arbitrary<unknown> => {
    if (schema.enum) return fc.constantFrom(...schema.enum)
    switch (schema.type) {
      case 'object': {
        const properties = Object.entries(schema.properties ?? {})
        const model = Object.fromEntries(properties.map(([name, one]) => [name, around(one)]))
        return fc.record(model, { requiredKeys: [] })
      }
      case 'array':
        return fc.array(around(schema.items ?? {}), { maxLength: 3 })
      case 'string': {
        const { minLength = 0, maxLength = 5 } = schema
        const lengths = fc.constantFrom(0, minLength, maxLength - 1, maxLength, maxLength + 1)
        return fc
          .tuple(fc.constantFrom('a', 'é', '\u0000', '\u{1f642}', '\ud800'), lengths)
          .map(([one, times]) => one.repeat(times))
      }
      case 'boolean':
        return fc.boolean()
      default: {
        const { minimum = -5, maximum = 2 ** 53 } = schema
        return fc.constantFrom(minimum - 1, minimum, minimum + 1, minimum + 0.5, maximum, maximum + 1, -0)
      }
    }
  }
  return fc.oneof({ weight: 20, arbitrary: right() }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }) })
}

describe('what the document allows in a body is what the gateway takes:', () => {
  for (const route of ROUTES) {
    if (route.body?.kind !== 'json') continue
    const { method, path, body } = route
    const documented = document.paths[path.replace(':id', '{id}')]?.[method.toLowerCase()]
    const content = documented?.requestBody?.content['application/json']
    const { schema = {}, example = {} } = content ?? {}
    const allows = ajv.compile({ ...schema, components: document.components })
    const takes = (value: unknown): boolean => {
      try {
        body.check(value)
        return true
      } catch {
        return false
      }
    }

    test(`${method} ${path}`, () => {
      expect(takes(example)).toBe(true)
      const value = fc.oneof(
        around(schema),
        around(schema).map(change => (typeof change === 'object' ? { ...example, ...change } : change)),
      )
      fc.assert(
        fc.property(value, asked => {
          expect([takes(asked), asked]).toEqual([allows(asked), asked])
        }),
      )
    })
  }
})
