import type { Clock } from './clock.ts'
import { type Prepared, submitSm } from './prepare.ts'
import type { Job } from './routing/pool.ts'
import type { BodyInput } from './smpp/pdu.ts'
import type { PartTag, SendLink, SendRequest } from './submit.ts'

/** A message's parts as a pool takes them: one object a message, where closures made eight. */
export class SendJob implements Job<BodyInput<'submit_sm'>, SendLink> {
  readonly stored = new Told()

  constructor(
    private readonly request: SendRequest,
    private readonly prepared: Prepared,
    readonly messageId: string,
    private readonly clock: Clock,
  ) {}

  get partCount(): number {
    return this.prepared.text.parts.length
  }

  get preferred(): number {
    return this.request.esme
  }

  get destination(): string {
    return this.prepared.destination.digits
  }

  pdu(part: number, link: SendLink): BodyInput<'submit_sm'> {
    return submitSm(this.request, this.prepared, part, link, this.clock)
  }

  tag(part: number): PartTag {
    return new SentPart(this, part)
  }
}

class SentPart implements PartTag {
  constructor(
    private readonly job: SendJob,
    readonly part: number,
  ) {}

  get messageId(): string {
    return this.job.messageId
  }

  get stored(): Promise<void> {
    return this.job.stored.promise
  }
}

/** Something that happens once. Its promise is made for those that wait: of a thousand messages none does. */
class Told {
  #told = false
  #waiting: PromiseWithResolvers<void> | undefined

  get promise(): Promise<void> {
    if (this.#told) return Promise.resolve()
    this.#waiting ??= Promise.withResolvers()
    return this.#waiting.promise
  }

  tell(): void {
    this.#told = true
    this.#waiting?.resolve()
  }
}
