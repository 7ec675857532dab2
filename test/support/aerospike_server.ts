import { resultCodes } from '../../src/aerospike/errors.ts'
import { PARTITIONS, partitionOf } from '../../src/aerospike/key.ts'
import { fieldTypes } from '../../src/aerospike/protocol/fields.ts'
import { Framer } from '../../src/aerospike/protocol/framer.ts'
import { beginFrame, endFrame, frameTypes, info1, info2, info3 } from '../../src/aerospike/protocol/header.ts'
import { Writer } from '../../src/aerospike/protocol/writer.ts'
import { answerAdmin, type Users } from './aerospike_admin.ts'
import { matches, queried, readPartitions, readWhere } from './aerospike_query.ts'
import { Records } from './aerospike_records.ts'
import {
  type Answer,
  answerFrame,
  namespaceOf,
  type Request,
  readBatch,
  readRequest,
} from './aerospike_wire.ts'

/** What goes wrong with a request. */
export type Fault =
  /** Done and answered, but this much later. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Done, and never answered. */
  | { readonly kind: 'silent' }
  /** The connection is closed before, or after, the request is done. */
  | { readonly kind: 'close'; readonly when: 'before' | 'after' }
  /** Not done; answered with this result code. */
  | { readonly kind: 'refuse'; readonly resultCode: number }
  /** Done; half of the answer is sent, then the connection closed. */
  | { readonly kind: 'truncate' }
  /** Done; answered with these octets in place of a frame. */
  | { readonly kind: 'garbage'; readonly octets: Uint8Array }
  /** A query closes after this many records. */
  | { readonly kind: 'cut'; readonly afterRecords: number }

export interface ServerOptions {
  readonly nodes?: number
  /** Copies of each record, the master's included. */
  readonly replicas?: number
  readonly namespaces?: readonly string[]
  /** Unix milliseconds. */
  readonly now?: () => number
  /** Larger records are refused; the nodes say so. */
  readonly recordOctetsMax?: number
  readonly users?: Users
  /** With `ca`: asks for certificates of clients that it has signed. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string }
}

/** A cluster of small Aerospike servers over one set of records in memory, on ports of 127.0.0.1. */
export class AerospikeServer {
  readonly records: Records
  readonly nodes: FakeNode[] = []
  readonly indexes = new Map<string, string>()
  /** Who is master of what: a node's number by partition. Counted by `generation`. */
  owners: Int16Array
  generation = 1
  /** Partitions migrate: whoever is asked has nothing yet, and reads from the others only when told to. */
  migrating = false
  readonly replicas: number

  constructor(readonly options: ServerOptions = {}) {
    const { namespaces = ['test'], now = Date.now, recordOctetsMax } = options
    this.records = new Records(namespaces, now, recordOctetsMax)
    this.replicas = options.replicas ?? 1
    const count = options.nodes ?? 1
    this.owners = Int16Array.from({ length: PARTITIONS }, (_, partition) => partition % count)
    for (let number = 0; number < count; number++) this.nodes.push(new FakeNode(this, number))
  }

  get hosts(): { host: string; port: number }[] {
    return this.nodes.filter(node => node.up).map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  /** The node that holds a partition in a role, 0 the master's. */
  holder(partition: number, role: number): FakeNode | undefined {
    const up = this.nodes.filter(node => node.up)
    const master = up.findIndex(node => node.number === this.owners[partition])
    return master < 0 ? undefined : up[(master + role) % up.length]
  }

  /** A node dies, its connections with it; if `told`, the others take over what was its own. */
  kill(number: number, told = true): void {
    this.nodes[number]?.stop()
    if (told) this.rebalance()
  }

  /** Brings a node back on its port. */
  revive(number: number): void {
    this.nodes[number]?.start()
    this.rebalance()
  }

  rebalance(): void {
    const up = this.nodes.filter(node => node.up)
    this.owners = this.owners.map((_, partition) => up[partition % Math.max(1, up.length)]?.number ?? -1)
    this.generation++
  }

  stop(): void {
    for (const node of this.nodes) node.stop()
  }
}

interface Client {
  /** What the socket has not taken yet. */
  waiting: Uint8Array[]
  waitingBytes: number
  drained: (() => void) | undefined
  /** Requests are done one after the other, as the real server does. */
  work: Promise<void>
  admitted: boolean
  readonly framer: Framer
}

type ServerSocket = Bun.Socket<Client>

export class FakeNode {
  readonly name: string
  port = 0
  /** Faults for the next requests that are no info; taken from the front. */
  readonly faults: Fault[] = []
  /** Requests (no info) that came. */
  requests = 0
  /** Of those that ask for information. */
  infos = 0
  recordsSent = 0
  #listedWhenDown = false
  #hangs = false
  #listener: Bun.TCPSocketListener<Client> | undefined
  readonly #sockets = new Set<ServerSocket>()

  constructor(
    private readonly cluster: AerospikeServer,
    readonly number: number,
  ) {
    this.name = `FAKE${String(number).padStart(12, '0')}`
    this.start()
  }

  get up(): boolean {
    return (this.#listener !== undefined && !this.#hangs) || this.#listedWhenDown
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** The same fault for the next `times` requests. */
  fail(fault: Fault, times = 1): void {
    for (let time = 0; time < times; time++) this.faults.push(fault)
  }

  start(): void {
    this.#hangs = false
    const { tls } = this.cluster.options
    this.#listener = Bun.listen<Client>({
      hostname: '127.0.0.1',
      port: this.port,
      ...(tls ? { tls: { ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: true } } : {}),
      socket: {
        open: socket => this.#open(socket),
        data(socket, chunk) {
          try {
            socket.data.framer.push(chunk)
          } catch {
            socket.terminate()
          }
        },
        drain: socket => flush(socket),
        close: socket => {
          // One whose handshake fails never was open.
          if (this.#sockets.delete(socket)) socket.data.drained?.()
        },
      },
    })
    this.port = this.#listener.port
  }

  /** Takes connections and octets and answers nothing, as a process that is stopped; the others do not list it. */
  hang(): void {
    this.#hangs = true
  }

  /** Stops, and is still listed by the others. */
  pretendUp(): void {
    this.stop()
    this.#listedWhenDown = true
  }

  stop(): void {
    this.#listedWhenDown = false
    this.#listener?.stop(true)
    this.#listener = undefined
    for (const socket of this.#sockets) socket.terminate()
    this.#sockets.clear()
  }

  /** Closes what is open; new connections are taken. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.terminate()
  }

  #open(socket: ServerSocket): void {
    const client: Client = {
      waiting: [],
      waitingBytes: 0,
      drained: undefined,
      work: Promise.resolve(),
      admitted: this.cluster.options.users === undefined,
      framer: new Framer(128 * 1024 * 1024, (type, bytes, at, end) => {
        const body = new Uint8Array(bytes.subarray(at, end))
        client.work = client.work
          .then(() => this.#serve(socket, type, body))
          .catch(() => void socket.terminate())
      }),
    }
    socket.data = client
    this.#sockets.add(socket)
  }

  async #serve(socket: ServerSocket, type: number, body: Uint8Array): Promise<void> {
    const { users } = this.cluster.options
    if (this.#hangs) return
    if (type === frameTypes.info) {
      this.infos++
      send(socket, infoFrame(this.#info(Buffer.from(body).toString('utf8'))))
    } else if (type === frameTypes.admin) {
      const { frame, admitted } = await answerAdmin(users, body)
      socket.data.admitted ||= admitted
      send(socket, frame)
    } else if (!socket.data.admitted) {
      send(socket, answerFrame([{ resultCode: resultCodes.NOT_AUTHENTICATED }]))
    } else {
      this.requests++
      await this.#message(socket, readRequest(body), this.faults.shift())
    }
  }

  async #message(socket: ServerSocket, request: Request, fault: Fault | undefined): Promise<void> {
    if (fault?.kind === 'close' && fault.when === 'before') return void socket.terminate()
    if (fault?.kind === 'refuse') return this.#refuse(socket, request, fault.resultCode)
    if (request.fields.has(fieldTypes.partitions) || request.fields.has(fieldTypes.resumeDigests)) {
      if (fault?.kind === 'slow') await Bun.sleep(fault.delayMs)
      return this.#query(
        socket,
        request,
        fault?.kind === 'cut' ? fault.afterRecords : Number.POSITIVE_INFINITY,
      )
    }
    const batch = request.fields.get(fieldTypes.batch)
    const answer = answerFrame(batch ? this.#batch(batch) : [this.#single(request)])
    switch (fault?.kind) {
      case 'close':
        return void socket.terminate()
      case 'silent':
        return
      case 'truncate':
        send(socket, answer.subarray(0, answer.length >> 1))
        return void socket.end()
      case 'garbage':
        return send(socket, fault.octets)
      case 'slow':
        await Bun.sleep(fault.delayMs)
    }
    send(socket, answer)
  }

  #refuse(socket: ServerSocket, request: Request, resultCode: number): void {
    const batch = request.fields.get(fieldTypes.batch)
    const rows = batch ? readBatch(batch).map(({ index }) => ({ resultCode, batchIndex: index })) : []
    send(
      socket,
      answerFrame([...rows, { resultCode: batch ? resultCodes.OK : resultCode, info3: info3.last }]),
    )
  }

  #single(request: Request): Answer {
    const digest = request.fields.get(fieldTypes.digest)
    if (!digest) return { resultCode: resultCodes.PARAMETER_ERROR }
    return this.#apply(request, digest)
  }

  /** Writes only where this node is master, reads wherever it holds a copy: a real node would pass others on. */
  #apply(request: Request, digest: Uint8Array): Answer {
    const roles = request.info2 & info2.write ? 1 : this.cluster.replicas
    const held = Array.from({ length: roles }, (_, role) => this.cluster.holder(partitionOf(digest), role))
    if (!held.includes(this)) return { resultCode: resultCodes.PARTITION_UNAVAILABLE }
    const reads = (request.info2 & info2.write) === 0
    if (this.cluster.migrating && reads && (request.info1 & info1.resolveDuplicates) === 0)
      return { resultCode: resultCodes.RECORD_NOT_FOUND }
    return this.cluster.records.apply(request, digest)
  }

  #batch(field: Uint8Array): Answer[] {
    const rows = readBatch(field).map(item => ({ ...this.#apply(item, item.digest), batchIndex: item.index }))
    return [...rows, { resultCode: resultCodes.OK, info3: info3.last }]
  }

  async #query(socket: ServerSocket, request: Request, recordsMax: number): Promise<void> {
    const namespace = namespaceOf(request)
    const where = readWhere(request)
    if (where && !this.cluster.indexes.has(`${namespace}/${where.bin}`)) {
      return send(socket, answerFrame([{ resultCode: resultCodes.INDEX_NOT_FOUND, info3: info3.last }]))
    }
    const wanted = readPartitions(request)
    let sent = 0
    for (const [partition] of wanted) {
      if (this.cluster.holder(partition, 0) === this) continue
      wanted.delete(partition)
      const resultCode = resultCodes.PARTITION_UNAVAILABLE
      send(socket, answerFrame([{ resultCode, info3: info3.partitionDone, generation: partition }]))
    }
    for (const record of this.cluster.records.all(namespace)) {
      if (!matches(record, request, where, wanted)) continue
      if (sent++ >= recordsMax) return void socket.terminate()
      this.recordsSent++
      send(socket, answerFrame([queried(record, request, where)]))
      if (socket.data.waitingBytes > 64 * 1024) await room(socket)
    }
    send(socket, answerFrame([{ resultCode: resultCodes.OK, info3: info3.last }]))
  }

  #info(names: string): string {
    return names
      .split('\n')
      .filter(name => name !== '')
      .map(name => `${name}\t${this.#infoValue(name)}\n`)
      .join('')
  }

  #infoValue(name: string): string {
    const { cluster } = this
    const [command = '', parameters = ''] = name.split(':')
    const others = cluster.nodes.filter(node => node !== this && node.up)
    switch (command) {
      case 'node':
        return this.name
      case 'build':
        return '8.1.0.3'
      case 'features':
        return 'pscans;query-show;batch-any;blob-bits'
      case 'partition-generation':
      case 'peers-generation':
      case 'rebalance-generation':
        return String(cluster.generation)
      case 'peers-clear-std':
      case 'peers-clear-alt':
      case 'peers-tls-std':
      case 'peers-tls-alt': {
        const tlsName = command.startsWith('peers-tls') ? 'localhost' : ''
        return `${cluster.generation},3000,[${others.map(({ name, port }) => `[${name},${tlsName},[127.0.0.1:${port}]]`).join()}]`
      }
      case 'service-clear-std':
      case 'service-tls-std':
        return `127.0.0.1:${this.port}`
      case 'replicas':
        return cluster.records.namespaces.map(namespace => `${namespace}:0,${this.#bitmaps()}`).join(';')
      case 'sindex-create': {
        const facts = new Map(
          parameters.split(';').map(pair => [pair.split('=')[0], pair.split('=')[1]] as const),
        )
        cluster.indexes.set(`${facts.get('ns')}/${facts.get('bin')}`, facts.get('indexname') ?? '')
        return 'ok'
      }
      case `namespace/${cluster.records.namespaces[0]}`:
        return `objects=0;max-record-size=${cluster.options.recordOctetsMax ?? 0};replication-factor=${cluster.replicas}`
      case 'user-agent-set':
        return 'ok'
      default:
        return ''
    }
  }

  #bitmaps(): string {
    const maps = Array.from({ length: this.cluster.replicas }, (_, role) => {
      const bitmap = Buffer.alloc(PARTITIONS / 8)
      for (let partition = 0; partition < PARTITIONS; partition++) {
        if (this.cluster.holder(partition, role) !== this) continue
        bitmap[partition >> 3] = (bitmap[partition >> 3] ?? 0) | (0x80 >> (partition & 7))
      }
      return bitmap.toString('base64')
    })
    return [maps.length, ...maps].join()
  }
}

function infoFrame(text: string): Uint8Array {
  const writer = new Writer(256)
  const start = beginFrame(writer, frameTypes.info)
  writer.text(text)
  endFrame(writer, start)
  return new Uint8Array(writer.taken())
}

function send(socket: ServerSocket, octets: Uint8Array): void {
  socket.data.waiting.push(octets)
  socket.data.waitingBytes += octets.length
  flush(socket)
}

function flush(socket: ServerSocket): void {
  const { data: client } = socket
  while (client.waiting[0]) {
    const first = client.waiting[0]
    const taken = Math.max(0, socket.write(first))
    client.waitingBytes -= taken
    if (taken < first.length) {
      client.waiting[0] = first.subarray(taken)
      return
    }
    client.waiting.shift()
  }
  client.drained?.()
  client.drained = undefined
}

function room(socket: ServerSocket): Promise<void> {
  return new Promise(resolve => {
    socket.data.drained = resolve
  })
}
