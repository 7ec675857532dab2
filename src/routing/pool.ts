import { ChurningMap } from '../churning_map.ts'
import type { Cancel, Clock } from '../clock.ts'
import { isTemporary } from '../smpp/status.ts'
import type { Candidate, Judges, Obstacle } from './candidate.ts'
import type { Answer, Carrier, PartResult, Unsent } from './carrier.ts'
import type { Health } from './health.ts'
import type { Strategy } from './strategy.ts'

/** A message as a pool sees it: some parts for one destination. */
export interface Job<Pdu, Link> {
  readonly partCount: number
  /** Built when its link is known, since short codes are written in each link's own way. */
  pdu(part: number, link: Link): Pdu
  /** Given to the link with the part, for an answer that comes too late. */
  tag(part: number): unknown
  /** The link that the caller asked for; taken while it has room. */
  readonly preferred: number
  /** Messages for one destination leave in order. */
  readonly destination: string
}

export interface PoolOptions<Link extends { readonly name: string }> {
  readonly name: string
  /** These change when the configuration is read anew; what waits then goes by the new ones. */
  id: number
  links: readonly Link[]
  strategy: Strategy<Link>
  /** Shared by all pools of the gateway: a link is as well in one as in another. */
  readonly health: Health<Link>
  /** How long a message waits for room, and how long each further part waits for the one before it. */
  queueTimeoutMs: number
  /** Messages that may wait; one more is told `queue_full` at once. */
  queueMax: number
  readonly clock: Clock
}

/** A pause before a link that refused a part is asked again; it doubles from the first to the last. */
const RETRY_PAUSE_MS = 100
const RETRY_PAUSE_MS_MAX = 2_000

/** One message under way: which of its parts wait, which are out, what became of the rest. */
interface Sending<Pdu, Link> {
  readonly job: Job<Pdu, Link>
  /** Counts up with each message; the queue is in its order, also for those that come back to it. */
  readonly order: number
  readonly results: (PartResult<Link> | undefined)[]
  /** Parts to write, in order. */
  readonly waiting: number[]
  open: number
  /** Parts from this one on were never written. */
  begun: number
  /** Monotonic milliseconds. */
  deadline: number
  /** The link that took its first part: the others follow it while it is bound. */
  link: Link | undefined
  /** The link that last asked for patience, and until when it is left alone. */
  refusedBy: Link | undefined
  patientUntil: number
  attempts: number
  lastRefusal: PartResult<Link> | undefined
  queued: boolean
  settle(results: readonly PartResult<Link>[]): void
}

/** What a pick looks at of a message. */
type Asking<Link> = Pick<Sending<never, Link>, 'link' | 'refusedBy' | 'patientUntil'> & {
  readonly job: Pick<Job<never, Link>, 'preferred' | 'destination'>
}

/**
 * The queue before some links. A message waits until a link has room, in order; all its parts go over one
 * link while that is bound; what was written to no socket moves to another; what may be tried again is, until
 * its deadline; what was written and not answered is left alone.
 */
export class Pool<Pdu, Link extends Carrier<Pdu>> {
  readonly #queue: Sending<Pdu, Link>[] = []
  /** Where messages for a destination went that are not answered yet: the next follow them, in order. */
  readonly #routes = new ChurningMap<string, { link: Link; count: number }>()
  /** A message whose parts did not all fit: its link takes no other until they are out. */
  readonly #lanes = new ChurningMap<Link, Sending<Pdu, Link>>()
  #orders = 0
  #timer: Cancel | undefined
  #timerAt = Number.POSITIVE_INFINITY
  /** Why it takes no more, once it does not. */
  #closed: Unsent | undefined

  readonly #judges: Judges<Link> = {
    admits: link => this.options.health.admits(link),
    choose: open => {
      const { strategy } = this.options
      const link = strategy.choose(open)
      strategy.took(link, open)
      return link
    },
  }

  constructor(readonly options: PoolOptions<Link>) {}

  /** Resolves when every part has its result; never rejects. */
  send(job: Job<Pdu, Link>): Promise<readonly PartResult<Link>[]> {
    const { clock, queueMax, queueTimeoutMs } = this.options
    if (this.#closed) return Promise.resolve(unsent(job.partCount, this.#closed))
    if (this.#queue.length >= queueMax) return Promise.resolve(unsent(job.partCount, 'queue_full'))
    return new Promise(settle => {
      const now = clock.monotonic()
      const sending: Sending<Pdu, Link> = {
        job,
        order: this.#orders++,
        results: [],
        waiting: partsOf(job.partCount),
        open: 0,
        begun: 0,
        deadline: now + queueTimeoutMs,
        link: undefined,
        refusedBy: undefined,
        patientUntil: 0,
        attempts: 0,
        lastRefusal: undefined,
        queued: true,
        settle,
      }
      this.#queue.push(sending)
      this.pump(now)
      if (sending.queued) this.#wakeAt(sending.deadline)
    })
  }

  /** Messages that wait for room. */
  get queued(): number {
    return this.#queue.length
  }

  /** True while a message to this destination waits: the next one waits behind it. */
  waitsFor(destination: string): boolean {
    return this.#queue.some(({ job }) => job.destination === destination)
  }

  /** Writes what has room. Called when a message comes, when a link has room again, and when time has passed. */
  pump(now = this.options.clock.monotonic()): void {
    const queue = this.#queue
    /** Where a message was passed over, and is not patient by request: those that came after it wait too. */
    let passed: Set<string> | undefined
    let at = 0
    let kept = 0
    for (; at < queue.length && this.#anyRoom(); at++) {
      const sending = queue[at]
      if (!sending) continue
      const { destination } = sending.job
      if (!passed?.has(destination) && this.#advance(sending, now)) sending.queued = false
      else {
        queue[kept++] = sending
        if (now < sending.patientUntil) continue
        passed ??= new Set()
        passed.add(destination)
      }
    }
    // Most often all or nothing went; else what was passed over closes up with what was not looked at.
    if (kept < at) queue.splice(kept, at - kept)
  }

  /** Tells all that wait that nothing of them was sent, and takes no more; what is written is still awaited. */
  close(reason: 'closing' | 'removed'): void {
    this.#closed = reason
    for (const sending of this.#queue.splice(0)) {
      sending.queued = false
      this.#giveUp(sending, reason)
    }
    this.#timer?.()
  }

  #anyRoom(): boolean {
    for (const link of this.options.links) if (link.room() > 0) return true
    return false
  }

  /** True when nothing of it waits any more. */
  #advance(sending: Sending<Pdu, Link>, now: number): boolean {
    while (sending.waiting.length > 0) {
      const link = this.#pick(sending, now, this.#judges)
      if (!link) return false
      this.#write(sending, link, now)
    }
    return true
  }

  /** The link for a part, or none yet. All that it changes, it changes through `judges`. */
  #pick(asking: Asking<Link>, now: number, judges: Judges<Link>): Link | undefined {
    // The rest of a message follows its first part, a message the one before it to the same handset.
    const own = asking.link?.bound() ? asking.link : this.#before(asking)
    if (own) return this.#obstacle(asking, own, now) ? undefined : own
    const wanted = withId(this.options.links, asking.job.preferred)
    if (wanted && !this.#obstacle(asking, wanted, now) && judges.admits(wanted)) return wanted
    return this.#another(wanted, asking, now, judges)
  }

  /** A link other than the one that was asked for, by health and strategy. */
  #another(
    wanted: Link | undefined,
    asking: Asking<Link>,
    now: number,
    judges: Judges<Link>,
  ): Link | undefined {
    const { links, health } = this.options
    const open = links.filter(each => !this.#obstacle(asking, each, now))
    if (open.length === 0) return undefined
    const well = open.filter(each => each !== wanted && judges.admits(each))
    if (well.length > 0) return judges.choose(well)
    const back = open.filter(each => !health.ejected(each))
    if (back.length > 0) return judges.choose(back)
    // A link that is set aside is better than none, but not than one that is only busy.
    return links.some(each => each.bound() && !health.ejected(each)) ? undefined : judges.choose(open)
  }

  /** Why `link` can take no part of it now, whatever the others do. */
  #obstacle(asking: Asking<Link>, link: Link, now: number): Obstacle | undefined {
    if (link.room() <= 0) return link.bound() ? 'no_room' : 'not_bound'
    if ((this.#lanes.get(link) ?? asking) !== asking) return 'lane'
    return link === asking.refusedBy && now < asking.patientUntil ? 'patience' : undefined
  }

  /** The link that has messages to the same handset which are not answered yet. */
  #before({ job, refusedBy }: Asking<Link>): Link | undefined {
    const before = this.#routes.get(job.destination)?.link
    if (!before?.bound() || before === refusedBy) return undefined
    // A reload may have given it to another pool.
    return this.options.links.includes(before) ? before : undefined
  }

  /**
   * What would become of the first part of a message that came now, before all that waits: it picks as `send`
   * does, and changes nothing.
   */
  explain(job: Pick<Job<Pdu, Link>, 'preferred' | 'destination'>): Candidate<Link>[] {
    const { links, strategy, health, clock } = this.options
    const asking: Asking<Link> = { job, link: undefined, refusedBy: undefined, patientUntil: 0 }
    const now = clock.monotonic()
    const taken = this.#pick(asking, now, {
      admits: link => health.wouldAdmit(link),
      choose: open => strategy.choose(open),
    })
    const before = this.#before(asking)
    return links.map(link => {
      if (link === taken) {
        if (link === before) return { link, taken: true, reason: 'destination' }
        if (health.ejected(link)) return { link, taken: true, reason: 'last_resort' }
        const asked = link.id === job.preferred && health.wouldAdmit(link)
        return { link, taken: true, reason: asked ? 'preferred' : 'strategy' }
      }
      const obstacle = this.#obstacle(asking, link, now)
      if (obstacle) return { link, taken: false, reason: obstacle }
      if (before) return { link, taken: false, reason: 'destination' }
      if (health.ejected(link)) return { link, taken: false, reason: 'set_aside' }
      return { link, taken: false, reason: health.wouldAdmit(link) ? 'another' : 'returning' }
    })
  }

  #write(sending: Sending<Pdu, Link>, link: Link, now: number): void {
    const { job } = sending
    const part = sending.waiting.shift()
    if (part === undefined) return
    if (sending.link !== link) this.#follow(sending, link)
    sending.open++
    if (sending.waiting.length > 0) {
      // What has begun goes on: each part written gives the next its own time.
      if (part >= sending.begun) sending.deadline = now + this.options.queueTimeoutMs
      this.#lanes.set(link, sending)
    } else this.#leaveLane(sending)
    sending.begun = Math.max(sending.begun, part + 1)
    const pdu = job.pdu(part, link)
    try {
      link.send(pdu, job.tag(part), answer => this.#answered(sending, part, link, answer))
    } catch {
      // A link answers, whatever happens; one that throws is taken to have written.
      queueMicrotask(() => this.#answered(sending, part, link, { kind: 'unknown', reason: 'closed' }))
    }
  }

  #answered(sending: Sending<Pdu, Link>, part: number, link: Link, answer: Answer): void {
    this.options.health.answered(link, answer)
    sending.open--
    if (answer.kind === 'accepted') {
      sending.results[part] = { kind: 'accepted', messageId: answer.messageId, link }
    } else if (answer.kind === 'unknown') sending.results[part] = { ...answer, link }
    else if (answer.kind === 'unwritten') this.#again(sending, part)
    else if (isTemporary(answer.status)) {
      sending.lastRefusal = { ...answer, link }
      sending.refusedBy = link
      const pause = Math.min(RETRY_PAUSE_MS * 2 ** sending.attempts++, RETRY_PAUSE_MS_MAX)
      sending.patientUntil = this.options.clock.monotonic() + pause
      // Its link is not kept from others meanwhile.
      this.#leaveLane(sending)
      this.#again(sending, part)
    } else {
      sending.results[part] = { ...answer, link }
      // One part refused for good: a text with a hole is worth nothing, so the rest stays here.
      this.#abandon(sending)
    }
    this.#finish(sending)
  }

  /** Back to its place in the queue, in the order of the parts; a link that is gone is no longer followed. */
  #again(sending: Sending<Pdu, Link>, part: number): void {
    const after = sending.waiting.findIndex(each => each > part)
    sending.waiting.splice(after < 0 ? sending.waiting.length : after, 0, part)
    const alone = sending.open === 0 && !sending.results.some(result => result?.kind === 'accepted')
    if (alone || !sending.link?.bound()) this.#unfollow(sending)
    if (
      this.#closed ||
      sending.results.some(result => result?.kind === 'refused' || result?.kind === 'unsent')
    ) {
      this.#abandon(sending)
      return
    }
    this.#wakeAt(sending.refusedBy ? Math.min(sending.patientUntil, sending.deadline) : sending.deadline)
    if (sending.queued) return
    sending.queued = true
    this.#queue.splice(this.#placeOf(sending), 0, sending)
    this.options.clock.soon(() => this.pump())
  }

  /** Before the first message of the queue that came after it. */
  #placeOf({ order }: Sending<Pdu, Link>): number {
    let from = 0
    let to = this.#queue.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#queue[middle]?.order ?? order) < order) from = middle + 1
      else to = middle
    }
    return from
  }

  /** Leaves its rest unwritten, since parts of it are missing for good. */
  #abandon(sending: Sending<Pdu, Link>): void {
    const refused = sending.results.some(result => result?.kind === 'refused')
    const unsent = { kind: 'unsent', reason: this.#closed ?? 'abandoned' } as const
    for (const part of sending.waiting.splice(0)) {
      sending.results[part] = refused ? unsent : (sending.lastRefusal ?? unsent)
    }
    this.#leaveLane(sending)
    if (sending.queued) this.#dequeue(sending)
  }

  #dequeue(sending: Sending<Pdu, Link>): void {
    sending.queued = false
    this.#queue.splice(this.#placeOf(sending), 1)
  }

  #giveUp(sending: Sending<Pdu, Link>, reason: Unsent): void {
    for (const part of sending.waiting.splice(0)) {
      sending.results[part] = sending.lastRefusal ?? { kind: 'unsent', reason }
    }
    this.#leaveLane(sending)
    this.#finish(sending)
  }

  #finish(sending: Sending<Pdu, Link>): void {
    if (sending.open > 0 || sending.waiting.length > 0) return
    this.#unfollow(sending)
    sending.settle(sending.results.filter(isKnown))
  }

  #follow(sending: Sending<Pdu, Link>, link: Link): void {
    this.#unfollow(sending)
    sending.link = link
    const route = this.#routes.get(sending.job.destination)
    if (route?.link === link) route.count++
    else this.#routes.set(sending.job.destination, { link, count: 1 })
  }

  #unfollow(sending: Sending<Pdu, Link>): void {
    const { link, job } = sending
    if (!link) return
    this.#leaveLane(sending)
    sending.link = undefined
    const route = this.#routes.get(job.destination)
    if (route?.link === link && --route.count === 0) this.#routes.delete(job.destination)
  }

  #leaveLane(sending: Sending<Pdu, Link>): void {
    if (sending.link && this.#lanes.get(sending.link) === sending) this.#lanes.delete(sending.link)
  }

  /** One timer, never later than the first deadline or end of patience in the queue; too early does no harm. */
  #wakeAt(moment: number): void {
    if (moment >= this.#timerAt) return
    this.#timer?.()
    this.#timerAt = moment
    this.#timer = this.options.clock.after(Math.max(0, moment - this.options.clock.monotonic()), () =>
      this.#wake(),
    )
  }

  #wake(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    this.pump()
    const now = this.options.clock.monotonic()
    const late = this.#queue.filter(sending => sending.deadline <= now)
    const reason = this.options.links.some(link => link.bound()) ? 'no_room' : 'no_link'
    for (const sending of late) {
      this.#dequeue(sending)
      this.#giveUp(sending, reason)
    }
    let next = Number.POSITIVE_INFINITY
    for (const { deadline, patientUntil } of this.#queue) {
      next = Math.min(next, deadline, patientUntil > now ? patientUntil : deadline)
    }
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(next)
  }
}

const isKnown = <R>(result: R | undefined): result is R => result !== undefined

/** Loops, where `Array.from` and `find` make a closure a message. */
function partsOf(count: number): number[] {
  const parts: number[] = []
  for (let part = 0; part < count; part++) parts.push(part)
  return parts
}

function withId<Link extends { readonly id: number }>(links: readonly Link[], id: number): Link | undefined {
  for (const link of links) if (link.id === id) return link
  return undefined
}

const unsent = <Link>(count: number, reason: Unsent): PartResult<Link>[] =>
  Array.from({ length: count }, () => ({ kind: 'unsent', reason }))
