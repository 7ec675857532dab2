import {
  type AddressCondition,
  type Condition,
  covers,
  type RuleMessage,
  refusal,
  type Test,
  testOf,
} from './rules_condition.ts'
import { type Report, type RuleProblem, readMap, readMatch, shown } from './rules_read.ts'

export type { RuleMessage }

/** What a rule says of the messages that it matches. */
export type Decision =
  | { readonly rule: string; readonly pool: string }
  | { readonly rule: string; readonly refuse: string }

/** What a caller hears of it. */
export const refusalOf = ({ rule, refuse }: Extract<Decision, { refuse: string }>): string =>
  `rejected by rule "${rule}": ${refuse}`

/** A rule's word on one message; `why` is the first condition that does not hold. */
export type RuleVerdict =
  | { readonly rule: string; readonly matches: true; readonly decision: Decision }
  | { readonly rule: string; readonly matches: false; readonly why: string }

/** Rules in their order, ready to decide; made by {@link compileRules} alone. */
export interface Rules {
  readonly list: readonly Rule[]
  /** Those that any destination may match, by their places in `list`, ascending. */
  readonly general: readonly number[]
  /** The others, by the destination's leading digits. */
  readonly byPrefix: PrefixNode
}

export interface Rule {
  readonly conditions: readonly Condition[]
  /** The conditions that `byPrefix` has not settled. */
  readonly rest: readonly Test[]
  readonly decision: Decision
}

/** One digit further down the tree of prefixes. */
interface PrefixNode {
  readonly next: (PrefixNode | undefined)[]
  /** Places in `list`, ascending: of the prefix that ends here and, once sealed, of all that lead here. */
  rules: readonly number[]
}

const RULES_MAX = 1000
const NAME_CHARACTERS_MAX = 64
const REASON_CHARACTERS_MAX = 200

export const NO_RULES: Rules = { list: [], general: [], byPrefix: { next: [], rules: [] } }

/**
 * Reads rules from YAML data: a list of
 *
 *     - name: germany-by-day            # rule-<n> when it has none
 *       match:                          # every line must hold; a line's list is any of them
 *         destination: ["49", "/^43(6|7)/"]       # prefixes and patterns; so for source
 *         app_id: 7                     # or app_name, campaign_uuid, encoding
 *         parts: { max: 3 }             # or a number
 *         time: { from: "08:00", to: "20:00", days: [mon-fri], zone: Europe/Berlin }
 *       pool: pool-1                    # or  refuse: "not at night"
 *
 * The first rule that matches decides. Answers everything that is wrong at once, rules that can never match
 * among it: a single earlier rule takes all that they would.
 */
export function compileRules(
  data: unknown,
  { pools }: { readonly pools: readonly string[] },
): { readonly rules: Rules } | { readonly problems: readonly RuleProblem[] } {
  const problems: RuleProblem[] = []
  const report: Report = (path, message) => void problems.push({ path, message })
  // A file that was cut off while it was written would let through what its rules refuse.
  if (data === null) report('rules', 'are empty: write [] for none')
  else if (!Array.isArray(data)) report('rules', 'must be a list of rules')
  else if (data.length > RULES_MAX) report('rules', `has more than ${RULES_MAX} rules`)
  else {
    const read = data.map((entry, index) => readRule(entry, index, pools, report))
    reportTwins(read, report)
    const tree = arrange(read)
    reportShadowed(read, tree, report)
    const list = read.filter(rule => rule !== undefined)
    if (problems.length === 0) return { rules: { list, ...tree } }
  }
  return { problems }
}

/** The word of the first rule that matches; undefined when none does. */
export function decide({ list, general, byPrefix }: Rules, message: RuleMessage): Decision | undefined {
  const indexed = candidates(byPrefix, message.destination)
  // Two ascending lists, merged as they are read: the order of the rules is kept.
  let i = 0
  let j = 0
  for (;;) {
    const one = general[i]
    const other = indexed[j]
    if (one === undefined && other === undefined) return undefined
    const first = other === undefined || (one !== undefined && one < other)
    if (first) i++
    else j++
    const rule = list[(first ? one : other) ?? 0]
    if (rule && allHold(rule.rest, message)) return rule.decision
  }
}

/** What each rule says of the message, in order; the first that matches decides. */
export function explain({ list }: Rules, message: RuleMessage): RuleVerdict[] {
  return list.map(({ conditions, decision }) => {
    const failed = conditions.find(condition => !testOf(condition)(message))
    const { rule } = decision
    return failed
      ? { rule, matches: false, why: refusal(failed, message) }
      : { rule, matches: true, decision }
  })
}

function allHold(tests: readonly Test[], message: RuleMessage): boolean {
  for (const test of tests) if (!test(message)) return false
  return true
}

function readRule(entry: unknown, index: number, pools: readonly string[], report: Report): Rule | undefined {
  const path = `rules[${index}]`
  const fields = readMap(entry, path, ['name', 'match', 'pool', 'refuse'], report)
  if (!fields) return undefined
  const { name = `rule-${index + 1}`, match, pool, refuse } = fields
  const conditions = readMatch(match, `${path}.match`, report)
  if (typeof name !== 'string' || name === '' || name.length > NAME_CHARACTERS_MAX) {
    return void report(`${path}.name`, `${shown(name)} is no name: 1 to ${NAME_CHARACTERS_MAX} characters`)
  }
  if ((pool === undefined) === (refuse === undefined)) {
    return void report(path, 'needs either `pool: NAME` or `refuse: REASON`')
  }
  if (pool !== undefined && !(typeof pool === 'string' && pools.includes(pool))) {
    return void report(`${path}.pool`, `${shown(pool)} is no pool; there ${known(pools)}`)
  }
  if (
    pool === undefined &&
    !(typeof refuse === 'string' && refuse !== '' && refuse.length <= REASON_CHARACTERS_MAX)
  ) {
    return void report(
      `${path}.refuse`,
      `${shown(refuse)} is no reason: write one for the caller, of 1 to ${REASON_CHARACTERS_MAX} characters`,
    )
  }
  if (!conditions) return undefined
  const decision: Decision =
    typeof pool === 'string' ? { rule: name, pool } : { rule: name, refuse: String(refuse) }
  const settled = conditions.find(isIndexed)
  const rest = conditions.filter(condition => condition !== settled).map(testOf)
  return { conditions, rest, decision }
}

const known = (pools: readonly string[]): string =>
  pools.length === 0 ? 'is none' : `${pools.length === 1 ? 'is' : 'are'} ${pools.join(', ')}`

function reportTwins(rules: readonly (Rule | undefined)[], report: Report): void {
  const first = new Map<string, number>()
  for (const [index, rule] of rules.entries()) {
    if (!rule) continue
    const twin = first.get(rule.decision.rule)
    if (twin === undefined) first.set(rule.decision.rule, index)
    else report(`rules[${index}].name`, `"${rule.decision.rule}" is the name of rules[${twin}] too`)
  }
}

function reportShadowed(
  rules: readonly (Rule | undefined)[],
  tree: Pick<Rules, 'general' | 'byPrefix'>,
  report: Report,
): void {
  for (const [index, rule] of rules.entries()) {
    if (!rule) continue
    const takes = (at: number): boolean => {
      const other = rules[at]
      return at < index && other !== undefined && takesAll(other, rule)
    }
    // One that takes all that it would is among those that its first prefix leads to.
    const [prefix] = rule.conditions.find(isIndexed)?.prefixes ?? []
    const places =
      prefix === undefined ? rules.keys() : [...tree.general, ...candidates(tree.byPrefix, prefix)]
    const earlier = Math.min(index, ...[...places].filter(takes))
    if (earlier === index) continue
    const name = rules[earlier]?.decision.rule
    report(
      `rules[${index}]`,
      `"${rule.decision.rule}" can never match: "${name}" (rules[${earlier}]) stands before it and takes every message that it would; put it first, or narrow "${name}"`,
    )
  }
}

const takesAll = (wide: Rule, narrow: Rule): boolean =>
  wide.conditions.every(condition => narrow.conditions.some(other => covers(condition, other)))

/** Prefixes alone settle a destination; a pattern beside them has to be tried. */
const isIndexed = (condition: Condition): condition is AddressCondition =>
  condition.field === 'destination' && condition.patterns.length === 0

/** By their places; of those that are wrong nothing. */
function arrange(list: readonly (Rule | undefined)[]): Pick<Rules, 'general' | 'byPrefix'> {
  const byPrefix: PrefixNode = { next: [], rules: [] }
  const general: number[] = []
  for (const [index, rule] of list.entries()) {
    if (!rule) continue
    const settled = rule.conditions.find(isIndexed)
    if (!settled) general.push(index)
    else for (const prefix of settled.prefixes) insert(byPrefix, prefix, index)
  }
  seal(byPrefix, [], new Map())
  return { general, byPrefix }
}

function insert(root: PrefixNode, prefix: string, rule: number): void {
  let node = root
  for (const digit of prefix) {
    const below = node.next[Number(digit)] ?? { next: [], rules: [] }
    node.next[Number(digit)] = below
    node = below
  }
  node.rules = [...node.rules, rule]
}

/**
 * Hands each node the rules of the shorter prefixes, so that the deepest node reached knows them all. Thousands of
 * prefixes of one rule that lie below the same others share one array: `joined`, by the rules above and their own.
 */
function seal(
  node: PrefixNode,
  above: readonly number[],
  joined: Map<readonly number[], Map<string, readonly number[]>>,
): void {
  if (node.rules.length === 0) node.rules = above
  else {
    const known = joined.get(above) ?? new Map<string, readonly number[]>()
    const own = node.rules.join()
    node.rules = known.get(own) ?? [...new Set([...above, ...node.rules])].sort((a, b) => a - b)
    joined.set(above, known.set(own, node.rules))
  }
  for (const below of node.next) if (below) seal(below, node.rules, joined)
}

const ZERO = 0x30

function candidates(root: PrefixNode, destination: string): readonly number[] {
  let node = root
  for (let at = 0; at < destination.length; at++) {
    const below = node.next[destination.charCodeAt(at) - ZERO]
    if (!below) break
    node = below
  }
  return node.rules
}
