import type { FilterMessage } from '../filters/filter.ts'
import type { WeekHours } from './rules_time.ts'

/** What a rule may look at, under the names that a filter knows. */
export type RuleMessage = Omit<FilterMessage, 'message' | 'esme' | 'transaction_id'>

/** One line of a rule's `match`, as data. Within a line any value will do; of the lines every one must hold. */
export type Condition = AddressCondition | SetCondition | PartsCondition | TimeCondition

export interface AddressCondition {
  readonly field: 'destination' | 'source'
  readonly prefixes: readonly string[]
  /** The same, to look one up among thousands. */
  readonly listed: ReadonlySet<string>
  readonly patterns: readonly RegExp[]
}

export interface SetCondition {
  readonly field: 'app_id' | 'app_name' | 'campaign_uuid' | 'encoding'
  readonly values: ReadonlySet<string | number>
}

export interface PartsCondition {
  readonly field: 'parts'
  readonly min: number
  readonly max: number
}

export interface TimeCondition {
  readonly field: 'time'
  readonly hours: WeekHours
  /** The minute of the week in the condition's zone. */
  readonly weekMinute: (at: number) => number
}

export type Test = (message: RuleMessage) => boolean

/** The condition as a function: the switch is made here, once, and not for each message. */
export function testOf(condition: Condition): Test {
  switch (condition.field) {
    case 'destination':
      return ({ destination }) => addressFits(condition, destination)
    case 'source':
      return ({ source }) => addressFits(condition, source)
    case 'app_id':
      return ({ app_id }) => condition.values.has(app_id)
    case 'app_name':
      return ({ app_name }) => condition.values.has(app_name)
    case 'campaign_uuid':
      return ({ campaign_uuid }) => condition.values.has(campaign_uuid)
    case 'encoding':
      return ({ encoding }) => condition.values.has(encoding)
    case 'parts':
      return ({ parts }) => parts >= condition.min && parts <= condition.max
    case 'time': {
      const { hours, weekMinute } = condition
      return ({ time }) => hours.minutes[weekMinute(time)] === 1
    }
  }
}

function addressFits({ prefixes, patterns }: AddressCondition, address: string): boolean {
  for (const prefix of prefixes) if (address.startsWith(prefix)) return true
  for (const pattern of patterns) if (pattern.test(address)) return true
  return false
}

function beginsIn(prefixes: ReadonlySet<string>, text: string): boolean {
  for (let end = 1; end <= text.length; end++) if (prefixes.has(text.slice(0, end))) return true
  return false
}

/**
 * True when `wide` holds wherever `narrow` does. Patterns are compared as they are written, so a false may
 * be one that nobody could prove; a true is never wrong.
 */
export function covers(wide: Condition, narrow: Condition): boolean {
  if ('prefixes' in wide && 'prefixes' in narrow) {
    return (
      wide.field === narrow.field &&
      narrow.prefixes.every(longer => beginsIn(wide.listed, longer)) &&
      narrow.patterns.every(pattern => wide.patterns.some(other => String(other) === String(pattern)))
    )
  }
  if ('values' in wide && 'values' in narrow) {
    return wide.field === narrow.field && narrow.values.isSubsetOf(wide.values)
  }
  if ('min' in wide && 'min' in narrow) return wide.min <= narrow.min && wide.max >= narrow.max
  if ('hours' in wide && 'hours' in narrow) {
    const { zone, minutes } = wide.hours
    return (
      zone === narrow.hours.zone && narrow.hours.minutes.every((within, at) => within <= (minutes[at] ?? 0))
    )
  }
  return false
}

/** Why `condition` does not hold, for people: what the rule wants and what it got. */
export function refusal(condition: Condition, message: RuleMessage): string {
  const got = message[condition.field]
  const shown = condition.field === 'time' ? new Date(message.time * 1000).toISOString() : JSON.stringify(got)
  return `${condition.field} is ${shown}, not ${wanted(condition)}`
}

function wanted(condition: Condition): string {
  if ('prefixes' in condition) {
    const prefixes =
      condition.prefixes.length > 0 ? [`one that begins with ${anyOf(condition.prefixes)}`] : []
    const patterns = condition.patterns.length > 0 ? [`one that matches ${anyOf(condition.patterns)}`] : []
    return [...prefixes, ...patterns].join(', or ')
  }
  if ('values' in condition) return anyOf([...condition.values])
  if ('hours' in condition) return `within ${condition.hours.text}`
  if (condition.max === Number.POSITIVE_INFINITY) return `${condition.min} or more`
  return condition.min === condition.max ? String(condition.min) : `${condition.min} to ${condition.max}`
}

const SHOWN_MAX = 5

function anyOf(values: readonly unknown[]): string {
  const shown = values.slice(0, SHOWN_MAX).map(String).join(', ')
  return values.length > SHOWN_MAX
    ? `${shown} … (${values.length} in all)`
    : shown.replace(/, ([^,]*)$/, ' or $1')
}
