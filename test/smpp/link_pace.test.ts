import { afterEach, describe, expect, test } from 'bun:test'
import type { Link, SubmitOutcome } from '../../src/smpp/link.ts'
import { closeAll, never, type Rig, rig, submit } from './link_rig.ts'

afterEach(closeAll)

/** A link of ten a second whose ten sends a full socket has held back for so long. */
async function heldBack(forMs: number): Promise<Rig> {
  const made = await rig({ limitTps: 10, window: 1000 }).started()
  made.net.full = true
  for (let i = 0; i < 10; i++) void submit(made.link, {}, i)
  await made.clock.advance(forMs)
  return made
}

/** They leave now, and the next may follow a second later. */
async function expectASecondFromNow(made: Rig): Promise<void> {
  made.net.full = false
  made.net.drained()
  await made.clock.advance(1004)
  expect(made.link.room()).toBe(0)
  await made.clock.advance(1)
  expect(made.link.room()).toBe(10)
}

describe('limit_tps', () => {
  test('holds over any sliding second, and the link itself tells when a token comes free', async () => {
    const arrivals: number[] = []
    const made = rig({ limitTps: 50, window: 1000 }, { room: link => fill(link) })
    const fill = (link: Link): void => {
      while (link.room() > 0) void submit(link, {}, 1)
    }
    made.answer = pdu => {
      if (pdu.command === 'submit_sm') arrivals.push(made.clock.monotonic())
      return 0
    }
    await made.started()
    await made.clock.advance(10_000)
    expect(arrivals.length).toBeWithin(490, 501)
    for (let i = 50; i < arrivals.length; i++)
      expect((arrivals[i] ?? 0) - (arrivals[i - 50] ?? 0)).toBeGreaterThan(1000)
  })

  test('leaves what comes past it unwritten', async () => {
    const { link, clock } = await rig({ limitTps: 1, window: 1000 }).started()
    const outcomes = [submit(link, {}, 1), submit(link, {}, 2)]
    await clock.settle()
    expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual(['accepted', 'unwritten'])
  })

  test('is there again whole once its second is over, also where it was not used up', async () => {
    const { link, clock } = await rig({ limitTps: 10, window: 1000 }).started()
    for (let i = 0; i < 5; i++) void submit(link, {}, i)
    await clock.settle()
    expect(link.room()).toBe(5)
    await clock.advance(1005)
    expect(link.room()).toBe(10)
  })

  test('counts each send from its own moment', async () => {
    const { link, clock } = await rig({ limitTps: 10, window: 1000 }).started()
    for (let i = 0; i < 10; i++) {
      void submit(link, {}, i)
      if (i === 4) await clock.advance(500)
    }
    await clock.advance(505)
    expect(link.room()).toBe(5)
    await clock.advance(500)
    expect(link.room()).toBe(10)
  })

  test('counts what was sent last when it is lowered', async () => {
    const { link, clock } = await rig({ limitTps: 10, window: 1000 }).started()
    for (let i = 0; i < 3; i++) void submit(link, {}, i)
    await clock.advance(1005)
    for (let i = 0; i < 10; i++) {
      void submit(link, {}, i)
      if (i === 4) await clock.advance(900)
    }
    await clock.settle()
    link.setLimits({ limitTps: 5, window: 1000 })
    await clock.advance(1004)
    expect(link.room()).toBe(0)
    await clock.advance(1)
    expect(link.room()).toBe(5)
  })

  test('counts what a full socket held back for longer than a second', async () => {
    const made = await heldBack(2000)
    expect(made.link.room()).toBe(0)
    await expectASecondFromNow(made)
  })

  test('lets a link send again that was lost while its socket was full', async () => {
    const made = await heldBack(2000)
    expect(made.link.room()).toBe(0)
    made.net.full = false
    made.peer.close('gone')
    await made.clock.advance(2000)
    expect([made.link.state(), made.link.room()]).toEqual(['LOADED', 10])
  })

  test('counts what a full socket held back from when it left', async () => {
    const made = await heldBack(1000)
    await expectASecondFromNow(made)
  })
})

describe('an SMSC that throttles', () => {
  /** Takes `perSecond`, answers 0x58 above `outstandingMax`. */
  const smsc = (made: Rig, outstandingMax: number, perSecond: number): { refused: number } => {
    const seen = { refused: 0 }
    let outstanding = 0
    let busyUntil = 0
    made.answer = pdu => {
      if (pdu.command !== 'submit_sm') return 0
      if (outstanding >= outstandingMax) {
        seen.refused++
        return 0x58
      }
      outstanding++
      busyUntil = Math.max(busyUntil, made.clock.monotonic()) + 1000 / perSecond
      return new Promise(resolve =>
        made.clock.after(busyUntil - made.clock.monotonic(), () => {
          outstanding--
          resolve({ status: 0, body: { message_id: 'x' } })
        }),
      )
    }
    return seen
  }

  test('above 20 outstanding, at 1,000 a second, gets at least 900 a second, and few in vain', async () => {
    const made = rig({ window: 100 }, { room: link => fill(link) })
    let accepted = 0
    const fill = (link: Link): void => {
      while (link.room() > 0)
        void submit(link, {}, 1).then(outcome => (accepted += Number(outcome.kind === 'accepted')))
    }
    const seen = smsc(made, 20, 1000)
    await made.started()
    await made.clock.advance(1000)
    expect(made.link.state()).toBe('THROTTLED')
    const before = { accepted, refused: seen.refused }
    await made.clock.advance(3000)
    expect((accepted - before.accepted) / 3).toBeGreaterThanOrEqual(900)
    expect((seen.refused - before.refused) / 3).toBeLessThan(50)
  })

  test('with 0x14 slows the link as well, once for all that were on their way', async () => {
    const made = await rig({ window: 10 }).started()
    made.answer = () => 0x14
    const outcomes: Promise<SubmitOutcome>[] = []
    while (made.link.room() > 0) outcomes.push(submit(made.link, {}, 1))
    await made.clock.settle()
    expect(await Promise.all(outcomes)).toEqual(Array(10).fill({ kind: 'refused', status: 0x14 }))
    expect([made.link.state(), made.link.room(), made.link.stats().window]).toEqual(['THROTTLED', 0, 7])
    const before = made.rooms
    await made.clock.advance(10)
    expect([made.rooms, made.link.room()]).toEqual([before + 1, 7])
    made.answer = never
    void submit(made.link, {}, 1)
    expect(made.link.load()).toBe(1 / 7)
    await made.clock.advance(1000)
    expect(made.link.state()).toBe('LOADED')
  })

  test('and then takes what it gets has its window grow back', async () => {
    const made = await rig({ window: 10 }).started()
    made.answer = () => 0x58
    void submit(made.link, {}, 1)
    await made.clock.advance(10)
    expect(made.link.stats().window).toBe(7)
    made.answer = () => ({ status: 0, body: { message_id: 'id' } })
    for (let sent = 0; sent < 30; sent++) {
      void submit(made.link, {}, 1)
      await made.clock.settle()
    }
    expect(made.link.stats().window).toBe(10)
  })

  test('that takes nothing at all is asked ever more rarely', async () => {
    const made = rig({ window: 10 }, { room: link => fill(link) })
    const fill = (link: Link): void => {
      while (link.room() > 0) void submit(link, {}, 1)
    }
    made.answer = pdu => (pdu.command === 'submit_sm' ? 0x58 : 0)
    await made.started()
    await made.clock.advance(60_000)
    const before = made.link.stats().submitted
    await made.clock.advance(10_000)
    expect(made.link.stats().submitted - before).toBeWithin(1, 5)
  })
})
