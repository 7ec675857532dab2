import type { Sink, SocketTransport } from '../../src/smpp/net.ts'
import type { BindRequest } from '../../src/smpp/pdu.ts'
import { STATUS } from '../../src/smpp/status.ts'
import { Account } from '../../src/smsc/account.ts'
import { Connection, type Hub } from '../../src/smsc/connection.ts'
import { FAULT_OPTIONS, type FaultSettings, type IdForm, readFaults, readId } from '../../src/smsc/faults.ts'
import { Later } from '../../src/smsc/later.ts'
import { Ledger, type Taken } from '../../src/smsc/message.ts'
import type { Draw } from '../../src/smsc/selector.ts'
import type { TurnedClock } from './clock.ts'
import type { Host } from './simulation_net.ts'
import { silent } from './simulation_quiet.ts'

/** What an SMSC without a fault is set to. */
export const SOUND: FaultSettings = Object.fromEntries(
  FAULT_OPTIONS.map(option => [option.key, option.default]),
)

/** The simulator behind a network in memory: its own connections and accounts, no listener. */
export class MemorySmsc implements Host {
  state: Host['state'] = 'up'
  latencyMsMax = 0
  readonly ledger: Ledger
  readonly accounts = new Map<string, Account>()
  readonly #later: Later
  readonly #hub: Hub

  constructor(
    readonly name: string,
    firstId: number,
    systemIds: readonly string[],
    clock: TurnedClock,
    draw: Draw,
    received: Hub['received'],
    ledger = new Ledger(firstId),
  ) {
    this.ledger = ledger
    this.#later = new Later(clock)
    for (const id of systemIds) this.accounts.set(id, new Account(id, undefined, {}, {}, clock, this.#later))
    this.#hub = {
      ...{ systemId: name, clock, draw, log: silent, later: this.#later, ledger, received },
      faults: readFaults({}),
      admit: ({ system_id }: BindRequest) => this.accounts.get(system_id) ?? STATUS.ESME_RINVSYSID,
      receipted: () => undefined,
      gone: () => undefined,
    }
  }

  accept(transport: SocketTransport): Sink {
    return new Connection(transport, 'memory', this.#hub).session
  }

  /** These faults from now on, and no others. */
  set(systemId: string, faults: FaultSettings): void {
    this.accounts.get(systemId)?.set({}, { ...SOUND, ...faults })
  }

  /** The message that was given this id, as it was written in its response. */
  findWritten(messageId: string, form: IdForm): Taken | undefined {
    return this.ledger.find(readId(messageId, form))
  }

  /** Receipts that wait for a session. */
  get waiting(): number {
    let waiting = 0
    for (const { deliveries } of this.accounts.values()) waiting += deliveries.waiting
    return waiting
  }

  close(): void {
    for (const { deliveries } of this.accounts.values()) deliveries.clear()
    this.#later.clear()
  }
}
