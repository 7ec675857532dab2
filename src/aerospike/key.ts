import { invalid } from './errors.ts'
import { particleTypes } from './protocol/particles.ts'
import { Writer } from './protocol/writer.ts'

export type UserKey = string | number | bigint | Uint8Array

export const DIGEST_BYTES = 20
/** Namespaces are divided into this many partitions, by the first 12 bits of the digest, little-endian. */
export const PARTITIONS = 4096

const NAMESPACE_BYTES_MAX = 31
const SET_BYTES_MAX = 63

const scratch = new Writer(1024)

/**
 * Names a record. On the wire it is known by its digest: RIPEMD-160 over the set's name, the type octet of
 * the key, and the key (integers as 64 bits, big-endian).
 * https://aerospike.com/docs/database/learn/architecture/data-storage/data-model
 */
export class Key {
  constructor(
    readonly namespace: string,
    /** Empty for none. */
    readonly set: string,
    /** Undefined in a record that was read and whose writer did not store its key. */
    readonly value: UserKey | undefined,
    readonly digest: Uint8Array,
  ) {}

  get partition(): number {
    return partitionOf(this.digest)
  }
}

/** Names a record by its user key; an integer must be safe or a `bigint` of 64 bits. */
export function key(namespace: string, set: string, value: UserKey): Key {
  checkNames(namespace, set)
  return new Key(namespace, set, value, digestOf(set, value))
}

export function checkNames(namespace: string, set: string): void {
  if (namespace === '' || Buffer.byteLength(namespace) > NAMESPACE_BYTES_MAX) {
    throw invalid(`A namespace has 1 to ${NAMESPACE_BYTES_MAX} octets: "${namespace}".`)
  }
  if (Buffer.byteLength(set) > SET_BYTES_MAX)
    throw invalid(`A set's name has at most ${SET_BYTES_MAX} octets: "${set}".`)
}

export function partitionOf(digest: Uint8Array): number {
  return ((digest[0] ?? 0) | ((digest[1] ?? 0) << 8)) & (PARTITIONS - 1)
}

export function digestOf(set: string, value: UserKey): Uint8Array {
  scratch.at = 0
  scratch.text(set)
  const typeAt = scratch.at
  scratch.u8(0)
  scratch.setU8(typeAt, writeUserKey(scratch, value))
  const digest = new Uint8Array(DIGEST_BYTES)
  Bun.CryptoHasher.hash('ripemd160', scratch.taken(), digest)
  return digest
}

/** Writes the key's octets and answers their type. */
export function writeUserKey(writer: Writer, value: UserKey): number {
  if (typeof value === 'string') {
    writer.text(value)
    return particleTypes.string
  }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw invalid(`A key cannot be the number ${value}: only safe integers can.`)
    writer.i64(value)
    return particleTypes.integer
  }
  if (typeof value === 'bigint') {
    writer.bigint64(value)
    return particleTypes.integer
  }
  writer.octets(value)
  return particleTypes.blob
}
