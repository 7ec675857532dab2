import { afterEach, describe, expect, test } from 'bun:test'
import { Link } from '../../src/smpp/link.ts'
import type { Answer } from '../../src/smpp/session.ts'
import { TurnedClock } from '../support/clock.ts'
import { closeAll, never, OPTIONS, type Rig, rig, submit } from './link_rig.ts'
import { silent } from './wire.ts'

afterEach(closeAll)

/** A link that has tried for ten minutes; its SMSC is back. */
async function afterAnOutage(): Promise<Rig> {
  const made = rig()
  const { accept } = made.net
  made.net.accept = undefined
  await made.started()
  await made.clock.advance(600_000)
  made.net.accept = accept
  return made
}

async function submitted(made: Rig): Promise<unknown> {
  const outcome = submit(made.link, {}, 1)
  await made.clock.settle()
  return outcome
}

describe('a link that is lost', () => {
  test('is bound again within a second, and tells what became of its submits', async () => {
    const made = await rig().started()
    made.answer = never
    const written = submit(made.link, {}, 1)
    await made.clock.settle()
    made.answer = () => 0
    made.peer.close('broken')
    const unwritten = submit(made.link, {}, 2)
    await made.clock.advance(1000)
    expect(await written).toEqual({ kind: 'unknown', reason: 'closed' })
    expect(await unwritten).toEqual({ kind: 'unwritten' })
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 2])
  })

  test('tries again more and more slowly while nobody listens, and at once when somebody does', async () => {
    const made = rig()
    const { accept } = made.net
    made.net.accept = undefined
    await made.started()
    expect(made.link.state()).toBe('UNBOUND')
    await made.clock.advance(1000)
    expect(made.net.attempts).toBe(2)
    await made.clock.advance(600_000)
    expect(made.net.attempts).toBeWithin(20, 50)
    made.net.accept = accept
    await made.clock.advance(30_000)
    expect(made.link.state()).toBe('LOADED')
  })

  test('gives up a connection that does not come up in its time', async () => {
    const clock = new TurnedClock()
    let cancelled = 0
    const link = new Link(OPTIONS, {
      connect: () => () => void cancelled++,
      clock,
      random: count => new Uint8Array(count),
      log: silent,
      events: { room() {}, deliver: () => 0, late() {}, state() {} },
    })
    link.enable()
    await clock.advance(10_000)
    expect([cancelled, link.state()]).toEqual([1, 'UNBOUND'])
    await link.close()
    expect(clock.timers).toBe(0)
  })

  test.each([0x0d, 0x0e, 0x0f])('waits a minute or more when its bind is refused with %d', async status => {
    const made = rig()
    made.answer = () => status
    await made.started()
    await made.clock.advance(59_000)
    expect(made.net.attempts).toBe(1)
    await made.clock.advance(61_000)
    expect(made.net.attempts).toBe(2)
  })

  test('waits as long as after one refusal when a bind is refused that followed an outage', async () => {
    const made = await afterAnOutage()
    made.answer = () => 0x0d
    await made.clock.advance(30_000)
    expect(made.sessions.length).toBe(1)
    await made.clock.advance(120_000)
    expect(made.sessions.length).toBe(2)
  })

  test('waits no longer than after an outage when there is one after a refusal', async () => {
    const made = rig()
    made.answer = () => 0x0d
    await made.started()
    made.net.accept = undefined
    await made.clock.advance(89_000)
    expect(made.net.attempts).toBe(1)
    await made.clock.advance(3000)
    expect(made.net.attempts).toBeGreaterThan(2)
  })

  test('begins again with short waits once it was bound for ten seconds', async () => {
    const made = await afterAnOutage()
    while (made.link.state() !== 'LOADED') await made.clock.advance(1000)
    await made.clock.advance(9000)
    made.peer.close('gone')
    await made.clock.advance(15_000)
    expect(made.link.state()).toBe('UNBOUND')
    while (made.link.state() !== 'LOADED') await made.clock.advance(1000)
    await made.clock.advance(10_000)
    made.peer.close('gone')
    await made.clock.advance(1000)
    expect(made.link.state()).toBe('LOADED')
  })

  test('right behind each bind is bound ever more rarely', async () => {
    const made = rig()
    made.answer = () => {
      made.clock.after(50, () => made.peer.close('full'))
      return 0
    }
    await made.started()
    await made.clock.advance(60_000)
    expect([made.sessions.length, made.link.state()]).toEqual([8, 'UNBOUND'])
  })

  test('before its bind is answered was never bound', async () => {
    const made = rig()
    made.answer = never
    await made.started()
    made.peer.close('gone')
    await made.clock.settle()
    expect(made.states).toEqual(['DISABLED UNBOUND', 'UNBOUND CONNECTING', 'CONNECTING UNBOUND'])
  })

  test('waits less when the SMSC has not yet missed its old session (ESME_RALYBND)', async () => {
    const made = rig()
    made.answer = () => 0x05
    await made.started()
    await made.clock.advance(2000)
    expect(made.net.attempts).toBe(2)
  })

  test('by an SMSC that forgot its bind, and says so to each submit_sm, is bound anew', async () => {
    const made = await rig().started()
    await submitted(made)
    await made.clock.advance(10_000)
    made.answer = pdu => (pdu.command === 'submit_sm' ? 0x04 : 0)
    expect(await submitted(made)).toEqual({ kind: 'refused', status: 0x04 })
    expect([made.link.state(), made.link.room()]).toEqual(['UNBOUND', 0])
    made.answer = () => ({ status: 0, body: { message_id: 'x' } })
    await made.clock.advance(2000)
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 2])
    expect(await submitted(made)).toEqual({ kind: 'accepted', messageId: 'x' })
  })

  test('by nobody, since its account may not send, stays bound for what it receives', async () => {
    const made = await rig().started()
    made.answer = pdu => (pdu.command === 'submit_sm' ? 0x04 : 0)
    for (let sent = 0; sent < 3; sent++) await submitted(made)
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 1])
  })

  test('gives up a bind that is not answered', async () => {
    const made = rig()
    made.answer = never
    await made.started()
    expect(made.link.state()).toBe('CONNECTING')
    await made.clock.advance(5000)
    expect(made.link.state()).toBe('UNBOUND')
  })

  test('by silence alone is found by enquire_link, and bound again', async () => {
    const made = await rig().started()
    made.muted = true
    await made.clock.advance(34_000)
    expect(made.link.state()).toBe('LOADED')
    await made.clock.advance(1001)
    expect(made.link.state()).toBe('UNBOUND')
    made.muted = false
    await made.clock.advance(1000)
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 2])
  })
})

describe('a link that is disabled', () => {
  test('takes nothing more, lets what is in flight end, unbinds, and binds again when enabled', async () => {
    const made = await rig().started()
    let finish = (_: Answer): void => undefined
    made.answer = () => new Promise(resolve => (finish = resolve))
    const outcome = submit(made.link, {}, 1)
    await made.clock.settle()
    made.link.disable('maintenance')
    expect([made.link.state(), made.link.room(), made.link.stats().inFlight]).toEqual(['DISABLED', 0, 1])
    expect([made.link.transmits(), made.link.connected()]).toEqual([false, true])
    await made.clock.advance(1000)
    expect(made.peer.state).toBe('bound_trx')
    finish({ status: 0, body: { message_id: 'x' } })
    await made.clock.settle()
    expect(await outcome).toEqual({ kind: 'accepted', messageId: 'x' })
    expect(made.peer.state).toBe('closed')
    made.answer = () => 0
    await made.clock.advance(60_000)
    expect(made.net.attempts).toBe(1)
    made.link.enable()
    await made.clock.settle()
    expect(made.link.state()).toBe('LOADED')
  })

  test('and enabled again is bound again when it is lost', async () => {
    const made = await rig().started()
    made.link.disable('maintenance')
    await made.clock.settle()
    made.link.enable()
    await made.clock.settle()
    made.peer.close('gone')
    await made.clock.advance(1000)
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 3])
  })

  test('is bound again even when it is enabled while it still drains', async () => {
    const made = await rig().started()
    made.answer = never
    void submit(made.link, {}, 1)
    await made.clock.settle()
    made.link.disable('maintenance')
    await made.clock.settle()
    made.answer = () => 0
    made.link.enable()
    made.link.disable('again')
    made.link.enable()
    expect(made.link.state()).toBe('UNBOUND')
    // The SMSC waits as long for the answer that it never gives before it answers the unbind.
    await made.clock.advance(11_000)
    expect([made.link.state(), made.sessions.length]).toEqual(['LOADED', 2])
  })

  test('while it waits for its next try stops trying', async () => {
    const made = rig()
    made.net.accept = undefined
    await made.started()
    made.link.disable('maintenance')
    await made.clock.advance(60_000)
    expect(made.net.attempts).toBe(1)
  })

  test('or enabled anew is told to nobody when it was so before', async () => {
    const made = await rig().started()
    for (const change of [() => made.link.enable(), () => made.link.disable('maintenance')]) {
      change()
      await made.clock.advance(1000)
      const before = [made.rooms, ...made.states]
      change()
      await made.clock.advance(1000)
      expect([made.rooms, ...made.states]).toEqual(before)
    }
  })

  test('closed for good is so once its last answer has come and its session has ended', async () => {
    const made = await rig().started()
    let finish = (_: Answer): void => undefined
    made.answer = () => new Promise(resolve => (finish = resolve))
    void submit(made.link, {}, 1)
    let closed = false
    void made.link.close().then(() => {
      closed = true
    })
    await made.clock.advance(1000)
    expect(closed).toBe(false)
    finish(0)
    await made.clock.settle()
    expect([closed, made.link.connected()]).toEqual([true, false])
  })

  test('closed for good leaves no timer of its TPS, nor of what its SMSC asked for', async () => {
    const made = await rig({ limitTps: 2 }).started()
    made.answer = pdu => (pdu.command === 'submit_sm' ? 0x58 : 0)
    for (const tag of [1, 2]) {
      void submit(made.link, {}, tag)
      await made.clock.advance(10)
    }
    await Promise.all([made.link.close(), made.clock.settle()])
    for (const session of made.sessions) session.close('gone')
    expect(made.clock.timers).toBe(0)
  })

  test('closed for good leaves no timer, though the last answer was a refusal', async () => {
    let refuse: () => void = () => undefined
    const made = rig()
    made.answer = pdu =>
      pdu.command === 'submit_sm' ? new Promise(resolve => (refuse = () => resolve(0x58))) : 0
    const { link, clock } = await made.started()
    void submit(link, { short_message: new Uint8Array() }, undefined)
    await clock.settle()
    const closed = link.close()
    refuse()
    await clock.settle()
    await closed
    for (const session of made.sessions) session.close('gone')
    expect(clock.timers).toBe(0)
  })

  test('closed for good is not enabled any more', async () => {
    const made = await rig().started()
    await Promise.all([made.link.close(), made.clock.advance(1000)])
    made.link.enable()
    await made.clock.advance(1000)
    expect([made.link.state(), made.net.attempts]).toEqual(['DISABLED', 1])
  })
})
