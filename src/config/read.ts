import { resolve } from 'node:path'
import { nearest } from '../nearest.ts'
import { PREFIX } from './environment.ts'
import type { Described, Endpoint, Form } from './forms.ts'
import { emptyMap, type Place, type Problem, plain, type Scalar, type Tree } from './tree.ts'
import { formatSize, goDuration, parseDuration, parseSize } from './units.ts'

/** Reads a tree as a schema says, and tells all that is wrong at once. */
export class Reader {
  readonly problems: Problem[]
  /** False once something is wrong that has no default to stand for it. */
  isComplete = true

  constructor(
    /** Relative paths are relative to it. */
    private readonly folder: string,
    /** What is known to be wrong already: a path is complained of once. */
    known: readonly Problem[],
  ) {
    this.problems = [...known]
  }

  /**
   * The value as the program sees it. Where it is wrong, which `problems` then says, it is the default, so that all
   * else can be looked at; undefined where there is none.
   */
  read(schema: Described, tree: Tree, path: string): unknown {
    if (tree.kind === 'scalar' && tree.value === null) return this.#absent(schema, tree.place, path)
    if (schema.form === 'rules') return this.#rules(tree, path)
    if (schema.type === 'object') return this.#map(schema, tree, path)
    if (schema.type === 'array') return this.#list(schema, tree, path)
    if (tree.kind !== 'scalar')
      return this.#wrong(tree.place, path, `must be ${wanted(schema)}, not a ${tree.kind}`)
    return this.#scalar(schema, tree, path)
  }

  /** What stands for a value that was not written. */
  #absent(schema: Described, place: Place, path: string): unknown {
    if (schema.type === 'object') return this.#map(schema, emptyMap(place), path)
    if (schema.type === 'array') return []
    if (schema.default === undefined)
      return this.#wrong(place, path, `is missing: ${wanted(schema)} (${schema.description})`)
    if (typeof schema.default !== 'string') return schema.default
    const { default: text } = schema
    return this.#scalar(schema, { kind: 'scalar', place, value: text, text, untyped: true, from: [] }, path)
  }

  #map(schema: Described, tree: Tree, path: string): unknown {
    if (tree.kind !== 'map') {
      return this.#wrong(
        tree.place,
        path,
        `must have keys and values (${schema.description}), not a ${nameOf(tree)}`,
      )
    }
    const properties = schema.properties ?? {}
    const below = (name: string): string => (path === '' ? name : `${path}.${name}`)
    for (const [name, { place }] of tree.entries) {
      if (Object.hasOwn(properties, name)) continue
      const meant = nearest(name, Object.keys(properties))
      const hint = meant ? `did you mean ${meant}?` : `known here: ${Object.keys(properties).join(', ')}`
      const steps =
        place.startsWith(PREFIX) && name.includes('_') ? ' ("__" stands between the steps of a path)' : ''
      this.#wrong(place, below(name), `is no key of the configuration: ${hint}${steps}`)
    }
    const required = new Set(schema.required)
    const result: Record<string, unknown> = {}
    for (const [name, inner] of Object.entries(properties)) {
      const entry = tree.entries.get(name)
      if (entry) {
        const empty = entry.value.kind === 'scalar' && entry.value.value === null
        if (!empty || required.has(name)) result[name] = this.read(inner, entry.value, below(name))
      } else if (required.has(name)) result[name] = this.#absent(inner, tree.place, below(name))
      if (required.has(name) && result[name] === undefined) this.isComplete = false
    }
    return result
  }

  #list(schema: Described, tree: Tree, path: string): unknown {
    const items = schema.items ?? {}
    const list = tree.kind === 'scalar' && tree.untyped && items.type === 'string' ? listed(tree) : tree
    if (list.kind !== 'list') return this.#wrong(tree.place, path, `must be a list, not a ${nameOf(tree)}`)
    const most = schema.maxItems ?? Number.POSITIVE_INFINITY
    if (list.items.length > most) return this.#wrong(tree.place, path, `has more than ${most} entries`)
    const values = list.items.map((item, index) => this.read(items, item, `${path}[${index}]`))
    if (values.includes(undefined)) this.isComplete = false
    return values
  }

  #rules(tree: Tree, path: string): unknown {
    if (tree.kind === 'list') return { list: plain(tree) }
    if (tree.kind === 'scalar' && tree.text !== '') return { file: resolve(this.folder, tree.text) }
    return this.#wrong(tree.place, path, 'must be a list of rules, or the path of a file that has one')
  }

  #scalar(schema: Described, scalar: Scalar, path: string): unknown {
    const found = schema.form ? FORMS[schema.form](schema, scalar, this.folder) : bare(schema, scalar)
    if (found !== undefined) return found
    this.#wrong(
      scalar.place,
      path,
      `${shown(schema, scalar)}: wanted is ${wanted(schema)}${meant(schema, scalar)}`,
    )
    if (schema.default !== undefined) return this.#absent(schema, scalar.place, path)
    this.isComplete = false
    return undefined
  }

  #wrong(place: Place, path: string, message: string): undefined {
    if (!this.problems.some(one => one.path === path && path !== ''))
      this.problems.push({ place, path, message })
    return undefined
  }
}

/** The environment knows no lists: commas stand between the entries. */
function listed(scalar: Scalar): Tree {
  const entries = scalar.text.split(',').map(text => text.trim())
  const items = entries.filter(text => text !== '').map(text => ({ ...scalar, value: text, text }))
  return { kind: 'list', place: scalar.place, items }
}

/** Undefined for what is not a value of its form. */
const FORMS: Readonly<Record<Form, (schema: Described, scalar: Scalar, folder: string) => unknown>> = {
  duration: (schema, { text }) => within(schema, parseDuration(text)),
  size: (schema, { text }) => within(schema, parseSize(text)),
  path: (_, { text }, folder) => (text === '' ? undefined : resolve(folder, text)),
  endpoint: (_, { text }) => parseEndpoint(text),
  secret: (schema, { text }) => fitting(schema, text),
  rules: () => undefined,
}

function bare(schema: Described, { value, text, untyped }: Scalar): unknown {
  switch (schema.type) {
    case 'boolean':
      if (typeof value === 'boolean') return value
      return untyped && /^(true|false)$/.test(text) ? text === 'true' : undefined
    case 'integer':
    case 'number': {
      const number =
        typeof value === 'number'
          ? value
          : untyped && /^-?\d+(\.\d+)?$/.test(text)
            ? Number(text)
            : Number.NaN
      return Number.isFinite(number) && (schema.type === 'number' || Number.isSafeInteger(number))
        ? within(schema, number)
        : undefined
    }
    default:
      // A number in a text's place is taken as it is written: 007, 3.4.
      return typeof value === 'boolean' ? undefined : fitting(schema, text)
  }
}

function within(
  { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY }: Described,
  number?: number,
) {
  return number !== undefined && number >= minimum && number <= maximum ? number : undefined
}

function fitting(schema: Described, text: string): string | undefined {
  if (schema.enum && !schema.enum.includes(text)) return undefined
  const octets = Buffer.byteLength(text)
  const fits = octets >= (schema.minLength ?? 0) && octets <= (schema.maxLength ?? Number.POSITIVE_INFINITY)
  return fits && !/\p{Cc}/u.test(text) ? text : undefined
}

/** `0.0.0.0:8088`, `[::1]:8088`, `localhost:8088`; port 0 takes a free one. */
function parseEndpoint(text: string): Endpoint | undefined {
  const [, bracketed, name, digits] = /^(?:\[([\da-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  const host = bracketed ?? name
  return host !== undefined && port <= 65_535 ? { host, port } : undefined
}

const nameOf = (tree: Tree): string => (tree.kind === 'scalar' ? 'single value' : tree.kind)

/** A value as it may be shown: not a secret, nothing that came out of the environment by `${NAME}`. */
function shown(schema: Described, { text, from }: Scalar): string {
  if (schema.form === 'secret') return 'does not fit'
  if (from.length > 0) return `does not fit (it comes from ${from.map(name => `\${${name}}`).join(', ')})`
  return `is ${JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)}`
}

function meant(schema: Described, { text, from }: Scalar): string {
  const guess = schema.enum && from.length === 0 ? nearest(text, schema.enum) : undefined
  return guess ? ` (did you mean ${guess}?)` : ''
}

/** What may stand there, in words. */
function wanted(schema: Described): string {
  switch (schema.form) {
    case 'duration':
      return `a duration like ${schema.default ?? '5s'}${range(schema, goDuration)}`
    case 'size':
      return `a size like ${schema.default ?? '8MB'}${range(schema, formatSize)}`
    case 'path':
      return 'a path'
    case 'endpoint':
      return 'host:port, as in 0.0.0.0:8088 or [::]:8088'
    case 'rules':
      return 'a list of rules, or the path of a file that has one'
    default:
      return wantedBare(schema)
  }
}

function wantedBare(schema: Described): string {
  if (schema.enum) return `one of ${schema.enum.join(', ')}`
  if (schema.type === 'boolean') return 'true or false'
  if (schema.type === 'integer') return `a whole number${range(schema, String)}`
  if (schema.type === 'number') return `a number${range(schema, String)}`
  const { minLength = 0, maxLength } = schema
  if (maxLength !== undefined)
    return `text of ${minLength} to ${maxLength} octets, without control characters`
  return minLength > 0 ? 'text that is not empty' : 'text without control characters'
}

function range({ minimum, maximum }: Described, show: (value: number) => string): string {
  if (minimum === undefined || maximum === undefined) return ''
  return ` from ${show(minimum)} to ${show(maximum)}`
}
