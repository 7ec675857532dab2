import { describe, expect, test } from 'bun:test'
import { createLate } from '../src/late.ts'
import { NO_SMSC_ID } from '../src/message.ts'
import { type LateAnswer, StoreError } from '../src/store/store.ts'
import { TurnedClock } from './support/clock.ts'
import { silent } from './support/simulation_quiet.ts'

function setUp({ failing = false } = {}) {
  const told: LateAnswer[] = []
  const lost: object[] = []
  const clock = new TurnedClock()
  const late = createLate({
    store: {
      resolve: async answer => {
        if (failing) throw new StoreError('the disk is full')
        told.push(answer)
        return undefined
      },
    },
    clock,
    log: { ...silent, error: fields => void lost.push(fields) },
  })
  return { late, told, lost, clock }
}

const tag = (stored = Promise.resolve()) => ({ messageId: 'm', part: 1, stored })

describe('a response after its time', () => {
  test('makes its part submitted under its id, or failed with its error', async () => {
    const { late, told, clock } = setUp()
    await late(tag(), { kind: 'accepted', messageId: 'id-7' })
    await late(tag(), { kind: 'refused', status: 0x45 })
    const at = clock.now()
    expect(told).toEqual([
      { messageId: 'm', part: 1, state: 'submitted', smscId: 'id-7', error: 0, at },
      {
        messageId: 'm',
        part: 1,
        state: 'failed',
        smscId: '',
        error: 0x45,
        reason: 'SMSC refused with ESME_RSUBMITFAIL (0x45)',
        at,
      },
    ])
  })

  test('that names no id says all the same that the SMSC took the part', async () => {
    const { late, told } = setUp()
    await late(tag(), { kind: 'accepted', messageId: '' })
    expect(told).toMatchObject([{ state: 'submitted', smscId: NO_SMSC_ID }])
  })

  test('waits while other parts of its message are under way, since nothing of it is stored before', async () => {
    const { late, told, clock } = setUp()
    const { promise: stored, resolve } = Promise.withResolvers<void>()
    const done = late(tag(stored), { kind: 'accepted', messageId: 'id-7' })
    const at = clock.now()
    await clock.advance(1000)
    expect(told).toEqual([])
    resolve()
    await done
    expect(told).toMatchObject([{ at }])
  })

  test('that cannot be stored is logged with its message', async () => {
    const { late, lost } = setUp({ failing: true })
    await late(tag(), { kind: 'accepted', messageId: 'id-7' })
    expect(lost).toEqual([expect.objectContaining({ message_id: 'm', part: 1 })])
  })
})
