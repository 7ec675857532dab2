import { describe, expect, test } from 'bun:test'
import type { SpoolEntry } from '../../src/store/spool_entry.ts'
import { type Replayed, replay } from '../../src/store/spool_replay.ts'
import { StoreError } from '../../src/store/store.ts'

const ACCOUNT = 'a:1/x'
/** A receipt under these forms of an id. */
const entry = (seq: number, ids: readonly string[] = [String(seq)]): SpoolEntry => ({
  seq,
  write: {
    kind: 'settle',
    receipt: { account: ACCOUNT, ids, address: '', state: 'delivered', error: 0, at: seq },
  },
})
const many = (count: number): SpoolEntry[] => Array.from({ length: count }, (_, at) => entry(at + 1))
const seqOf = (write: SpoolEntry['write']): number => (write.kind === 'settle' ? write.receipt.at : -1)

/** Answers, or fails, a moment later. */
async function run(
  entries: readonly SpoolEntry[],
  outcome: (seq: number) => Error | undefined = () => undefined,
  held = new Set<string>(),
  stopped = (_told: number) => false,
): Promise<Replayed & { readonly told: readonly number[]; readonly together: number }> {
  const told: number[] = []
  let underWay = 0
  let together = 0
  const replayed = await replay(
    entries,
    async write => {
      told.push(seqOf(write))
      together = Math.max(together, ++underWay)
      await new Promise(resolve => setImmediate(resolve))
      underWay--
      const error = outcome(seqOf(write))
      if (error) throw error
    },
    held,
    () => stopped(told.length),
  )
  return { ...replayed, told, together }
}

const lost = new StoreError('the store did not take it')
const refusal = new StoreError('too big', { ofRecord: true })

describe('a replay', () => {
  test('tells a bounded number of entries together', async () => {
    const { together, done, last } = await run(many(300))
    expect(together).toBeGreaterThan(1)
    expect(together).toBeLessThanOrEqual(64)
    expect([done.length, last]).toEqual([300, 300])
  })

  test('in which the first fail and none succeeds ends early, and says where', async () => {
    const { told, last, done } = await run(many(300), () => lost)
    expect(done).toEqual([])
    expect(told.length).toBeLessThan(100)
    expect(last).toBe(told.at(-1) as number)
  })

  test('that is stopped begins no more, and says how far it came', async () => {
    const { done, last } = await run(many(300), undefined, undefined, told => told >= 100)
    expect([done.length, last]).toEqual([100, 100])
  })

  test('goes on where some fail, or are refused for good', async () => {
    const some = await run(many(300), seq => (seq % 2 ? undefined : lost))
    expect(some).toMatchObject({ last: 300, failure: lost })
    expect(some.done).toHaveLength(150)
    const refused = await run(many(300), seq => (seq % 2 ? refusal : lost))
    expect(refused).toMatchObject({ last: 300, done: [] })
    expect(refused.refused).toHaveLength(150)
  })

  test('tells one after the other what shares a key, and nothing of it after one that failed, now or before', async () => {
    const chain = [entry(1, ['x', 'y']), entry(2, ['y', 'z']), entry(3, ['z', 'w']), entry(4)]
    const well = await run(chain)
    expect(well.done).toEqual([1, 4, 2, 3])
    const held = new Set<string>()
    expect((await run(chain, seq => (seq === 1 ? lost : undefined), held)).told).toEqual([1, 4])
    expect((await run([entry(5, ['w', 'v']), entry(6)], undefined, held)).told).toEqual([6])
  })

  test('tells what comes after one that was refused for good', async () => {
    const { done, refused } = await run([entry(1, ['x']), entry(2, ['x'])], seq =>
      seq === 1 ? refusal : undefined,
    )
    expect(done).toEqual([2])
    expect(refused.map(({ entry, why }) => [entry.seq, why])).toEqual([[1, 'too big']])
  })
})
