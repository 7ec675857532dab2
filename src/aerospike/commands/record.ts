import type { Cluster } from '../cluster.ts'
import { asAerospikeError, type Exchange } from '../connection.ts'
import type { Timed } from '../deadlines.ts'
import { AerospikeError, resultCodes, serverError } from '../errors.ts'
import type { Key } from '../key.ts'
import { ATTEMPTS_MAX, type Policy, type ReadPolicy, TIMEOUT_MS } from '../policy.ts'
import { writeKeyFields } from '../protocol/fields.ts'
import {
  type AnswerHeader,
  beginFrame,
  endFrame,
  frameTypes,
  info2,
  MESSAGE_HEADER_BYTES,
  readAnswerHeader,
  writeMessageHeader,
} from '../protocol/header.ts'
import { type Operation, writeOperation } from '../protocol/operations.ts'
import { Reader } from '../protocol/reader.ts'
import type { Writer } from '../protocol/writer.ts'
import { judgeAnswer, judgeFailure, pauseMs, type Verdict } from '../retry.ts'

/** A request about one record; the flags are those of the message's header. */
export class RecordRequest {
  info3 = 0
  generation = 0
  ttl = 0
  sendKey = false

  constructor(
    readonly key: Key,
    readonly operations: readonly Operation[],
    readonly info1: number,
    readonly info2 = 0,
  ) {}
}

/** How an answer becomes a result. */
export interface Decoder<T> {
  answer(header: AnswerHeader, reader: Reader, request: RecordRequest): T
  /** The result for a record that is not there; absent when that is an error. */
  missing?(): T
}

let turn = 0

/** Carries a request to the node that holds its record, again where that is safe, until its deadline. */
export class RecordCommand<T> implements Exchange, Timed {
  streamEnd = 0
  slot = -1
  /** Of this attempt: that of the whole, or sooner when another node may answer in its place. */
  deadlineMs: number
  #resolve: (result: T) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  /** Of the whole. */
  #endsMs: number
  #firstRole: number
  #attempt = 0
  #peer = ''
  /** Whether this attempt's octets were given to a connection. */
  #encoded = false
  #settled = false
  #cancelPause: (() => void) | undefined

  constructor(
    private readonly cluster: Cluster,
    private readonly request: RecordRequest,
    private readonly decoder: Decoder<T>,
    private readonly policy: Policy | undefined,
    private readonly replica: ReadPolicy['replica'] = 'master',
  ) {
    this.#endsMs = cluster.settings.clock.monotonic() + (policy?.timeoutMs ?? TIMEOUT_MS)
    this.deadlineMs = this.#endsMs
    this.#firstRole = replica === 'any' ? turn++ : 0
  }

  get frameType(): number {
    return frameTypes.message
  }

  get abandoned(): boolean {
    return this.#settled
  }

  get #write(): boolean {
    return (this.request.info2 & info2.write) !== 0
  }

  run(): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#try()
    })
  }

  encode(writer: Writer, nowMs: number): void {
    const { key, operations, sendKey } = this.request
    const start = beginFrame(writer, frameTypes.message)
    const headerAt = writer.at
    writer.reserve(MESSAGE_HEADER_BYTES)
    writer.at += MESSAGE_HEADER_BYTES
    const fields = writeKeyFields(writer, key, sendKey)
    for (const operation of operations) writeOperation(writer, operation)
    const end = writer.at
    writer.at = headerAt
    const leftMs = Math.max(1, Math.ceil(this.deadlineMs - nowMs))
    writeMessageHeader(writer, this.request, leftMs, fields, operations.length)
    writer.at = end
    endFrame(writer, start)
    this.#encoded = true
  }

  message(bytes: Buffer, at: number, end: number): boolean {
    if (this.#settled) return true
    const header = readAnswerHeader(bytes, at, end)
    const { resultCode } = header
    if (resultCode === resultCodes.OK) {
      this.#settle()
      try {
        const reader = new Reader(bytes, at + MESSAGE_HEADER_BYTES, end)
        this.#resolve(this.decoder.answer(header, reader, this.request))
      } catch (error) {
        // The server says that it did it.
        this.#reject(this.#write ? asAerospikeError(error).doubted() : error)
        throw error
      }
    } else if (resultCode === resultCodes.RECORD_NOT_FOUND && this.decoder.missing) {
      this.#settle()
      this.#resolve(this.decoder.missing())
    } else {
      if (resultCode === resultCodes.PARTITION_UNAVAILABLE) this.cluster.tendSoon()
      this.#judged(judgeAnswer(resultCode, this.#write), serverError(resultCode, this.#peer))
    }
    return true
  }

  failed(error: AerospikeError, applied: 'no' | 'maybe'): void {
    if (this.#settled) return
    if (error.code === 'CONNECTION_ERROR') this.cluster.tendSoon()
    this.#judged(judgeFailure(error, applied, this.#write), error)
  }

  expire(nowMs: number): void {
    if (nowMs < this.#endsMs && this.#attempt < this.#attemptsMax) {
      this.#goElsewhere()
      return
    }
    const where = this.#peer === '' ? 'The cluster' : this.#peer
    const error = new AerospikeError('CLIENT_TIMEOUT', `${where} did not answer in time`, {
      ...(this.#peer === '' ? {} : { node: this.#peer }),
      inDoubt: this.#write && this.#encoded,
    })
    this.#fail(error)
  }

  #try(): void {
    this.#attempt++
    this.#encoded = false
    const { key } = this.request
    const { map } = this.cluster
    const roles = this.replica === 'master' ? 1 : Math.max(1, map.replicas(key.namespace))
    const role = (this.#firstRole + this.#attempt - 1) % roles
    // A node that hangs does not say so: one that may stand in for it is asked while there is time.
    if (roles > 1) this.deadlineMs = (this.cluster.settings.clock.monotonic() + this.#endsMs) / 2
    const partition = key.partition
    const node =
      map.node(key.namespace, partition, role) ??
      (this.#write ? undefined : map.node(key.namespace, partition, 0))
    if (node) {
      this.#peer = node.address
      node.submit(this)
    } else {
      this.failed(this.#nowhere(), 'no')
    }
    if (!this.#settled) this.cluster.deadlines.add(this)
  }

  /** The same request for what is left of its time, as another: an answer to this one is for nobody any more. */
  #goElsewhere(): void {
    this.#settle()
    const next = new RecordCommand(this.cluster, this.request, this.decoder, this.policy, this.replica)
    next.#endsMs = this.#endsMs
    next.#firstRole = this.#firstRole
    next.#attempt = this.#attempt
    next.#resolve = this.#resolve
    next.#reject = this.#reject
    next.#try()
  }

  get #attemptsMax(): number {
    return this.policy?.attemptsMax ?? ATTEMPTS_MAX
  }

  #nowhere(): AerospikeError {
    const { cluster, request } = this
    if (cluster.closed) return new AerospikeError('CLIENT_CLOSED', 'The client is closed')
    cluster.tendSoon()
    if (cluster.fault)
      return new AerospikeError('NO_NODE', `No node of the cluster answers: ${cluster.fault.message}`)
    const { namespace, partition } = request.key
    return cluster.map.empty || cluster.map.has(namespace)
      ? new AerospikeError('NO_NODE', `No node holds partition ${partition} of ${namespace}`)
      : new AerospikeError('INVALID_NAMESPACE', `The cluster has no namespace "${namespace}"`)
  }

  #judged(verdict: Verdict, error: AerospikeError): void {
    const { clock, random } = this.cluster.settings
    const waitMs = pauseMs(this.#attempt, random)
    const timeLeft = clock.monotonic() + waitMs < this.#endsMs
    if (verdict === 'again' && this.#attempt < this.#attemptsMax && timeLeft) {
      // Nothing came of this attempt, so nothing is in doubt while the next waits.
      this.#encoded = false
      this.#cancelPause = clock.after(waitMs, () => this.#try())
    } else {
      this.#fail(verdict === 'in-doubt' ? error.doubted() : error)
    }
  }

  #fail(error: AerospikeError): void {
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.#settled = true
    this.#cancelPause?.()
    this.cluster.deadlines.delete(this)
  }
}
