import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  deliveredParts,
  isFinal,
  isFinalPart,
  type Message,
  PART_STATES,
  type Part,
  type PartState,
  stateOf,
  withPart,
} from '../src/message.ts'

const part = (state: PartState, smscId = state === 'accepted' ? '' : 'id'): Part => ({
  state,
  smscId,
  account: 'host:2775/me',
  error: 0,
})

const message = (...states: PartState[]): Message => {
  const parts = states.map(state => part(state))
  return {
    id: '0197a3b0-0000-7000-8000-000000000001',
    taskId: 1,
    appId: 1,
    esme: 1,
    campaign: 'app-1',
    transactionId: '',
    source: 'SHOP',
    destination: '4915112345678',
    state: stateOf(parts),
    parts,
    sentAt: 1000,
    updatedAt: 1000,
    error: '',
  }
}

const change = (state: PartState, at = 2000) => ({ state, error: 0, at })

describe('a message', () => {
  test('is delivered when all its parts are, and not before', () => {
    const half = withPart(message('submitted', 'submitted'), 0, change('delivered'))
    expect([half.state, deliveredParts(half)]).toEqual(['submitted', 1])
    const whole = withPart(half, 1, change('delivered', 3000))
    expect([whole.state, deliveredParts(whole), whole.updatedAt]).toEqual(['delivered', 2, 3000])
  })

  test('with a part that may be there and another that was never sent is unknown, with one refused it is failed', () => {
    const unsent = { state: 'failed', smscId: '', account: '', error: 0 } as const
    const unknown = { ...unsent, state: 'unknown' } as const
    expect(stateOf([unknown, unsent])).toBe('unknown')
    expect(stateOf([unknown, { ...unsent, error: 0x58 }, unsent])).toBe('failed')
    expect(stateOf([unsent, unsent])).toBe('failed')
  })

  test.each([
    ['expired', 'expired'],
    ['deleted', 'failed'],
    ['undeliverable', 'failed'],
    ['rejected', 'rejected'],
    ['failed', 'failed'],
    ['unknown', 'unknown'],
  ] as const)('with a part %s is %s', (state, whole) => {
    expect(withPart(message('submitted', 'delivered'), 0, change(state)).state).toBe(whole)
  })

  test('is as bad as the first of its parts that failed', () => {
    expect(stateOf([part('rejected'), part('expired')])).toBe('rejected')
    expect(stateOf([part('expired'), part('undeliverable')])).toBe('expired')
  })

  test.each(['expired', 'rejected', 'deleted'] as const)(
    'with a part %s stays what it is, whatever comes of the others',
    first => {
      const ended = withPart(message('submitted', 'submitted'), 0, change(first))
      const other = first === 'rejected' ? 'expired' : 'rejected'
      for (const last of ['delivered', other, 'unknown'] as const)
        expect(withPart(ended, 1, change(last)).state).toBe(ended.state)
    },
  )

  test('that is delivered complains of nothing, and news that are older than it do not set its time back', () => {
    const unknown = { ...message('unknown'), error: 'no submit_sm_resp in time' }
    expect(withPart(unknown, 0, change('delivered', 500))).toMatchObject({
      state: 'delivered',
      error: '',
      updatedAt: 1000,
    })
  })

  test('that the SMSC holds as ACCEPTED stays submitted, and may be on its way again or lost sight of', () => {
    const held = withPart(message('submitted'), 0, change('accepted'))
    expect(held.state).toBe('submitted')
    for (const state of ['submitted', 'unknown'] as const)
      expect(withPart(held, 0, change(state))).toMatchObject({ state, parts: [{ state }] })
  })

  test('that is unknown may become anything', () => {
    for (const state of PART_STATES) {
      if (state === 'unknown') continue
      expect(withPart(message('unknown'), 0, change(state)).parts[0]?.state).toBe(state)
    }
  })

  test('takes the id of a late response, and no longer complains', () => {
    const unknown = { ...message('unknown'), error: 'no submit_sm_resp in time' }
    const late = withPart(unknown, 0, { ...change('submitted'), smscId: 'late' })
    expect([late.state, late.parts[0]?.smscId, late.error]).toEqual(['submitted', 'late', ''])
  })

  test('refused after its time says why, unless its end was told before', () => {
    const refused = { ...change('failed'), reason: 'SMSC refused with 0x0B' }
    const unknown = { ...message('unknown', 'submitted'), error: 'no submit_sm_resp in time' }
    expect(withPart(unknown, 0, refused).error).toBe('SMSC refused with 0x0B')
    const failed = {
      ...message('unknown', 'failed'),
      state: 'failed' as const,
      error: 'SMSC refused with 0x45',
    }
    expect(withPart(failed, 0, refused)).toMatchObject({ state: 'failed', error: 'SMSC refused with 0x45' })
  })

  test('with a part that was never sent says so once the others are answered, whatever receipts say of them', () => {
    const unsent = { state: 'failed', smscId: '', account: '', error: 0 } as const
    const unanswered = { ...message('unknown', 'unknown', 'submitted'), error: 'no submit_sm_resp in time' }
    const open = { ...unanswered, parts: [...unanswered.parts, unsent] }
    const first = withPart(open, 1, { ...change('submitted'), smscId: 'late' })
    expect([first.state, first.error]).toEqual(['unknown', 'no submit_sm_resp in time'])
    const failed = { state: 'failed', error: 'part 4 of 4 was not sent' } as const
    const second = withPart(first, 0, { ...change('submitted'), smscId: 'later' })
    expect(second).toMatchObject(failed)
    expect(withPart(second, 0, change('delivered'))).toMatchObject(failed)
  })

  test('does not change for a part that it has not, nor for news that say less than is known', () => {
    const before = message('submitted')
    expect(withPart(before, 7, change('delivered'))).toBe(before)
    expect(withPart(before, 0, change('submitted'))).toBe(before)
    expect(withPart(message('unknown'), 0, change('unknown')).updatedAt).toBe(1000)
  })

  test('never leaves a final state, whatever comes in whatever order', () => {
    const event = fc.record({ index: fc.nat(2), state: fc.constantFrom(...PART_STATES) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), events => {
        let now = message('submitted', 'submitted', 'submitted')
        for (const { index, state } of events) {
          const next = withPart(now, index, change(state))
          if (isFinal(now.state)) expect(next.state).toBe(now.state)
          const before = now.parts[index]
          if (before && isFinalPart(before.state)) expect(next.parts[index]?.state).toBe(before.state)
          if (next.state === 'delivered') expect(deliveredParts(next)).toBe(3)
          now = next
        }
      }),
    )
  })
})
