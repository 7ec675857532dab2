import type { Random } from './ports.ts'
import { STATUS } from './status.ts'

interface Pace {
  readonly firstMs: number
  readonly maxMs: number
}

const NETWORK: Pace = { firstMs: 500, maxMs: 30_000 }
/** The SMSC is there and does not want us now: an old session not yet timed out, its own fault, throttling. */
const NOT_NOW: Pace = { firstMs: 2000, maxMs: 60_000 }
/** A wrong name or password does not mend itself, and many SMSCs lock an account that keeps trying. */
const REFUSED: Pace = { firstMs: 120_000, maxMs: 900_000 }

const REFUSALS: readonly number[] = [STATUS.ESME_RBINDFAIL, STATUS.ESME_RINVPASWD, STATUS.ESME_RINVSYSID]

/** How long to wait before the next try to bind: exponential, the upper half of it random. */
export class Backoff {
  #failures = 0
  #pace: Pace = NETWORK

  constructor(private readonly random: Random) {}

  succeeded(): void {
    this.#failures = 0
  }

  /** `bindStatus`: of a bind response with an error; undefined for a failure of the network. */
  nextMs(bindStatus: number | undefined): number {
    const pace = paceOf(bindStatus)
    // An SMSC that is back from an outage of an hour, and refuses one bind, is not left alone for a quarter of one.
    if (pace !== this.#pace) this.#failures = 0
    this.#pace = pace
    const { firstMs, maxMs } = pace
    const delayMs = Math.min(maxMs, firstMs * 2 ** this.#failures++)
    return delayMs / 2 + (delayMs / 2) * ((this.random(1)[0] ?? 0) / 256)
  }
}

function paceOf(bindStatus: number | undefined): Pace {
  if (bindStatus === undefined) return NETWORK
  return REFUSALS.includes(bindStatus) ? REFUSED : NOT_NOW
}
