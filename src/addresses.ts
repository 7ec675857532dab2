/** Phone numbers and senders as callers write them, brought to the form that SMPP carries (contract §3). */

export type Address =
  /** E.164 without `+`: TON 1 (international), NPI 1 (ISDN). */
  | { readonly kind: 'e164'; readonly digits: string }
  /** 3 to 6 digits: TON and NPI are the link's own habit. */
  | { readonly kind: 'short'; readonly digits: string }
  /** TON 5, NPI 0; at most 11 characters. */
  | { readonly kind: 'alphanumeric'; readonly digits: string }

/** The characters of GSM 03.38 that one octet of ISO 8859-1 can carry in `source_addr`; `@` is NUL in GSM and left out. */
const SENDER = /^[ !"#$%&'()*+,\-./0-9:;<=>?A-Z_a-z¡£¤¥§¿ÄÅÆÇÉÑÖØÜßàäåæèéìñòöøùü]{1,11}$/

export const ADDRESS_RULE =
  'a number of 7 to 15 digits (+ or 00 first if you like) or a short code of 3 to 6 digits'
export const SENDER_RULE = `${ADDRESS_RULE}, or a name of 1 to 11 letters and digits`

/** The sender: a number, a short code or a name; undefined when it is none. */
export function readSource(text: string): Address | undefined {
  if (isPlainName(text)) return { kind: 'alphanumeric', digits: text }
  const number = readNumber(text)
  if (number) return number
  const name = text.trim()
  return SENDER.test(name) && /\p{L}/u.test(name) ? { kind: 'alphanumeric', digits: name } : undefined
}

/** Numbers as a send would put them to filters, whatever is no number as it stands. */
export function asFiltersSee({
  source,
  destination,
}: {
  readonly source?: string
  readonly destination?: string
}): { readonly source?: string; readonly destination?: string } {
  return {
    ...(source !== undefined && { source: readSource(source)?.digits ?? source }),
    ...(destination !== undefined && { destination: readNumber(destination)?.digits ?? destination }),
  }
}

const SENDER_MAX = 11

/** Letters of ASCII alone, as most names are: the regular expressions for that and for digits took 0.2 µs more of a send. */
function isPlainName(text: string): boolean {
  if (text === '' || text.length > SENDER_MAX) return false
  for (let at = 0; at < text.length; at++) if (!isLetter(text.charCodeAt(at))) return false
  return true
}

const isLetter = (code: number): boolean => (code >= 65 && code <= 90) || (code >= 97 && code <= 122)

function isDigits(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 48 || code > 57) return false
  }
  return text !== ''
}

const INTERNATIONAL = /^(\+(00)?|00(?=\d{7}))/
const INTERNATIONAL_PREFIX = /^(\+|00(?=\d))/

/**
 * A number without spaces and dashes loses what dials out of a country: `+`, or `00` as most have it, since no E.164 number
 * begins with a zero. Written so it would pass by the lists and rules that know it, and an SMSC may take the zeros off.
 * A short code keeps its zeros.
 */
export const international = (bare: string): string => bare.replace(INTERNATIONAL, '')

/** The same of the first digits of numbers, as rules and lists name them. */
export const internationalPrefix = (bare: string): string => bare.replace(INTERNATIONAL_PREFIX, '')

/** A number or a short code, which is all that a destination may be; undefined for anything else. */
export function readNumber(text: string): Address | undefined {
  const bare = isDigits(text) ? text : text.replace(/[\s-]/g, '')
  const digits = international(bare)
  if (!isDigits(digits)) return undefined
  if (digits.length >= 7 && digits.length <= 15) return { kind: 'e164', digits }
  if (digits.length >= 3 && digits.length <= 6 && bare === digits) return { kind: 'short', digits }
  return undefined
}
