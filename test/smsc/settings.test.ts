import { describe, expect, test } from 'bun:test'
import { FAULT_OPTIONS, type FaultSettings, formatId, readFaults, readId } from '../../src/smsc/faults.ts'
import { readSelector } from '../../src/smsc/selector.ts'
import { seededDraw } from '../../src/smsc/smsc.ts'

describe('settings', () => {
  test('none at all is an SMSC without a fault that sends the receipts asked for', () => {
    expect(readFaults({})).toMatchObject({
      ...{ delay: { minMs: 0, maxMs: 0 }, reorder: 0, error: [], mute: false, receipts: true, moRate: 0 },
      ...{ idResponse: 'decimal', idReceipt: 'decimal', receiptIn: 'both', bindStatus: 0 },
    })
  })

  test('each has a flag, a help and a default that it can read', () => {
    for (const { key, name, description, value, default: standard } of FAULT_OPTIONS) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/)
      expect(description.length * value.length).toBeGreaterThan(0)
      expect(() => readFaults({ [key]: standard })).not.toThrow()
    }
    expect(FAULT_OPTIONS.find(({ key }) => key === 'receiptDelay')?.name).toBe('receipt-delay')
  })

  test('times have units, and a range has its smaller end first', () => {
    expect(readFaults({ delay: '1.5s' }).delay).toEqual({ minMs: 1500, maxMs: 1500 })
    expect(readFaults({ delay: '10ms-1s' }).delay).toEqual({ minMs: 10, maxMs: 1000 })
    expect(readFaults({ delay: '2m' }).delay).toEqual({ minMs: 120_000, maxMs: 120_000 })
  })

  const wrong: readonly FaultSettings[] = [
    ...['20', 'ms', '-5ms', '50ms-10ms', '1ms-2ms-3ms', '99999m', '1h'].map(delay => ({ delay })),
    ...['1.5', '2', '1/0', '-0.1', 'sometimes', '*', '', '49*17'].map(lose => ({ lose })),
    ...['0x45=', '=0.1', '69', 'ESME_NOPE', '0x45=0.1=0.2', '0x45,'].map(error => ({ error })),
    ...['delivered=2', 'lost', 'failed=0.1'].map(receiptState => ({ receiptState })),
    ...['-1', '1.5', '1000001', 'many', ''].map(reorder => ({ reorder })),
    ...['true', '1', ''].map(mute => ({ mute })),
    ...['octal', ''].map(idReceipt => ({ idReceipt })),
    { bindStatus: '13' },
    { moText: 'half a pair: \ud83d' },
    { receiptText: 'x'.repeat(1001) },
  ]
  for (const settings of wrong)
    test(`${JSON.stringify(settings)} is refused`, () => {
      expect(() => readFaults(settings)).toThrow(/is not /)
    })

  test('a wrong one is told with its flag, its value and what would be right', () => {
    expect(() => readFaults({ receiptDelay: '20' })).toThrow(
      'receipt-delay: "20" is not a time such as 20ms or 1.5s, or two such as 10ms-50ms',
    )
  })
})

describe('selectors', () => {
  const selects = (text: string, destinations: readonly string[]): boolean[] => {
    const selector = readSelector(text)
    const draw = seededDraw(1)
    return destinations.map(destination => selector?.(destination, draw) ?? false)
  }

  test('choose by the beginning or the end of the destination', () => {
    expect(selects('4917*', ['491701', '441701', '49'])).toEqual([true, false, false])
    expect(selects('*99', ['491799', '491798'])).toEqual([true, false])
  })

  test('choose every n-th exactly', () => {
    expect(selects('1/3', Array(7).fill('1'))).toEqual([false, false, true, false, false, true, false])
  })

  test('choose a share by chance, all of 1 and none of 0', () => {
    const chosen = selects('0.25', Array(1000).fill('1')).filter(Boolean).length
    expect(chosen).toBeWithin(200, 300)
    expect(selects('1', Array(100).fill('1'))).not.toContain(false)
    expect(selects('0', Array(100).fill('1'))).not.toContain(true)
  })
})

test('every form of an id reads back', () => {
  for (const form of ['decimal', 'padded', 'hex', 'upper', 'padded-hex'] as const)
    for (const id of [1, 255, 1_767_225_600_000]) expect(readId(formatId(id, form), form)).toBe(id)
})
