import { describe, expect, test } from 'bun:test'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { TRIP_FAULTS, TRIPPED_MS } from '../../src/filters/tally.ts'
import { TurnedClock } from '../support/clock.ts'
import { message, openFolder } from './support.ts'

const refusing = "export default () => ({ match: true, reason: 'because' })"
const passing = 'export default () => false'
const throwing = "export default () => { throw new Error('oops') }"
const endless = 'export default () => { for (;;) {} }'

/** The system's clock, which a test may put forward. */
function movedClock() {
  const moved = { ...systemClock, byMs: 0 }
  moved.monotonic = () => systemClock.monotonic() + moved.byMs
  return moved
}

describe('a message', () => {
  test('passes at once where there are no filters', async () => {
    await using folder = await openFolder({})
    expect(folder.filters.check(message())).toEqual({ pass: true })
  })

  test('passes when every active filter lets it, and is refused by the first that does not, in order of name', async () => {
    await using folder = await openFolder({ '1.js': passing, '3.js': refusing, '2.js': refusing })
    expect(folder.filters.check(message())).toEqual({ pass: false, filter: '2', reason: 'because' })
    expect(
      folder.filters.inspect().filters.map(({ name, hits, refusals }) => [name, hits, refusals]),
    ).toEqual([
      ['1', 1, 0],
      ['2', 1, 1],
      ['3', 0, 0],
    ])
  })

  test('is refused by a blacklist that matches and by a whitelist that does not', async () => {
    const source = (blacklist: boolean, match: boolean) =>
      `export const blacklist = ${blacklist}\nexport default () => ${match}`
    for (const blacklist of [true, false]) {
      for (const match of [true, false]) {
        await using folder = await openFolder({ 'f.js': source(blacklist, match) })
        expect(folder.filters.check(message()).pass).toBe(blacklist !== match)
      }
    }
  })

  test('is not shown to an inactive filter, and is not refused by one in shadow mode, which counts', async () => {
    await using folder = await openFolder({
      'inactive.js': `export const active = false\n${refusing}`,
      'shadow.js': `export const mode = 'shadow'\n${refusing}`,
    })
    expect(folder.filters.check(message()).pass).toBeTrue()
    const [inactive, shadow] = folder.filters.inspect().filters
    expect(inactive).toMatchObject({ state: 'inactive', hits: 0 })
    expect(shadow).toMatchObject({ state: 'shadow', hits: 1, matches: 1, refusals: 1 })
    expect(shadow?.p99_us).toBe(Number(shadow?.p99_us.toFixed(1)))
    expect(shadow?.seconds).toBe(Number(shadow?.seconds.toFixed(6)))
  })

  test('that is longer than a filter can take is decided by on_error', async () => {
    await using folder = await openFolder({ 'f.js': passing })
    expect(folder.filters.check(message({ message: 'x'.repeat(100_000) }))).toMatchObject({
      pass: false,
      filter: 'f',
    })
    expect(folder.filters.check(message({ message: 'x'.repeat(64 * 1024) })).pass).toBeTrue()
  })
})

test('a filter that was asked has its answers counted, and their time; its memory is looked at when asked for', async () => {
  await using folder = await openFolder({ 'f.js': refusing })
  for (let i = 0; i < 10; i++) folder.filters.check(message())
  const [filter] = folder.filters.inspect().filters
  expect(filter).toMatchObject({ hits: 10, matches: 10, refusals: 10, errors: 0, memory_bytes: 0 })
  for (const figure of [filter?.p50_us, filter?.p99_us, filter?.seconds]) expect(figure).toBeGreaterThan(0)
  const [weighed] = folder.filters.inspect({ memory: true }).filters
  expect(weighed?.memory_bytes).toBeGreaterThan(1000)
})

describe('a filter that fails', () => {
  test('refuses with on_error reject, and says no more than that it failed', async () => {
    await using folder = await openFolder({ 'f.js': throwing })
    expect(folder.filters.check(message())).toEqual({ pass: false, filter: 'f', reason: 'the filter failed' })
    expect(folder.filters.inspect().filters[0]).toMatchObject({
      errors: 1,
      timeouts: 0,
      last_error: 'Error: oops (f.js:1:39)',
    })
  })

  test('says nothing of a text in the error that its operator reads, unless the words are its own', async () => {
    const source = `export default sms => { if (sms.esme === 2) throw new Error('oops: ' + sms.message); JSON.parse(sms.message) }`
    await using folder = await openFolder({ 'f.js': source })
    const error = () => folder.filters.inspect().filters[0]?.last_error
    folder.filters.check(message({ message: 'TAN990011 is yours' }))
    expect(error()).toStartWith("SyntaxError: unexpected token: '…'")
    folder.filters.check(message({ message: 'TAN990011 is yours, oops', esme: 2 }))
    expect(error()).toStartWith('Error: oops: … is …, oops')
    expect(folder.logged.join()).not.toContain('990011')
  })

  test('lets pass with on_error pass', async () => {
    await using folder = await openFolder({ 'f.js': throwing, 'g.js': passing }, { onError: 'pass' })
    expect(folder.filters.check(message()).pass).toBeTrue()
  })

  test('in shadow mode refuses nothing', async () => {
    await using folder = await openFolder({ 'f.js': `export const mode = 'shadow'\n${throwing}` })
    expect(folder.filters.check(message()).pass).toBeTrue()
    expect(folder.filters.inspect().filters[0]?.errors).toBe(1)
  })

  test('is logged by name, and not for every message', async () => {
    await using folder = await openFolder({ 'f.js': throwing })
    for (let i = 0; i < 100; i++) folder.filters.check(message())
    expect(folder.logged.filter(line => line.includes('filter failed'))).toEqual([
      'filter failed {"filter":"f","kind":"error","error":"Error: oops (f.js:1:39)","on_error":"reject"}',
    ])
  })

  test('is logged at once when it is another of the same name', async () => {
    await using folder = await openFolder({ 'f.js': throwing })
    folder.filters.check(message())
    await rm(join(folder.dir, 'f.js'))
    await folder.filters.reload()
    await folder.write('f.js', throwing)
    await folder.filters.reload()
    folder.filters.check(message())
    expect(folder.logged.filter(line => line.startsWith('filter failed'))).toHaveLength(2)
  })

  test('is out of use for a while after it ran over its time repeatedly, says so, and is tried again', async () => {
    const clock = movedClock()
    await using folder = await openFolder({ 'f.js': endless }, { clock })
    const reason = () => {
      const verdict = folder.filters.check(message())
      return verdict.pass ? 'pass' : verdict.reason
    }
    for (let i = 0; i < TRIP_FAULTS; i++) expect(reason()).toBe('the filter did not answer in time')
    expect(folder.filters.inspect().filters[0]).toMatchObject({ state: 'tripped', timeouts: TRIP_FAULTS })
    for (let i = 0; i < 1000; i++) expect(reason()).toStartWith('the filter is out of use for a while')
    // It was not asked; each message is a hit all the same, and what on_error refused no refusal of its own.
    const counted = { timeouts: TRIP_FAULTS, errors: TRIP_FAULTS, hits: TRIP_FAULTS + 1000, refusals: 0 }
    expect(folder.filters.inspect().filters[0]).toMatchObject(counted)
    expect(folder.logged.at(-1)).toStartWith('filter failed repeatedly and is out of use for a while')
    clock.byMs += TRIPPED_MS
    expect(reason()).toBe('the filter did not answer in time')
    expect(folder.filters.inspect().filters[0]?.state).toBe('tripped')
    // Its author mends it: that is another trial, and the counts go on.
    await folder.write('f.js', passing)
    await folder.filters.reload()
    expect(reason()).toBe('pass')
    expect(folder.filters.inspect().filters[0]).toMatchObject({ state: 'active', timeouts: TRIP_FAULTS + 1 })
  })

  test('is out of use for the app alone whose messages it took too long for', async () => {
    await using folder = await openFolder({
      'f.js': "export default sms => { while (sms.message === 'bad') {} return false }",
    })
    for (let i = 0; i <= TRIP_FAULTS; i++) folder.filters.check(message({ message: 'bad', app_id: 2 }))
    expect(folder.filters.check(message({ app_id: 2 }))).toMatchObject({ pass: false })
    expect(folder.filters.check(message({ app_id: 1 })).pass).toBeTrue()
    expect(folder.filters.inspect().filters[0]).toMatchObject({ state: 'tripped', tripped_apps: [2] })
    expect(folder.logged.at(-1)).toInclude('"app":2')
  })

  test('is not out of use for throwing, however often', async () => {
    await using folder = await openFolder({
      'f.js': "export default sms => { if (sms.message === 'bad') throw 1; return false }",
    })
    for (let i = 0; i < 100; i++) folder.filters.check(message({ message: 'bad' }))
    expect(folder.filters.check(message()).pass).toBeTrue()
  })
})

describe('trying a filter', () => {
  test('answers with verdict, reason and time, by snippet or by name, and counts nothing', async () => {
    await using folder = await openFolder({
      'f.js': "export default sms => sms.in('numbers', sms.destination)",
      'numbers.txt': '44*',
    })
    const byName = folder.filters.test({ name: 'f', message: { destination: '447700900123' } })
    expect(byName).toMatchObject({ verdict: 'reject', match: true, reason: '', error: '' })
    expect(byName.time_us).toBeGreaterThan(0)
    expect(byName.time_us).toBe(Number(byName.time_us.toFixed(1)))
    const bySnippet = folder.filters.test({ snippet: refusing, message: {} })
    expect(bySnippet).toMatchObject({ verdict: 'reject', match: true, reason: 'because', error: '' })
    expect(folder.filters.inspect().filters[0]?.hits).toBe(0)
  })

  test('asks it about this moment, unless another is named', async () => {
    const clock = new TurnedClock(Date.UTC(2027, 0, 1))
    await using folder = await openFolder({}, { clock })
    const snippet = 'export default sms => ({ match: true, reason: String(sms.time) })'
    const time = (fields: { readonly time?: number }) =>
      folder.filters.test({ snippet, message: fields }).reason
    expect([time({}), time({ time: 5 })]).toEqual([String(Math.floor(clock.now() / 1000)), '5'])
  })

  test('says what is wrong with it, and what on_error makes of that', async () => {
    await using folder = await openFolder({}, { onError: 'pass' })
    const error = (snippet: string) => folder.filters.test({ snippet, message: {} })
    expect(error('export default')).toMatchObject({
      verdict: 'pass',
      error: expect.stringMatching(/^SyntaxError/),
    })
    expect(error(endless)).toMatchObject({ verdict: 'pass', reason: '', error: 'no answer within 20 ms' })
    await using strict = await openFolder({}, { onError: 'reject' })
    expect(strict.filters.test({ snippet: endless, message: {} })).toMatchObject({
      verdict: 'reject',
      reason: 'the filter did not answer in time',
    })
    expect(folder.filters.test({ name: 'none', message: {} }).error).toBe('there is no filter of that name')
  })
})
