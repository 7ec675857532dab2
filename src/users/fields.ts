import { GatewayError } from '../errors.ts'
import { type IpList, parseIpList } from '../ip_list.ts'

const EMAIL_MAX = 254
const PASSWORD_MIN = 6
const PASSWORD_MAX = 256
const APP_NAME_MAX = 64
const APP_SECRET_MIN = 8
const APP_SECRET_MAX = 256
const ALLOWED_IPS_MAX = 256

/** How long each may be, in the words of its error and of the API's document. */
export const FIELD_LENGTHS = {
  email: `at most ${EMAIL_MAX} characters`,
  password: `${PASSWORD_MIN} to ${PASSWORD_MAX} characters`,
  app_name: `1 to ${APP_NAME_MAX} characters`,
  app_secret: `${APP_SECRET_MIN} to ${APP_SECRET_MAX} characters`,
  allowed_ips: `at most ${ALLOWED_IPS_MAX} entries`,
} as const

const EMAIL = /^[^\s@\p{C}]+@[^\s@\p{C}]+$/u
const CONTROLS = /\p{Cc}/u

export const invalid = (text: string): GatewayError => new GatewayError('invalid', text)

/** One spelling for each mailbox: without spaces around it, lower case, NFC: J̌ has no form in one character, ǰ has. */
export const normaliseEmail = (text: string): string => text.trim().toLowerCase().normalize('NFC')

export function checkEmail(text: string): string {
  const email = normaliseEmail(text)
  if (email === '') throw invalid('email is required')
  if (email.length > EMAIL_MAX || !EMAIL.test(email)) {
    throw invalid(`email must look like name@example.com and have ${FIELD_LENGTHS.email}`)
  }
  return email
}

export function checkPassword(text: string): string {
  if (text === '') throw invalid('password is required')
  return within('password', text, PASSWORD_MIN, PASSWORD_MAX)
}

export function checkAppName(text: string): string {
  const name = text.trim().normalize('NFC')
  if (name === '') throw invalid('app_name is required')
  if (CONTROLS.test(name)) throw invalid('app_name must have no control characters')
  return within('app_name', name, 1, APP_NAME_MAX)
}

export function checkAppSecret(text: string): string {
  if (text === '') throw invalid('app_secret is required')
  return within('app_secret', text, APP_SECRET_MIN, APP_SECRET_MAX)
}

/** The list as it is; throws with the entries that are no network. */
export function checkAllowedIps(entries: readonly string[]): readonly string[] {
  if (entries.length > ALLOWED_IPS_MAX) throw invalid(`allowed_ips must have ${FIELD_LENGTHS.allowed_ips}`)
  const parsed = parseIpList(entries)
  if ('problems' in parsed)
    throw invalid(`allowed_ips: ${parsed.problems.map(one => one.message).join('; ')}`)
  return entries
}

/** A list that was checked before it was stored. */
export function storedIps(entries: readonly string[]): IpList {
  const parsed = parseIpList(entries)
  if ('problems' in parsed)
    throw new Error(`allowed_ips in the user database: ${parsed.problems[0]?.message}`)
  return parsed.list
}

function within(field: keyof typeof FIELD_LENGTHS, text: string, min: number, max: number): string {
  if (text.length >= min && text.length <= max) return text
  throw invalid(`${field} must have ${FIELD_LENGTHS[field]}`)
}
