import type { GatewayError } from '../../src/errors.ts'
import type { NetworkSettings } from '../../src/network.ts'
import { STRATEGIES } from '../../src/routing/strategy.ts'
import type { SendRequest } from '../../src/submit.ts'
import { TurnedClock } from './clock.ts'
import { Book, type Call } from './simulation_book.ts'
import { ANY_MESSAGE, checkEnd, checkIdle, checkLife } from './simulation_checks.ts'
import { Life } from './simulation_life.ts'
import { MemoryNet } from './simulation_net.ts'
import { Chance, faultsOf, type Plan, PORT, planOf, REFUSED_PREFIX } from './simulation_plan.ts'
import { MemorySmsc } from './simulation_smsc.ts'
import { MemoryStore } from './simulation_store.ts'

/** What a run came to; equal seeds give equal outcomes. */
export interface Outcome {
  readonly seed: number
  readonly complaints: readonly string[]
  readonly calls: number
  readonly writes: number
  readonly restarts: number
  readonly states: Readonly<Record<string, number>>
  readonly trace: readonly string[]
  readonly store: MemoryStore
}

/** Callers, gateway, SMSCs and everything that goes wrong between them, from one seed. */
export async function simulate(seed: number, traced = false): Promise<Outcome> {
  const world = new World(seed, traced)
  await world.run()
  return world.outcome()
}

/** A caller's send that may be tried again under its key. */
interface Keyed {
  readonly call: Call
  readonly request: SendRequest
  tries: number
}

const KEYED_TRIES_MAX = 4
const HEALING_MS = 120_000
const STOP_MS = 20_000

class World {
  readonly chance: Chance
  readonly plan: Plan
  readonly clock = new TurnedClock()
  readonly book: Book
  readonly store: MemoryStore
  readonly smscs: readonly MemorySmsc[]
  readonly net: MemoryNet
  settings: NetworkSettings
  life: Life
  restarts = 0
  readonly #facts = new Map<string, NetworkSettings['links'][number]>()
  readonly #switches = new Map<number, boolean>()
  /** Answers of the present process that are still awaited. */
  #awaited = 0
  #submits = 0
  #retries: Keyed[] = []

  constructor(
    readonly seed: number,
    traced: boolean,
  ) {
    this.chance = new Chance(seed)
    const { draw } = this.chance
    this.plan = planOf(this.chance)
    this.settings = this.plan.settings
    this.#learn()
    this.book = new Book(this.clock, name => this.#factsOf(name), this.plan.tpsMax, traced)
    this.smscs = this.plan.smscs.map(({ host, firstId, systemIds }) => {
      const smsc: MemorySmsc = new MemorySmsc(
        host,
        firstId,
        systemIds,
        this.clock,
        draw,
        (pdu, account, status, id) => {
          const taken = status === 0 ? smsc.findWritten(id, account.faults.idResponse) : undefined
          this.book.taken(pdu, `${host}:${PORT}/${account.systemId}`, status, id, taken)
        },
      )
      smsc.latencyMsMax = this.chance.often(0.5) ? 0 : this.chance.between(1, 100)
      return smsc
    })
    this.net = new MemoryNet(
      this.clock,
      draw,
      {
        sent: (pdu, wire) => this.book.sentPdu(pdu, wire),
        arrived: (pdu, wire) => this.book.arrivedPdu(pdu, wire),
        halved: () => this.book.halves++,
      },
      new Map(this.smscs.map(smsc => [smsc.name, smsc])),
    )
    this.store = new MemoryStore(this.clock, draw)
    this.store.commitMsMax = this.plan.commitMsMax
    this.#heal()
    this.life = this.#born()
  }

  async run(): Promise<void> {
    const { chance, clock, plan } = this
    await clock.advance(chance.between(0, 500))
    while (this.book.calls.length < plan.messages) {
      const burst = chance.often(0.1) ? chance.between(10, 60) : chance.between(0, 6)
      for (let each = 0; each < burst; each++) this.#call()
      for (const keyed of this.#retries.splice(0)) this.#submit(keyed)
      await clock.advance(chance.often(0.3) ? chance.between(0, 5) : chance.between(5, 400))
      if (chance.often(0.15)) await this.#happen()
    }
    await this.#end()
  }

  outcome(): Outcome {
    const states: Record<string, number> = {}
    for (const { heard } of this.book.calls) {
      const word = !heard
        ? 'never told'
        : 'code' in heard
          ? heard.code
          : this.store.get(heard.message.id).state
      states[word] = (states[word] ?? 0) + 1
    }
    const { complaints, trace, calls, writes } = this.book
    return {
      ...{ seed: this.seed, complaints, trace, calls: calls.length, writes },
      restarts: this.restarts,
      states,
      store: this.store,
    }
  }

  /** Something goes wrong, or right again. */
  async #happen(): Promise<void> {
    const { chance, net, book, store } = this
    const smsc = chance.of(this.smscs)
    const events: readonly (readonly [number, string, () => unknown])[] = [
      [12, 'faults', () => this.#misbehave(smsc)],
      [8, 'all is well', () => this.#wellAgain()],
      [2, 'cut', () => net.cut(smsc)],
      [2, 'one wire cut', () => (net.wires.size > 0 ? chance.of([...net.wires]).cut() : undefined)],
      [1, 'refusing', () => (smsc.state = 'refusing')],
      [1, 'silent', () => (smsc.state = 'silent')],
      [1, 'full', () => this.#fill(smsc)],
      [1, 'disk full', () => (store.failing = chance.often(0.5))],
      [2, 'reload', () => this.#reload()],
      [1, 'switch', () => this.#switch()],
      [1, 'crash', () => this.#crash()],
      [1, 'restart', () => this.#restart()],
    ]
    const [, name, event] = chance.weighted(events)
    book.note(`-- ${name} ${smsc.name}`)
    await event()
  }

  #misbehave(smsc: MemorySmsc): void {
    const systemId = this.chance.of([...smsc.accounts.keys()])
    const faults = faultsOf(this.chance)
    this.book.note(`   ${systemId} ${JSON.stringify(faults)}`)
    smsc.set(systemId, { ...faults, ...this.#habitsOf(smsc, systemId) })
  }

  #fill(smsc: MemorySmsc): void {
    smsc.state = 'full'
    this.book.wasFull = true
  }

  #heal(): void {
    this.store.failing = false
    for (const smsc of this.smscs) {
      smsc.state = 'up'
      for (const systemId of smsc.accounts.keys()) smsc.set(systemId, this.#habitsOf(smsc, systemId))
    }
    this.net.drain()
  }

  #wellAgain(): void {
    this.#heal()
    this.#switches.clear()
    this.life.network.bindLinks()
  }

  #habitsOf(smsc: MemorySmsc, systemId: string) {
    return this.plan.habits.get(`${smsc.name}:${PORT}/${systemId}`) ?? {}
  }

  #reload(): void {
    const { chance } = this
    const links = this.settings.links.map(link => {
      if (chance.often(0.5)) return link
      const limits = {
        window: chance.between(1, 40),
        limitTps: chance.often(0.3) ? 0 : chance.between(3, 60),
      }
      // A change of the bind makes the link anew.
      const anew = chance.often(0.3) ? { enquireLinkMs: chance.between(1000, 10_000) } : {}
      return { ...link, ...limits, ...anew }
    })
    const pools = this.settings.pools.map(pool => ({ ...pool, strategy: chance.of(STRATEGIES) }))
    this.settings = { ...this.settings, links, pools }
    this.#learn()
    this.life.network.apply(this.settings)
  }

  #switch(): void {
    const { id } = this.chance.of(this.settings.links)
    this.#switches.set(id, !(this.#switches.get(id) ?? true))
    this.life.network.bindLinks()
  }

  async #crash(): Promise<void> {
    this.life.kill(this.net)
    this.store.crash()
    this.#awaited = 0
    this.#lose()
    await this.#rise()
  }

  async #restart(): Promise<void> {
    for (let each = this.chance.between(0, 40); each > 0; each--) this.#call()
    await this.clock.advance(this.chance.between(0, 20))
    await this.#stop()
    await this.#rise()
  }

  /** What is not stored by now is known to nobody. */
  #lose(): void {
    for (const call of this.book.calls) if (!call.heard || 'code' in call.heard) call.lost = true
  }

  async #rise(): Promise<void> {
    this.restarts++
    await this.clock.advance(this.chance.between(50, 3000))
    this.life = this.#born()
    this.#retries.push(...this.#keyed.filter(({ call, tries }) => !call.heard && tries < KEYED_TRIES_MAX))
  }

  async #stop(): Promise<void> {
    const { life, book } = this
    let timersLeft: number | undefined
    void life.stop().then(() => {
      timersLeft = life.clock.timers
    })
    await this.clock.advance(STOP_MS)
    if (timersLeft === undefined) book.complain('the gateway did not stop')
    else if (timersLeft > 0) book.complain(`${timersLeft} timers outlived the stop`)
    this.store.failing = false
    await this.clock.advance(1000)
    checkLife(life, book, this.#submits)
    if (this.#awaited > 0) this.book.complain(`${this.#awaited} callers were not answered before the stop`)
    this.#lose()
  }

  #born(): Life {
    const { clock, net, store, plan } = this
    this.book.newLife()
    this.book.wasFull = this.smscs.some(smsc => smsc.state === 'full')
    this.#submits = 0
    const switchedOn = (id: number): boolean | undefined => this.#switches.get(id)
    return new Life(this.settings, {
      clock,
      draw: this.chance.draw,
      net,
      store,
      switchedOn,
      tpsMax: plan.tpsMax,
    })
  }

  readonly #keyed: Keyed[] = []

  #call(): void {
    const { chance, book, plan } = this
    const number = book.calls.length
    const parts = chance.often(0.7) ? 1 : chance.between(2, chance.often(0.1) ? 10 : 4)
    const ucs2 = chance.often(0.15)
    const prefix = chance.often(0.02) ? REFUSED_PREFIX : chance.of(['4915', '4477'])
    const destination = `${prefix}${String(chance.between(1, plan.destinations)).padStart(7, '0')}`
    const appId = chance.between(1, 3)
    const keyed = chance.often(0.25)
    const esme = chance.of(this.settings.links).id
    const campaign = `campaign-${chance.between(1, 4)}`
    const call: Call = {
      number,
      pool: this.#poolOf(esme, destination),
      destination,
      parts,
      campaign,
      receipts: chance.often(0.9),
      keyed,
      lost: false,
      heard: undefined,
    }
    book.calls.push(call)
    const request: SendRequest = {
      appId,
      appName: `app-${appId}`,
      esme,
      source: 'Shop',
      destination,
      text: textOf(number, parts, ucs2),
      transactionId: `tx-${number}`,
      campaign,
      encoding: 'auto',
      flash: false,
      registeredDelivery: call.receipts,
      priority: 0,
      validitySeconds: undefined,
      scheduleAt: undefined,
      idempotency: keyed ? { key: `key-${number}`, bodyHash: Uint8Array.of(number & 255) } : undefined,
    }
    const sent: Keyed = { call, request, tries: 0 }
    if (keyed) this.#keyed.push(sent)
    this.#submit(sent)
    // An impatient caller sends the same again at once.
    if (keyed && chance.often(0.2)) this.#submit(sent)
  }

  #poolOf(esme: number, destination: string): string {
    if (destination.startsWith(REFUSED_PREFIX)) return ''
    return this.life.network.route({ ...ANY_MESSAGE, esme, destination }).options.name
  }

  #submit(keyed: Keyed): void {
    const { call, request } = keyed
    const { life, book } = this
    keyed.tries++
    this.#awaited++
    this.#submits++
    book.note(`caller sends ${call.number} of ${call.parts} to ${call.destination} by ${request.esme}`)
    life.submit(request).then(
      message => {
        if (life !== this.life) return
        this.#awaited--
        book.note(`caller hears of ${call.number}: ${message.state} ${message.error}`)
        if (call.heard && 'message' in call.heard && call.heard.message.id !== message.id)
          book.complain(`call ${call.number} has two answers under one key`)
        call.heard = { message }
      },
      (error: GatewayError) => {
        if (life !== this.life) return
        this.#awaited--
        book.note(`caller hears of ${call.number}: ${error.code} ${error.publicText}`)
        if (error.code === undefined) book.complain(`call ${call.number} failed with ${String(error)}`)
        if (call.heard && 'message' in call.heard) return
        call.heard = { code: error.code, text: error.publicText }
        const again = ['store_failed', 'not_sent', 'key_reused'].includes(error.code)
        if (call.keyed && again && keyed.tries < KEYED_TRIES_MAX) this.#retries.push(keyed)
      },
    )
  }

  /** Everything mends, all that is open ends, the gateway stops; then the books are checked. */
  async #end(): Promise<void> {
    const { book, clock } = this
    book.note('-- the end: all mends')
    this.#heal()
    for (const { id } of this.settings.links) this.#switches.set(id, false)
    this.life.network.bindLinks()
    await clock.advance(10_000)
    this.#wellAgain()
    await clock.advance(HEALING_MS)
    for (const keyed of this.#retries.splice(0)) this.#submit(keyed)
    await clock.advance(HEALING_MS)
    checkIdle(this.life.network, this.settings, book)
    for (const smsc of this.smscs)
      if (smsc.waiting > 0) book.complain(`${smsc.waiting} receipts wait at ${smsc.name} for a session`)
    await this.#stop()
    for (const smsc of this.smscs) smsc.close()
    this.net.cut()
    await clock.settle()
    if (clock.timers > 0) book.complain(`${clock.timers} timers are left`)
    checkEnd(book, this.store, this.plan)
  }

  #learn(): void {
    for (const link of this.settings.links) this.#facts.set(link.name, link)
  }

  #factsOf(name: string) {
    const link = this.#facts.get(name)
    return link && { ...link, account: `${link.address.host}:${PORT}/${link.systemId}` }
  }
}

/** Each part, wherever it is cut, holds the number of its call. */
function textOf(number: number, parts: number, ucs2: boolean): string {
  const tag = `<${number}>${ucs2 ? 'ж' : ' '}`
  if (parts === 1) return tag
  const characters = parts * (ucs2 ? 67 : 153) - 20
  return tag.repeat(Math.ceil(characters / tag.length)).slice(0, characters)
}
