import type { LinkSettings, NetworkSettings, PoolSettings } from '../../src/network.ts'
import { compileRules } from '../../src/routing/rules.ts'
import { STRATEGIES } from '../../src/routing/strategy.ts'
import type { FaultSettings } from '../../src/smsc/faults.ts'
import type { Draw } from '../../src/smsc/selector.ts'
import { seededDraw } from '../../src/smsc/smsc.ts'

/** All that is random in a simulation, drawn from its seed. */
export class Chance {
  readonly draw: Draw

  constructor(seed: number) {
    this.draw = seededDraw(seed)
  }

  /** From `min` to `max`, both included. */
  between = (min: number, max: number): number => min + Math.floor(this.draw() * (max - min + 1))
  often = (share: number): boolean => this.draw() < share

  of<T>(list: readonly T[]): T {
    const one = list[Math.floor(this.draw() * list.length)]
    if (one === undefined) throw new Error('nothing to choose from')
    return one
  }

  /** One of `list`, each as likely as its first member says. */
  weighted<T extends readonly [number, ...unknown[]]>(list: readonly T[]): T {
    let at = this.draw() * list.reduce((sum, [weight]) => sum + weight, 0)
    for (const one of list) {
      at -= one[0]
      if (at < 0) return one
    }
    return this.of(list)
  }
}

export interface SmscPlan {
  readonly host: string
  readonly firstId: number
  readonly systemIds: readonly string[]
}

export interface Plan {
  readonly smscs: readonly SmscPlan[]
  readonly settings: NetworkSettings
  readonly tpsMax: number
  /** By account: how it writes ids and receipts, for the whole run. */
  readonly habits: ReadonlyMap<string, FaultSettings>
  readonly messages: number
  readonly destinations: number
  readonly commitMsMax: number
}

export const PORT = 2775
export const REFUSED_PREFIX = '4999'

const ID_HABITS = [
  {},
  { idReceipt: 'hex' },
  { idResponse: 'hex' },
  { idResponse: 'upper', idReceipt: 'hex' },
  { idResponse: 'padded', idReceipt: 'decimal' },
  { idResponse: 'padded-hex', idReceipt: 'decimal' },
  { idReceipt: 'padded' },
] as const

const RECEIPT_HABITS = [
  {},
  { receiptIn: 'text' },
  { receiptIn: 'tlv' },
  { receiptIn: 'payload' },
  { receiptIn: 'text', receiptText: 'stat:{stat} ID:{id} err:{err}' },
  {
    receiptIn: 'text',
    receiptText:
      'id:{id} sub:001 dlvrd:001 submit date:{submit} done date:{done} stat:{stat} err:{err} text:{text}',
  },
] as const

export function planOf(chance: Chance): Plan {
  const { between, often } = chance
  // Two SMSCs may give the same ids: they are told apart by account.
  const firstId = between(2 ** 28, 2 ** 31)
  const smscs = Array.from({ length: between(1, 2) }, (_, at) => ({
    host: `smsc-${at}`,
    firstId,
    systemIds: Array.from({ length: between(1, 2) }, (_, id) => `esme-${id}`),
  }))
  const habits = new Map(
    smscs.flatMap(({ host, systemIds }) =>
      systemIds.map(id => {
        const habit = { ...chance.of(ID_HABITS), ...chance.of(RECEIPT_HABITS) }
        return [`${host}:${PORT}/${id}`, habit] as const
      }),
    ),
  )
  const links = Array.from({ length: between(1, 5) }, (_, at) => linkOf(chance, at + 1, smscs))
  const pools: PoolSettings[] = Array.from({ length: between(0, 2) }, (_, at) => ({
    id: at + 1,
    name: `pool-${at + 1}`,
    links: links.map(link => link.name).filter(() => often(0.6)),
    strategy: chance.of(STRATEGIES),
  })).filter(pool => pool.links.length > 0)
  return {
    smscs,
    habits,
    settings: {
      links,
      pools,
      rules: rulesOf(chance, pools),
      queueTimeoutMs: between(500, 8000),
      queueMax: often(0.2) ? between(5, 30) : 1000,
    },
    tpsMax: often(0.2) ? between(5, 60) : 0,
    messages: between(150, 450),
    destinations: often(0.3) ? between(2, 6) : between(30, 300),
    commitMsMax: often(0.5) ? 0 : between(1, 200),
  }
}

function linkOf(chance: Chance, id: number, smscs: readonly SmscPlan[]): LinkSettings {
  const { between, often } = chance
  const { host, systemIds } = chance.of(smscs)
  const name = `link-${id}`
  return {
    id,
    name,
    address: { host, port: PORT },
    systemId: chance.of(systemIds),
    password: 'secret',
    systemType: name,
    addresses: { ton: 0, npi: 0, range: '' },
    interfaceVersion: 0x34,
    bind: often(0.3) ? 'pair' : 'transceiver',
    connectTimeoutMs: between(200, 3000),
    responseTimeoutMs: between(300, 4000),
    enquireLinkMs: between(1000, 10_000),
    window: often(0.3) ? between(1, 3) : between(5, 40),
    limitTps: often(0.4) ? 0 : between(3, 60),
    enabled: true,
    shortCodeTon: 3,
    shortCodeNpi: 0,
    serviceType: '',
    weight: between(1, 5),
  }
}

function rulesOf(chance: Chance, pools: readonly PoolSettings[]): NetworkSettings['rules'] {
  const [pool] = pools
  const list = [
    { match: { destination: [REFUSED_PREFIX] }, refuse: 'not there' },
    ...(pool && chance.often(0.5) ? [{ match: { destination: ['4915'] }, pool: pool.name }] : []),
  ]
  const compiled = compileRules(list, { pools: pools.map(each => each.name) })
  if ('problems' in compiled) throw new Error(JSON.stringify(compiled.problems))
  return compiled.rules
}

/** How an account misbehaves from now on; `{}` is well. */
export function faultsOf(chance: Chance): FaultSettings {
  const { between, often } = chance
  if (often(0.3)) return {}
  const share = (): string => (0.02 + chance.draw() * 0.5).toFixed(2)
  const some: readonly (() => FaultSettings)[] = [
    () => ({ delay: `${between(0, 200)}ms-${between(200, 6000)}ms` }),
    () => ({ lose: share() }),
    () => ({ reorder: String(between(2, 6)) }),
    () => ({ error: `0x58=${share()},0x14=${share()}` }),
    () => ({ error: `0x08=${share()},0x64=${share()}` }),
    () => ({ error: `0x0b=${share()},0x45=${share()}` }),
    () => ({ throttleRate: String(between(2, 30)) }),
    () => ({ throttleWindow: String(between(1, 10)), delay: '5ms-50ms' }),
    () => ({ dropAfter: String(between(1, 60)), dropReset: often(0.5) ? 'on' : 'off' }),
    () => ({ mute: 'on' }),
    () => ({ bindStatus: chance.of(['0x0e', '0x05', '0x08', '0x58']) }),
    () => ({ receiptDelay: `0ms-${between(1, 5000)}ms` }),
    () => ({ receiptEarly: share(), delay: `0ms-${between(1, 800)}ms` }),
    () => ({ receiptTwice: share() }),
    () => ({ receiptState: `undeliverable=${share()},expired=${share()},rejected=${share()}` }),
    () => ({ receipts: 'off' }),
    () => ({ moRate: String(between(1, 20)) }),
  ]
  return Object.assign({}, ...Array.from({ length: between(1, 3) }, () => chance.of(some)()))
}
