import { internationalPrefix } from '../addresses.ts'
import { ENCODINGS } from '../smpp/text/segment.ts'
import type { Condition } from './rules_condition.ts'
import { readPattern } from './rules_pattern.ts'
import { isZone, readDays, readTimeOfDay, weekMinuteIn, weekMinutes } from './rules_time.ts'

/** What is wrong, and where: `rules[2].match.destination[0]`. */
export interface RuleProblem {
  readonly path: string
  readonly message: string
}

export type Report = (path: string, message: string) => void

const DIGITS_MAX = 15
const SENDER_CHARACTERS_MAX = 11
const CAMPAIGN_CHARACTERS_MAX = 64
const PARTS_MAX = 255

/** Reads one line of `match`; undefined when it is wrong (and reported), `true` when it holds for every message. */
type Reader = (value: unknown, path: string, report: Report) => Condition | true | undefined

const READERS: Readonly<Record<Condition['field'], Reader>> = {
  destination: (value, path, report) => readAddresses('destination', value, path, report),
  source: (value, path, report) => readAddresses('source', value, path, report),
  app_id: (value, path, report) =>
    readSet('app_id', value, path, report, item =>
      Number.isSafeInteger(item) && Number(item) > 0 ? undefined : 'is no app id: a whole number from 1',
    ),
  app_name: (value, path, report) =>
    readSet('app_name', value, path, report, item =>
      typeof item === 'string' && item !== '' ? undefined : 'is no app name: write it in quotes',
    ),
  campaign_uuid: (value, path, report) =>
    readSet('campaign_uuid', value, path, report, item => {
      if (typeof item !== 'string' || item === '') return 'is no campaign: write it in quotes'
      return item.length > CAMPAIGN_CHARACTERS_MAX
        ? `can never match: a campaign has at most ${CAMPAIGN_CHARACTERS_MAX} characters`
        : undefined
    }),
  encoding(value, path, report) {
    const condition = readSet('encoding', value, path, report, item =>
      ENCODINGS.some(encoding => encoding === item) ? undefined : `is none of ${ENCODINGS.join(', ')}`,
    )
    return condition && 'values' in condition && condition.values.size === ENCODINGS.length ? true : condition
  },
  parts: readParts,
  time: readTime,
}

/** The conditions of a `match`; undefined when one is wrong. Absent or empty, it holds for every message. */
export function readMatch(value: unknown, path: string, report: Report): Condition[] | undefined {
  if (value === undefined || value === null) return []
  const fields = readMap(value, path, Object.keys(READERS), report)
  if (!fields) return undefined
  const conditions = Object.entries(READERS).flatMap(([field, read]) => {
    if (fields[field] === undefined) return []
    const condition = read(fields[field], `${path}.${field}`, report)
    return condition === true ? [] : [condition]
  })
  return conditions.every(condition => condition !== undefined) ? conditions : undefined
}

/** `value` as a map of `known` keys; undefined when it is none. Keys that nobody knows are reported. */
export function readMap(
  value: unknown,
  path: string,
  known: readonly string[],
  report: Report,
): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    report(path, `must be a map of ${known.join(', ')}`)
    return undefined
  }
  const unknown = Object.keys(value).filter(key => !known.includes(key))
  for (const key of unknown) report(`${path}.${key}`, `is unknown: here stand ${known.join(', ')}`)
  return unknown.length === 0 ? { ...value } : undefined
}

/** One value or a list of them, each read by `read`; undefined when one is wrong or there is none. */
function readEach<T>(
  value: unknown,
  path: string,
  report: Report,
  read: (item: unknown, path: string) => T | undefined,
): T[] | undefined {
  if (!Array.isArray(value)) {
    const one = read(value, path)
    return one === undefined ? undefined : [one]
  }
  if (value.length === 0) {
    report(path, 'is an empty list, which no message can match: leave the line out to match every message')
    return undefined
  }
  const all = value.map((item, index) => read(item, `${path}[${index}]`))
  return all.every(item => item !== undefined) ? all : undefined
}

function readSet(
  field: 'app_id' | 'app_name' | 'campaign_uuid' | 'encoding',
  value: unknown,
  path: string,
  report: Report,
  wrong: (item: unknown) => string | undefined,
): Condition | undefined {
  const values = readEach(value, path, report, (item, at): string | number | undefined => {
    const problem = wrong(item)
    if (problem !== undefined) report(at, `${shown(item)} ${problem}`)
    else if (typeof item === 'string' || typeof item === 'number') return item
    return undefined
  })
  return values && { field, values: new Set(values) }
}

function readAddresses(
  field: 'destination' | 'source',
  value: unknown,
  path: string,
  report: Report,
): Condition | undefined {
  const entries = readEach(value, path, report, (item, at) => readAddress(field, item, at, report))
  if (!entries) return undefined
  const prefixes = entries.filter(entry => typeof entry === 'string')
  const patterns = entries.filter(entry => typeof entry !== 'string')
  return { field, prefixes, listed: new Set(prefixes), patterns }
}

function readAddress(
  field: 'destination' | 'source',
  item: unknown,
  path: string,
  report: Report,
): string | RegExp | undefined {
  const wrong = (problem: string): undefined => void report(path, `${shown(item)} ${problem}`)
  // YAML reads 0049 as the number 49: only a text keeps its zeros.
  if (typeof item !== 'string') return wrong('must be in quotes: a prefix, or a pattern between slashes')
  if (item.startsWith('/')) {
    const pattern = readPattern(item)
    if (typeof pattern === 'string') return wrong(pattern)
    if (field === 'destination' && /^\^?\\\+(?![?*{])[^|]*$/.test(pattern.source)) {
      return wrong('can never match: a destination is digits without +')
    }
    return pattern
  }
  const bare = internationalPrefix(item.replace(/[\s-]/g, ''))
  const isNumber = /^\d+$/.test(bare)
  if (field === 'destination' && !isNumber) {
    return wrong('can never match: a destination is digits (a pattern stands between slashes)')
  }
  if (item === '') return wrong('is empty: leave the line out to match every message')
  const prefix = isNumber ? bare : item
  const most = isNumber ? DIGITS_MAX : SENDER_CHARACTERS_MAX
  return prefix.length > most ? wrong(`can never match: it is longer than ${most} characters`) : prefix
}

function readParts(value: unknown, path: string, report: Report): ReturnType<Reader> {
  const count = (number: unknown, at: string): number | undefined => {
    if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= PARTS_MAX)
      return number
    return void report(at, `${shown(number)} is no number of parts: 1 to ${PARTS_MAX}`)
  }
  if (typeof value !== 'object') {
    const exactly = count(value, path)
    return exactly === undefined ? undefined : { field: 'parts', min: exactly, max: exactly }
  }
  const fields = readMap(value, path, ['min', 'max'], report)
  if (!fields) return undefined
  const min = count(fields.min ?? 1, `${path}.min`)
  const max = fields.max === undefined ? Number.POSITIVE_INFINITY : count(fields.max, `${path}.max`)
  if (min === undefined || max === undefined) return undefined
  if (min > max)
    return void report(path, `can never match: no message has at least ${min} and at most ${max} parts`)
  return min === 1 && max === Number.POSITIVE_INFINITY ? true : { field: 'parts', min, max }
}

function readTime(value: unknown, path: string, report: Report): ReturnType<Reader> {
  const fields = readMap(value, path, ['from', 'to', 'days', 'zone'], report)
  if (!fields) return undefined
  const { from = '00:00', to = '24:00', days = 'mon-sun', zone = 'UTC' } = fields
  const moment = (text: unknown, key: string): number | undefined =>
    readTimeOfDay(String(text)) ??
    void report(`${path}.${key}`, `${shown(text)} is no time of day: write it as "08:00", up to "24:00"`)
  const start = moment(from, 'from')
  const end = moment(to, 'to')
  const named = readEach(days, `${path}.days`, report, (item, at) => {
    return (
      readDays(String(item)) ??
      void report(at, `${shown(item)} is no day: mon, tue, wed, thu, fri, sat, sun or a span as mon-fri`)
    )
  })
  if (!isZone(String(zone))) {
    report(`${path}.zone`, `${shown(zone)} is no time zone: write one as Europe/Berlin or UTC`)
    return undefined
  }
  if (start === undefined || end === undefined || !named) return undefined
  if (start === end) return void report(path, `can never match: it ends at ${String(to)} as it begins`)
  const minutes = weekMinutes(named.flat(), start, end)
  if (minutes.every(within => within === 1)) return true
  const text = `${String(from)} to ${String(to)} on ${[days].flat().join(', ')} in ${String(zone)}`
  const hours = { zone: String(zone), minutes, text }
  return { field: 'time', hours, weekMinute: weekMinuteIn(hours.zone) }
}

const SHOWN_CHARACTERS_MAX = 60

export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'a map'
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text
}
