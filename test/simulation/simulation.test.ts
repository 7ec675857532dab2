import { expect, test } from 'bun:test'
import { StoreModel } from '../conformance/store_model.ts'
import { type Outcome, simulate } from '../support/simulation.ts'

/** `SIMULATION_SEEDS=5000` for more; `SIMULATION_SEED=123` for one, with its whole trace when it fails. */
const ONE = process.env.SIMULATION_SEED
const SEEDS = ONE
  ? [Number(ONE)]
  : Array.from({ length: Number(process.env.SIMULATION_SEEDS ?? 200) }, (_, at) => at + 1)

const TRACE_LINES_MAX = 400
const SEED_MS_MAX = 2000

/** A seed that fails is run again with its trace. */
async function holds(seed: number): Promise<Outcome> {
  const outcome = await simulate(seed)
  const { complaints } = outcome
  if (complaints.length === 0) return outcome
  const { trace } = await simulate(seed, true)
  const about = new Set(complaints.flatMap(text => /\b(\d+)\.\d+\b/.exec(text)?.[1] ?? []))
  const tells = (line: string): boolean =>
    /!!|--/.test(line) || [...about].some(number => new RegExp(`\\b${number}\\b`).test(line))
  const lines = ONE ? trace : trace.filter(tells).slice(-TRACE_LINES_MAX)
  throw new Error([`SIMULATION_SEED=${seed}`, ...complaints.slice(0, 20), '', ...lines].join('\n'))
}

test(
  `messages stay whole and honest through whatever goes wrong, in ${SEEDS.length} seeds`,
  async () => {
    const states: Record<string, number> = {}
    const all = { messages: 0, writes: 0, restarts: 0 }
    for (const seed of SEEDS) {
      const outcome = await holds(seed)
      all.messages += outcome.calls
      all.writes += outcome.writes
      all.restarts += outcome.restarts
      for (const [state, count] of Object.entries(outcome.states))
        states[state] = (states[state] ?? 0) + count
    }
    console.log(`simulated seeds ${SEEDS[0]} to ${SEEDS.at(-1)}: ${JSON.stringify({ ...all, ...states })}`)
    // A simulation in which nothing arrives, or nothing goes wrong, shows nothing.
    if (!ONE) expect(Object.keys(states)).toContainValues(['delivered', 'unknown', 'failed', 'never told'])
  },
  SEEDS.length * SEED_MS_MAX,
)

/** Seeds that show a fault again when its mending is taken back; each has its own test beside its part too. */
const SHOWN: readonly (readonly [number, string])[] = [
  [31, 'a link that a reload binds anew holds its limit'],
  [136, 'a refusal that comes while the link closes leaves no timer'],
  [140, 'a late response waits for its message to be stored'],
]
for (const [seed, what] of SHOWN)
  test(`${what} (seed ${seed})`, async () => {
    await holds(seed)
  })

test('one seed is one story', async () => {
  const [first, second] = [await simulate(7, true), await simulate(7, true)]
  expect(first.trace.length).toBeGreaterThan(300)
  expect(first.trace).toEqual(second.trace)
})

test('the store of the simulation keeps the contract: told the same, the model knows the same', async () => {
  for (const seed of [1, 2, 3]) {
    const { store } = await simulate(seed)
    const model = new StoreModel()
    for (const change of store.journal) {
      if (change.call === 'claim') model.claim(change.claim, change.message, change.now)
      else if (change.call === 'save') model.save(change.message)
      else if (change.call === 'settle') model.settle(change.receipt)
      else if (change.call === 'resolve') model.resolve(change.late)
      else model.recover(change.before, change.now)
    }
    expect(store.journal.length).toBeGreaterThan(100)
    expect(model.messages).toEqual(store.messages)
    expect(model.held).toEqual(store.held)
  }
})
