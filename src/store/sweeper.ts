import type { Cancel, Clock } from '../clock.ts'
import type { MessageStore } from './store.ts'

/** Between two pieces of one search: traffic goes first. */
const PIECE_MS = 10

export interface SweepPace {
  /** Between two searches for what is past its time. */
  readonly everyMs: number
  /** To the first of them, where it is another time. */
  readonly firstMs?: number
  /** One sweep is a piece of a search, which ends with one that finds nothing; else it is the whole of it. */
  readonly inPieces: boolean
}

/** Deletes what is past its time, for as long as it runs. */
export function startSweeper(
  store: Pick<MessageStore, 'sweep'>,
  clock: Pick<Clock, 'now' | 'after'>,
  log: { warn(fields: object, text: string): void },
  { everyMs, firstMs = everyMs, inPieces }: SweepPace,
): Cancel {
  let stopped = false
  let cancel: Cancel = () => undefined
  const plan = (delayMs: number): void => {
    if (!stopped) cancel = clock.after(delayMs, sweep)
  }
  const sweep = (): void => {
    store.sweep(clock.now()).then(
      rows => plan(inPieces && rows > 0 ? PIECE_MS : everyMs),
      (error: unknown) => {
        log.warn({ err: error }, 'what is past its time could not be deleted')
        plan(everyMs)
      },
    )
  }
  plan(firstMs)
  return () => {
    stopped = true
    cancel()
  }
}
