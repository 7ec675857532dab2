import type { SlidingSecond } from './licence/sliding_second.ts'
import type { LinkDialect } from './prepare.ts'
import type { Answer, Carrier } from './routing/carrier.ts'
import { Link, type LinkOptions, type LinkParts } from './smpp/link.ts'
import type { BodyInput } from './smpp/pdu.ts'

export interface LinkSettings extends LinkOptions, LinkDialect {
  /** What the configuration says; an operator may say otherwise. */
  readonly enabled: boolean
  /** Its share in a pool with the strategy `weighted`. */
  readonly weight: number
}

/** Its window, its TPS, a pause after the SMSC asked for one, the silence of the SMSC, or the TPS of the licence. */
export type Shortage = NonNullable<ReturnType<Link['shortage']>> | 'licence'

export type SubmitFields = BodyInput<'submit_sm'>

/** A link as pools and operators see it: the SMPP link, how it writes, and the licence's word on it. */
export class NetworkLink implements Carrier<SubmitFields>, LinkDialect {
  readonly id: number
  readonly name: string
  readonly account: string
  readonly shortCodeTon: number
  readonly shortCodeNpi: number
  readonly serviceType: string
  readonly smpp: Link

  constructor(
    public settings: LinkSettings,
    parts: LinkParts,
    /** The licence's, over all links; `hold` is called when it stands in the way of a part. */
    private readonly tps: SlidingSecond,
    private readonly hold: () => void,
  ) {
    this.id = settings.id
    this.name = settings.name
    this.shortCodeTon = settings.shortCodeTon
    this.shortCodeNpi = settings.shortCodeNpi
    this.serviceType = settings.serviceType
    this.smpp = new Link(settings, parts)
    this.account = this.smpp.account
  }

  bound(): boolean {
    return this.smpp.transmits()
  }

  room(): number {
    const room = this.smpp.room()
    if (room === 0 || this.tps.waitMs() === 0) return room
    this.hold()
    return 0
  }

  /** Why there is no room on a bound link. */
  shortage(): Shortage | undefined {
    return this.smpp.shortage() ?? (this.tps.waitMs() > 0 ? 'licence' : undefined)
  }

  load(): number {
    return this.smpp.load()
  }

  send(fields: SubmitFields, tag: unknown, answered: (answer: Answer) => void): void {
    this.tps.take()
    this.smpp.send(fields, tag, answered)
  }
}
