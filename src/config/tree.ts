import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node as YamlNode } from 'yaml'

/** What stands in the file and the environment, before anybody knows what it means. */

/** Where a value was found: `file:line:column`, or the name of an environment variable. */
export type Place = string

export type Tree =
  | { readonly kind: 'map'; readonly place: Place; readonly entries: Map<string, Entry> }
  | { readonly kind: 'list'; readonly place: Place; readonly items: Tree[] }
  | Scalar

export interface Scalar {
  readonly kind: 'scalar'
  readonly place: Place
  readonly value: string | number | boolean | null
  /** As it was written. */
  readonly text: string
  /** True when it is text only because the environment knows nothing else: then it may be read as a number. */
  readonly untyped: boolean
  /** The environment variables whose values went into it: it is not shown. */
  readonly from: readonly string[]
}

export interface Entry {
  /** Of the key. */
  readonly place: Place
  value: Tree
}

/** What is wrong, where, and how to mend it; never with a secret in it. */
export interface Problem {
  readonly place: Place
  /** `smpp.links[0].port`; empty when it is about the file as a whole. */
  readonly path: string
  readonly message: string
  /** Where `message` names a path of this host: the same without it, for whoever is not at the host. */
  readonly publicMessage?: string
}

export const emptyMap = (place: Place): Tree => ({ kind: 'map', place, entries: new Map() })

const DEPTH_MAX = 32

/** The parser's words for these have a piece of the file in them, which may be a secret, or tell programmers what to do. */
const WORDS: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'aliases (*name) are not read: write the value out, or quote a text that begins with *',
  BAD_DQ_ESCAPE: 'has a backslash that YAML does not know in "…": double it, or use single quotes',
  BAD_SCALAR_START: 'a value begins with a character that YAML keeps for itself: put it in quotes',
  DUPLICATE_KEY: 'this key stands in its section already: keep one of them',
  MULTIPLE_DOCS: '--- begins a second document, which nobody would read: take the line away',
  TAG_RESOLVE_FAILED: 'tags (!name) are not read: put a text that begins with ! in quotes',
  UNEXPECTED_TOKEN: 'is not valid YAML here: is a quote, a bracket or an indentation wrong?',
}

/** Reads YAML, with or without a byte order mark before it; `name` is the file's name for people. */
export function parseTree(source: string, name: string): { tree: Tree } | { problems: Problem[] } {
  const lines = new LineCounter()
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  // The library's own reading of the mark counts it as an indentation; its `silent` keeps silent of a second document.
  const options = { lineCounter: lines, prettyErrors: false, logLevel: 'error' } as const
  const document = parseDocument(source.replace(/^\uFEFF/, ''), options)
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    const lineOf = (at: number) => faults[at] && lines.linePos(faults[at].pos[0]).line
    // One mistake makes others of all that follows it in its line.
    const firsts = faults.filter((_, at) => lineOf(at) !== lineOf(at - 1))
    const problems = firsts.map(({ pos, code, message }) => ({
      place: place(pos[0]),
      path: '',
      message: WORDS[code] ?? message.split('\n')[0] ?? code,
    }))
    return { problems }
  }
  const problems: Problem[] = []
  const tree = convert(document.contents, 0)
  return problems.length > 0 ? { problems } : { tree }

  function convert(node: unknown, depth: number): Tree {
    const at = place((node as YamlNode | null)?.range?.[0] ?? 0)
    const refuse = (message: string): Tree => {
      problems.push({ place: at, path: '', message })
      return emptyMap(at)
    }
    if (depth > DEPTH_MAX) return refuse(`is nested deeper than ${DEPTH_MAX} levels`)
    if (node === null) return scalar(null, '', at)
    if (isScalar(node)) {
      const { value, source: written } = node
      if (
        value === null ||
        typeof value === 'boolean' ||
        typeof value === 'number' ||
        typeof value === 'string'
      ) {
        return scalar(value, typeof value === 'string' ? value : (written ?? ''), at)
      }
      return refuse('is no text, number, true or false')
    }
    if (isSeq(node))
      return { kind: 'list', place: at, items: node.items.map(item => convert(item, depth + 1)) }
    if (!isMap(node)) return refuse(WORDS.BAD_ALIAS ?? '')
    const entries = new Map<string, Entry>()
    for (const { key, value } of node.items) {
      if (!isScalar(key)) {
        refuse('has a key that is no text')
        continue
      }
      const keyPlace = place(key.range?.[0] ?? 0)
      const child = value === null ? scalar(null, '', keyPlace) : convert(value, depth + 1)
      entries.set(String(key.value), { place: keyPlace, value: child })
    }
    return { kind: 'map', place: at, entries }
  }
}

const scalar = (value: Scalar['value'], text: string, place: Place): Scalar => ({
  kind: 'scalar',
  place,
  value,
  text,
  untyped: false,
  from: [],
})

/** The place of `path`, or of the nearest thing above it that was written. */
export function placeOf(tree: Tree, path: string): Place {
  let at = tree
  let place = tree.place
  for (const [, name, index] of path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)) {
    const next: Entry | undefined =
      at.kind === 'map' && name !== undefined
        ? at.entries.get(name)
        : at.kind === 'list' && index !== undefined
          ? wrap(at.items[Number(index)])
          : undefined
    if (!next) break
    at = next.value
    place = at.kind === 'scalar' ? at.place : next.place
  }
  return place
}

const wrap = (value: Tree | undefined): Entry | undefined => value && { place: value.place, value }

/** A tree as plain data, for parts that read their own (rules). */
export function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(plain)
  return Object.fromEntries([...tree.entries].map(([name, { value }]) => [name, plain(value)]))
}
