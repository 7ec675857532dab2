import { Cluster } from './cluster.ts'
import { type BatchEntry, type BatchResult, runBatch } from './commands/batch.ts'
import { type Query, queryRecords } from './commands/query.ts'
import { type Decoder, RecordCommand, RecordRequest } from './commands/record.ts'
import { AerospikeError, invalid, resultCodes, serverError } from './errors.ts'
import { checkNames, type Key } from './key.ts'
import { type ClientOptions, settingsOf } from './options.ts'
import { type Policy, type ReadPolicy, readFlags, type WritePolicy, writeFlags } from './policy.ts'
import { skipFields } from './protocol/fields.ts'
import { type AnswerHeader, info1, info2 } from './protocol/header.ts'
import {
  alignResults,
  isWrite,
  type Operation,
  operationTypes,
  readOperations,
  writeOperations,
} from './protocol/operations.ts'
import type { Reader } from './protocol/reader.ts'
import { emptyBins, type Operated, type RecordFacts, type StoredRecord, ttlSecondsOf } from './record.ts'
import type { Bins, ReadBins, ReadValue } from './value.ts'

export interface SecondaryIndex {
  /** Unique in its namespace. */
  readonly name: string
  readonly namespace: string
  /** The whole namespace when empty. */
  readonly set: string
  readonly bin: string
  /** What the bin holds. */
  readonly type: 'numeric' | 'string'
}

/** A server's list of operations in one request is a 16-bit count. */
const OPERATIONS_MAX = 65_535
const nothing: readonly Operation[] = []
const wasThere: Decoder<boolean> = { answer: () => true, missing: () => false }

/**
 * A client of an Aerospike cluster. Every method rejects with an {@link AerospikeError} and nothing else;
 * `inDoubt` tells whether a write that failed may have been applied all the same.
 */
export class AerospikeClient {
  readonly #cluster: Cluster
  // One of each for all requests: a decoder made for each would cost as much as reading the answer.
  readonly #facts: Decoder<RecordFacts>
  readonly #factsIfAny: Decoder<RecordFacts | undefined>
  readonly #record: Decoder<StoredRecord | undefined>
  readonly #results: Decoder<Operated>

  /** Connects to nothing yet: see {@link connect}. */
  constructor(options: ClientOptions) {
    this.#cluster = new Cluster(settingsOf(options))
    this.#facts = {
      answer: header => ({ generation: header.generation, ttlSeconds: this.#ttlSeconds(header) }),
    }
    this.#factsIfAny = { ...this.#facts, missing: () => undefined }
    this.#record = {
      answer: (header, reader, { key }) => ({
        key,
        bins: readBins(header, reader),
        generation: header.generation,
        ttlSeconds: this.#ttlSeconds(header),
      }),
      missing: () => undefined,
    }
    this.#results = {
      answer: (header, reader, { operations }) => ({
        generation: header.generation,
        ttlSeconds: this.#ttlSeconds(header),
        results: readResults(header, reader, operations),
      }),
    }
  }

  /**
   * Looks for the cluster, and goes on looking until {@link close}: rejects when no host answers now, and
   * later calls succeed as soon as one does.
   */
  async connect(): Promise<void> {
    await this.#cluster.start()
    if (this.#cluster.fault) throw this.#cluster.fault
  }

  /** Why no node answers, in words for an operator; undefined while one does. */
  fault(): string | undefined {
    return this.#cluster.fault?.message
  }

  /** The nodes known, as `host:port`. */
  nodes(): readonly string[] {
    return this.#cluster.nodes.map(node => node.address)
  }

  /** Ends everything at once; what is under way fails with CLIENT_CLOSED. */
  close(): void {
    this.#cluster.close()
  }

  /** Undefined when there is no such record. `bins`: those to read; all by default. */
  get(key: Key, bins?: readonly string[], policy?: ReadPolicy): Promise<StoredRecord | undefined> {
    const operations = bins ? bins.map(bin => ({ type: operationTypes.read, bin })) : nothing
    return this.#read(key, bins ? 0 : info1.getAll, operations, this.#record, policy)
  }

  /** Generation and time to live alone; undefined when there is no such record. */
  exists(key: Key, policy?: ReadPolicy): Promise<RecordFacts | undefined> {
    return this.#read(key, info1.noBins, nothing, this.#factsIfAny, policy)
  }

  /** Writes bins, leaving others as they are unless the policy says `replace`. */
  put(key: Key, bins: Bins, policy?: WritePolicy): Promise<RecordFacts> {
    const operations = writeOperations(bins)
    if (operations.length === 0) return Promise.reject(invalid('A record needs at least one bin.'))
    return this.#write(key, 0, 0, operations, this.#facts, policy)
  }

  /** Makes it a new generation, with the policy's time to live; RECORD_NOT_FOUND if it is not there. */
  touch(key: Key, policy?: WritePolicy): Promise<RecordFacts> {
    return this.#write(key, 0, 0, [{ type: operationTypes.touch, bin: '' }], this.#facts, policy)
  }

  /** Answers whether the record was there. */
  remove(key: Key, policy?: WritePolicy): Promise<boolean> {
    return this.#write(key, 0, info2.delete, nothing, wasThere, policy)
  }

  /**
   * Steps on one record, in order, as one: all of them or, if one fails, none. RECORD_NOT_FOUND when all only
   * read and there is no such record.
   */
  operate(key: Key, operations: readonly Operation[], policy?: WritePolicy): Promise<Operated> {
    const reads = operations.some(operation => !isWrite(operation)) ? info1.read : 0
    if (operations.length === 0) return Promise.reject(invalid('There is no operation to do.'))
    if (!operations.some(isWrite)) {
      const request = new RecordRequest(key, operations, readFlags(undefined), info2.respondAllOps)
      return this.#run(request, this.#results, policy, undefined)
    }
    return this.#write(key, reads, info2.respondAllOps, operations, this.#results, policy)
  }

  /** Each entry by itself, sent together: one request a node. Answers in the order of the entries. */
  batch(entries: readonly BatchEntry[], policy?: ReadPolicy): Promise<readonly BatchResult[]> {
    return runBatch(this.#cluster, entries, policy)
  }

  /**
   * The records of a set, or of a whole namespace; those that an index finds, if `where` is given. They come in
   * no order. The cluster is not asked for more than the reader takes; leaving the loop ends the query.
   */
  query(query: Query): AsyncGenerator<StoredRecord, void, void> {
    return queryRecords(this.#cluster, query)
  }

  /**
   * Makes a secondary index, for `where` in a query; one of that name may be there already. The nodes fill it
   * in the background: until then a query fails with INDEX_NOT_READABLE or INDEX_NOT_FOUND.
   */
  async createIndex(index: SecondaryIndex): Promise<void> {
    checkNames(index.namespace, index.set)
    const { namespace, set, bin, type, name } = index
    const [node] = this.#cluster.nodes
    if (!node) throw new AerospikeError('NO_NODE', 'No node is known to ask')
    // Nodes before 8.1 call the namespace `ns`, later ones `namespace`; each passes over what it does not know.
    const place = `namespace=${namespace};ns=${namespace}${set === '' ? '' : `;set=${set}`}`
    const command = `sindex-create:${place};indexname=${name};bin=${bin};type=${type}`
    const answer = (await node.info([command])).get(command) ?? ''
    const resultCode = Number(/^(?:FAIL|ERROR):(\d+)/i.exec(answer)?.[1] ?? resultCodes.OK)
    if (resultCode !== resultCodes.OK && resultCode !== resultCodes.INDEX_FOUND)
      throw serverError(resultCode, node.address)
  }

  /** Asks every node, such as `sindex-list:`; answers by `host:port`. */
  async info(name: string): Promise<ReadonlyMap<string, string>> {
    const nodes = this.#cluster.nodes
    if (nodes.length === 0) throw new AerospikeError('NO_NODE', 'No node is known to ask')
    return new Map(
      await Promise.all(
        nodes.map(async node => [node.address, (await node.info([name])).get(name) ?? ''] as const),
      ),
    )
  }

  #read<T>(
    key: Key,
    what: number,
    operations: readonly Operation[],
    decoder: Decoder<T>,
    policy: ReadPolicy | undefined,
  ): Promise<T> {
    const request = new RecordRequest(key, operations, readFlags(policy) | what)
    return this.#run(request, decoder, policy, policy?.replica)
  }

  #write<T>(
    key: Key,
    reads: number,
    also: number,
    operations: readonly Operation[],
    decoder: Decoder<T>,
    policy: WritePolicy | undefined,
  ): Promise<T> {
    try {
      const flags = writeFlags(policy)
      const request = new RecordRequest(key, operations, reads, flags.info2 | also)
      request.info3 = flags.info3
      request.generation = flags.generation
      request.ttl = flags.ttl
      request.sendKey = policy?.sendKey ?? false
      return this.#run(request, decoder, policy, undefined)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #run<T>(
    request: RecordRequest,
    decoder: Decoder<T>,
    policy: Policy | undefined,
    replica: ReadPolicy['replica'],
  ): Promise<T> {
    if (request.operations.length > OPERATIONS_MAX) {
      return Promise.reject(invalid(`A request has at most ${OPERATIONS_MAX} operations.`))
    }
    return new RecordCommand(this.#cluster, request, decoder, policy, replica).run()
  }

  #ttlSeconds(header: AnswerHeader): number | undefined {
    return ttlSecondsOf(header.voidTime, this.#cluster.settings.clock)
  }
}

function readBins(header: AnswerHeader, reader: Reader): ReadBins {
  const bins = emptyBins()
  skipFields(reader, header.fields)
  readOperations(reader, header.operations, (bin, value) => {
    bins[bin] = value
  })
  return bins
}

function readResults(
  header: AnswerHeader,
  reader: Reader,
  operations: readonly Operation[],
): readonly ReadValue[] {
  const results: ReadValue[] = []
  skipFields(reader, header.fields)
  readOperations(reader, header.operations, (_bin, value) => results.push(value))
  return alignResults(operations, results)
}
