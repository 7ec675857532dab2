import { GatewayError } from '../errors.ts'

export interface Passwords {
  hash(password: string): Promise<string>
  verify(password: string, hash: string): Promise<boolean>
}

/** OWASP's first choice for Argon2id: 19 MiB, two passes; about 45 ms of one core here. */
const MEMORY_KIB = 19_456
const PASSES = 2

/** What an unknown email is verified against, so that it takes as long as a known one. No password fits it. */
export const DUMMY_HASH = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=1$${'A'.repeat(43)}$${'A'.repeat(43)}`

export const argon2id: Passwords = {
  hash: password =>
    Bun.password.hash(password, { algorithm: 'argon2id', memoryCost: MEMORY_KIB, timeCost: PASSES }),
  // `random:…`, the stored form of the default app's secret, is no hash: nothing matches it.
  verify: async (password, hash) => hash.startsWith('$argon2id$') && Bun.password.verify(password, hash),
}

export interface HashingLimits {
  /** Hashes worked on at the same time; each takes a core and 19 MiB. */
  readonly atOnceMax: number
  /** Callers who wait for their turn; the next one is sent away. */
  readonly waitingMax: number
}

/** Holds password work to a bounded share of the machine: a flood of logins leaves the sends alone. */
export function bounded(passwords: Passwords, { atOnceMax, waitingMax }: HashingLimits): Passwords {
  const waiting: (() => void)[] = []
  let working = 0

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (working < atOnceMax) working++
    else if (waiting.length < waitingMax) await new Promise<void>(resolve => waiting.push(resolve))
    else throw new GatewayError('unavailable', 'too many logins and registrations at once; try again')
    try {
      return await work()
    } finally {
      // The turn goes straight to the next in line, so that a newcomer cannot slip in between.
      const next = waiting.shift()
      if (next) next()
      else working--
    }
  }

  return {
    hash: password => inTurn(() => passwords.hash(password)),
    verify: (password, hash) => inTurn(() => passwords.verify(password, hash)),
  }
}
