import { resultCodes } from '../../src/aerospike/errors.ts'
import { partitionOf } from '../../src/aerospike/key.ts'
import { fieldTypes } from '../../src/aerospike/protocol/fields.ts'
import { info1 } from '../../src/aerospike/protocol/header.ts'
import { particleTypes, readParticle } from '../../src/aerospike/protocol/particles.ts'
import { Reader } from '../../src/aerospike/protocol/reader.ts'
import { readValue } from './aerospike_collections.ts'
import type { StoredRecord } from './aerospike_records.ts'
import { type Answer, namespaceOf, type Request, textOf } from './aerospike_wire.ts'

/** What a query asks for, and the answers to it. */

export interface Range {
  readonly bin: string
  readonly from: string | number
  readonly to: string | number
}

export function readWhere(request: Request): Range | undefined {
  const field = request.fields.get(fieldTypes.indexRange)
  if (!field) return undefined
  const reader = new Reader(field)
  reader.skip(1)
  const bin = reader.text(reader.u8())
  const type = reader.u8()
  const bound = (): string | number => {
    const value = readParticle(reader, type, reader.u32())
    return typeof value === 'string' ? value : Number(value)
  }
  return { bin, from: bound(), to: bound() }
}

/** The partitions asked for, and after which digest each goes on. */
export function readPartitions(request: Request): Map<number, Uint8Array | undefined> {
  const wanted = new Map<number, Uint8Array | undefined>()
  const whole = request.fields.get(fieldTypes.partitions) ?? new Uint8Array()
  for (let at = 0; at < whole.length; at += 2)
    wanted.set((whole[at] ?? 0) | ((whole[at + 1] ?? 0) << 8), undefined)
  const begun = request.fields.get(fieldTypes.resumeDigests) ?? new Uint8Array()
  for (let at = 0; at < begun.length; at += 20) {
    const digest = begun.subarray(at, at + 20)
    wanted.set(partitionOf(digest), digest)
  }
  return wanted
}

export function matches(
  record: StoredRecord,
  request: Request,
  where: Range | undefined,
  wanted: ReadonlyMap<number, Uint8Array | undefined>,
): boolean {
  const set = textOf(request, fieldTypes.set)
  const partition = partitionOf(record.digest)
  const after = wanted.get(partition)
  if (!wanted.has(partition) || (set !== '' && record.set !== set)) return false
  if (after && Buffer.compare(record.digest, after) <= 0) return false
  if (!where) return true
  const particle = record.bins.get(where.bin)
  const value = particle && readValue(particle)
  if (typeof value !== typeof where.from || (typeof value !== 'string' && typeof value !== 'number'))
    return false
  return value >= where.from && value <= where.to
}

export function queried(record: StoredRecord, request: Request, where: Range | undefined): Answer {
  const names = request.operations.map(({ bin }) => bin)
  const bins = [...record.bins].filter(([bin]) => names.length === 0 || names.includes(bin))
  return {
    resultCode: resultCodes.OK,
    generation: record.generation,
    voidTime: record.voidTime,
    fields: [
      [fieldTypes.namespace, Buffer.from(namespaceOf(request))],
      [fieldTypes.set, Buffer.from(record.set)],
      [fieldTypes.digest, record.digest],
      ...(record.userKey ? [[fieldTypes.key, record.userKey] as const] : []),
      ...(where ? [[fieldTypes.resumeValues, Buffer.alloc(8)] as const] : []),
    ],
    bins: request.info1 & info1.noBins ? [] : bins.filter(([, { type }]) => type !== particleTypes.null),
  }
}
