import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { isDay } from '../rfc3339.ts'

/** What a licence grants. */
export interface Grant {
  readonly company: string
  /** `YYYY-MM-DD`: valid through the end of that day, UTC. */
  readonly valid_until: string
  /** Bound links, a pair being one; 0: no limit. */
  readonly max_connections: number
  /** Parts a second over all links; 0: no limit. */
  readonly max_tps: number
}

/** As it is uploaded and kept: `signature` is base64 of the 64 octets of Ed25519 (RFC 8032) over {@link canonical}. */
export interface SignedLicence extends Grant {
  readonly signature: string
}

const COMPANY_CHARACTERS_MAX = 256
/** Of `max_connections` and `max_tps`. */
export const LIMIT_MAX = 1_000_000
const DOCUMENT_BYTES_MAX = 1024 * 1024

const wrong = (what: string): GatewayError => new GatewayError('invalid', `the licence ${what}`)

/**
 * The octets that are signed: RFC 8785 (JCS) of the four members without the signature. For well-formed
 * strings and integers that is `JSON.stringify` with the names in order.
 */
export function canonical({ company, max_connections, max_tps, valid_until }: Grant): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ company, max_connections, max_tps, valid_until }))
}

export function signLicence(grant: Grant, privateKey: KeyObject): SignedLicence {
  checkGrant(grant)
  return { ...grant, signature: sign(null, canonical(grant), privateKey).toString('base64') }
}

export function isSignedBy(licence: SignedLicence, publicKey: KeyObject): boolean {
  return verify(null, canonical(licence), publicKey, Buffer.from(licence.signature, 'base64'))
}

/** The document's form, without a look at its signature. Throws a GatewayError `invalid` that says what is wrong. */
export function parseLicence(bytes: Uint8Array): SignedLicence {
  if (bytes.length > DOCUMENT_BYTES_MAX) throw wrong(`is larger than ${DOCUMENT_BYTES_MAX} octets`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw wrong('is not a JSON document')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('is not a JSON object')
  const { company, valid_until, max_connections, max_tps, signature, ...others } = value as Record<
    string,
    unknown
  >
  const [other] = Object.keys(others)
  if (other !== undefined) throw wrong(`has a member "${other.slice(0, 64)}" that no signature covers`)
  const grant = checkGrant({ company, valid_until, max_connections, max_tps })
  if (typeof signature !== 'string' || !/^[A-Za-z\d+/]{86}==$/.test(signature)) {
    throw wrong('has no "signature": base64 of 64 octets')
  }
  return { ...grant, signature }
}

function checkGrant(fields: Record<keyof Grant, unknown>): Grant {
  const { company, valid_until } = fields
  if (typeof company !== 'string' || company.trim() === '' || !company.isWellFormed()) {
    throw wrong('has no "company": the name of the licensee')
  }
  if (company.length > COMPANY_CHARACTERS_MAX) {
    throw wrong(`has a "company" of more than ${COMPANY_CHARACTERS_MAX} characters`)
  }
  if (typeof valid_until !== 'string' || !isDay(valid_until)) {
    throw wrong('has no "valid_until": a date written YYYY-MM-DD')
  }
  const limit = (name: 'max_connections' | 'max_tps'): number => {
    const value = fields[name]
    if (Number.isInteger(value) && typeof value === 'number' && value >= 0 && value <= LIMIT_MAX) return value
    throw wrong(`has no "${name}": a whole number from 0 (no limit) to ${LIMIT_MAX}`)
  }
  return { company, valid_until, max_connections: limit('max_connections'), max_tps: limit('max_tps') }
}

/** The first moment, in Unix milliseconds, at which `grant` is valid no more. */
export const expiresAt = (grant: Grant): number =>
  Date.parse(`${grant.valid_until}T00:00:00Z`) + 24 * 3600 * 1000

export const isPublicKey = (text: string): boolean => /^[A-Za-z\d+/]{43}=$/.test(text)
export const NO_PUBLIC_KEY =
  'is not base64 of the 32 octets of an Ed25519 public key, as `sms-proxy license keygen` prints it'

/** Base64 of the 32 octets of an Ed25519 public key: what `license.public_key` holds. */
export function readPublicKey(text: string): KeyObject {
  if (!isPublicKey(text)) throw new GatewayError('invalid', `license.public_key ${NO_PUBLIC_KEY}`)
  const x = Buffer.from(text, 'base64').toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

export function writePublicKey(key: KeyObject): string {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64')
}
