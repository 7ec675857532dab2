import { describe, expect, test } from 'bun:test'
import type { Answer, Carrier } from '../../src/routing/carrier.ts'
import { Health } from '../../src/routing/health.ts'
import { type Job, Pool } from '../../src/routing/pool.ts'
import { createStrategy, type StrategyName } from '../../src/routing/strategy.ts'
import { TurnedClock } from '../support/clock.ts'

/** A link by hand: room and answers are what the test says. */
class HandLink implements Carrier<string> {
  up = true
  free = 100
  broken = false
  readonly written: string[] = []
  readonly #answers: ((answer: Answer) => void)[] = []

  constructor(
    readonly id: number,
    readonly name = `link-${id}`,
  ) {}

  bound = () => this.up
  room = () => (this.up ? this.free : 0)
  load = () => this.written.length / 100

  send(pdu: string, _tag: unknown, answered: (answer: Answer) => void): void {
    if (this.broken) throw new Error('broken')
    this.free--
    this.written.push(pdu)
    this.#answers.push(answered)
  }

  /** Answers the oldest that is open. */
  answer(answer: Answer): void {
    this.free++
    this.#answers.shift()?.(answer)
  }

  accept(messageId = 'id'): void {
    this.answer({ kind: 'accepted', messageId })
  }

  get open(): number {
    return this.#answers.length
  }
}

function setUp({
  links = [1],
  strategy = 'priority' as StrategyName,
  queueTimeoutMs = 1000,
  queueMax = 10,
} = {}) {
  const clock = new TurnedClock()
  const all = links.map(id => new HandLink(id))
  const weights = new Map(all.map(link => [link.id, link.id]))
  const pool = new Pool<string, HandLink>({
    id: 0,
    name: 'pool',
    links: all,
    strategy: createStrategy<HandLink>(strategy, link => weights.get(link.id) ?? 1),
    queueTimeoutMs,
    queueMax,
    clock,
    health: new Health<HandLink>({ clock }),
  })
  return { clock, pool, links: all, first: all[0] as HandLink, second: all[1] as HandLink }
}

function job(name: string, { parts = 1, preferred = 1, destination = name } = {}): Job<string, HandLink> {
  return { partCount: parts, pdu: part => `${name}.${part}`, tag: part => part, preferred, destination }
}

const refused = (status: number): Answer => ({ kind: 'refused', status })
const THROTTLED = 0x58
const SYSTEM_ERROR = 0x08
const INVALID_DESTINATION = 0x0b

describe('a pool', () => {
  test('writes a message to the link that was asked for while it has room', async () => {
    const { pool, second } = setUp({ links: [1, 2] })
    const sent = pool.send(job('a', { preferred: 2 }))
    expect(second.written).toEqual(['a.0'])
    second.accept('x')
    expect(await sent).toEqual([{ kind: 'accepted', messageId: 'x', link: second }])
  })

  test('says of the link it would take whether it was asked for or picked', () => {
    const { pool } = setUp({ links: [1, 2] })
    const reasons = (preferred: number) =>
      pool.explain({ preferred, destination: 'x' }).map(({ taken, reason }) => [taken, reason])
    expect(reasons(2)).toEqual([
      [false, 'another'],
      [true, 'preferred'],
    ])
    expect(reasons(99)).toEqual([
      [true, 'strategy'],
      [false, 'another'],
    ])
  })

  test('takes a link that throws to have written, and goes on', async () => {
    const { pool, first } = setUp()
    first.broken = true
    expect(await pool.send(job('a'))).toEqual([{ kind: 'unknown', reason: 'closed', link: first }])
    first.broken = false
    void pool.send(job('b'))
    expect(first.written).toEqual(['b.0'])
  })

  test('takes another link when the one asked for has no room', () => {
    const { pool, first, second } = setUp({ links: [1, 2] })
    first.free = 0
    void pool.send(job('a'))
    expect(second.written).toEqual(['a.0'])
  })

  test('lets messages wait for room, and writes them in order', async () => {
    const { pool, first } = setUp()
    first.free = 0
    void pool.send(job('a'))
    void pool.send(job('b'))
    void pool.send(job('c'))
    expect(pool.queued).toBe(3)
    first.free = 2
    pool.pump()
    expect(first.written).toEqual(['a.0', 'b.0'])
    expect(pool.queued).toBe(1)
  })

  test('tells a message whose time has run out that nothing was sent, and why', async () => {
    const { clock, pool, first } = setUp({ queueTimeoutMs: 1000 })
    first.free = 0
    const noRoom = pool.send(job('a'))
    await clock.advance(1000)
    expect(await noRoom).toEqual([{ kind: 'unsent', reason: 'no_room' }])
    first.up = false
    const noLink = pool.send(job('b'))
    await clock.advance(1000)
    expect(await noLink).toEqual([{ kind: 'unsent', reason: 'no_link' }])
    expect(first.written).toEqual([])
    expect([pool.queued, clock.timers]).toEqual([0, 0])
  })

  test('tries no part again on another link once the rest was given up', async () => {
    const { clock, pool, first, second } = setUp({ links: [1, 2], queueTimeoutMs: 1000 })
    Object.assign(first, { free: 1 })
    const sent = pool.send(job('a', { parts: 2 }))
    await clock.advance(1000)
    first.answer(refused(SYSTEM_ERROR))
    await clock.advance(1000)
    expect(second.written).toEqual([])
    expect(await sent).toEqual([
      { ...refused(SYSTEM_ERROR), link: first } as never,
      { kind: 'unsent', reason: 'no_room' },
    ])
    expect([pool.queued, clock.timers]).toEqual([0, 0])
  })

  test('refuses at once what the queue cannot hold', async () => {
    const { pool, first } = setUp({ queueMax: 1 })
    first.free = 0
    void pool.send(job('a'))
    expect(await pool.send(job('b', { parts: 2 }))).toEqual([
      { kind: 'unsent', reason: 'queue_full' },
      { kind: 'unsent', reason: 'queue_full' },
    ])
  })

  test('sends all parts of a message over one link, and no other message between them', async () => {
    const { pool, first, second } = setUp({ links: [1, 2] })
    first.free = 2
    void pool.send(job('long', { parts: 4 }))
    void pool.send(job('short'))
    expect(first.written).toEqual(['long.0', 'long.1'])
    expect(second.written).toEqual(['short.0'])
    first.free = 5
    pool.pump()
    expect(first.written).toEqual(['long.0', 'long.1', 'long.2', 'long.3'])
  })

  test('gives each further part of a message that has begun its own time', async () => {
    const { clock, pool, first } = setUp({ queueTimeoutMs: 1000 })
    first.free = 1
    const sent = pool.send(job('long', { parts: 3 }))
    for (let part = 1; part < 3; part++) {
      await clock.advance(900)
      first.free = 1
      pool.pump()
    }
    expect(first.written).toEqual(['long.0', 'long.1', 'long.2'])
    while (first.open > 0) first.accept()
    expect((await sent).every(result => result.kind === 'accepted')).toBe(true)
  })

  test('keeps messages for one destination in order and on one link, while others overtake', async () => {
    const { pool, first, second } = setUp({ links: [1, 2] })
    first.free = 1
    void pool.send(job('a', { destination: 'x' }))
    void pool.send(job('b', { destination: 'x' }))
    void pool.send(job('c', { destination: 'y' }))
    expect([first.written, second.written]).toEqual([['a.0'], ['c.0']])
    first.accept()
    await Promise.resolve()
    pool.pump()
    expect(first.written).toEqual(['a.0', 'b.0'])
  })

  test('keeps what it had no room for behind what it passed over, and says for whom', async () => {
    const { pool, first, second } = setUp({ links: [1, 2] })
    first.free = 1
    second.free = 0
    for (const name of ['a', 'b']) void pool.send(job(name, { destination: 'x' }))
    for (const name of ['c', 'd', 'e']) void pool.send(job(name))
    second.free = 1
    pool.pump()
    expect([pool.queued, second.written]).toEqual([3, ['c.0']])
    expect(['x', 'c', 'd', 'e'].map(each => pool.waitsFor(each))).toEqual([true, false, true, true])
    second.free = 2
    pool.pump()
    expect([pool.queued, first.written, second.written]).toEqual([1, ['a.0'], ['c.0', 'd.0', 'e.0']])
  })

  test('moves what no socket has taken to another link', async () => {
    const { clock, pool, first, second } = setUp({ links: [1, 2] })
    const sent = pool.send(job('a'))
    first.up = false
    first.answer({ kind: 'unwritten' })
    await clock.settle()
    expect(second.written).toEqual(['a.0'])
    second.accept()
    expect(await sent).toEqual([{ kind: 'accepted', messageId: 'id', link: second }])
  })

  test('keeps the order of what comes back: a lost link, a refusal that asks for patience', async () => {
    const { clock, pool, first } = setUp()
    for (const name of ['a', 'b', 'c']) void pool.send(job(name))
    void pool.send(job('d'))
    first.up = false
    for (let each = 0; each < 4; each++) first.answer({ kind: 'unwritten' })
    await clock.settle()
    first.up = true
    first.written.length = 0
    pool.pump()
    expect(first.written).toEqual(['a.0', 'b.0', 'c.0', 'd.0'])
    first.written.length = 0
    for (let each = 0; each < 4; each++) first.answer(refused(THROTTLED))
    await clock.advance(100)
    expect(first.written).toEqual(['a.0', 'b.0', 'c.0', 'd.0'])
  })

  test('puts what comes back before what came after it, and counts it once', async () => {
    const { clock, pool, first } = setUp()
    first.free = 2
    for (const name of ['a', 'b', 'c']) void pool.send(job(name, { parts: name === 'b' ? 2 : 1 }))
    expect([pool.queued, first.written]).toEqual([2, ['a.0', 'b.0']])
    first.up = false
    for (let each = 0; each < 2; each++) first.answer({ kind: 'unwritten' })
    await clock.settle()
    expect(pool.queued).toBe(3)
    first.up = true
    first.free = 10
    first.written.length = 0
    pool.pump()
    expect(first.written).toEqual(['a.0', 'b.0', 'b.1', 'c.0'])
  })

  test('lets a message follow the one before it to the same handset, though an earlier one was lost with its link', () => {
    const { pool, first, second } = setUp({ links: [1, 2] })
    void pool.send(job('a', { destination: 'x' }))
    first.up = false
    void pool.send(job('b', { destination: 'x' }))
    first.answer({ kind: 'unknown', reason: 'closed' })
    first.up = true
    void pool.send(job('c', { destination: 'x' }))
    expect([first.written, second.written]).toEqual([['a.0'], ['b.0', 'c.0']])
  })

  test('sends nothing over a link that a reload took out of it, though an earlier message is out there', async () => {
    const { pool, first, second } = setUp({ links: [1, 2] })
    void pool.send(job('a', { destination: 'x' }))
    pool.options.links = [second]
    void pool.send(job('b', { destination: 'x' }))
    expect([first.written, second.written]).toEqual([['a.0'], ['b.0']])
  })

  test('lets no message overtake another for its destination when a long one makes way between them', async () => {
    const { pool, first, second } = setUp({ links: [1, 2] })
    second.free = 1
    void pool.send(job('z', { destination: 'x', preferred: 2 }))
    void pool.send(job('a', { destination: 'x' }))
    first.free = 1
    void pool.send(job('long', { parts: 2 }))
    second.accept()
    second.free = 0
    await Promise.resolve()
    first.free = 3
    void pool.send(job('b', { destination: 'x' }))
    pool.pump()
    expect(first.written).toEqual(['long.0', 'long.1', 'a.0', 'b.0'])
  })

  test('never writes again what was written and not answered', async () => {
    const { clock, pool, first, second } = setUp({ links: [1, 2] })
    const sent = pool.send(job('a'))
    first.answer({ kind: 'unknown', reason: 'timeout' })
    expect(await sent).toEqual([{ kind: 'unknown', reason: 'timeout', link: first }])
    await clock.advance(5000)
    expect([first.written, second.written]).toEqual([['a.0'], []])
  })

  test.each([
    [0x08, true],
    [0x14, true],
    [0x58, true],
    [0x64, true],
    [0x45, false],
  ])(
    'tries another link at once when one asks for patience, and not for another refusal: %d',
    async (status, again) => {
      const { clock, pool, first, second } = setUp({ links: [1, 2] })
      void pool.send(job('a'))
      first.answer(refused(status))
      await clock.settle()
      expect(second.written).toEqual(again ? ['a.0'] : [])
    },
  )

  test('tries the only link again after a pause that grows up to two seconds', async () => {
    const { clock, pool, first } = setUp({ queueTimeoutMs: 60_000 })
    const sent = pool.send(job('a'))
    for (const [tries, pauseMs] of [100, 200, 400, 800, 1600, 2000, 2000].entries()) {
      first.answer(refused(THROTTLED))
      await clock.advance(pauseMs - 1)
      expect(first.written).toHaveLength(tries + 1)
      await clock.advance(1)
      expect(first.written).toHaveLength(tries + 2)
    }
    first.accept()
    expect((await sent)[0]?.kind).toBe('accepted')
  })

  test('tries each message again when its own pause ends', async () => {
    const { clock, pool, first } = setUp({ queueTimeoutMs: 60_000 })
    for (const name of ['a', 'b']) {
      void pool.send(job(name))
      first.answer(refused(THROTTLED))
      await clock.advance(50)
    }
    expect(first.written).toEqual(['a.0', 'b.0', 'a.0'])
    await clock.advance(50)
    expect(first.written).toEqual(['a.0', 'b.0', 'a.0', 'b.0'])
  })

  test('lets others to the same handset go while a message is patient with its only link', async () => {
    const { pool, first } = setUp()
    void pool.send(job('a', { destination: 'x' }))
    first.answer(refused(THROTTLED))
    void pool.send(job('b', { destination: 'x' }))
    expect(first.written).toEqual(['a.0', 'b.0'])
  })

  test('answers with the last refusal when patience ends without success', async () => {
    const { clock, pool, first } = setUp({ queueTimeoutMs: 50 })
    const sent = pool.send(job('a'))
    first.answer(refused(THROTTLED))
    await clock.advance(50)
    expect(await sent).toEqual([{ kind: 'refused', status: THROTTLED, link: first }])
  })

  test('sends no further part once one was refused for good', async () => {
    const { clock, pool, first } = setUp()
    first.free = 1
    const sent = pool.send(job('long', { parts: 3 }))
    first.answer(refused(INVALID_DESTINATION))
    expect(await sent).toEqual([
      { kind: 'refused', status: INVALID_DESTINATION, link: first },
      { kind: 'unsent', reason: 'abandoned' },
      { kind: 'unsent', reason: 'abandoned' },
    ])
    first.free = 0
    await clock.advance(5000)
    expect(first.written).toEqual(['long.0'])
    expect(pool.queued).toBe(0)
  })

  test('sends no part again that no socket has taken once another was refused for good', async () => {
    const { clock, pool, first } = setUp()
    const sent = pool.send(job('long', { parts: 2 }))
    first.answer(refused(INVALID_DESTINATION))
    first.answer({ kind: 'unwritten' })
    await clock.advance(5000)
    expect((await sent).map(({ kind }) => kind)).toEqual(['refused', 'unsent'])
    expect(first.written).toEqual(['long.0', 'long.1'])
  })

  test('gives a part that is tried again no more time than its message had', async () => {
    const { clock, pool, first } = setUp({ queueTimeoutMs: 1000 })
    first.free = 1
    const sent = pool.send(job('long', { parts: 2 }))
    for (let each = 0; each < 50; each++) {
      if (first.open > 0) first.answer(refused(THROTTLED))
      await clock.advance(100)
    }
    expect(first.written).toHaveLength(4)
    expect((await sent).map(({ kind }) => kind)).toEqual(['refused', 'refused'])
  })

  test('leaves a link that asked for patience, though others to the same handset are out there', async () => {
    const { clock, pool, first, second } = setUp({ links: [1, 2] })
    for (const name of ['a', 'b']) void pool.send(job(name, { destination: 'x' }))
    first.answer(refused(THROTTLED))
    await clock.settle()
    expect(second.written).toEqual(['a.0'])
  })

  test('makes way on the link of a message of which a part was refused for good', () => {
    const { pool, first } = setUp()
    first.free = 2
    void pool.send(job('long', { parts: 3 }))
    first.answer(refused(INVALID_DESTINATION))
    void pool.send(job('b'))
    expect(first.written).toEqual(['long.0', 'long.1', 'b.0'])
  })

  test('tells of the refusal for good, also where another part was asked for patience before', async () => {
    const { pool, first } = setUp()
    const sent = pool.send(job('long', { parts: 2 }))
    first.answer(refused(THROTTLED))
    first.answer(refused(INVALID_DESTINATION))
    expect(await sent).toEqual([
      { kind: 'unsent', reason: 'abandoned' },
      { kind: 'refused', status: INVALID_DESTINATION, link: first },
    ])
  })

  test('makes way on the link of a message whose rest was given up', async () => {
    const { clock, pool, first } = setUp({ queueTimeoutMs: 1000 })
    first.free = 1
    void pool.send(job('long', { parts: 2 }))
    await clock.advance(1000)
    first.free = 1
    void pool.send(job('b'))
    expect(first.written).toEqual(['long.0', 'b.0'])
  })

  test('stays with the link that took a part when it asks for patience with the next', async () => {
    const { clock, pool, first, second } = setUp({ links: [1, 2] })
    void pool.send(job('long', { parts: 2 }))
    first.accept()
    first.answer(refused(THROTTLED))
    await clock.advance(100)
    expect(first.written).toEqual(['long.0', 'long.1', 'long.1'])
    expect(second.written).toEqual([])
  })

  test('lets others through a link while a long message waits, as asked, to try a part again', async () => {
    const { clock, pool, first } = setUp()
    first.free = 2
    const sent = pool.send(job('long', { parts: 3 }))
    first.accept()
    first.answer(refused(SYSTEM_ERROR))
    await clock.settle()
    void pool.send(job('b'))
    expect(first.written).toEqual(['long.0', 'long.1', 'b.0'])
    await clock.advance(100)
    expect(first.written).toEqual(['long.0', 'long.1', 'b.0', 'long.1'])
    first.accept()
    first.accept()
    pool.pump()
    expect(first.written.at(-1)).toBe('long.2')
    first.accept()
    expect((await sent).every(result => result.kind === 'accepted')).toBe(true)
  })

  test('finishes a message on another link when its own is lost between two parts', async () => {
    const { clock, pool, first, second } = setUp({ links: [1, 2] })
    first.free = 1
    const sent = pool.send(job('long', { parts: 2 }))
    first.accept()
    await clock.settle()
    first.up = false
    pool.pump()
    expect(second.written).toEqual(['long.1'])
    second.accept('y')
    expect((await sent).map(result => result.kind)).toEqual(['accepted', 'accepted'])
    Object.assign(first, { up: true, free: 1 })
    void pool.send(job('b'))
    expect(first.written).toEqual(['long.0', 'b.0'])
  })

  test('tells all that wait when it closes, takes no more, and still awaits what is written', async () => {
    const { clock, pool, first } = setUp()
    first.free = 2
    const written = pool.send(job('a'))
    const lost = pool.send(job('lost'))
    const waiting = pool.send(job('b'))
    pool.close('closing')
    expect(await waiting).toEqual([{ kind: 'unsent', reason: 'closing' }])
    expect(await pool.send(job('c'))).toEqual([{ kind: 'unsent', reason: 'closing' }])
    first.accept()
    expect((await written)[0]?.kind).toBe('accepted')
    first.answer({ kind: 'unwritten' })
    expect(await lost).toEqual([{ kind: 'unsent', reason: 'closing' }])
    expect(clock.timers).toBe(0)
  })

  test('leaves no timer and no message behind', async () => {
    const { clock, pool, first } = setUp()
    first.free = 1
    void pool.send(job('a'))
    void pool.send(job('b'))
    first.accept()
    await clock.settle()
    pool.pump()
    first.accept()
    await clock.advance(2000)
    expect([pool.queued, clock.timers]).toEqual([0, 0])
  })
})

describe('a link that answers badly', () => {
  /** Sends `count` messages that ask for link 1; says which links they went to. */
  const go = async ({ pool, links, clock }: ReturnType<typeof setUp>, count: number, answers: Answer[]) => {
    const before = links.map(link => link.written.length)
    for (let at = 0; at < count; at++) {
      void pool.send(job('m'.concat(String(at))))
      for (const [index, link] of links.entries()) {
        while (link.open > 0) link.answer(answers[index] ?? { kind: 'accepted', messageId: 'id' })
      }
      await clock.settle()
    }
    return links.map((link, index) => link.written.length - (before[index] ?? 0))
  }
  const lost: Answer = { kind: 'unknown', reason: 'timeout' }

  test('is set aside while another does well, and returns slowly', async () => {
    const world = setUp({ links: [1, 2] })
    expect(await go(world, 20, [lost])).toEqual([20, 0])
    expect(await go(world, 50, [])).toEqual([0, 50])
    await world.clock.advance(10_000)
    const [few = 0] = await go(world, 50, [])
    expect(few).toBeGreaterThan(2)
    expect(few).toBeLessThan(10)
    await world.clock.advance(30_000)
    expect(await go(world, 50, [])).toEqual([50, 0])
  })

  test('is set aside for longer each time it has not mended', async () => {
    const world = setUp({ links: [1, 2] })
    await go(world, 20, [lost])
    await world.clock.advance(10_000 + 15_000)
    await go(world, 60, [lost])
    await world.clock.advance(15_000)
    expect(await go(world, 20, [])).toEqual([0, 20])
  })

  test('is still used when there is no other', async () => {
    const world = setUp()
    await go(world, 20, [lost])
    const asked = world.pool.explain({ preferred: 1, destination: 'x' })
    expect(asked).toMatchObject([{ taken: true, reason: 'last_resort' }])
    expect(await go(world, 20, [])).toEqual([20])
  })

  test('is passed over by what asked for another link, which has no room', async () => {
    const world = setUp({ links: [1, 2, 3] })
    await go(world, 20, [lost])
    world.second.free = 0
    void world.pool.send(job('a', { preferred: 2 }))
    expect(world.links.map(({ open }) => open)).toEqual([0, 0, 1])
  })

  test('is used while it returns, where there is no other', async () => {
    const world = setUp()
    await go(world, 20, [lost])
    await world.clock.advance(10_000)
    // What it is asked for it would take a share of only.
    expect(world.pool.explain({ preferred: 1, destination: 'x' })).toMatchObject([{ reason: 'strategy' }])
    expect(await go(world, 20, [])).toEqual([20])
  })

  test('is used while the others are not bound, and not while they are only busy', async () => {
    const world = setUp({ links: [1, 2] })
    await go(world, 20, [lost])
    world.second.free = 0
    void world.pool.send(job('a'))
    const reasons = () => world.pool.explain({ preferred: 1, destination: 'x' }).map(({ reason }) => reason)
    expect([world.pool.queued, world.first.open]).toEqual([1, 0])
    expect(reasons()).toEqual(['set_aside', 'no_room'])
    world.second.up = false
    expect(reasons()).toEqual(['last_resort', 'not_bound'])
    world.pool.pump()
    expect([world.pool.queued, world.first.open]).toEqual([0, 1])
  })

  test('is not judged by what is wrong with messages, nor by throttling', async () => {
    const world = setUp({ links: [1, 2] })
    expect(await go(world, 40, [refused(INVALID_DESTINATION)])).toEqual([40, 0])
  })
})

describe('a strategy', () => {
  const share = (strategy: StrategyName, count: number): number[] => {
    const { pool, links } = setUp({ links: [1, 2, 3], strategy })
    for (let at = 0; at < count; at++) void pool.send(job(`m${at}`, { preferred: 99 }))
    return links.map(link => link.written.length)
  }

  test('least_loaded takes the link with the most of its window free', () => {
    expect(share('least_loaded', 30)).toEqual([10, 10, 10])
  })

  test('round_robin takes links in turn', () => {
    expect(share('round_robin', 31)).toEqual([11, 10, 10])
  })

  test('weighted shares by weight', () => {
    expect(share('weighted', 60)).toEqual([10, 20, 30])
  })

  test('priority takes the first link that has room', () => {
    expect(share('priority', 120)).toEqual([100, 20, 0])
  })
})
