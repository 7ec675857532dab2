/**
 * The check of a token alone: seen before, and for the first time.
 *   bun run bench parts
 */
import { systemClock } from '../../src/clock.ts'
import { Tokens } from '../../src/users/tokens.ts'
import { heading, hundredths, row } from './support/table.ts'

const KNOWN = 1_000_000
const NEW = 5000

const app = { id: 1, secretHash: 'stored form of a secret' }
const tokens = new Tokens(new Uint8Array(32), { ttlSeconds: 3600, rememberedMax: 1000 }, systemClock)
const some: string[] = []
for (let user = 0; user < NEW; user++) some.push(await tokens.sign(app, user))

async function timed(count: number, tokenOf: (n: number) => string): Promise<number> {
  const startedAt = performance.now()
  for (let n = 0; n < count; n++) {
    const user = tokens.userOf(app, tokenOf(n))
    if ((user instanceof Promise ? await user : user) === undefined) throw new Error('refused')
  }
  return ((performance.now() - startedAt) / count) * 1000
}

heading('The check of a token', 'token', 'µs each')
row('new', hundredths(await timed(NEW, n => some[n] ?? '')))
row('seen before', hundredths(await timed(KNOWN, () => some[NEW - 1] ?? '')))
