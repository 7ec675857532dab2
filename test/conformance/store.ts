import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Message, Part, PartState } from '../../src/message.ts'
import { NO_SMSC_ID, stateOf } from '../../src/message.ts'
import {
  type Claim,
  type InboundMessage,
  type MessageStore,
  RECEIPT_HELD_MS,
  SEGMENTS_JOIN_MS,
  type StoredReceipt,
  StoreError,
} from '../../src/store/store.ts'
import { TurnedClock } from '../support/clock.ts'
import { inboundOf, messageOf } from '../support/message.ts'
import { StoreModel } from './store_model.ts'

/** What `open` has to set as the time that messages are kept. */
export const RETENTION_MS = 7 * 24 * 3600 * 1000

export interface OpenedStore {
  readonly store: MessageStore
  /** A second handle on the same data, as another gateway has it; absent where one process owns the data. */
  readonly another?: () => Promise<MessageStore>
  /** Closes `store` and opens its data again. */
  reopen(): Promise<MessageStore>
  /** Closes everything that was opened, and removes the data. */
  close(): Promise<void>
}

export interface StoreTraits {
  /** Calls of one turn take effect in the order in which they were made. */
  readonly ordered: boolean
  /** Several handles may be open on the same data: `another` is there. */
  readonly shared: boolean
}

const ACCOUNT = '127.0.0.1:2775/main'
const ALL = { offset: 0, limit: 100 }

/** Every driver keeps these promises. */
export function describeStore(
  name: string,
  open: (clock: TurnedClock) => Promise<OpenedStore>,
  traits: StoreTraits,
): void {
  describe(name, () => {
    let clock: TurnedClock
    let opened: OpenedStore
    let store: MessageStore
    let made = 0

    beforeEach(async () => {
      clock = new TurnedClock()
      opened = await open(clock)
      store = opened.store
      made = 0
    })
    afterEach(() => opened.close())

    /** A UUIDv7 of the clock's moment; later ones sort after earlier ones. */
    const newId = () => {
      const hex = `${clock.now().toString(16).padStart(12, '0') + (0x7000 + ++made).toString(16)}8000000000000000`
      return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    }
    const part = (smscId: string, over: Partial<Part> = {}): Part => ({
      state: smscId === '' ? 'unknown' : 'submitted',
      smscId,
      account: ACCOUNT,
      error: 0,
      ...over,
    })
    const message = (parts: readonly Part[], over: Partial<Message> = {}): Message => {
      const own = { id: newId(), taskId: 2 ** 50 + made, parts, state: stateOf(parts) }
      return messageOf(clock.now(), { ...own, transactionId: 'tx-1', source: '123456789' }, over)
    }
    const accepted = (over: Partial<Message> = {}) =>
      message([part('', { state: 'accepted', account: '' })], over)
    const receipt = (ids: string[], over: Partial<StoredReceipt> = {}): StoredReceipt => ({
      account: ACCOUNT,
      ids,
      address: '447700900123',
      state: 'delivered',
      error: 0,
      at: clock.now(),
      ...over,
    })
    const claim = (key: string, over: Partial<Claim> = {}): Claim => ({
      appId: 1,
      key,
      bodyHash: new Uint8Array(32).fill(7),
      expiresAt: clock.now() + 24 * 3600 * 1000,
      ...over,
    })
    const inbound = (text: string, over: Partial<InboundMessage> = {}): InboundMessage =>
      inboundOf(clock.now(), { id: newId(), account: ACCOUNT, text }, over)
    const segment = (text: string, part: number, total = 3, over: Partial<InboundMessage> = {}) =>
      inbound(text, { segment: { reference: 7, total, part }, ...over })
    const inInbox = ({ text, segment: _, ...rest }: InboundMessage, parts: (string | null)[] = [text]) => ({
      ...rest,
      parts,
    })
    const inboxParts = async () => (await store.inbox(ALL)).rows.map(({ parts }) => parts)
    const late = (messageId: string, smscId: string, index = 0) =>
      ({ messageId, part: index, state: 'submitted', smscId, error: 0, at: clock.now() }) as const
    const stateNow = async (id: string) => (await store.find(id))?.state
    const tally = async () => (await store.campaigns(ALL)).rows

    describe('save', () => {
      test('what was saved is found as it was, also after the store was opened again', async () => {
        const plain = message([part('00AB12')])
        const odd = message(
          [
            part('Ünïcode-"\\\u0000id'),
            part('', { state: 'failed', error: 0x58 }),
            part('x'.repeat(64), { account: 'b:1/é' }),
          ],
          {
            campaign: 'c'.repeat(64),
            transactionId: '🇺🇦\u0000"',
            source: 'Bank',
            error: 'ESME_RTHROTTLED 0x58',
          },
        )
        const long = message(Array.from({ length: 255 }, (_, index) => part(`part-${index}`)))
        for (const saved of await Promise.all([plain, odd, long].map(one => store.save(one)))) {
          expect(await store.find(saved.id)).toEqual(saved)
        }
        store = await opened.reopen()
        for (const one of [plain, odd, long]) expect(await store.find(one.id)).toEqual(one)
      })

      test('an id that was never saved, or is none, finds nothing', async () => {
        expect(await store.find(newId())).toBeUndefined()
        expect(await store.find('')).toBeUndefined()
        expect(await store.find("' OR 1=1 --")).toBeUndefined()
        const { id } = await store.save(message([part('1')]))
        for (const like of [id.replaceAll('-', ''), id.toUpperCase(), `${id} `])
          expect(await store.find(like)).toBeUndefined()
      })

      test('a record that is wrong in itself is refused alone: its neighbours are stored', async () => {
        const good = [message([part('1')]), message([part('2')])]
        const bad = message([part('3')], { taskId: Number.NaN })
        const noId = message([part('4')], { id: 'msg-uuid' })
        const [first, second, third, fourth] = await Promise.allSettled(
          [good[0], bad, noId, good[1]].map(one => store.save(one as Message)),
        )
        expect([first?.status, second?.status, third?.status, fourth?.status]).toEqual([
          'fulfilled',
          'rejected',
          'rejected',
          'fulfilled',
        ])
        expect((second as PromiseRejectedResult).reason).toBeInstanceOf(StoreError)
        expect((third as PromiseRejectedResult).reason).toBeInstanceOf(StoreError)
        expect(await store.find(bad.id)).toBeUndefined()
        expect(await store.totals()).toEqual({ messages: 2 })
        expect(store.fault()).toBeUndefined()
      })

      test('counts a message once, however often it is told', async () => {
        const sent = message([part('1'), part('2')])
        await store.save(sent)
        await Promise.all([store.save(sent), store.save(sent)])
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 1, failed: 0 }])
        expect(await store.totals()).toEqual({ messages: 1 })
      })

      test('an outcome told after the message was given up as unknown counts as sent, and is found', async () => {
        const open = accepted()
        await store.claim(claim('k'), open)
        clock.skip(1000)
        expect(await store.recover(clock.now())).toBe(1)
        const parts = [part('77')]
        const outcome = await store.save({ ...open, parts, state: 'submitted', updatedAt: clock.now() })
        expect(outcome).toMatchObject({ error: '', parts: [{ state: 'submitted', smscId: '77' }] })
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 1, failed: 0 }])
        expect(await store.settle(receipt(['77']))).toMatchObject({ matched: true })
      })

      test('an outcome told after the message was given up says in its own words why it failed', async () => {
        const open = accepted()
        await store.claim(claim('k'), open)
        clock.skip(1000)
        await store.recover(clock.now())
        const parts = [part('', { state: 'failed', error: 8 })]
        const error = 'SMSC refused with ESME_RSYSERR (0x08)'
        await store.save({ ...open, parts, state: 'failed', error, updatedAt: clock.now() })
        expect(await store.find(open.id)).toMatchObject({ state: 'failed', error })
      })

      test('an outcome told twice takes nothing back of what receipts said between', async () => {
        const sent = await store.save(message([part('1'), part('2'), part('')]))
        await store.settle(receipt(['1'], { state: 'accepted' }))
        await store.settle(receipt(['2']))
        await store.save(sent)
        const { parts } = (await store.find(sent.id)) ?? sent
        expect(parts.map(({ state }) => state)).toEqual(['accepted', 'delivered', 'unknown'])
      })

      test('a message with one part refused counts as failed', async () => {
        await store.save(message([part('1'), part('', { state: 'failed', error: 8 })]))
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 0, failed: 1 }])
      })
    })

    describe('settle', () => {
      test('a receipt finds its part, and its message says delivered when all parts are', async () => {
        const { id } = await store.save(message([part('1A'), part('1B')]))
        clock.skip(5000)
        expect(await store.settle(receipt(['1b']))).toMatchObject({ matched: true, form: 0, part: 1 })
        expect(await stateNow(id)).toBe('submitted')
        const last = await store.settle(receipt(['1a']))
        expect(last).toMatchObject({
          matched: true,
          part: 0,
          message: { id, state: 'delivered', updatedAt: clock.now() },
        })
        expect(await store.find(id)).toEqual(last.matched ? last.message : undefined)
      })

      test('two parts of one message, in one turn, are both delivered', async () => {
        const { id } = await store.save(message([part('1'), part('2'), part('3')]))
        await Promise.all(['1', '2', '3'].map(key => store.settle(receipt([key]))))
        expect(await stateNow(id)).toBe('delivered')
      })

      test('a second receipt is matched and changes nothing', async () => {
        const { id } = await store.save(message([part('5')]))
        await store.settle(receipt(['5']))
        const settled = await store.settle(receipt(['5'], { state: 'undeliverable', error: 1 }))
        expect(settled).toMatchObject({ matched: true, message: { state: 'delivered' } })
        expect(await stateNow(id)).toBe('delivered')
        expect((await store.unmatched(ALL)).total).toBe(0)
      })

      test('another number base is found by its form, and the answer says which form it was', async () => {
        await store.save(message([part('001A2B')]))
        expect(await store.settle(receipt(['6699', '1a2b']))).toMatchObject({ matched: true, form: 1 })
      })

      test('a guessed form takes no receipt of another handset', async () => {
        const { id } = await store.save(message([part('16')]))
        expect(await store.settle(receipt(['10', '16'], { address: '33612345678' }))).toEqual({
          matched: false,
        })
        await store.save(message([part('16')]))
        expect(await stateNow(id)).toBe('submitted')
        expect(await store.settle(receipt(['10', '16'], { address: '07700900123' }))).toMatchObject({
          form: 1,
        })
      })

      test('the word for no id finds no message, and no message finds it', async () => {
        const [{ id }, settled] = await Promise.all([
          store.save(message([part(NO_SMSC_ID)])),
          store.settle(receipt([NO_SMSC_ID])),
        ])
        expect(settled).toEqual({ matched: false })
        expect(await stateNow(id)).toBe('submitted')
        const { state } = await store.save(message([part(NO_SMSC_ID)]))
        expect(state).toBe('submitted')
      })

      test('an id of another SMSC account is another id', async () => {
        const { id } = await store.save(message([part('9')]))
        expect(await store.settle(receipt(['9'], { account: 'other:2775/main' }))).toEqual({ matched: false })
        expect(await stateNow(id)).toBe('submitted')
      })

      test('of several candidates the address decides, then the earlier form, then the newer message', async () => {
        const older = await store.save(message([part('20')]))
        const newer = await store.save(message([part('20')]))
        const other = await store.save(message([part('20')], { destination: '33612345678' }))
        const based = await store.save(message([part('14')], { destination: '33612345678' }))
        const winner = async (over: Partial<StoredReceipt>) => {
          const settled = await store.settle(receipt(['20', '14'], { state: 'accepted', ...over }))
          return settled.matched ? settled.message.id : undefined
        }
        expect(await winner({ address: '447700900123' })).toBe(newer.id)
        expect(await winner({ address: '33612345678' })).toBe(other.id)
        expect(await winner({ address: '' })).toBe(other.id)
        expect(await winner({ ids: ['14', '20'], address: '' })).toBe(based.id)
        expect(await stateNow(older.id)).toBe('submitted')
      })

      test('a receipt before its response waits, also over a restart, and is applied with the save', async () => {
        expect(await store.settle(receipt(['ff', '255'], { error: 3 }))).toEqual({ matched: false })
        store = await opened.reopen()
        expect((await store.unmatched(ALL)).rows).toEqual([receipt(['ff', '255'], { error: 3 })])
        const saved = await store.save(message([part('00FF')]))
        expect(saved).toMatchObject({ state: 'delivered', parts: [{ state: 'delivered', error: 3 }] })
        expect(await store.find(saved.id)).toEqual(saved)
        expect(await store.unmatched(ALL)).toEqual({ rows: [], total: 0 })
      })

      test('a receipt and its save in one turn agree, whichever comes first', async () => {
        const [first, second] = [message([part('71')]), message([part('72')])]
        await Promise.all([
          store.save(first),
          store.settle(receipt(['71'])),
          store.settle(receipt(['72'])),
          store.save(second),
        ])
        expect([await stateNow(first.id), await stateNow(second.id)]).toEqual(['delivered', 'delivered'])
      })

      test('several receipts that waited are applied in the order in which they came', async () => {
        await store.settle(receipt(['8'], { state: 'accepted' }))
        await store.settle(receipt(['8'], { state: 'undeliverable', error: 5 }))
        await store.settle(receipt(['8'], { state: 'delivered' }))
        const saved = await store.save(message([part('8')]))
        expect(saved.parts[0]).toMatchObject({ state: 'undeliverable', error: 5 })
        expect((await store.unmatched(ALL)).total).toBe(0)
      })

      test('a receipt waits no longer than it is said to', async () => {
        await store.settle(receipt(['8']))
        clock.skip(RECEIPT_HELD_MS)
        expect(await store.save(message([part('8')]))).toMatchObject({ state: 'submitted' })
        while ((await store.sweep(clock.now())) > 0);
        expect((await store.unmatched(ALL)).total).toBe(0)
      })
    })

    describe('resolve', () => {
      test('a late answer makes an unknown message sent, moves its count and lets its receipt find it', async () => {
        const { id } = await store.save(message([part('1'), part('')]))
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 0, failed: 1 }])
        expect(await store.resolve(late(id, '0002', 1))).toMatchObject({ id, state: 'submitted' })
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 1, failed: 0 }])
        expect(await store.totals()).toEqual({ messages: 1 })
        expect(await store.settle(receipt(['2']))).toMatchObject({ matched: true, part: 1 })
      })

      test('the receipt that came before the late answer is applied with it', async () => {
        const { id } = await store.save(message([part('')]))
        await store.settle(receipt(['2']))
        const resolved = await store.resolve(late(id, '2'))
        expect(resolved).toMatchObject({ state: 'delivered' })
        expect(await store.find(id)).toEqual(resolved)
      })

      test('a late refusal leaves the count as it was, and says why in place of what nobody knew', async () => {
        const { id } = await store.save(message([part('')], { error: 'no submit_sm_resp in time' }))
        const refusal = { state: 'failed', error: 0x58, reason: 'SMSC refused' } as const
        expect(await store.resolve({ ...late(id, ''), ...refusal })).toMatchObject({
          ...{ state: 'failed', error: 'SMSC refused', parts: [{ state: 'failed', error: 0x58 }] },
        })
        expect((await store.find(id))?.error).toBe('SMSC refused')
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 0, failed: 1 }])
      })

      test('an answer for a part that is known, or for no message, changes nothing', async () => {
        const saved = await store.save(message([part('1')]))
        expect(await store.resolve(late(saved.id, '2'))).toEqual(saved)
        expect(await store.resolve(late(saved.id, '2', 7))).toEqual(saved)
        expect(await store.resolve(late(newId(), '2'))).toBeUndefined()
      })
    })

    describe('claim', () => {
      test('a fresh key stores its message, which counts only with its outcome', async () => {
        const open = accepted()
        expect(await store.claim(claim('k'), open)).toEqual({ fresh: true })
        expect(await store.find(open.id)).toEqual(open)
        expect(await store.totals()).toEqual({ messages: 0 })
        const saved = await store.save({ ...open, parts: [part('1')], state: 'submitted' })
        expect(await store.find(open.id)).toEqual(saved)
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 1, failed: 0 }])
        expect(await store.settle(receipt(['1']))).toMatchObject({ matched: true })
      })

      test('a taken key answers what stands under it and stores nothing, also after a restart', async () => {
        const open = accepted()
        await store.claim(claim('k'), open)
        const outcome = await store.save({ ...open, parts: [part('1')], state: 'submitted' })
        const earlier = { fresh: false, sameBody: true, message: outcome } as const
        const repeated = accepted()
        expect(await store.claim(claim('k'), repeated)).toEqual(earlier)
        expect(await store.find(repeated.id)).toBeUndefined()
        store = await opened.reopen()
        expect(await store.claim(claim('k'), accepted())).toEqual(earlier)
        const bodyHash = new Uint8Array(32)
        expect(await store.claim(claim('k', { bodyHash }), accepted())).toMatchObject({
          fresh: false,
          sameBody: false,
        })
      })

      test('of claims raced in one turn exactly one is fresh, and the others see its message', async () => {
        const racers = Array.from({ length: 20 }, () => accepted())
        const answers = await Promise.all(racers.map(one => store.claim(claim('k'), one)))
        const fresh = answers.filter(answer => answer.fresh)
        expect(fresh).toHaveLength(1)
        const winner = racers[answers.findIndex(answer => answer.fresh)]
        for (const answer of answers) if (!answer.fresh) expect(answer.message).toEqual(winner as Message)
      })

      test('each app has its own keys, and a key is free again when it expires', async () => {
        await store.claim(claim('k'), accepted())
        expect(await store.claim(claim('k', { appId: 2 }), accepted({ appId: 2 }))).toEqual({ fresh: true })
        clock.skip(24 * 3600 * 1000 - 1)
        expect(await store.claim(claim('k'), accepted())).toMatchObject({ fresh: false })
        clock.skip(1)
        expect(await store.recall(claim('k'))).toBeUndefined()
        expect(await store.claim(claim('k'), accepted())).toEqual({ fresh: true })
      })

      test('recall answers what a claim would, and takes no key', async () => {
        expect(await store.recall(claim('k'))).toBeUndefined()
        const open = accepted()
        expect(await store.claim(claim('k'), open)).toEqual({ fresh: true })
        expect(await store.recall(claim('k'))).toEqual({ fresh: false, sameBody: true, message: open })
      })
    })

    describe('recover', () => {
      test('what a crash left open is unknown and failed, once; what is younger stays', async () => {
        const old = accepted()
        await store.claim(claim('old'), old)
        const answered = await store.save(message([part('1')]))
        clock.skip(1000)
        const young = accepted()
        await store.claim(claim('young'), young)
        store = await opened.reopen()
        expect(await store.recover(clock.now())).toBe(1)
        expect(await store.recover(clock.now())).toBe(0)
        expect(await store.find(old.id)).toMatchObject({
          state: 'unknown',
          parts: [{ state: 'unknown' }],
          error: expect.stringContaining('the SMSC may have the message'),
        })
        expect(await store.find(young.id)).toEqual(young)
        expect(await store.find(answered.id)).toEqual(answered)
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 1, failed: 1 }])
      })
    })

    describe('keepInbound', () => {
      test('segments join in their order, whichever comes first, twice, or over another link', async () => {
        const last = segment('three', 3)
        await store.keepInbound(last)
        clock.skip(1000)
        await store.keepInbound(segment('one \u0000✓', 1, 3, { link: 2 }))
        await store.keepInbound(segment('three', 3, 3, { link: 2 }))
        expect(await store.inbox(ALL)).toEqual({
          rows: [inInbox(last, ['one \u0000✓', null, 'three'])],
          total: 1,
        })
        await store.keepInbound(segment('two', 2))
        await store.keepInbound(segment('one \u0000✓', 1))
        expect(await store.inbox(ALL)).toEqual({
          rows: [inInbox(last, ['one \u0000✓', 'two', 'three'])],
          total: 1,
        })
      })

      test('segments of one turn join', async () => {
        await Promise.all([3, 1, 2, 1, 3].map(part => store.keepInbound(segment(`<${part}>`, part))))
        expect(await inboxParts()).toEqual([['<1>', '<2>', '<3>']])
      })

      test('segments join over a restart', async () => {
        await store.keepInbound(segment('one', 1, 2))
        store = await opened.reopen()
        await store.keepInbound(segment('two', 2, 2))
        store = await opened.reopen()
        expect(await inboxParts()).toEqual([['one', 'two']])
      })

      test('a surrogate pair that a handset cut in two is whole again', async () => {
        const [high, low] = ['\ud83d', '\ude00']
        await store.keepInbound(segment(`a${high}`, 1, 2))
        await store.keepInbound(segment(`${low}b`, 2, 2))
        expect((await inboxParts()).map(parts => parts.join(''))).toEqual(['a😀b'])
      })

      test('what never completes is in the inbox, and holds no others back', async () => {
        await store.keepInbound(segment('two', 2))
        const whole = inbound('whole')
        await store.keepInbound(whole)
        const { rows, total } = await store.inbox(ALL)
        expect(rows.map(({ parts }) => parts)).toEqual([['whole'], [null, 'two', null]])
        expect(total).toBe(2)
      })

      test.each<[string, Partial<InboundMessage>]>([
        ['sender', { source: '33612345678' }],
        ['destination', { destination: '54321' }],
        ['account', { account: 'other:2775/x' }],
        ['reference', { segment: { reference: 8, total: 3, part: 2 } }],
        ['total', { segment: { reference: 7, total: 4, part: 2 } }],
      ])('segments with another %s belong to another message', async (_, over) => {
        await store.keepInbound(segment('one', 1))
        await store.keepInbound(segment('two', 2, 3, over))
        expect((await store.inbox(ALL)).total).toBe(2)
      })

      test('two messages with one reference are not mixed: hours apart, or when a part is there already', async () => {
        await store.keepInbound(segment('old 1', 1, 2))
        clock.skip(SEGMENTS_JOIN_MS)
        await store.keepInbound(segment('new 2', 2, 2))
        await store.keepInbound(segment('new 1', 1, 2))
        expect(await inboxParts()).toEqual([
          ['new 1', 'new 2'],
          ['old 1', null],
        ])
        await store.keepInbound(segment('next 1', 1, 2))
        await store.keepInbound(segment('next 2', 2, 2))
        expect(await inboxParts()).toEqual([
          ['next 1', 'next 2'],
          ['new 1', 'new 2'],
          ['old 1', null],
        ])
        expect((await store.inbox(ALL)).total).toBe(3)
      })

      test('of two messages that lack a part the newer takes it', async () => {
        await store.keepInbound(segment('first 1', 1, 2))
        await store.keepInbound(segment('second 1', 1, 2))
        await store.keepInbound(segment('second 2', 2, 2))
        expect(await inboxParts()).toEqual([
          ['second 1', 'second 2'],
          ['first 1', null],
        ])
      })

      test('a whole message that is told twice is kept once', async () => {
        const whole = inbound('hello')
        await store.keepInbound(whole)
        await store.keepInbound(whole)
        expect(await store.inbox(ALL)).toEqual({ rows: [inInbox(whole)], total: 1 })
      })

      test('a message joins until its time is over, counted from its first segment', async () => {
        await store.keepInbound(segment('one', 1))
        clock.skip(SEGMENTS_JOIN_MS - 1)
        await store.keepInbound(segment('two', 2))
        clock.skip(1)
        await store.keepInbound(segment('three', 3))
        expect(await inboxParts()).toEqual([
          [null, null, 'three'],
          ['one', 'two', null],
        ])
      })

      test('any order of segments, repeated at will, ends as the messages that were sent', async () => {
        const sent = fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 5 })
        const order = fc.infiniteStream(fc.nat())
        await fc.assert(
          fc.asyncProperty(sent, order, async (totals, draws) => {
            const fresh = await open(new TurnedClock())
            try {
              const pieces = totals.flatMap((total, reference) =>
                Array.from({ length: total }, (_, at) => ({ reference, total, part: at + 1 })),
              )
              const shuffled = [...pieces, ...pieces.slice(1)]
                .map(piece => ({ piece, rank: draws.next().value ?? 0 }))
                .sort((a, b) => a.rank - b.rank)
              const kept = shuffled.map(({ piece }) => {
                const text = `${piece.reference}/${piece.part}`
                return segment(text, piece.part, piece.total, { segment: piece })
              })
              await Promise.all(kept.map(one => fresh.store.keepInbound(one)))
              const { rows, total } = await fresh.store.inbox(ALL)
              const whole = totals.map((total, reference) =>
                Array.from({ length: total }, (_, at) => `${reference}/${at + 1}`).join(),
              )
              expect(rows.map(({ parts }) => parts.join()).sort()).toEqual(whole.sort())
              expect(total).toBe(totals.length)
            } finally {
              await fresh.close()
            }
          }),
          { numRuns: 25 },
        )
      }, 240_000)
    })

    describe('lists', () => {
      test('MO messages are kept, newest first, in pages that join', async () => {
        const kept = Array.from({ length: 7 }, (_, index) => inbound(`text ${index} \u0000 ✓`))
        for (const one of kept) await store.keepInbound(one)
        const first = await store.inbox({ offset: 0, limit: 4 })
        const rest = await store.inbox({ offset: 4, limit: 4 })
        expect([...first.rows, ...rest.rows]).toEqual(kept.toReversed().map(one => inInbox(one)))
        expect([first.total, rest.total]).toEqual([7, 7])
        expect(await store.inbox({ offset: 100, limit: 4 })).toEqual({ rows: [], total: 7 })
      })

      test('receipts that found nothing are listed newest first', async () => {
        for (const key of ['1', '2', '3']) await store.settle(receipt([key]))
        const { rows, total } = await store.unmatched({ offset: 1, limit: 5 })
        expect(rows.map(row => row.ids[0])).toEqual(['2', '1'])
        expect(total).toBe(3)
      })

      test('campaigns are ordered by name, then sme; the largest over all smes come first, equal ones by name', async () => {
        const sends = [
          ['b', 2],
          ['b', 1],
          ['a', 1],
          ['a', 1],
          ['c', 1],
          ['c', 1],
          ['c', 1],
        ] as const
        await Promise.all(
          sends.map(([campaign, esme]) => store.save(message([part('1')], { campaign, esme }))),
        )
        const { rows, total } = await store.campaigns({ offset: 0, limit: 3 })
        expect(rows.map(row => `${row.campaign}${row.sme}`)).toEqual(['a1', 'b1', 'b2'])
        expect(total).toBe(4)
        expect((await store.campaigns({ offset: 3, limit: 3 })).rows).toEqual([
          { campaign: 'c', sme: 1, sent: 3, failed: 0 },
        ])
        expect(await store.topCampaigns(2)).toEqual([
          { campaign: 'c', messages: 3 },
          { campaign: 'a', messages: 2 },
        ])
      })
    })

    describe('sweep', () => {
      test('deletes what is past its time, a piece at a time, and nothing else', async () => {
        const old = Array.from({ length: 30 }, (_, index) => message([part(`old-${index}`)]))
        await Promise.all(old.map(one => store.save(one)))
        await store.claim(claim('k'), accepted())
        await store.keepInbound(inbound('old'))
        await store.keepInbound(segment('old', 1))
        await store.settle(receipt(['none']))
        clock.skip(RETENTION_MS + 1)
        const young = await store.save(message([part('young')]))
        let swept = 0
        for (let piece = 1; piece > 0; swept += piece) piece = await store.sweep(clock.now())
        expect(swept).toBeGreaterThanOrEqual(35)
        for (const one of old) expect(await store.find(one.id)).toBeUndefined()
        expect(await store.settle(receipt(['old-3']))).toEqual({ matched: false })
        expect((await store.inbox(ALL)).total).toBe(0)
        expect(await store.find(young.id)).toEqual(young)
        expect(await store.settle(receipt(['young']))).toMatchObject({ matched: true })
        expect(await store.totals()).toEqual({ messages: 31 })
      })

      test('a message that was swept takes no late answer, and none moves its count', async () => {
        const { id } = await store.save(message([part('')]))
        clock.skip(RETENTION_MS + 1)
        while ((await store.sweep(clock.now())) > 0);
        expect(await store.resolve(late(id, '7'))).toBeUndefined()
        expect(await tally()).toEqual([{ campaign: 'spring', sme: 1, sent: 0, failed: 1 }])
      })

      test('a key that outlives its message says so', async () => {
        await store.claim(claim('k', { expiresAt: clock.now() + 2 * RETENTION_MS }), accepted())
        clock.skip(RETENTION_MS + 1)
        while ((await store.sweep(clock.now())) > 0);
        expect(await store.claim(claim('k'), accepted())).toEqual({
          fresh: false,
          sameBody: true,
          message: undefined,
        })
      })
    })

    test('a closed store keeps what was asked before, and refuses what comes after', async () => {
      const last = message([part('1')])
      const saving = store.save(last)
      const closing = store.close()
      expect(await saving).toEqual(last)
      await closing
      await store.close()
      await expect(store.save(message([part('2')]))).rejects.toBeInstanceOf(StoreError)
      await expect(store.find(last.id)).rejects.toBeInstanceOf(StoreError)
      store = await opened.reopen()
      expect(await store.find(last.id)).toEqual(last)
    })

    if (traits.shared) {
      test('two gateways on one set of data see each other, and race for a key fairly', async () => {
        const other = await opened.another?.()
        if (!other) throw new Error('a shared store gives another handle')
        const { id } = await store.save(message([part('1')]))
        expect(await other.settle(receipt(['1']))).toMatchObject({ matched: true, message: { id } })
        expect(await stateNow(id)).toBe('delivered')
        const raced = await Promise.all([
          store.claim(claim('k'), accepted()),
          other.claim(claim('k'), accepted()),
        ])
        expect(raced.filter(answer => answer.fresh)).toHaveLength(1)
        await Promise.all([store.save(message([part('2')])), other.save(message([part('3')]))])
        expect(await store.totals()).toEqual({ messages: 3 })
        expect(await other.totals()).toEqual({ messages: 3 })
      })
    }

    test('any interleaving of calls ends as the contract read word by word says', async () => {
      const SMSC_IDS = ['10', '16', 'A', '0a', '1f', '31']
      const ACCOUNTS = [ACCOUNT, 'other:2775/x']
      const ADDRESSES = ['447700900123', '33612345678', '']
      const STATES: PartState[] = ['accepted', 'delivered', 'undeliverable', 'unknown', 'expired']
      const slot = fc.nat({ max: 11 })
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.record({ op: fc.constant('save' as const), slot }) },
        {
          weight: 1,
          arbitrary: fc.record({ op: fc.constant('claim' as const), slot, key: fc.constantFrom('k1', 'k2') }),
        },
        {
          weight: 5,
          arbitrary: fc.record({
            op: fc.constant('settle' as const),
            ids: fc.uniqueArray(fc.constantFrom('10', '16', 'a', '1f', '31'), { minLength: 1, maxLength: 3 }),
            account: fc.constantFrom(...ACCOUNTS),
            address: fc.constantFrom(...ADDRESSES),
            state: fc.constantFrom(...STATES),
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({
            op: fc.constant('resolve' as const),
            slot,
            part: fc.nat({ max: 1 }),
            smscId: fc.constantFrom(...SMSC_IDS),
          }),
        },
        { weight: 1, arbitrary: fc.record({ op: fc.constant('recover' as const) }) },
      )
      const shape = fc.record({
        parts: fc.array(fc.tuple(fc.constantFrom('', ...SMSC_IDS), fc.constantFrom(...ACCOUNTS)), {
          minLength: 1,
          maxLength: 2,
        }),
        destination: fc.constantFrom('447700900123', '33612345678'),
        // With an sme before it one reads like the other.
        campaign: fc.constantFrom('a', '1a'),
        esme: fc.constantFrom(1, 11),
      })
      const turns = fc.array(fc.array(step, { minLength: 1, maxLength: traits.ordered ? 12 : 1 }), {
        maxLength: 12,
      })

      await fc.assert(
        fc.asyncProperty(fc.array(shape, { minLength: 12, maxLength: 12 }), turns, async (shapes, plan) => {
          const time = new TurnedClock()
          const fresh = await open(time)
          const model = new StoreModel()
          const outcomes = shapes.map(({ parts, ...rest }) =>
            message(
              parts.map(([smscId, account]) => part(smscId, { account })),
              rest,
            ),
          )
          const saved = new Set<string>()
          try {
            for (const turn of plan) {
              time.skip(10)
              const asked: Promise<unknown>[] = []
              const expected: unknown[] = []
              for (const one of turn) {
                const outcome = outcomes['slot' in one ? one.slot : 0] as Message
                if (one.op === 'save' && !saved.has(outcome.id)) {
                  saved.add(outcome.id)
                  asked.push(fresh.store.save(outcome))
                  expected.push(model.save(outcome))
                } else if (one.op === 'claim' && !saved.has(outcome.id)) {
                  const open = { ...outcome, parts: outcome.parts.map(() => part('', { state: 'accepted' })) }
                  const claimed = { ...open, state: stateOf(open.parts) }
                  asked.push(fresh.store.claim(claim(one.key), claimed))
                  expected.push(model.claim(claim(one.key), claimed, time.now()))
                } else if (one.op === 'settle') {
                  const { op: _, ...given } = one
                  const told = receipt(one.ids, { ...given, at: time.now() })
                  asked.push(fresh.store.settle(told))
                  expected.push(model.settle(told))
                } else if (one.op === 'resolve') {
                  const told = { ...late(outcome.id, one.smscId, one.part), at: time.now() }
                  asked.push(fresh.store.resolve(told))
                  expected.push(model.resolve(told))
                } else if (one.op === 'recover') {
                  // All that is open belongs to sends that are under way no more.
                  for (const { id, state } of model.messages.values()) if (state === 'accepted') saved.add(id)
                  asked.push(fresh.store.recover(time.now() + 1))
                  expected.push(model.recover(time.now() + 1, time.now()))
                }
              }
              expect(await Promise.all(asked)).toEqual(expected)
            }
            const last = await fresh.reopen()
            for (const { id } of outcomes) expect(await last.find(id)).toEqual(model.messages.get(id))
            expect((await last.campaigns(ALL)).rows).toEqual(model.tallies())
            const counted = model.tallies().reduce((sum, { sent, failed }) => sum + sent + failed, 0)
            expect(await last.totals()).toEqual({ messages: counted })
            expect((await last.unmatched(ALL)).rows).toEqual(model.held.toReversed())
          } finally {
            await fresh.close()
          }
        }),
        { numRuns: 60 },
      )
    }, 240_000)

    test('counts stay exact under thousands of calls at once', async () => {
      const ids: string[] = []
      await Promise.all(
        Array.from({ length: 1200 }, async (_, index) => {
          const missing = index % 5 === 0
          const saved = await store.save(
            message([part(missing ? '' : `n${index}`)], { campaign: `c${index % 3}`, esme: 1 + (index % 2) }),
          )
          ids.push(saved.id)
          if (index % 10 === 0) await store.resolve(late(saved.id, `n${index}`))
          await Promise.all([store.settle(receipt([`n${index}`])), store.save(saved)])
        }),
      )
      const rows = await tally()
      expect(rows.reduce((sum, row) => sum + row.sent, 0)).toBe(1080)
      expect(rows.reduce((sum, row) => sum + row.failed, 0)).toBe(120)
      expect(rows.map(row => row.sent + row.failed)).toEqual(Array(6).fill(200))
      expect(await store.totals()).toEqual({ messages: 1200 })
      expect((await store.topCampaigns(10)).map(row => row.messages)).toEqual([400, 400, 400])
      expect((await store.unmatched(ALL)).total).toBe(120)
      expect(ids).toHaveLength(1200)
    }, 240_000)
  })
}
