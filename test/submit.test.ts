import { describe, expect, test } from 'bun:test'
import { systemRandom } from '../src/clock.ts'
import { GatewayError } from '../src/errors.ts'
import type { FilterMessage, Verdict } from '../src/filters/filter.ts'
import { createIds } from '../src/ids.ts'
import { type Message, taken } from '../src/message.ts'
import type { PartResult } from '../src/routing/carrier.ts'
import type { Job } from '../src/routing/pool.ts'
import type { BodyInput } from '../src/smpp/pdu.ts'
import { type Claim, type Earlier, StoreError } from '../src/store/store.ts'
import {
  createSubmit,
  type PartTag,
  type SendLink,
  type SendRequest,
  type SubmitStore,
} from '../src/submit.ts'
import { TurnedClock } from './support/clock.ts'

const link: SendLink = {
  id: 1,
  name: 'one',
  account: 'smsc:2775/me',
  shortCodeTon: 4,
  shortCodeNpi: 9,
  serviceType: 'WAP',
}

const request: SendRequest = {
  appId: 1,
  appName: 'default',
  esme: 1,
  source: '+123456789',
  destination: '+987654321',
  text: 'Hello world',
  transactionId: 'tx-001',
  campaign: 'app-1',
  encoding: 'auto',
  flash: false,
  registeredDelivery: true,
  priority: 0,
  validitySeconds: undefined,
  scheduleAt: undefined,
  idempotency: undefined,
}

const keyed = (key: string, body = 1): SendRequest => ({
  ...request,
  idempotency: { key, bodyHash: new Uint8Array([body]) },
})

/** The story with everything around it in the test's hand; `told` is what happened, in order. */
function setUp({
  verdict = (): Verdict => ({ pass: true }),
  results = undefined as ((parts: number) => PartResult<SendLink>[]) | undefined,
  storeFault = undefined as string | undefined,
  saveFails = (): boolean => false,
  /** What another gateway has put under the key since it was looked for. */
  raced = undefined as Earlier | undefined,
  keysFail = undefined as 'recall' | 'claim' | undefined,
  licensed = true,
} = {}) {
  let now = { licensed, link: 1, partsMax: 10 }
  const told: string[] = []
  const seen: FilterMessage[] = []
  const pdus: BodyInput<'submit_sm'>[] = []
  const tags: PartTag[] = []
  const kept = new Map<string, { claim: Claim; message: Message }>()
  const clock = new TurnedClock()
  const store: SubmitStore = {
    recall: async claim => {
      if (keysFail === 'recall') throw new StoreError('the disk is full')
      const first = kept.get(claim.key)
      if (!first) return undefined
      return { fresh: false, sameBody: first.claim.bodyHash[0] === claim.bodyHash[0], message: first.message }
    },
    claim: async (claim, message) => {
      told.push('claim')
      if (keysFail === 'claim') throw new StoreError('the disk is full')
      if (raced) return raced
      kept.set(claim.key, { claim, message })
      return { fresh: true }
    },
    save: async message => {
      told.push('save')
      if (saveFails()) throw new StoreError('the disk is full')
      for (const entry of kept.values()) if (entry.message.id === message.id) entry.message = message
      return message
    },
    fault: () => storeFault,
  }
  const submit = createSubmit({
    filters: {
      check: message => {
        told.push('filters')
        seen.push(message)
        return verdict()
      },
    },
    hasEsme: id => id === now.link,
    route: () => {
      told.push('route')
      return {
        send: async (job: Job<BodyInput<'submit_sm'>, SendLink>) => {
          told.push('send')
          for (let part = 0; part < job.partCount; part++) {
            pdus.push(job.pdu(part, link))
            tags.push(job.tag(part) as PartTag)
          }
          const ids = (part: number) => ({ kind: 'accepted', messageId: `id-${part}`, link }) as const
          return results?.(job.partCount) ?? Array.from({ length: job.partCount }, (_, part) => ids(part))
        },
      }
    },
    store,
    ids: createIds(clock, systemRandom),
    clock,
    partsMax: () => now.partsMax,
    reference: () => 7,
    licensed: () => {
      if (!now.licensed) throw new GatewayError('licence_expired', 'license expired')
    },
  })
  const change = (to: typeof now): void => {
    now = to
  }
  return { submit, told, seen, pdus, tags, clock, change, kept }
}

const errorOf = async (send: Promise<unknown>): Promise<GatewayError> => {
  const error = await send.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof GatewayError)) throw new Error(`no GatewayError: ${String(error)}`)
  return error
}

describe('a send', () => {
  test('goes through filters, rules and pool, and is answered once its outcome is stored', async () => {
    const { submit, told, seen, pdus } = setUp()
    const message = await submit(request)
    expect(told).toEqual(['filters', 'route', 'send', 'save'])
    expect(message.state).toBe('submitted')
    expect(taken(message)).toBe(true)
    expect(message.parts).toEqual([{ state: 'submitted', smscId: 'id-0', account: 'smsc:2775/me', error: 0 }])
    expect(seen[0]).toMatchObject({
      source: '123456789',
      destination: '987654321',
      encoding: 'gsm7',
      parts: 1,
    })
    expect(pdus[0]).toMatchObject({
      service_type: 'WAP',
      source_addr_ton: 1,
      source_addr_npi: 1,
      destination_addr: '987654321',
      registered_delivery: 1,
      data_coding: 0,
      esm_class: 0,
    })
  })

  test('is not updated before it was sent, though the clock is set back on its way', async () => {
    const { submit, clock } = setUp({
      results: () => {
        const sentAt = clock.now()
        clock.now = () => sentAt - 3_600_000
        return [{ kind: 'accepted', messageId: '7', link }]
      },
    })
    const { sentAt, updatedAt } = await submit(request)
    expect(updatedAt).toBe(sentAt)
  })

  test('of a long text is one submit_sm a part, joined by its header', async () => {
    const { submit, pdus } = setUp()
    const message = await submit({ ...request, text: 'x'.repeat(307) })
    expect(message.parts.map(part => part.smscId)).toEqual(['id-0', 'id-1', 'id-2'])
    expect(pdus.map(pdu => [pdu.esm_class, [...(pdu.short_message ?? []).slice(0, 6)]])).toEqual([
      [0x40, [5, 0, 3, 7, 3, 1]],
      [0x40, [5, 0, 3, 7, 3, 2]],
      [0x40, [5, 0, 3, 7, 3, 3]],
    ])
  })

  test('writes short codes as its link does, names with TON 5, times as SMPP does', async () => {
    const { submit, pdus } = setUp()
    await submit({
      ...request,
      source: 'My Shop',
      destination: '4444',
      priority: 2,
      validitySeconds: 90_061,
      registeredDelivery: false,
    })
    expect(pdus[0]).toMatchObject({
      source_addr: 'My Shop',
      source_addr_ton: 5,
      source_addr_npi: 0,
      dest_addr_ton: 4,
      dest_addr_npi: 9,
      priority_flag: 2,
      validity_period: '000001010101000R',
      registered_delivery: 0,
    })
  })

  test('that is scheduled is valid from when it is due', async () => {
    const { submit, pdus, clock } = setUp()
    const scheduleAt = Date.UTC(2026, 1, 3, 4, 5, 6)
    clock.skip(scheduleAt - 3_600_000 - clock.now())
    await submit({ ...request, validitySeconds: 90_061, scheduleAt })
    await submit({ ...request, scheduleAt })
    expect(pdus).toMatchObject([
      { schedule_delivery_time: '260203040506000+', validity_period: '260204050607000+' },
      { schedule_delivery_time: '260203040506000+', validity_period: '' },
    ])
  })

  test.each([
    ['an empty sender', { source: '' }, 'source must be'],
    ['a name as destination', { destination: 'SHOP' }, 'destination must be'],
    ['eleven parts', { text: 'x'.repeat(1531) }, 'message: needs 11 parts'],
    ['half a surrogate pair', { text: '\ud800' }, 'message:'],
    ['half of one in what comes back', { transactionId: 'a\ud800b' }, 'transaction_id must have no half'],
    ['half of one in the name of its tally', { campaign: '\udc00' }, 'campaign_uuid must have no half'],
    ['Cyrillic as gsm7', { text: 'ж', encoding: 'gsm7' as const }, 'message:'],
    ['a time that is over', { scheduleAt: 1 }, 'schedule_at is in the past: leave it out to send at once'],
    ['a time past a year', { scheduleAt: Date.UTC(2999, 0, 1) }, 'schedule_at must be within a year'],
  ])(
    'that cannot be is refused with its reason, and nothing is asked or sent: %s',
    async (_, wrong, text) => {
      const { submit, told } = setUp()
      const error = await errorOf(submit({ ...request, ...wrong }))
      expect(error.code).toBe('invalid')
      expect(error.publicText).toStartWith(text)
      expect(told).toEqual([])
    },
  )

  test('may be scheduled from now on and for a year', async () => {
    const { submit, clock } = setUp()
    const year = 365 * 86_400_000
    for (const inMs of [0, year]) await submit({ ...request, scheduleAt: clock.now() + inMs })
    for (const inMs of [-1, year + 1]) await errorOf(submit({ ...request, scheduleAt: clock.now() + inMs }))
  })

  test('that a filter refuses goes nowhere', async () => {
    const { submit, told } = setUp({ verdict: () => ({ pass: false, filter: 'premium', reason: 'costly' }) })
    const error = await errorOf(submit(request))
    expect([error.code, error.publicText]).toEqual(['refused', 'rejected by filter "premium": costly'])
    expect(told).toEqual(['filters'])
  })

  test('to an unknown esme, or without a valid licence, goes nowhere', async () => {
    expect((await errorOf(setUp().submit({ ...request, esme: 9 }))).code).toBe('unknown_esme')
    expect((await errorOf(setUp({ licensed: false }).submit(request))).code).toBe('licence_expired')
  })

  test('is not written while the store cannot keep it', async () => {
    const { submit, told } = setUp({ storeFault: 'the disk is full' })
    const error = await errorOf(submit(request))
    expect([error.code, error.publicText]).toEqual(['not_sent', 'not sent: the disk is full'])
    expect(told).not.toContain('send')
  })

  test('tells with each part when its outcome is stored, or could not be', async () => {
    for (const fails of [false, true]) {
      const { submit, tags, told } = setUp({ saveFails: () => fails })
      const sent = submit({ ...request, text: 'x'.repeat(200) }).catch(() => undefined)
      while (tags.length < 2) await Promise.resolve()
      await Promise.all(tags.map(tag => tag.stored))
      expect(told).toContain('save')
      await sent
    }
  })

  test('tells who asks only then that its outcome is stored: a late response finds it', async () => {
    const { submit, tags } = setUp({})
    await submit(request)
    await tags[0]?.stored
    expect(tags).toHaveLength(1)
  })

  test('whose outcome could not be stored is no success, and says that the SMSC has it', async () => {
    const { submit } = setUp({ saveFails: () => true })
    const error = await errorOf(submit(request))
    expect(error.code).toBe('store_failed')
    expect(error.publicText).toBe(
      'the SMSC took the message, but its outcome could not be stored: the disk is full',
    )
  })

  test('that the SMSC refused and whose outcome could not be stored says both', async () => {
    const results = (): PartResult<SendLink>[] => [{ kind: 'refused', status: 0x0b, link }]
    const { submit } = setUp({ saveFails: () => true, results })
    expect(await errorOf(submit(request))).toMatchObject({
      code: 'not_sent',
      publicText:
        'SMSC refused with ESME_RINVDSTADR (0x0B), and its outcome could not be stored: the disk is full',
    })
  })

  test('whose outcome could not be stored is no failure while the SMSC may have a part of it', async () => {
    const results = (): PartResult<SendLink>[] => [
      { kind: 'unknown', reason: 'timeout', link },
      { kind: 'unsent', reason: 'no_room' },
    ]
    const { submit } = setUp({ saveFails: () => true, results })
    const error = await errorOf(submit({ ...request, text: 'x'.repeat(200) }))
    expect(error.code).toBe('store_failed')
  })

  test('that the SMSC refuses is failed, with the name and code of its error', async () => {
    const { submit } = setUp({ results: () => [{ kind: 'refused', status: 0x0b, link }] })
    const message = await submit(request)
    expect([message.state, message.error, taken(message)]).toEqual([
      'failed',
      'SMSC refused with ESME_RINVDSTADR (0x0B)',
      false,
    ])
    expect(message.parts[0]?.error).toBe(0x0b)
  })

  test('that was written and not answered is unknown, and says that it is not sent again', async () => {
    const { submit } = setUp({ results: () => [{ kind: 'unknown', reason: 'timeout', link }] })
    const message = await submit(request)
    expect([message.state, taken(message)]).toEqual(['unknown', false])
    expect(message.error).toContain('no submit_sm_resp in time')
    // A late answer names the part, and its receipt is looked for under the account.
    expect(message.parts[0]?.account).toBe(link.account)
  })

  test('of which one part was refused says which, and keeps the ids of the others', async () => {
    const { submit } = setUp({
      results: () => [
        { kind: 'accepted', messageId: 'a', link },
        { kind: 'refused', status: 0x45, link },
        { kind: 'unsent', reason: 'abandoned' },
      ],
    })
    const message = await submit({ ...request, text: 'x'.repeat(307) })
    expect([message.state, message.error]).toEqual([
      'failed',
      'SMSC refused with ESME_RSUBMITFAIL (0x45) for part 2 of 3',
    ])
    expect(message.parts.map(part => part.state)).toEqual(['submitted', 'failed', 'failed'])
  })

  test('of which one part is unknown and another was refused tells of the refusal', async () => {
    const { submit } = setUp({
      results: () => [
        { kind: 'unknown', reason: 'timeout', link },
        { kind: 'refused', status: 0x45, link },
      ],
    })
    const { error } = await submit({ ...request, text: 'x'.repeat(200) })
    expect(error).toBe('SMSC refused with ESME_RSUBMITFAIL (0x45) for part 2 of 2')
  })

  test.each<[PartResult<SendLink>[], string]>([
    [
      [
        { kind: 'unsent', reason: 'queue_full' },
        { kind: 'unsent', reason: 'queue_full' },
      ],
      'not sent: the queue of the pool is full',
    ],
    [
      [
        { kind: 'accepted', messageId: 'a', link },
        { kind: 'unsent', reason: 'no_room' },
      ],
      'not sent: no link had room within smpp.queue_timeout for part 2 of 2',
    ],
  ])(
    'of which nothing was sent says so of the message, and of which not all was, of the part',
    async (results, error) => {
      const { submit } = setUp({ results: () => results })
      expect(await submit({ ...request, text: 'x'.repeat(200) })).toMatchObject({ state: 'failed', error })
    },
  )

  test('that the SMSC took without naming an id counts as taken', async () => {
    const { submit } = setUp({ results: () => [{ kind: 'accepted', messageId: '', link }] })
    expect(taken(await submit(request))).toBe(true)
  })
})

describe('an idempotency key', () => {
  test('is stored before the first part leaves', async () => {
    const { submit, told } = setUp()
    await submit(keyed('k'))
    expect(told).toEqual(['filters', 'route', 'claim', 'send', 'save'])
  })

  test('answers the first result and sends nothing, even where a filter would refuse by now', async () => {
    let verdict: Verdict = { pass: true }
    const world = setUp({ verdict: () => verdict })
    const first = await world.submit(keyed('k'))
    verdict = { pass: false, filter: 'late', reason: '' }
    world.told.length = 0
    expect((await world.submit(keyed('k'))).id).toBe(first.id)
    expect(world.told).toEqual([])
  })

  test('answers it even where the request itself would be refused by now', async () => {
    const world = setUp()
    const due = world.clock.now() + 60_000
    const scheduled = { ...keyed('k'), scheduleAt: due, text: 'x'.repeat(400) }
    const first = await world.submit(scheduled)
    world.change({ licensed: false, link: 2, partsMax: 2 })
    world.clock.skip(120_000)
    world.told.length = 0
    expect((await world.submit(scheduled)).id).toBe(first.id)
    expect(world.told).toEqual([])
    expect((await errorOf(world.submit({ ...scheduled, ...keyed('other') }))).code).toBe('licence_expired')
  })

  test('lets a second caller wait for the first result', async () => {
    const { submit, told } = setUp()
    const [one, two] = await Promise.all([submit(keyed('k')), submit(keyed('k'))])
    expect(one.id).toBe(two.id)
    expect(told.filter(word => word === 'send')).toHaveLength(1)
  })

  test('answers an outcome that could not be stored once it can be, and sends nothing', async () => {
    let full = true
    const { submit, told } = setUp({ saveFails: () => full })
    expect((await errorOf(submit(keyed('k')))).publicText).toStartWith('the SMSC took the message')
    expect((await errorOf(submit(keyed('k')))).code).toBe('store_failed')
    full = false
    expect((await submit(keyed('k'))).state).toBe('submitted')
    expect(told.filter(word => word === 'send')).toHaveLength(1)
  })

  test('of an outcome that could not be stored is known for the newest 10,000 of them', async () => {
    let full = true
    const { submit } = setUp({ saveFails: () => full })
    const keys = Array.from({ length: 10_001 }, (_, index) => `k${index}`)
    for (const key of keys) await errorOf(submit(keyed(key)))
    full = false
    expect((await errorOf(submit(keyed('k0')))).publicText).toContain('on its way')
    for (const key of ['k1', 'k10000']) expect((await submit(keyed(key))).state).toBe('submitted')
  })

  test('that another gateway was quicker to take is answered with its message, and sends nothing', async () => {
    const first = await setUp().submit(request)
    const { submit, told } = setUp({ raced: { fresh: false, sameBody: true, message: first } })
    expect(await submit(keyed('k'))).toBe(first)
    expect(told).not.toContain('send')
    const open = { fresh: false, sameBody: true, message: { ...first, state: 'accepted' } } as const
    expect((await errorOf(setUp({ raced: open }).submit(keyed('k')))).publicText).toContain('on its way')
    const gone = { fresh: false, sameBody: true, message: undefined } as const
    expect((await errorOf(setUp({ raced: gone }).submit(keyed('k')))).publicText).toContain('no longer kept')
  })

  test('that cannot be read says nothing of a message, and one that cannot be kept that it was not sent', async () => {
    const unread = setUp({ keysFail: 'recall' })
    expect(await errorOf(unread.submit(keyed('k')))).toMatchObject({
      code: 'store_failed',
      publicText: 'the first result of this Idempotency-Key cannot be read: the disk is full',
    })
    const unkept = setUp({ keysFail: 'claim' })
    expect(await errorOf(unkept.submit(keyed('k')))).toMatchObject({
      code: 'not_sent',
      publicText: 'not sent: the disk is full',
    })
    expect([...unread.told, ...unkept.told]).not.toContain('send')
  })

  test('holds for a day from when its message was sent', async () => {
    const { submit, kept, clock } = setUp()
    const sentAt = clock.now()
    await submit(keyed('k'))
    expect(kept.get('k')?.claim.expiresAt).toBe(sentAt + 24 * 3600 * 1000)
  })

  test('with another body is refused, at once and later', async () => {
    const { submit } = setUp()
    const first = submit(keyed('k', 1))
    expect((await errorOf(submit(keyed('k', 2)))).code).toBe('key_reused')
    await first
    expect((await errorOf(submit(keyed('k', 2)))).code).toBe('key_reused')
  })

  test('of one app says nothing to another', async () => {
    const { submit, told } = setUp()
    await Promise.all([submit(keyed('k')), submit({ ...keyed('k', 2), appId: 2 })])
    expect(told.filter(word => word === 'send')).toHaveLength(2)
  })
})
