import { afterEach, beforeEach } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { AerospikeClient, type Host } from '../../src/aerospike/index.ts'
import { systemRandom } from '../../src/clock.ts'
import { type Message, type Part, type PartState, stateOf } from '../../src/message.ts'
import { openAerospikeStore } from '../../src/store/aerospike.ts'
import { type AerospikeCopy, openAerospikeCopy } from '../../src/store/aerospike_copy.ts'
import { Lease } from '../../src/store/aerospike_lease.ts'
import { Deadline, Records } from '../../src/store/aerospike_records.ts'
import {
  type CopyParts,
  type CopySide,
  copyStore,
  KINDS,
  type Kind,
  type Report,
} from '../../src/store/copy.ts'
import { idKey } from '../../src/store/id_key.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { SqliteCopy } from '../../src/store/sqlite_copy.ts'
import type {
  CampaignTally,
  CampaignTotal,
  Claim,
  HeldReceipt,
  InboundMessage,
  InboxMessage,
  MessageStore,
  Rows,
  StoredReceipt,
  Totals,
} from '../../src/store/store.ts'
import { freshSet, namespace, target } from '../support/aerospike_target.ts'
import { patientClock, TurnedClock } from '../support/clock.ts'
import { inboundOf, messageOf } from '../support/message.ts'

export const RETENTION_MS = 7 * 24 * 3600 * 1000
export const ACCOUNT = 'a:1/x'
const ALL = { offset: 0, limit: 100_000 }

/** One life of a store, as random as it is wanted: what gateways asked of it. */
export type Deed =
  | {
      readonly do: 'save'
      readonly parts: readonly string[]
      readonly campaign: number
      readonly esme: number
    }
  | { readonly do: 'claim'; readonly key: number; readonly saved: boolean; readonly id: string }
  | {
      readonly do: 'settle'
      readonly ids: readonly string[]
      readonly state: PartState
      readonly same: boolean
    }
  | { readonly do: 'resolve'; readonly message: number; readonly id: string }
  | { readonly do: 'inbound'; readonly text: string }
  | { readonly do: 'segment'; readonly text: string; readonly reference: number; readonly part: number }
  | { readonly do: 'wait'; readonly ms: number }

const smscId = fc.constantFrom('', '1A', '2', '003', '4f', '5', '6', '7', '8', '9', 'none')
const formOf = fc.constantFrom('1a', '2', '3', '4f', '5', '6', '7', '8', '9', 'a', 'b')
const state = fc.constantFrom<PartState>('delivered', 'expired', 'accepted', 'unknown')
export const deeds: fc.Arbitrary<readonly Deed[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('save' as const),
        parts: fc.array(smscId, { minLength: 1, maxLength: 3 }),
        campaign: fc.nat(2),
        esme: fc.nat(1),
      }),
    },
    fc.record({ do: fc.constant('claim' as const), key: fc.nat(4), saved: fc.boolean(), id: smscId }),
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('settle' as const),
        ids: fc.uniqueArray(formOf, { minLength: 1, maxLength: 2 }),
        state,
        same: fc.boolean(),
      }),
    },
    fc.record({ do: fc.constant('resolve' as const), message: fc.nat(10), id: smscId }),
    fc.record({ do: fc.constant('inbound' as const), text: fc.string({ unit: 'binary' }) }),
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('segment' as const),
        text: fc.constantFrom('one', 'two \ud83d', '\ude00 three'),
        reference: fc.nat(1),
        part: fc.integer({ min: 1, max: 3 }),
      }),
    },
    fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 1000, 1_900_000, 30_000_000) }),
  ),
  { maxLength: 40 },
)

/** What was asked of a store, to ask others about. */
export interface Asked {
  readonly messages: Message[]
  readonly claims: Claim[]
}

export interface Observed {
  readonly messages: readonly (Message | undefined)[]
  readonly claims: readonly unknown[]
  readonly unmatched: Rows<HeldReceipt>
  readonly inbox: Rows<InboxMessage>
  readonly campaigns: Rows<CampaignTally>
  readonly top: readonly CampaignTotal[]
  readonly totals: Totals
}

export interface Rig {
  readonly clock: TurnedClock
  path(name: string): string
  sqlite(name: string, rowsMax?: number): SqliteCopy
  /** `instance`: of the file at its other side. */
  cluster(instance?: string): Promise<AerospikeCopy>
  /** What a copy, or a gateway, leaves that is killed in the middle of its sweep. */
  leaveSweep(instance: string): Promise<void>
  gateway(name: string): Promise<MessageStore>
  clusterGateway(name?: string): Promise<MessageStore>
  /** Copies to its end, and closes both sides. */
  copy(from: CopySide, to: CopySide, over?: Partial<CopyParts> & { file?: SqliteCopy }): Promise<Report>
  live(store: MessageStore, life: readonly Deed[]): Promise<Asked>
  /** Of ids made: set back, what is done again is the same. */
  made: number
  /** All that the contract tells, when what is past its time is gone. */
  observe(store: MessageStore, asked: Asked): Promise<Observed>
  id(): string
  /** Another cluster. */
  renew(): void
}

export function rig(hostsOf?: () => readonly Host[]): Rig {
  const fixed = hostsOf ? [] : target().hosts
  let folder = ''
  let clock = new TurnedClock()
  let prefix = ''
  let made = 0
  const clients: AerospikeClient[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'copy-'))
    clock = new TurnedClock()
    prefix = `${freshSet()}-`
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
    rmSync(folder, { recursive: true })
  })
  const connect = (to: readonly Host[]): AerospikeClient => {
    const client = new AerospikeClient({ hosts: to, clock: patientClock })
    clients.push(client)
    return client
  }
  const path = (name: string) => join(folder, name)
  const id = (): string => {
    const hex = `${clock.now().toString(16).padStart(12, '0') + (0x7000 + (++made & 0xfff)).toString(16)}8${made.toString(16).padStart(15, '0')}`
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  }
  const self: Rig = {
    get clock() {
      return clock
    },
    path,
    id,
    renew() {
      prefix = `${freshSet()}-`
    },
    sqlite: (name, rowsMax = 3) =>
      new SqliteCopy({ path: path(name), retentionMs: RETENTION_MS, clock, random: systemRandom, rowsMax }),
    cluster: (instance = 'copy') =>
      openAerospikeCopy({
        instance,
        client: connect(hostsOf?.() ?? fixed),
        namespace,
        prefix,
        clock,
        random: systemRandom,
        retentionMs: RETENTION_MS,
        partitionsTogether: 1024,
        rowsMax: 3,
      }),
    async leaveSweep(instance) {
      const client = connect(hostsOf?.() ?? fixed)
      await client.connect()
      const records = new Records(client, namespace, prefix, clock)
      const lease = new Lease(records, 'sweep', { nonce: 'killed', instance, name: 'killed' }, 600)
      await lease.hold(new Deadline(clock, 10_000), false)
      client.close()
    },
    gateway: name => openSqliteStore({ path: path(name), clock, retentionMs: RETENTION_MS }),
    clusterGateway: (name = 'gateway') =>
      openAerospikeStore({
        client: connect(hostsOf?.() ?? fixed),
        namespace,
        prefix,
        clock,
        random: systemRandom,
        log: { warn() {} },
        retentionMs: RETENTION_MS,
        instance: name,
        name,
        node: 0,
      }),
    async copy(from, to, { file: given, ...over } = {}) {
      const file = given ?? [from, to].find(side => side instanceof SqliteCopy)
      if (!file) throw new Error('one side has to be a file')
      const book = file.book(from.id === file.id ? `to ${to.id}` : `from ${from.id} ${from.opening}`)
      try {
        return await copyStore({
          from,
          to,
          book,
          // What waits need not be waited for.
          clock: { now: clock.now, monotonic: performance.now.bind(performance), after: soon },
          stopped: () => false,
          tell: () => {},
          waits: () => {},
          ...over,
        })
      } finally {
        await from.close()
        await to.close()
      }
    },
    async live(store, life) {
      const asked: Asked = { messages: [], claims: [] }
      for (const deed of life) await doIt(store, deed, asked)
      return asked
    },
    get made() {
      return made
    },
    set made(number) {
      made = number
    },
    async observe(store, { messages, claims }) {
      while ((await store.sweep(clock.now())) > 0);
      return {
        messages: await Promise.all(messages.map(each => store.find(each.id))),
        claims: await Promise.all(claims.map(each => store.recall(each))),
        unmatched: await store.unmatched(ALL),
        inbox: await store.inbox(ALL),
        campaigns: await store.campaigns(ALL),
        top: await store.topCampaigns(10),
        totals: await store.totals(),
      }
    },
  }
  const message = (parts: readonly Part[], over: Partial<Message> = {}): Message => {
    const own = {
      id: id(),
      taskId: 2 ** 50 + made,
      transactionId: `tx-${made}`,
      parts,
      state: stateOf(parts),
    }
    const destination = made % 2 ? '447700900123' : '447700900999'
    return messageOf(clock.now(), { ...own, destination }, over)
  }
  const part = (smsc: string): Part => ({
    state: smsc === '' ? 'unknown' : 'submitted',
    smscId: smsc,
    account: ACCOUNT,
    error: 0,
  })
  const inbound = (text: string): InboundMessage =>
    inboundOf(clock.now(), { id: id(), account: ACCOUNT, text })
  async function doIt(store: MessageStore, deed: Deed, asked: Asked): Promise<void> {
    switch (deed.do) {
      case 'save': {
        const given = message(deed.parts.map(part), { campaign: `c${deed.campaign}`, esme: deed.esme })
        asked.messages.push(given)
        return void (await store.save(given))
      }
      case 'claim': {
        const bodyHash = new Uint8Array(32).fill(deed.key)
        const claim = { appId: 1, key: `k ${deed.key}`, bodyHash, expiresAt: clock.now() + 24 * 3600_000 }
        const begun = message([{ state: 'accepted', smscId: '', account: '', error: 0 }])
        asked.claims.push(claim)
        asked.messages.push(begun)
        const { fresh } = await store.claim(claim, begun)
        const done = [part(deed.id)]
        if (fresh && deed.saved) await store.save({ ...begun, parts: done, state: stateOf(done) })
        return
      }
      case 'settle': {
        const address = deed.same ? '447700900123' : ''
        return void (await store.settle(receiptOf(deed.ids, { address, state: deed.state, at: clock.now() })))
      }
      case 'resolve': {
        const messageId = asked.messages[deed.message]?.id
        if (!messageId || deed.id === '') return
        const late = {
          messageId,
          part: 0,
          state: 'submitted',
          smscId: deed.id,
          error: 0,
          at: clock.now(),
        } as const
        return void (await store.resolve(late))
      }
      case 'inbound':
        return await store.keepInbound(inbound(deed.text))
      case 'segment': {
        const segment = { reference: deed.reference, total: 3, part: deed.part }
        return await store.keepInbound({ ...inbound(deed.text), segment })
      }
      case 'wait':
        clock.skip(deed.ms)
    }
  }
  return self
}

const soon = (_ms: number, task: () => void) => {
  setImmediate(task)
  return () => {}
}

export const receiptOf = (ids: readonly string[], over: Partial<StoredReceipt> = {}): StoredReceipt => ({
  account: ACCOUNT,
  ids: ids.map(idKey),
  address: '',
  state: 'delivered',
  error: 0,
  at: 0,
  ...over,
})

export class Crash extends Error {}

/** Dies at the call of this number that writes: before it, or after it was done. */
export function dying(side: CopySide, call: number, done: boolean): CopySide {
  let calls = 0
  const at = async (work: () => Promise<void>): Promise<void> => {
    const dies = ++calls === call
    if (!dies || done) await work()
    if (dies) throw new Crash()
  }
  const shelf = <K extends Kind>(kind: K): CopySide['shelves'][K] => {
    const real = side.shelves[kind]
    return { ...real, write: (rows: never) => at(() => real.write(rows)) }
  }
  const [messages, claims, inbound, held] = KINDS
  return {
    id: side.id,
    opening: side.opening,
    retentionMs: side.retentionMs,
    shelves: {
      messages: shelf(messages),
      claims: shelf(claims),
      inbound: shelf(inbound),
      held: shelf(held),
    },
    prepare: () => side.prepare(),
    undisturbed: () => side.undisturbed(),
    tallies: () => side.tallies(),
    received: from => side.received(from),
    receive: (from, tallies) => at(() => side.receive(from, tallies)),
    failure: error => side.failure(error),
    close: () => side.close(),
  }
}
