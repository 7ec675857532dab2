import { type Listener, type ListenOptions, listen } from '../smpp/net.ts'
import type { BindRequest, DataSm, SubmitSm } from '../smpp/pdu.ts'
import type { Log } from '../smpp/ports.ts'
import type { SessionState } from '../smpp/state.ts'
import { STATUS } from '../smpp/status.ts'
import { Account, type FromHandset } from './account.ts'
import { Connection, type Hub } from './connection.ts'
import { type FaultSettings, type Faults, readFaults } from './faults.ts'
import { Later, type SmscClock } from './later.ts'
import { Ledger } from './message.ts'
import type { Draw } from './selector.ts'

export interface SmscAccount {
  readonly systemId: string
  readonly password: string
  /** Go before the faults of all accounts. */
  readonly faults?: FaultSettings
}

export interface SmscOptions extends ListenOptions {
  /** Without any, every system_id may bind with every password. */
  readonly accounts?: readonly SmscAccount[]
  readonly faults?: FaultSettings
  /** Message ids count on from here. */
  readonly firstId: number
  readonly clock: SmscClock
  readonly draw: Draw
  readonly log: Log
  /** Hears of every message, in order. */
  readonly onMessage?: (message: Received) => void
  /** Hears of the end of every receipt: `taken` when the ESME answered it with ESME_ROK, else it was given up. */
  readonly onReceipt?: (messageId: string, taken: boolean) => void
}

/** A message as it came, and what was made of it. */
export interface Received {
  readonly systemId: string
  readonly pdu: SubmitSm | DataSm
  /** The answer, which may be delayed or never sent. */
  readonly status: number
  /** As written in the response; empty when the message was refused. */
  readonly messageId: string
  /** Monotonic milliseconds of the SMSC's clock. */
  readonly at: number
}

export interface SessionRow {
  readonly systemId: string
  readonly state: SessionState
  readonly peer: string
  /** deliver_sm without a response. */
  readonly inFlight: number
}

export interface SmscCounts {
  /** submit_sm and data_sm. */
  messages: number
  taken: number
  refused: number
}

/** Any system_id makes an account when none are configured. */
const ACCOUNTS_MAX = 1000

/** An SMSC that answers well, or as badly as its faults say. They may be changed while it runs. */
export class Smsc {
  readonly counts: SmscCounts = { messages: 0, taken: 0, refused: 0 }
  readonly #listener: Listener
  readonly #later: Later
  readonly #accounts = new Map<string, Account>()
  readonly #connections = new Set<Connection>()
  readonly #isOpenToAll: boolean
  #settings: FaultSettings
  #faults: Faults

  /** Listens at once. Throws a FaultError, or the system's error when the port is taken. */
  constructor(private readonly options: SmscOptions) {
    const { clock, draw, log, faults = {}, accounts = [], firstId } = options
    this.#settings = faults
    this.#faults = readFaults(faults)
    this.#later = new Later(clock)
    this.#isOpenToAll = accounts.length === 0
    for (const { systemId, password, faults } of accounts) this.#account(systemId, password, faults)
    const smsc = this
    const hub: Hub = {
      ...{ systemId: 'smsc', clock, draw, log, later: this.#later, ledger: new Ledger(firstId) },
      get faults() {
        return smsc.#faults
      },
      admit: pdu => this.#admit(pdu),
      received: (pdu, account, status, messageId) => this.#received(pdu, account, status, messageId),
      receipted: (messageId, taken) => options.onReceipt?.(messageId, taken),
      gone: connection => this.#connections.delete(connection),
    }
    this.#listener = listen(options, (transport, peer) => {
      const connection = new Connection(transport, peer, hub)
      this.#connections.add(connection)
      return connection.session
    })
  }

  get port(): number {
    return this.#listener.port
  }

  /** Connections, bound or not yet. */
  get sessions(): readonly SessionRow[] {
    return [...this.#connections].map(({ account, session, peer }) => ({
      ...{ systemId: account?.systemId ?? '', state: session.state, peer, inFlight: session.inFlight },
    }))
  }

  /** Receipts and messages from handsets that wait for a session or for room. */
  get waiting(): number {
    let waiting = 0
    for (const { deliveries } of this.#accounts.values()) waiting += deliveries.waiting
    return waiting
  }

  /**
   * Changes the faults named, of one account or of all, for what comes from now on. Throws a FaultError and
   * changes nothing when one is wrong.
   */
  set(settings: FaultSettings, systemId?: string): void {
    if (systemId !== undefined) {
      this.#known(systemId).set(this.#settings, settings)
      return
    }
    const merged = { ...this.#settings, ...settings }
    this.#faults = readFaults(merged)
    this.#settings = merged
    for (const account of this.#accounts.values()) account.set(merged)
  }

  /**
   * A message from a handset, to the named account or to the only one. Resolves with true when the ESME took
   * every part, with false when it was given up; rejects with a TextError.
   */
  deliver(message: FromHandset, systemId?: string): Promise<boolean> {
    const [first, ...others] = this.#accounts.keys()
    const to = systemId ?? (others.length === 0 ? first : undefined)
    if (to === undefined) throw new Error(`name the account: there are ${this.#accounts.size}`)
    return this.#known(to).deliver(message)
  }

  /** Octets as they stand into every connection (of one account), sound or not. */
  sendRaw(octets: Uint8Array, systemId?: string): void {
    for (const connection of this.#of(systemId)) connection.sendRaw(octets)
  }

  /** Cuts every connection (of one account) without an unbind, with a reset or an end. */
  drop({ reset = false, systemId }: { readonly reset?: boolean; readonly systemId?: string } = {}): void {
    for (const connection of this.#of(systemId)) connection.cut(reset)
  }

  /** Takes no more connections, unbinds those that stand within `drainMs`, forgets what waits. */
  async close(drainMs = 0): Promise<void> {
    this.#listener.stop(false)
    if (drainMs > 0)
      await Promise.all(
        [...this.#connections].map(({ session }) => session.unbind(drainMs, 'the SMSC stops')),
      )
    this.drop()
    for (const { deliveries } of this.#accounts.values()) deliveries.clear()
    this.#later.clear()
  }

  #of(systemId: string | undefined): readonly Connection[] {
    return [...this.#connections].filter(
      ({ account }) => systemId === undefined || account?.systemId === systemId,
    )
  }

  #known(systemId: string): Account {
    const account = this.#accounts.get(systemId)
    if (!account) throw new Error(`no account "${systemId}"`)
    return account
  }

  #account(systemId: string, password: string | undefined, own: FaultSettings = {}): Account {
    const account = new Account(systemId, password, this.#settings, own, this.options.clock, this.#later)
    this.#accounts.set(systemId, account)
    return account
  }

  #admit({ system_id, password }: BindRequest): Account | number {
    const account = this.#accounts.get(system_id)
    if (account) {
      const { password: right = password } = account
      return password === right ? account : STATUS.ESME_RINVPASWD
    }
    if (!this.#isOpenToAll) return STATUS.ESME_RINVSYSID
    return this.#accounts.size < ACCOUNTS_MAX ? this.#account(system_id, undefined) : STATUS.ESME_RBINDFAIL
  }

  #received(pdu: SubmitSm | DataSm, account: Account, status: number, messageId: string): void {
    const { onMessage, clock } = this.options
    this.counts.messages++
    if (status === STATUS.ESME_ROK) this.counts.taken++
    else this.counts.refused++
    onMessage?.({ systemId: account.systemId, pdu, status, messageId, at: clock.monotonic() })
  }
}

/** The next number is always the same for one `seed` (mulberry32). */
export function seededDraw(seed: number): Draw {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
