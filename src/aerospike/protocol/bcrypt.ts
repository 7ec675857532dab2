/**
 * bcrypt with the one salt and cost that Aerospike's protocol fixes (`$2a$10$7EqJtq98hPqEX7fNZaFWoO`), so
 * that the server can compare without knowing the password. `Bun.password` draws its own salt, hence this.
 * Provos and Mazières, "A Future-Adaptable Password Scheme" (1999); Blowfish: Schneier (1993).
 */
const SALT = '7EqJtq98hPqEX7fNZaFWoO'
const COST = 10
const ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const ROUNDS = 16
const KEY_BYTES_MAX = 72
const S_BOXES_AT = ROUNDS + 2
const STATE_WORDS = S_BOXES_AT + 4 * 256
/** The text that is enciphered, "OrpheanBeholderScryDoubt", as big-endian words. */
const MAGIC = [0x4f727068, 0x65616e42, 0x65686f6c, 0x64657253, 0x63727944, 0x6f756274] as const

/** Takes some tens of milliseconds: once a client, not once a connection. */
export function hashPassword(password: string): string {
  const secret = Buffer.from(`${password}\0`).subarray(0, KEY_BYTES_MAX)
  const salt = decode(SALT)
  const state = piWords().slice()
  expandKey(state, secret, salt)
  for (let round = 0; round < 2 ** COST; round++) {
    expandKey(state, secret, undefined)
    expandKey(state, salt, undefined)
  }
  const block = Uint32Array.from(MAGIC)
  for (let pair = 0; pair < block.length; pair += 2)
    for (let times = 0; times < 64; times++) encipher(state, block, pair)
  const octets = Buffer.alloc(24)
  block.forEach((word, index) => void octets.writeUInt32BE(word, index * 4))
  return `$2a$${COST}$${SALT}${encode(octets.subarray(0, 23))}`
}

function expandKey(state: Uint32Array, key: Uint8Array, salt: Uint8Array | undefined): void {
  let keyAt = 0
  const keyWord = (octets: Uint8Array): number => {
    let word = 0
    for (let index = 0; index < 4; index++, keyAt++) word = (word << 8) | (octets[keyAt % octets.length] ?? 0)
    return word
  }
  for (let index = 0; index < S_BOXES_AT; index++) state[index] = (state[index] ?? 0) ^ keyWord(key)
  keyAt = 0
  const block = new Uint32Array(2)
  for (let index = 0; index < STATE_WORDS; index += 2) {
    if (salt) {
      block[0] = (block[0] ?? 0) ^ keyWord(salt)
      block[1] = (block[1] ?? 0) ^ keyWord(salt)
    }
    encipher(state, block, 0)
    state[index] = block[0] ?? 0
    state[index + 1] = block[1] ?? 0
  }
}

/** Blowfish, on two words in place. */
function encipher(state: Uint32Array, block: Uint32Array, at: number): void {
  let left = (block[at] ?? 0) ^ (state[0] ?? 0)
  let right = block[at + 1] ?? 0
  for (let round = 1; round <= ROUNDS; round += 2) {
    right ^= mix(state, left) ^ (state[round] ?? 0)
    left ^= mix(state, right) ^ (state[round + 1] ?? 0)
  }
  block[at] = right ^ (state[ROUNDS + 1] ?? 0)
  block[at + 1] = left
}

function mix(state: Uint32Array, word: number): number {
  const a = state[S_BOXES_AT + (word >>> 24)] ?? 0
  const b = state[S_BOXES_AT + 256 + ((word >>> 16) & 0xff)] ?? 0
  const c = state[S_BOXES_AT + 512 + ((word >>> 8) & 0xff)] ?? 0
  const d = state[S_BOXES_AT + 768 + (word & 0xff)] ?? 0
  return ((((a + b) | 0) ^ c) + d) | 0
}

/** Blowfish begins from the fraction of π in binary: 1042 words, by Machin's formula rather than a table. */
function piWords(): Uint32Array {
  const bits = STATE_WORDS * 32
  const guardBits = 64
  const one = 1n << BigInt(bits + guardBits)
  const pi = 4n * (4n * arctanOfInverse(5n, one) - arctanOfInverse(239n, one))
  let fraction = (pi - 3n * one) >> BigInt(guardBits)
  const words = new Uint32Array(STATE_WORDS)
  for (let index = STATE_WORDS - 1; index >= 0; index--) {
    words[index] = Number(fraction & 0xffffffffn)
    fraction >>= 32n
  }
  return words
}

function arctanOfInverse(x: bigint, one: bigint): bigint {
  let power = one / x
  let sum = power
  for (let divisor = 3n, sign = -1n; power > 0n; divisor += 2n, sign = -sign) {
    power /= x * x
    sum += (sign * power) / divisor
  }
  return sum
}

/** bcrypt's own base64: other letters, no padding. */
function encode(octets: Uint8Array): string {
  let text = ''
  let held = 0
  let heldBits = 0
  for (const octet of octets) {
    held = (held << 8) | octet
    heldBits += 8
    while (heldBits >= 6) {
      heldBits -= 6
      text += ALPHABET.charAt((held >> heldBits) & 0x3f)
    }
    held &= 0xff
  }
  if (heldBits > 0) text += ALPHABET.charAt((held << (6 - heldBits)) & 0x3f)
  return text
}

function decode(text: string): Uint8Array {
  const octets = new Uint8Array(Math.floor((text.length * 6) / 8))
  let held = 0
  let heldBits = 0
  let at = 0
  for (const character of text) {
    held = ((held << 6) | ALPHABET.indexOf(character)) & 0xffff
    heldBits += 6
    if (heldBits >= 8 && at < octets.length) {
      heldBits -= 8
      octets[at++] = (held >> heldBits) & 0xff
    }
  }
  return octets
}
