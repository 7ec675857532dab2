import { resultCodes } from '../../src/aerospike/errors.ts'
import { fieldTypes } from '../../src/aerospike/protocol/fields.ts'
import { info1, info2, info3 } from '../../src/aerospike/protocol/header.ts'
import { operationTypes } from '../../src/aerospike/protocol/operations.ts'
import { particleTypes } from '../../src/aerospike/protocol/particles.ts'
import { collect, nothing, particleOf, Refusal, readValue } from './aerospike_collections.ts'
import {
  type Answer,
  namespaceOf,
  type Particle,
  type Request,
  type RequestOperation,
  textOf,
} from './aerospike_wire.ts'

export interface StoredRecord {
  readonly digest: Uint8Array
  readonly set: string
  readonly userKey: Uint8Array | undefined
  readonly bins: ReadonlyMap<string, Particle>
  readonly generation: number
  /** Seconds since 2010-01-01; 0 never. */
  readonly voidTime: number
}

const EPOCH_SECONDS = 1_262_304_000
const TTL_NEVER = 0xffffffff
const TTL_UNCHANGED = 0xfffffffe

/** The records of a cluster, in memory, and what requests do to them. */
export class Records {
  readonly #byNamespace = new Map<string, Map<string, StoredRecord>>()

  /** It takes no writes then, and lets records be removed. */
  full = false

  constructor(
    namespaces: readonly string[],
    private readonly now: () => number,
    readonly octetsMax = Number.POSITIVE_INFINITY,
  ) {
    for (const namespace of namespaces) this.#byNamespace.set(namespace, new Map())
  }

  get namespaces(): readonly string[] {
    return [...this.#byNamespace.keys()]
  }

  /** Those that have not expired, in the order of their digests. */
  all(namespace: string): readonly StoredRecord[] {
    const records = [...(this.#byNamespace.get(namespace)?.values() ?? [])]
    return records
      .filter(record => !this.#expired(record))
      .sort((one, other) => Buffer.compare(one.digest, other.digest))
  }

  apply(request: Request, digest: Uint8Array): Answer {
    const records = this.#byNamespace.get(namespaceOf(request))
    if (!records) return { resultCode: resultCodes.INVALID_NAMESPACE }
    const id = Buffer.from(digest).toString('hex')
    const found = records.get(id)
    const record = found && !this.#expired(found) ? found : undefined
    try {
      if (request.info2 & info2.delete) {
        checkGeneration(request, record)
        if (!record) return { resultCode: resultCodes.RECORD_NOT_FOUND }
        records.delete(id)
        return { resultCode: resultCodes.OK }
      }
      if (request.info2 & info2.write) return this.#write(records, id, digest, request, record)
      return record ? read(request, record) : { resultCode: resultCodes.RECORD_NOT_FOUND }
    } catch (error) {
      if (error instanceof Refusal) return { resultCode: error.resultCode }
      throw error
    }
  }

  #write(
    records: Map<string, StoredRecord>,
    id: string,
    digest: Uint8Array,
    request: Request,
    record: StoredRecord | undefined,
  ): Answer {
    if (this.full) throw new Refusal(resultCodes.SERVER_MEM_ERROR)
    checkExistence(request, record)
    checkGeneration(request, record)
    const replaces = (request.info3 & (info3.createOrReplace | info3.replaceOnly)) !== 0
    const bins = new Map(replaces ? [] : record?.bins)
    const answers: [string, Particle][] = []
    for (const operation of request.operations) {
      if (operation.type === operationTypes.touch && !record) throw new Refusal(resultCodes.RECORD_NOT_FOUND)
      const answer = step(bins, operation)
      if (operation.type === operationTypes.touch) continue
      if (request.info2 & info2.respondAllOps || answer !== nothing) answers.push([operation.bin, answer])
    }
    const written: StoredRecord = {
      digest,
      set: textOf(request, fieldTypes.set),
      userKey: request.fields.get(fieldTypes.key) ?? record?.userKey,
      bins,
      generation: ((record?.generation ?? 0) % 0xffff) + 1,
      voidTime: this.#voidTime(request.ttl, record),
    }
    const octets = [...bins.values()].reduce((sum, bin) => sum + bin.octets.length, 0)
    if (octets > this.octetsMax) throw new Refusal(resultCodes.RECORD_TOO_BIG)
    if (bins.size === 0) records.delete(id)
    else records.set(id, written)
    return {
      resultCode: resultCodes.OK,
      generation: written.generation,
      voidTime: written.voidTime,
      bins: answers,
    }
  }

  #voidTime(ttl: number, record: StoredRecord | undefined): number {
    if (ttl === TTL_UNCHANGED) return record?.voidTime ?? 0
    return ttl === 0 || ttl === TTL_NEVER ? 0 : this.#seconds() + ttl
  }

  #expired(record: StoredRecord): boolean {
    return record.voidTime !== 0 && record.voidTime <= this.#seconds()
  }

  #seconds(): number {
    return Math.floor(this.now() / 1000) - EPOCH_SECONDS
  }
}

function read(request: Request, record: StoredRecord): Answer {
  const { generation, voidTime } = record
  const answer = { resultCode: resultCodes.OK, generation, voidTime }
  if (request.info1 & info1.noBins) return answer
  if (request.info1 & info1.getAll) return { ...answer, bins: [...record.bins] }
  const bins: [string, Particle][] = []
  for (const operation of request.operations) {
    const value = step(new Map(record.bins), operation)
    if (request.info2 & info2.respondAllOps || value !== nothing) bins.push([operation.bin, value])
  }
  return { ...answer, bins }
}

function checkExistence(request: Request, record: StoredRecord | undefined): void {
  if (record && request.info2 & info2.createOnly) throw new Refusal(resultCodes.RECORD_EXISTS)
  if (!record && request.info3 & (info3.updateOnly | info3.replaceOnly)) {
    throw new Refusal(resultCodes.RECORD_NOT_FOUND)
  }
}

function checkGeneration(request: Request, record: StoredRecord | undefined): void {
  if (!(request.info2 & info2.generation)) return
  if ((record?.generation ?? 0) !== request.generation) throw new Refusal(resultCodes.GENERATION_ERROR)
}

/** Does one operation to the bins; answers its result, or `nothing`. */
function step(bins: Map<string, Particle>, operation: RequestOperation): Particle {
  const { type, bin, value } = operation
  const before = bins.get(bin)
  switch (type) {
    case operationTypes.read:
      return before ?? nothing
    case operationTypes.write:
      if (value.type === particleTypes.null) bins.delete(bin)
      else bins.set(bin, value)
      return nothing
    case operationTypes.increment:
      bins.set(bin, before ? add(before, value) : value)
      return nothing
    case operationTypes.append:
    case operationTypes.prepend: {
      if (before && before.type !== value.type) throw new Refusal(resultCodes.BIN_TYPE_ERROR)
      const old = before?.octets ?? new Uint8Array()
      const octets = Buffer.concat(type === operationTypes.append ? [old, value.octets] : [value.octets, old])
      bins.set(bin, { type: value.type, octets })
      return nothing
    }
    case operationTypes.touch:
      return nothing
    case operationTypes.collectionRead:
    case operationTypes.collectionModify: {
      const { bin: after, answer } = collect(before, value.octets)
      if (after) bins.set(bin, after)
      return answer.type === particleTypes.null ? nothing : answer
    }
    default:
      throw new Refusal(resultCodes.PARAMETER_ERROR)
  }
}

function add(one: Particle, other: Particle): Particle {
  if (one.type !== other.type) throw new Refusal(resultCodes.BIN_TYPE_ERROR)
  const [a, b] = [readValue(one), readValue(other)]
  if (one.type === particleTypes.double && typeof a === 'number' && typeof b === 'number') {
    const octets = Buffer.alloc(8)
    octets.writeDoubleBE(a + b)
    return { type: particleTypes.double, octets }
  }
  const whole = (value: unknown) => {
    if (typeof value === 'number' || typeof value === 'bigint') return BigInt(value)
    throw new Refusal(resultCodes.BIN_TYPE_ERROR)
  }
  return particleOf(BigInt.asIntN(64, whole(a) + whole(b)))
}
