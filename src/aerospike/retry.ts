import { type AerospikeError, resultCodes } from './errors.ts'
import type { Random } from './ports.ts'

const PAUSE_MS = 10
const PAUSE_MS_MAX = 250

/** The pause after attempt number `attempt` (from 1): doubled each time, and the half of it at random. */
export function pauseMs(attempt: number, random: Random): number {
  const most = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (attempt - 1))
  return most * (0.5 + (random(1)[0] ?? 0) / 512)
}

/** Answers that say that the server did nothing, and may do it in a moment. */
const refusals: ReadonlySet<number> = new Set([
  resultCodes.PARTITION_UNAVAILABLE,
  resultCodes.KEY_BUSY,
  resultCodes.DEVICE_OVERLOAD,
  resultCodes.XDR_KEY_BUSY,
])

export type Verdict = 'again' | 'final' | 'in-doubt'

/** What a server's error means for a request: only what surely did nothing may be tried again. */
export function judgeAnswer(resultCode: number, write: boolean): Verdict {
  if (refusals.has(resultCode)) return 'again'
  // The server gave up waiting, perhaps for a replica's acknowledgement of what its master has applied.
  if (resultCode === resultCodes.SERVER_TIMEOUT) return write ? 'in-doubt' : 'again'
  return 'final'
}

/** The same for a request that got no answer. */
export function judgeFailure(error: AerospikeError, applied: 'no' | 'maybe', write: boolean): Verdict {
  if (write && applied === 'maybe') return 'in-doubt'
  switch (error.code) {
    case 'INVALID_ARGUMENT':
    case 'CLIENT_OVERLOADED':
    case 'CLIENT_CLOSED':
      return 'final'
    default:
      return 'again'
  }
}
