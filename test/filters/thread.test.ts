import { describe, expect, test } from 'bun:test'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import type { Verdict } from '../../src/filters/filter.ts'
import { type FilterThread, openFilterThread, type ThreadOptions } from '../../src/filters/thread.ts'
import { limits, message } from './support.ts'

const passing = 'export default () => false'
const echoing = 'export default sms => ({ match: true, reason: sms.destination })'
const endless = 'export default () => { for (;;) {} }'
const stuck = `export default sms => { while (sms.esme === 2); return { match: true, reason: sms.destination } }`

interface OpenThread extends AsyncDisposable {
  readonly filters: FilterThread
  readonly logged: string[]
  /** Every thread that was started, the one that lives last. */
  readonly threads: Worker[]
  write(file: string, text: string): Promise<void>
  remove(file: string): Promise<void>
  /** Puts the clock forward, and runs what is due by then. */
  pass(ms: number): void
}

async function openThread(
  files: Readonly<Record<string, string>>,
  options: Partial<ThreadOptions> = {},
): Promise<OpenThread> {
  const dir = await mkdtemp(join(tmpdir(), 'filters-'))
  const write = (file: string, text: string) => writeFile(join(dir, file), text)
  for (const [file, text] of Object.entries(files)) await write(file, text)
  const logged: string[] = []
  const log = (fields: object, text: string) => void logged.push(`${text} ${JSON.stringify(fields)}`)
  const threads: Worker[] = []
  let now = 0
  let due: { readonly at: number; readonly task: () => void }[] = []
  const clock = {
    soon: systemClock.soon,
    monotonic: () => now,
    after: (delayMs: number, task: () => void) => {
      const entry = { at: now + delayMs, task }
      due.push(entry)
      return () => {
        due = due.filter(other => other !== entry)
      }
    },
  }
  const filters = await openFilterThread({
    dir,
    timeoutMs: limits.timeoutMs,
    memoryBytes: limits.memoryBytes,
    onError: 'reject',
    clock,
    logger: { info: log, warn: log },
    start: () => {
      const thread = new Worker(new URL('../../src/filters/filters.worker.ts', import.meta.url).href)
      threads.push(thread)
      return thread
    },
    ...options,
  })
  return {
    ...{ filters, logged, threads, write },
    remove: file => rm(join(dir, file)),
    pass: ms => {
      now += ms
      const ran = due.filter(({ at }) => at <= now)
      due = due.filter(({ at }) => at > now)
      for (const { task } of ran) task()
    },
    [Symbol.asyncDispose]: async () => {
      await filters.close()
      await rm(dir, { recursive: true })
    },
  }
}

const reasonOf = (verdict: Verdict): string => (verdict.pass ? 'pass' : verdict.reason)
const TO = (n: number) => String(447_700_900_000 + n)

/** Until the thread that was started anew answers: meanwhile nothing is known of it. */
async function atHand(filters: FilterThread): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (
      await filters.inspect().then(
        () => true,
        () => false,
      )
    )
      return
    await Bun.sleep(10)
  }
  throw new Error('the filters did not come back')
}

describe('filters in a thread of their own', () => {
  test('give each message its own verdict, however many are under way', async () => {
    await using thread = await openThread({ 'f.js': echoing })
    const ask = (n: number) => thread.filters.check(message({ destination: TO(n) }))
    const first = Array.from({ length: 100 }, (_, n) => ask(n))
    await Bun.sleep(1)
    const second = Array.from({ length: 3 }, (_, n) => ask(100 + n))
    const verdicts = await Promise.all([...first, ...second])
    expect(verdicts.map(reasonOf)).toEqual(verdicts.map((_, n) => TO(n)))
    expect(verdicts[0]).toEqual({ pass: false, filter: 'f', reason: TO(0) })
  })

  test('that fall ten thousand messages behind leave the next to on_error, and take new ones once they caught up', async () => {
    await using thread = await openThread({ 'f.js': passing })
    const ask = () => thread.filters.check(message())
    const waiting = Array.from({ length: 10_000 }, ask)
    expect(waiting[0]).toBeInstanceOf(Promise)
    expect(ask()).toMatchObject({ pass: false, filter: '*' })
    expect((await Promise.all(waiting)).every(({ pass }) => pass)).toBe(true)
    expect(await ask()).toEqual({ pass: true })
  })

  test('tell refused from passed within one batch, and lose no character on the way', async () => {
    const odd = 'Привет\0 \ud800 "\\\u2028'
    await using thread = await openThread({
      'f.js': `export default sms => sms.message === ${JSON.stringify(odd)} && sms.time === 0.5`,
    })
    const asked = [{}, { message: odd, time: 0.5 }, { message: odd }]
    const verdicts = await Promise.all(asked.map(fields => thread.filters.check(message(fields))))
    expect(verdicts.map(({ pass }) => pass)).toEqual([true, false, true])
  })

  test('hold up nothing else while one of them takes all its time', async () => {
    await using thread = await openThread({ 'f.js': endless }, { timeoutMs: 300 })
    let turns = 0
    let over = false
    const verdict = Promise.resolve(thread.filters.check(message())).finally(() => {
      over = true
    })
    for (; !over; turns++) await Bun.sleep(1)
    expect(reasonOf(await verdict)).toBe('the filter did not answer in time')
    expect(turns).toBeGreaterThan(3)
  })

  test('are not asked across threads where none is active, as soon as that is so', async () => {
    await using thread = await openThread({ 'off.js': `export const active = false\n${echoing}` })
    expect(thread.filters.check(message())).toEqual({ pass: true })
    await thread.write('on.js', echoing)
    await thread.filters.reload()
    expect(await thread.filters.check(message())).toMatchObject({ pass: false, filter: 'on' })
    await thread.remove('on.js')
    await thread.filters.reload()
    expect(thread.filters.check(message())).toEqual({ pass: true })
  })

  test('keep up with the folder by themselves, a broken file keeps its last good version, and the log says so', async () => {
    await using thread = await openThread({ 'f.js': echoing })
    await thread.write('f.js', 'export default')
    let error: string | undefined = ''
    while (error === '') {
      await Bun.sleep(10)
      error = (await thread.filters.inspect()).filters[0]?.error
    }
    expect(error).toStartWith('SyntaxError')
    expect(thread.logged.at(-1)).toStartWith(
      'filter is broken: its last good version stays in force {"filter":"f"',
    )
    expect((await thread.filters.check(message())).pass).toBeFalse()
  })

  test('that take more time than there is can still be taken out, and are looked at meanwhile', async () => {
    const busy = 'export default () => { for (let i = 0; i < 2e5; i++); return false }'
    await using thread = await openThread({ 'f.js': busy })
    let answered = 0
    const under = Array.from({ length: 1000 }, async () => {
      await thread.filters.check(message())
      answered++
    })
    expect((await thread.filters.inspect()).filters[0]?.hits).toBeLessThan(1000)
    await thread.remove('f.js')
    await thread.filters.reload()
    expect(answered).toBeLessThan(1000)
    await Promise.all(under)
    expect((await thread.filters.inspect()).filters).toEqual([])
  })

  test('are inspected and tried as in the same thread', async () => {
    await using thread = await openThread({ 'f.js': echoing, 'numbers.txt': '44*' })
    await thread.filters.check(message())
    const { filters, lists, folder_error } = await thread.filters.inspect()
    expect(filters).toMatchObject([{ name: 'f', state: 'active', hits: 1, refusals: 1, snippet: echoing }])
    expect(filters[0]?.memory_bytes).toBe(0)
    const weighed = await thread.filters.inspect({ memory: true })
    expect(weighed.filters[0]?.memory_bytes).toBeGreaterThan(1000)
    expect(lists).toMatchObject([{ name: 'numbers', entries: 1 }])
    expect(folder_error).toBe('')
    const snippet = "export default sms => sms.in('numbers', sms.destination)"
    expect(await thread.filters.test({ snippet, message: { destination: TO(1) } })).toMatchObject({
      verdict: 'reject',
      match: true,
      error: '',
    })
  })

  test('do not open on a broken file with on_error reject, and say what is wrong with it', async () => {
    await expect(openThread({ 'f.js': 'export default' })).rejects.toThrow(
      /filters that cannot be used:\n {2}f\.js: SyntaxError/,
    )
    await using thread = await openThread({ 'f.js': 'export default' }, { onError: 'pass' })
    expect(thread.filters.check(message())).toEqual({ pass: true })
  })
})

/** What was gathered is given, and what was settled is heard of. */
const turn = () => new Promise(resolve => setImmediate(resolve))

/** The thread that lives ends, and the gateway has heard of it. */
async function ending({ threads }: OpenThread): Promise<void> {
  const ended = new Promise(resolve => threads.at(-1)?.addEventListener('close', resolve))
  threads.at(-1)?.terminate()
  await ended
}

describe('a thread of filters that ends by itself', () => {
  test('is made anew, and the messages it had and those that come meanwhile are judged by the new one', async () => {
    await using thread = await openThread({ 'f.js': echoing })
    thread.pass(5000)
    const under = Array.from({ length: 20 }, (_, n) => thread.filters.check(message({ destination: TO(n) })))
    await ending(thread)
    under.push(thread.filters.check(message({ destination: TO(20) })))
    const verdicts = await Promise.all(under)
    expect(verdicts.map(reasonOf)).toEqual(verdicts.map((_, n) => TO(n)))
    expect(thread.threads).toHaveLength(2)
    expect(thread.logged).toContainEqual(
      expect.stringMatching(/^the thread of the filters ended, and is started anew/),
    )
  })

  test('of an error that nobody foresaw is made anew too, and the log has the error', async () => {
    await using thread = await openThread({ 'f.js': echoing })
    thread.pass(5000)
    thread.threads[0]?.postMessage('no batch')
    expect(reasonOf(await thread.filters.check(message()))).toBe(message().destination)
    expect(thread.threads).toHaveLength(2)
    expect(thread.logged).toContainEqual(
      expect.stringMatching(/^the thread of the filters ended, and is started anew .*JSON/),
    )
  })

  test('again and again is left alone for a second, in which on_error decides', async () => {
    for (const onError of ['reject', 'pass'] as const) {
      await using thread = await openThread({ 'f.js': echoing }, { onError })
      const under = thread.filters.check(message())
      await ending(thread)
      const verdict: Verdict =
        onError === 'pass'
          ? { pass: true }
          : { pass: false, filter: '*', reason: 'the filters are out of use for a moment' }
      expect([await under, await thread.filters.check(message())]).toEqual([verdict, verdict])
      await expect(thread.filters.inspect()).rejects.toThrow('the thread of the filters is not there')
      expect(thread.threads).toHaveLength(1)
      thread.pass(1000)
      await atHand(thread.filters)
      expect(reasonOf(await thread.filters.check(message()))).toBe(message().destination)
    }
  })

  test('leaves the room that its messages took to those that come', async () => {
    await using thread = await openThread({ 'f.js': stuck }, { timeoutMs: 10_000 })
    const under = Array.from({ length: 10_000 }, () => thread.filters.check(message({ esme: 2 })))
    await ending(thread)
    for (const verdict of await Promise.all(under)) expect(verdict).toMatchObject({ filter: '*' })
    thread.pass(1000)
    await atHand(thread.filters)
    expect(reasonOf(await thread.filters.check(message()))).toBe(message().destination)
  })

  test('gives what it had to one more, and where that ends too, to no third', async () => {
    await using thread = await openThread({ 'f.js': stuck }, { timeoutMs: 10_000 })
    const under = thread.filters.check(message({ esme: 2 }))
    await turn()
    thread.pass(5000)
    await ending(thread)
    await atHand(thread.filters)
    await turn()
    thread.pass(5000)
    await ending(thread)
    expect(await under).toMatchObject({ pass: false, filter: '*' })
    thread.pass(5000)
    await atHand(thread.filters)
    expect(reasonOf(await thread.filters.check(message()))).toBe(message().destination)
  })

  test('as the filters close is not made a third time, and lets no message past', async () => {
    await using thread = await openThread({ 'f.js': passing })
    thread.pass(5000)
    await ending(thread)
    await thread.filters.close()
    await turn()
    expect(thread.filters.check(message())).toMatchObject({ pass: false, filter: '*' })
    thread.pass(5000)
    expect(thread.threads).toHaveLength(2)
  })

  test('lets no message past a file that broke meanwhile: on_error decides until it is mended', async () => {
    await using thread = await openThread({ 'f.js': passing })
    await thread.write('f.js', 'export default')
    thread.pass(5000)
    const under = thread.filters.check(message())
    thread.threads[0]?.terminate()
    expect(await under).toMatchObject({ pass: false, filter: '*' })
    expect(thread.logged.at(-1)).toStartWith('the filters could not be opened: on_error decides meanwhile')
    await thread.write('f.js', passing)
    thread.pass(1000)
    await atHand(thread.filters)
    expect(await thread.filters.check(message())).toEqual({ pass: true })
  })

  test('costs what was asked of it an answer, and nobody waits for ever', async () => {
    await using thread = await openThread({ 'f.js': echoing })
    thread.pass(5000)
    const asked = thread.filters.inspect()
    thread.threads[0]?.terminate()
    await expect(asked).rejects.toThrow('the thread of the filters ended')
  })
})

test('closing filters answers what is under way first; what comes later is decided by on_error', async () => {
  await using thread = await openThread({ 'f.js': passing })
  const under = Array.from({ length: 20 }, () => thread.filters.check(message()))
  await thread.filters.close()
  expect((await Promise.all(under)).every(({ pass }) => pass)).toBeTrue()
  expect(thread.filters.check(message())).toMatchObject({ pass: false, filter: '*' })
  await expect(thread.filters.inspect()).rejects.toThrow('the thread of the filters is not there')
})

test('filters that would take minutes for what is under way hold up no stop', async () => {
  await using thread = await openThread({ 'f.js': endless }, { timeoutMs: 1000 })
  const under = Array.from({ length: 200 }, () => thread.filters.check(message()))
  const closed = thread.filters.close()
  thread.pass(1000)
  await closed
  expect(await Promise.all(under)).toEqual(
    under.map(() => expect.objectContaining({ pass: false, filter: '*' })),
  )
})
