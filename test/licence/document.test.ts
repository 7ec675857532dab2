import { expect, test } from 'bun:test'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import {
  canonical,
  expiresAt,
  type Grant,
  isSignedBy,
  parseLicence,
  readPublicKey,
  signLicence,
  writePublicKey,
} from '../../src/licence/document.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const grant: Grant = { company: 'Acme "Ö" €', valid_until: '2026-12-31', max_connections: 10, max_tps: 500 }
const signed = signLicence(grant, privateKey)
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

test('what is signed is RFC 8785 of the four members: sorted names, no spaces, UTF-8', () => {
  expect(new TextDecoder().decode(canonical(grant))).toBe(
    '{"company":"Acme \\"Ö\\" €","max_connections":10,"max_tps":500,"valid_until":"2026-12-31"}',
  )
})

test('a licence reads as it was signed, in any order and layout of its members', () => {
  const turnedRound = Object.fromEntries(Object.entries(signed).reverse())
  const read = parseLicence(new TextEncoder().encode(JSON.stringify(turnedRound, null, 4)))
  expect(read).toEqual(signed)
  expect(isSignedBy(read, publicKey)).toBe(true)
})

test.each([
  ['company', 'Acme'],
  ['valid_until', '2027-12-31'],
  ['max_connections', 0],
  ['max_tps', 501],
  ['signature', `${'A'.repeat(86)}==`],
])('a changed %s is not what was signed', (member, value) => {
  expect(isSignedBy(parseLicence(bytesOf({ ...signed, [member]: value })), publicKey)).toBe(false)
})

test('the signature is the one that RFC 8032 gives for this key (test 1) and these octets', () => {
  const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
  const pkcs8 = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex')
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const theirs = readPublicKey(
    Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex').toString('base64'),
  )
  expect(isSignedBy(signLicence(grant, key), theirs)).toBe(true)
  expect(isSignedBy(signed, theirs)).toBe(false)
})

test.each([
  ['not JSON', new TextEncoder().encode('{"company":'), 'is not a JSON document'],
  [
    'not UTF-8',
    Buffer.from(JSON.stringify({ ...signed, company: '\xff' }), 'latin1'),
    'is not a JSON document',
  ],
  ['an array', bytesOf([]), 'is not a JSON object'],
  ['null', bytesOf(null), 'is not a JSON object'],
  ['no company', bytesOf({ ...signed, company: ' ' }), 'has no "company"'],
  ['a lone surrogate', bytesOf({ ...signed, company: '\ud800' }), 'has no "company"'],
  ['a long company', bytesOf({ ...signed, company: 'x'.repeat(257) }), 'more than 256 characters'],
  ['a date that is none', bytesOf({ ...signed, valid_until: '2026-02-30' }), 'has no "valid_until"'],
  ['a date with a time', bytesOf({ ...signed, valid_until: '2026-02-20T00:00:00Z' }), 'has no "valid_until"'],
  ['connections below 0', bytesOf({ ...signed, max_connections: -1 }), 'has no "max_connections"'],
  ['half a message', bytesOf({ ...signed, max_tps: 0.5 }), 'has no "max_tps"'],
  ['a number as text', bytesOf({ ...signed, max_tps: '5' }), 'has no "max_tps"'],
  ['a TPS past all measure', bytesOf({ ...signed, max_tps: 1e9 }), 'has no "max_tps"'],
  ['no signature', bytesOf(grant), 'has no "signature"'],
  ['a short signature', bytesOf({ ...signed, signature: 'AAAA' }), 'has no "signature"'],
  ['an unsigned member', bytesOf({ ...signed, max_users: 5 }), 'member "max_users" that no signature covers'],
  ['too large', new Uint8Array(1024 * 1024 + 1), 'is larger than'],
])('%s is refused with the reason', (_what, bytes, reason) => {
  expect(() => parseLicence(bytes)).toThrow(reason)
})

test('a licence may grant as much, to as long a name, as there is room for', () => {
  const most = { ...grant, company: 'x'.repeat(256), max_connections: 1_000_000, max_tps: 1_000_000 }
  const largest = signLicence(most, privateKey)
  expect(parseLicence(bytesOf(largest))).toEqual(largest)
  const padded = Buffer.from(JSON.stringify(largest).padEnd(1024 * 1024))
  expect(parseLicence(padded)).toEqual(largest)
})

test('nothing is signed that would not be read', () => {
  expect(() => signLicence({ ...grant, valid_until: '31.12.2026' }, privateKey)).toThrow('valid_until')
})

test('a licence is valid through the end of its last day in UTC', () => {
  expect(expiresAt(grant)).toBe(Date.UTC(2027, 0, 1))
})

test('a public key is base64 of 32 octets, both ways', () => {
  const text = writePublicKey(publicKey)
  expect(Buffer.from(text, 'base64')).toHaveLength(32)
  expect(isSignedBy(signed, readPublicKey(text))).toBe(true)
  const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString()
  for (const bad of ['', 'AAAA', text.slice(0, -1), pem])
    expect(() => readPublicKey(bad)).toThrow('license.public_key')
})
