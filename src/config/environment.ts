import type { Described } from './forms.ts'
import { type Entry, emptyMap, type Problem, type Scalar, type Tree } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export const PREFIX = 'SMS_PROXY_'

/**
 * What Kubernetes tells every pod of a Service named `sms-proxy`, or `sms-proxy-` and more; no key of the configuration has
 * such a name. `…_PORT` could be a key that somebody guessed: then its value is no address.
 */
const OF_A_SERVICE =
  /^SMS_PROXY_([A-Z0-9]+_)*(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_\d+_[A-Z]+(_(PROTO|PORT|ADDR))?)$/
const PORT_OF_A_SERVICE = /^SMS_PROXY_([A-Z0-9]+_)*PORT$/

const isOfService = (name: string, value: string): boolean =>
  OF_A_SERVICE.test(name) || (PORT_OF_A_SERVICE.test(name) && /^[a-z]+:\/\//.test(value))

/** The variables that are meant for the configuration. */
export const variablesOf = (env: Environment): readonly (readonly [name: string, value: string])[] =>
  Object.entries(env).flatMap(([name, value]) =>
    name.startsWith(PREFIX) && value !== undefined && !isOfService(name, value) ? [[name, value]] : [],
  )

/** `SMS_PROXY_SMPP__LINKS__0__HOST` is `smpp.links[0].host`. */
const REFERENCE = /\$(\$?)\{([^{}]*)\}/g

/**
 * The tree with the environment laid over it. Variables go by their names, so that `LINKS__0` comes before
 * `LINKS__1`; which names there are, the reader of the tree says. Changes `tree`.
 */
export function overlay(tree: Tree, env: Environment, schema: Described): Problem[] {
  const problems: Problem[] = []
  for (const [name, value] of variablesOf(env).toSorted(([a], [b]) => byIndex(a, b))) {
    const steps = name.slice(PREFIX.length).toLowerCase().split('__')
    const leaf: Scalar = { kind: 'scalar', place: name, value, text: value, untyped: true, from: [] }
    const wrong = put(tree, steps, leaf, schema)
    if (wrong) problems.push({ place: name, path: '', message: wrong })
  }
  return problems
}

const byIndex = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })

function put(tree: Tree, steps: readonly string[], leaf: Scalar, schema: Described): string | undefined {
  let at = tree
  let described: Described | undefined = schema
  for (const [depth, step] of steps.entries()) {
    const last = depth === steps.length - 1
    described = at.kind === 'list' ? described?.items : described?.properties?.[step]
    // What is not there yet is made: a list where the schema has one, a map elsewhere.
    const fresh: Tree = last
      ? leaf
      : described?.type === 'array'
        ? { kind: 'list', place: leaf.place, items: [] }
        : emptyMap(leaf.place)
    if (at.kind === 'map') {
      const entry: Entry | undefined = at.entries.get(step)
      const value: Tree = entry && !last && entry.value.kind !== 'scalar' ? entry.value : fresh
      at.entries.set(step, { place: leaf.place, value })
      at = value
    } else if (at.kind === 'list') {
      const index = /^\d{1,4}$/.test(step) ? Number(step) : undefined
      if (index === undefined) return `"${step}" stands where the number of an entry is wanted, from 0`
      if (index > at.items.length) return `is for entry ${index}, and there are only ${at.items.length}`
      const item: Tree | undefined = at.items[index]
      const value: Tree = item && !last && item.kind !== 'scalar' ? item : fresh
      at.items[index] = value
      at = value
    }
  }
  return undefined
}

/** The tree with each `${NAME}` in a value of the file replaced; `$${NAME}` is the text `${NAME}`. */
export function expand(tree: Tree, env: Environment, problems: Problem[], path = ''): Tree {
  switch (tree.kind) {
    case 'map': {
      const entries = new Map<string, Entry>()
      for (const [name, entry] of tree.entries) {
        const inner = path === '' ? name : `${path}.${name}`
        entries.set(name, { ...entry, value: expand(entry.value, env, problems, inner) })
      }
      return { ...tree, entries }
    }
    case 'list':
      return {
        ...tree,
        items: tree.items.map((item, index) => expand(item, env, problems, `${path}[${index}]`)),
      }
    case 'scalar':
      // The environment's own values are taken as they are.
      return typeof tree.value === 'string' && !tree.untyped ? expandText(tree, env, problems, path) : tree
  }
}

function expandText(scalar: Scalar, env: Environment, problems: Problem[], path: string): Scalar {
  const from: string[] = []
  const text = scalar.text.replace(REFERENCE, (_, escaped: string, name: string) => {
    if (escaped) return `\${${name}}`
    // What every object has is in no environment: `${toString}`.
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    if (value === undefined) {
      problems.push({
        place: scalar.place,
        path,
        message: `names \${${name}}, which is not set in the environment: set ${name}, or write $\${${name}} for the text itself`,
      })
    }
    from.push(name)
    return value ?? ''
  })
  return { ...scalar, value: text, text, untyped: from.length > 0, from }
}
