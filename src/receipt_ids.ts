import { idKey } from './store/id_key.ts'

/**
 * SMSCs name a message in one number base in their response and in another in its receipt. Which one an
 * account does is not known before its first receipt, so all are looked for, the likeliest first.
 */

/** How a receipt's id becomes the response's: as it stands, read as decimal, read as hexadecimal. */
export type Base = 'same' | 'decimal' | 'hexadecimal'

export interface IdForm {
  readonly base: Base
  /** As the store indexes it (`idKey`). */
  readonly id: string
}

/** A number longer than this (a UUID has 32 digits) is a string of digits, not a number in some base. */
const DIGITS_MAX = 32

/** The forms under which the SMSC may have given this id in its response, each once; none for an empty id. */
export function idForms(id: string): readonly IdForm[] {
  const same = idKey(id)
  if (same === '') return []
  const forms: IdForm[] = [{ base: 'same', id: same }]
  if (same.length > DIGITS_MAX) return forms
  const kind = digitsOf(same)
  if (kind === 'decimal') add(forms, 'decimal', inHexadecimal(same))
  if (kind !== undefined) add(forms, 'hexadecimal', inDecimal(same))
  return forms
}

/** What a number is written with; undefined when it is none. */
function digitsOf(id: string): 'decimal' | 'hexadecimal' | undefined {
  let digits: 'decimal' | 'hexadecimal' | undefined
  for (let at = 0; at < id.length; at++) {
    const code = id.charCodeAt(at)
    if (code >= ZERO && code <= NINE) digits ??= 'decimal'
    else if (code >= LETTER_A && code <= LETTER_F) digits = 'hexadecimal'
    else return undefined
  }
  return digits
}

const ZERO = 48
const NINE = 57
const LETTER_A = 97
const LETTER_F = 102

/** As many digits of any base up to 16 are a safe integer, which takes a fifth of a BigInt's time. */
const SAFE_DIGITS = 13

const inHexadecimal = (decimal: string): string =>
  decimal.length <= SAFE_DIGITS ? Number(decimal).toString(16) : BigInt(decimal).toString(16)

const inDecimal = (hexadecimal: string): string =>
  hexadecimal.length <= SAFE_DIGITS
    ? Number.parseInt(hexadecimal, 16).toString()
    : BigInt(`0x${hexadecimal}`).toString()

function add(forms: IdForm[], base: Base, id: string): void {
  for (const form of forms) if (form.id === id) return
  forms.push({ base, id })
}

/** More accounts than any gateway has; the one that was first learned goes first. */
const ACCOUNTS_MAX = 1000

/** What each SMSC account was last seen to do, so that its next receipt is found at the first look. */
export class AccountHabits {
  readonly #bases = new Map<string, Base>()

  /** `idForms(id)`, the account's own habit first. */
  forms(account: string, id: string): readonly IdForm[] {
    const forms = idForms(id)
    const base = this.#bases.get(account)
    if (base === undefined || forms[0]?.base === base) return forms
    const habit = forms.find(form => form.base === base)
    return habit ? [habit, ...forms.filter(form => form !== habit)] : forms
  }

  /** `forms`, as `forms()` gave them, found their message under the one at `index`. */
  learned(account: string, forms: readonly IdForm[], index: number): void {
    const form = forms[index]
    // With one form there was no choice: a single digit is the same in both bases.
    if (!form || forms.length < 2) return
    this.#bases.set(account, form.base)
    if (this.#bases.size <= ACCOUNTS_MAX) return
    for (const first of this.#bases.keys()) {
      this.#bases.delete(first)
      break
    }
  }
}
