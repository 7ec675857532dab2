import { stat } from 'node:fs/promises'
import type { Cancel, Clock } from './clock.ts'
import { messageOf } from './errors.ts'

/** A change is in force within two of these. */
const LOOK_MS = 300

export interface RulesWatchOptions {
  /** The file that the rules are in now; undefined while they stand in the configuration itself. */
  readonly file: () => string | undefined
  /** Reads it and brings it into force; throws, with words for an operator, when it is wrong. */
  readonly take: () => void
  readonly clock: Pick<Clock, 'after'>
  readonly log: { warn(fields: object, text: string): void }
}

export interface RulesWatch {
  /** Why the file as it stands is not in force; empty when it is. */
  error(): string
  /** Others have read the rules and brought them into force. */
  taken(): void
  stop(): Promise<void>
}

/**
 * Keeps up with the file of rules as `filters/folder.ts` does with filters: it is looked at, since notifications
 * tell nothing on a network disk, and a change is taken once two looks in a row see the same. A broken file
 * leaves the last good rules in force. Begin before the file is first read, so that no change goes unseen.
 */
export async function watchRules(options: RulesWatchOptions): Promise<RulesWatch> {
  const { file, take, clock, log } = options
  let inForce = await stampOf(file())
  let spotted = inForce
  let error = ''
  let stopped = false
  let looking: Promise<void> = Promise.resolve()
  let cancel: Cancel = () => undefined

  const look = async (): Promise<void> => {
    const seen = await stampOf(file())
    if (stopped || seen === inForce) spotted = seen
    else if (seen !== spotted) spotted = seen
    else {
      inForce = seen
      try {
        take()
        error = ''
      } catch (thrown) {
        error = messageOf(thrown)
        log.warn({ error }, 'rules are broken: the last good ones stay in force')
      }
    }
  }
  const plan = (): void => {
    if (stopped) return
    cancel = clock.after(LOOK_MS, () => {
      looking = look().then(plan)
    })
  }
  plan()
  return {
    error: () => error,
    taken() {
      error = ''
    },
    stop() {
      stopped = true
      cancel()
      return looking
    },
  }
}

async function stampOf(file: string | undefined): Promise<string> {
  if (file === undefined) return 'none'
  try {
    const { mtimeNs, ctimeNs, size, ino } = await stat(file, { bigint: true })
    return `${file} ${mtimeNs} ${ctimeNs} ${size} ${ino}`
  } catch {
    return `${file} gone`
  }
}
