import type { Clock } from '../clock.ts'
import { STATUS } from '../smpp/status.ts'
import type { Answer } from './carrier.ts'

export interface HealthOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  /** Told when a link is set aside. */
  readonly ejected?: (link: { readonly name: string }, forMs: number) => void
}

/** Answers are judged over this span. */
const WINDOW_MS = 10_000
/** Fewer answers than this say nothing. */
const ANSWERS_MIN = 20
/** A link with this share of bad answers is set aside. */
const BAD_SHARE = 0.5
/** And one with so many of them in a row: a link that falls mute at full speed has a good share for seconds. */
const BAD_RUN = 20
/** How long, at first; it doubles each time until the link has kept well for as long. */
const PAUSE_MS = 10_000
const PAUSE_MS_MAX = 300_000
/** A link that is back takes a share that grows from a tenth to all over this span. */
const RETURN_MS = 30_000
const RETURN_SHARE = 0.1

interface Record {
  since: number
  good: number
  bad: number
  /** Bad answers since the last good one. */
  run: number
  /** Monotonic milliseconds until which it is set aside; 0 when it never was. */
  until: number
  pauseMs: number
  /** Shares saved up while it returns; a whole one lets a message through. */
  credit: number
}

/** The link, not the message, is at fault: no answer, a system error, an application that asks to be left alone. */
const isBad = (answer: Answer): boolean =>
  answer.kind === 'unknown' ||
  (answer.kind === 'refused' &&
    (answer.status === STATUS.ESME_RSYSERR || answer.status === STATUS.ESME_RX_T_APPN))

/** Sets links aside that answer badly while others do well, and lets them return slowly. */
export class Health<Link extends { readonly name: string }> {
  /** Weak: a reload may take a link away. */
  readonly #records = new WeakMap<Link, Record>()

  constructor(private readonly options: HealthOptions) {}

  answered(link: Link, answer: Answer): void {
    const now = this.options.clock.monotonic()
    const record = this.#of(link, now)
    if (now - record.since >= WINDOW_MS) Object.assign(record, { since: now, good: 0, bad: 0 })
    if (isBad(answer)) {
      record.bad++
      record.run++
    } else {
      record.good++
      record.run = 0
    }
    const all = record.good + record.bad
    const badly = all >= ANSWERS_MIN && record.bad >= all * BAD_SHARE
    if (now < record.until || !(badly || record.run >= BAD_RUN)) return
    const wellFor = now - record.until
    record.pauseMs =
      record.until === 0 || wellFor > record.pauseMs + RETURN_MS
        ? PAUSE_MS
        : Math.min(record.pauseMs * 2, PAUSE_MS_MAX)
    Object.assign(record, { since: now, good: 0, bad: 0, run: 0, credit: 0, until: now + record.pauseMs })
    this.options.ejected?.(link, record.pauseMs)
  }

  /** True while it is set aside. */
  ejected(link: Link): boolean {
    const record = this.#records.get(link)
    return record !== undefined && this.options.clock.monotonic() < record.until
  }

  /** Asked once a message: false for a link that is set aside, and for most messages while it returns. */
  admits(link: Link): boolean {
    const credit = this.#credit(link)
    const record = this.#records.get(link)
    if (record && Number.isFinite(credit)) record.credit = credit < 1 ? credit : credit - 1
    return credit >= 1
  }

  /** What `admits` would say, which is not asked. */
  wouldAdmit(link: Link): boolean {
    return this.#credit(link) >= 1
  }

  /** With the share of the message that asks; without bounds for a link that is well, or set aside. */
  #credit(link: Link): number {
    const record = this.#records.get(link)
    if (!record || record.until === 0) return Number.POSITIVE_INFINITY
    const back = this.options.clock.monotonic() - record.until
    if (back < 0) return Number.NEGATIVE_INFINITY
    if (back >= RETURN_MS) return Number.POSITIVE_INFINITY
    return record.credit + RETURN_SHARE + (1 - RETURN_SHARE) * (back / RETURN_MS)
  }

  #of(link: Link, now: number): Record {
    let record = this.#records.get(link)
    if (!record) {
      record = { since: now, good: 0, bad: 0, run: 0, until: 0, pauseMs: PAUSE_MS, credit: 0 }
      this.#records.set(link, record)
    }
    return record
  }
}
