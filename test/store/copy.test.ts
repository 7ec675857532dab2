import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import fc from 'fast-check'
import type { Message } from '../../src/message.ts'
import { CopyStopped } from '../../src/store/copy.ts'
import type { MessageStore } from '../../src/store/store.ts'
import { type Asked, Crash, type Deed, deeds, dying, receiptOf, rig } from './copy_rig.ts'

setDefaultTimeout(240_000)

const rigged = rig()
const ALL = { offset: 0, limit: 1000 }
const NOTHING = { messages: 0, claims: 0, inbound: 0, held: 0 }
let names = 0

/** A file that has had this life, closed again. */
async function lived(life: readonly Deed[]): Promise<{ name: string; asked: Asked }> {
  const name = `${++names}.db`
  const store = await rigged.gateway(name)
  const asked = await rigged.live(store, life)
  await store.close()
  return { name, asked }
}

/** What a gateway that is started on a store is told, and then closed. */
async function told<T>(opening: Promise<MessageStore>, ask: (store: MessageStore) => Promise<T>): Promise<T> {
  const store = await opening
  try {
    await store.recover(Number.MAX_SAFE_INTEGER)
    return await ask(store)
  } finally {
    await store.close()
  }
}

const toCluster = async (name: string) => rigged.copy(rigged.sqlite(name), await rigged.cluster())
const toFile = async (name: string) => rigged.copy(await rigged.cluster(), rigged.sqlite(name))
const inFile = <T>(name: string, ask: (store: MessageStore) => Promise<T>) => told(rigged.gateway(name), ask)
const inCluster = <T>(ask: (store: MessageStore) => Promise<T>) => told(rigged.clusterGateway(), ask)

const save = (id: string, over: Partial<Extract<Deed, { do: 'save' }>> = {}): Deed => ({
  do: 'save',
  parts: [id],
  campaign: 0,
  esme: 1,
  ...over,
})
const wait = (ms: number): Deed => ({ do: 'wait', ms })
/** Of everything a little, and more than a piece of most. */
const RICH: readonly Deed[] = [
  ...Array.from({ length: 10 }, (_, at) => save(`a${at}`, { campaign: at % 3 })),
  save('', { parts: ['b1', '', 'b2'] }),
  ...Array.from({ length: 4 }, (_, key): Deed => ({ do: 'claim', key, saved: key % 2 === 0, id: `c${key}` })),
  ...Array.from(
    { length: 4 },
    (_, at): Deed => ({ do: 'settle', ids: [`d${at}`], state: 'delivered', same: true }),
  ),
  { do: 'inbound', text: 'hello' },
  { do: 'segment', text: 'one', reference: 1, part: 1 },
  wait(1000),
  { do: 'segment', text: 'two', reference: 1, part: 2 },
  { do: 'segment', text: 'one', reference: 2, part: 3 },
  { do: 'settle', ids: ['a3'], state: 'delivered', same: false },
  wait(1000),
]

describe('a copy', () => {
  test('there and back is the same store to a gateway, now and in what happens next', async () => {
    await fc.assert(
      fc.asyncProperty(deeds, deeds, async (life, next) => {
        rigged.renew()
        const { name, asked } = await lived(life)
        expect((await toCluster(name)).missing).toEqual(NOTHING)
        const back = `${name}-back`
        expect((await toFile(back)).missing).toEqual(NOTHING)
        const { made } = rigged
        const soon = next.filter(deed => deed.do !== 'wait')
        // What waits from before is older than what comes now.
        rigged.clock.skip(1000)
        const story = async (store: MessageStore) => {
          rigged.made = made
          const before = await rigged.observe(store, asked)
          const more = await rigged.live(store, soon)
          return { before, after: await rigged.observe(store, more) }
        }
        const source = await inFile(name, story)
        expect(await inFile(back, story)).toEqual(source)
        expect(await inCluster(story)).toEqual(source)
      }),
      { numRuns: 40 },
    )
  })

  test('run twice, or with a source that went on in between, counts nothing twice', async () => {
    await fc.assert(
      fc.asyncProperty(deeds, deeds, async (life, next) => {
        rigged.renew()
        const { name, asked } = await lived(life)
        await toCluster(name)
        await toCluster(name)
        const more = await inFile(name, store => rigged.live(store, next))
        await toCluster(name)
        const all = { messages: [...asked.messages, ...more.messages], claims: more.claims }
        const { campaigns, top, totals, inbox } = await inFile(name, store => rigged.observe(store, all))
        const seen = await inCluster(store => rigged.observe(store, all))
        expect(seen).toMatchObject({ campaigns, top, totals, inbox })
      }),
      { numRuns: 30 },
    )
  })

  test('that dies at any write, before or after it was done, goes on to the same end', async () => {
    const { name, asked } = await lived(RICH)
    await toCluster(name)
    await toFile('straight.db')
    const expected = await inFile('straight.db', store => rigged.observe(store, asked))
    rigged.renew()
    let crashes = 0
    for (const direction of ['there', 'back'] as const) {
      for (let call = 1, over = false; !over; call++) {
        const file = rigged.sqlite(direction === 'there' ? name : 'crashed.db')
        const cluster = await rigged.cluster()
        const [from, to] = direction === 'there' ? [file, cluster] : [cluster, file]
        over = await rigged.copy(from, dying(to, Math.ceil(call / 2), call % 2 === 0), { file }).then(
          () => true,
          error => {
            if (!(error instanceof Crash)) throw error
            crashes++
            return false
          },
        )
      }
    }
    expect(crashes).toBeGreaterThan(10)
    expect(await inFile('crashed.db', store => rigged.observe(store, asked))).toEqual(expected)
    expect(await inFile(name, store => rigged.observe(store, asked))).toEqual(expected)
    expect(await inCluster(store => rigged.observe(store, asked))).toEqual(expected)
  })

  test('that is told to stop goes on from there, and tells of the whole at its end', async () => {
    const { name } = await lived(RICH)
    let pieces = 0
    const stopping = rigged.copy(rigged.sqlite(name), await rigged.cluster(), {
      stopped: () => ++pieces === 2,
    })
    await expect(stopping).rejects.toThrow(CopyStopped)
    let written = 0
    const cluster = await rigged.cluster()
    const { messages } = cluster.shelves
    const counting = {
      ...messages,
      write(rows: Parameters<typeof messages.write>[0]) {
        written += rows.length
        return messages.write(rows)
      },
    }
    Object.assign(cluster, { shelves: { ...cluster.shelves, messages: counting } })
    const report = await rigged.copy(rigged.sqlite(name), cluster)
    expect(report.counts.messages).toEqual({ copied: 15, past: 0 })
    expect(written).toBe(15 - 2 * 3)
  })

  test('begins anew when a gateway used the source after the interruption', async () => {
    const { name, asked } = await lived(RICH)
    let pieces = 0
    const stopping = rigged.copy(rigged.sqlite(name), await rigged.cluster(), {
      stopped: () => ++pieces === 2,
    })
    await expect(stopping).rejects.toThrow(CopyStopped)
    await inFile(name, store => store.settle(receiptOf(['a0'])))
    await toCluster(name)
    const first = asked.messages[0] as Message
    expect(await inCluster(store => store.find(first.id))).toMatchObject({ state: 'delivered' })
    pieces = 0
    const back = rigged.copy(await rigged.cluster(), rigged.sqlite('back.db'), {
      stopped: () => ++pieces === 9,
    })
    await expect(back).rejects.toThrow(CopyStopped)
    await inCluster(store => store.settle(receiptOf(['a1'])))
    await toFile('back.db')
    const second = asked.messages[1] as Message
    expect(await inFile('back.db', store => store.find(second.id))).toMatchObject({ state: 'delivered' })
  })

  test('of several files into one cluster adds up, and back into one of them counts its own once', async () => {
    const { name: a } = await lived([...RICH, save('e1')])
    const { name: b } = await lived([save('f1'), save('f2', { campaign: 2 }), save('')])
    await toCluster(a)
    await toCluster(b)
    const tallies = (store: MessageStore) => store.campaigns(ALL)
    const both = await inCluster(tallies)
    expect(await inCluster(store => store.totals())).toEqual({ messages: 16 + 3 })
    await inCluster(store => rigged.live(store, [save('g1')]))
    await toFile(a)
    expect(await inFile(a, store => store.totals())).toEqual({ messages: 20 })
    await toFile(a)
    await toCluster(a)
    expect(await inCluster(store => store.totals())).toEqual({ messages: 20 })
    await inFile(a, store => rigged.live(store, [save('g2')]))
    await toCluster(a)
    expect(await inCluster(store => store.totals())).toEqual({ messages: 21 })
    expect(both.rows.length).toBeGreaterThan(2)
  })

  test('into a cluster that loses its data brings all of it again', async () => {
    const { name } = await lived(RICH)
    await toCluster(name)
    rigged.renew()
    await toCluster(name)
    expect(await inCluster(store => store.totals())).toEqual({ messages: 15 })
  })

  test('keeps tallies of messages that were swept long ago, and leaves out what is past its time', async () => {
    const { name } = await lived([save('a'), wait(8 * 24 * 3600_000), save('b')])
    const { counts } = await toCluster(name)
    expect(counts.messages).toEqual({ copied: 1, past: 1 })
    expect(await inCluster(store => store.totals())).toEqual({ messages: 2 })
  })

  test('into a cluster that is in use misses no receipt that comes meanwhile', async () => {
    const ids = Array.from({ length: 60 }, (_, at) => `m${at}`)
    const { name, asked } = await lived(ids.map(id => save(id)))
    const gateway = await rigged.clusterGateway()
    const copying = toCluster(name)
    for (const id of ids) {
      await gateway.settle(receiptOf([id]))
      await gateway.save({ ...(asked.messages[0] as Message), id: rigged.id(), parts: [] })
    }
    await copying
    const found = await Promise.all(asked.messages.map(({ id }) => gateway.find(id)))
    expect(new Set(found.map(message => message?.state))).toEqual(new Set(['delivered']))
    expect((await gateway.unmatched(ALL)).total).toBe(0)
    expect((await gateway.totals()).messages).toBe(120)
    await gateway.close()
  })

  test('does not take back what the target knows by now', async () => {
    const { name, asked } = await lived([save('a'), save('b')])
    await toCluster(name)
    await inCluster(store => store.settle(receiptOf(['a'])))
    await toCluster(name)
    const first = asked.messages[0] as Message
    expect(await inCluster(store => store.find(first.id))).toMatchObject({ state: 'delivered' })
  })

  test('takes no segment from a message that the target has, also where nothing can join it any more', async () => {
    const at = (part: number, text: string): Deed => ({ do: 'segment', text, reference: 1, part })
    const { name } = await lived([at(1, 'one')])
    await toCluster(name)
    // The last begins another message, and moves the first out of its way.
    await inCluster(store => rigged.live(store, [at(2, 'two'), wait(2 * 3600_000), at(1, 'other')]))
    await toCluster(name)
    const { rows } = await inCluster(store => store.inbox(ALL))
    expect(rows.map(({ parts }) => parts)).toEqual([
      ['other', null, null],
      ['one', 'two', null],
    ])
  })

  test('brings messages to the receipts that wait for them in the target', async () => {
    const { name, asked } = await lived([save('a'), save('', { parts: ['b', 'c'] })])
    const settle = async (store: MessageStore) => {
      for (const id of ['a', 'c', 'd']) await store.settle(receiptOf([id]))
    }
    const look = async (store: MessageStore) => ({
      ...(await rigged.observe(store, asked)),
      waiting: (await store.unmatched(ALL)).rows.map(({ ids }) => ids),
    })
    const expected = {
      messages: [{ state: 'delivered' }, { parts: [{ state: 'submitted' }, { state: 'delivered' }] }],
      waiting: [['d']],
      totals: { messages: 2 },
    }
    await inCluster(settle)
    await toCluster(name)
    expect(await inCluster(look)).toMatchObject(expected)
    await inFile('back.db', settle)
    await toFile('back.db')
    expect(await inFile('back.db', look)).toMatchObject(expected)
  })

  test('from a cluster that a gateway uses is refused, and fails when one comes meanwhile', async () => {
    const gateway = await rigged.clusterGateway('shop-1')
    await expect(toFile('a.db')).rejects.toThrow('gateways use the cluster: shop-1 (node 0). Stop them')
    await gateway.close()
    let came: Promise<void> | undefined
    const coming = rigged.copy(await rigged.cluster(), rigged.sqlite('a.db'), {
      tell: () => {
        came ??= rigged.clusterGateway('shop-2').then(other => other.close())
      },
    })
    await expect(coming).rejects.toThrow('a gateway used the cluster meanwhile: copy again')
    await came
    await toFile('a.db')
  })

  test('of what a dead gateway left open finds it given up, and counted', async () => {
    const gateway = await rigged.clusterGateway('a')
    const asked = await rigged.live(gateway, RICH)
    await gateway.close()
    await toFile('a.db')
    const seen = await inFile('a.db', store => rigged.observe(store, asked))
    expect(seen).toMatchObject({ totals: { messages: 15 } })
    expect(seen).toEqual(await inCluster(store => rigged.observe(store, asked)))
  })
})
