/** Phone numbers and senders as callers write them, brought to the form that SMPP carries (contract §3). */

export type Address =
  /** E.164 without `+`: TON 1 (international), NPI 1 (ISDN). */
  | { readonly kind: 'e164'; readonly digits: string }
  /** 3 to 6 digits: TON and NPI are the link's own habit. */
  | { readonly kind: 'short'; readonly digits: string }
  /** TON 5, NPI 0; at most 11 characters. */
  | { readonly kind: 'alphanumeric'; readonly digits: string }

const DIGITS = /^\d+$/
/** The characters of GSM 03.38 that one octet of ISO 8859-1 can carry in `source_addr`; `@` is NUL in GSM and left out. */
const SENDER = /^[ !"#$%&'()*+,\-./0-9:;<=>?A-Z_a-z¡£¤¥§¿ÄÅÆÇÉÑÖØÜßàäåæèéìñòöøùü]{1,11}$/

export const ADDRESS_RULE =
  'a number of 7 to 15 digits (+ first if you like) or a short code of 3 to 6 digits'
export const SENDER_RULE = `${ADDRESS_RULE}, or a name of 1 to 11 letters and digits`

/** The destination in digits; undefined when it is none. */
export function readDestination(text: string): Address | undefined {
  return readNumber(text)
}

/** The sender: a number, a short code or a name; undefined when it is none. */
export function readSource(text: string): Address | undefined {
  const number = readNumber(text)
  if (number) return number
  const name = text.trim()
  return SENDER.test(name) && /\p{L}/u.test(name) ? { kind: 'alphanumeric', digits: name } : undefined
}

function readNumber(text: string): Address | undefined {
  const bare = text.replace(/[\s-]/g, '')
  const digits = bare.startsWith('+') ? bare.slice(1) : bare
  if (!DIGITS.test(digits)) return undefined
  if (digits.length >= 7 && digits.length <= 15) return { kind: 'e164', digits }
  if (digits.length >= 3 && digits.length <= 6 && bare === digits) return { kind: 'short', digits }
  return undefined
}
