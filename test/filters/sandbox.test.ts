import { afterAll, describe, expect, test } from 'bun:test'
import { messageOf } from '../../src/errors.ts'
import { FilterFault, Sandbox } from '../../src/filters/sandbox.ts'
import { HOSTILE_FILTERS, type HostileFilter } from './hostile.ts'
import { limits, packed } from './support.ts'

const sms = packed()

interface Outcome {
  readonly ends: HostileFilter['ends']
  readonly tookMs: number
}

function run(source: string): Outcome {
  const cpuBefore = process.cpuUsage()
  let began = performance.now()
  // On a busy machine the wall says more of its neighbours than of us; the processor time says all of ours.
  const took = () => {
    const { user, system } = process.cpuUsage(cpuBefore)
    return Math.min(performance.now() - began, (user + system) / 1000)
  }
  let sandbox: Sandbox
  try {
    sandbox = new Sandbox('hostile', source, limits)
  } catch (error) {
    if (!(error instanceof FilterFault)) throw error
    return { ends: 'refused', tookMs: took() }
  }
  began = performance.now()
  try {
    sandbox.ask(sms)
    return { ends: 'answer', tookMs: took() }
  } catch (error) {
    if (!(error instanceof FilterFault)) throw error
    return { ends: 'fault', tookMs: took() }
  }
}

describe('a hostile filter', () => {
  const worst = { deadlines: 0, name: '' }

  test.each(HOSTILE_FILTERS.map(row => [row.name, row] as const))('%s: is cut off', (_, row) => {
    const deadlineMs = row.ends === 'refused' ? 5 * limits.timeoutMs : limits.timeoutMs
    const { ends, tookMs } = run(row.source)
    if (tookMs > worst.deadlines * deadlineMs)
      Object.assign(worst, { deadlines: tookMs / deadlineMs, name: row.name })
    expect(ends).toBe(row.ends)
    // Those that nothing cuts off take twelve seconds and more; how soon a busy machine gets there is its own affair.
    expect(tookMs).toBeLessThan(5000)
  })
  afterAll(() => console.log(`worst: ${worst.deadlines.toFixed(1)} deadlines, ${worst.name}`))

  test('leaves its neighbour alone, and answers itself when it is asked something else', () => {
    const neighbour = new Sandbox('neighbour', 'let asked = 0\nexport default () => ++asked > 1', limits)
    const hostile = new Sandbox(
      'hostile',
      "export default sms => { while (sms.message === 'loop') {} return true }",
      limits,
    )
    expect(neighbour.ask(sms).match).toBeFalse()
    expect(() => hostile.ask(packed({ message: 'loop' }))).toThrow('no answer within 20 ms')
    expect(neighbour.ask(sms).match).toBeTrue()
    expect(hostile.ask(sms).match).toBeTrue()
  })

  test('gives its memory back', () => {
    const hog = new Sandbox(
      'hog',
      "const kept = []\nexport default sms => { while (sms.message === 'grow') kept.push(new Uint8Array(5e5).fill(1)) ; return false }",
      { ...limits, timeoutMs: 2000 },
    )
    const before = hog.memory().bytes
    expect(() => hog.ask(packed({ message: 'grow' }))).toThrow('out of memory')
    expect(hog.memory().bytes).toBe(0)
    hog.ask(sms)
    expect(hog.memory().bytes).toBeLessThan(before * 1.5)
  })

  test('holds no more than its memory', () => {
    const source = `let held = 0
      const kept = []
      try { for (;;) { kept.push(new ArrayBuffer(65536)); held += 65536 } } catch {}
      export default () => ({ match: true, reason: String(held) })`
    const held = Number(new Sandbox('hog', source, { ...limits, timeoutMs: 2000 }).ask(sms).reason)
    expect(held).toBeWithin(0.9 * limits.memoryBytes, 1.1 * limits.memoryBytes)
  })

  test('starts anew where its machine was cut off, as it was asked or as its memory was looked at', () => {
    const source = `let asked = 0
      Object.prototype.toJSON = () => { for (;;) {} }
      export default sms => { asked++; while (sms.message === 'loop') {} return asked === 1 }`
    const hostile = new Sandbox('hostile', source, limits)
    expect(() => hostile.ask(packed({ message: 'loop' }))).toThrow('no answer within 20 ms')
    expect([hostile.ask(sms).match, hostile.ask(sms).match]).toEqual([true, false])
    expect(hostile.memory()).toEqual({ bytes: 0, allocations: 0 })
    expect(hostile.ask(sms).match).toBeTrue()
  })

  test('cannot make the look at its memory hang or lie in another type', () => {
    for (const spoilt of ['() => { for (;;) {} }', "() => ({ malloc_count: 'x' })", '() => undefined']) {
      const sandbox = new Sandbox(
        'f',
        `Object.prototype.toJSON = ${spoilt}\nexport default () => true`,
        limits,
      )
      expect(Object.values(sandbox.memory())).toEqual([expect.any(Number), expect.any(Number)])
      expect(sandbox.ask(sms).match).toBeTrue()
    }
  })

  test('has nothing that crosses to another filter: no global, prototype, symbol or list', () => {
    const spoiler = new Sandbox(
      'spoiler',
      `globalThis.mark = 1
       Symbol.for('mark').description
       export default sms => { Object.prototype.mark = 1; Symbol.prototype.mark = 1; return true }`,
      limits,
    )
    const witness = new Sandbox(
      'witness',
      "export default sms => 'mark' in globalThis || 'mark' in {} || Symbol.for('mark').mark !== undefined || 'mark' in sms",
      limits,
    )
    spoiler.ask(sms)
    expect(witness.ask(sms).match).toBeFalse()
    expect(new Sandbox('after', witness.source, limits).ask(sms).match).toBeFalse()
  })
})

describe('the time of a filter', () => {
  /** A clock of which each look takes a millisecond, and which jumps by a minute when a list is asked. */
  const slow = () => {
    const clock = { now: 0, looks: 0 }
    const monotonic = () => {
      clock.looks++
      return clock.now++
    }
    const lookup = () => {
      clock.now += 60_000
      return true
    }
    return { clock, options: { ...limits, monotonic, lookup } }
  }
  /** Runs until `parts` turns are over, and stands still for a minute at the turn `esme`. */
  const standing = `export default sms => {
    for (let i = 0; i < sms.parts; i++) if (i === sms.esme) sms.in('list', 'x')
    return true
  }`

  test.each([
    [20, 500],
    [200, 1000],
  ])('to load, at %d ms for an answer, is %d ms', (timeoutMs, loadMs) => {
    const load = () => new Sandbox('f', 'for (;;) {}', { ...slow().options, timeoutMs })
    expect(load).toThrow(`it did not load within ${loadMs} ms`)
  })

  test('to answer is the same however long ago it was asked the last time', () => {
    const { clock, options } = slow()
    const sandbox = new Sandbox(
      'f',
      'export default sms => { while (sms.parts > 1) {} return true }',
      options,
    )
    const looksOf = (ask: () => void) => {
      const before = clock.looks
      ask()
      return clock.looks - before
    }
    const endless = () => expect(() => sandbox.ask(packed({ parts: 2 }))).toThrow('no answer within 20 ms')
    sandbox.ask(sms)
    const soon = looksOf(endless)
    sandbox.ask(sms)
    clock.now += 60_000
    expect(looksOf(endless)).toBe(soon)
  })

  test('does not pass while the process stands still, unless the filter has run for long enough itself', () => {
    const { options } = slow()
    const sandbox = new Sandbox('f', standing, options)
    const ask = (parts: number, esme: number) => sandbox.ask(packed({ parts, esme })).match
    // 2,000 turns or less between two looks: some 18 ms of 20, then 3 with the minute, then 18 again.
    expect(ask(32_000, -1)).toBeTrue()
    expect(ask(2_000, 0)).toBeTrue()
    expect(() => ask(32_000, 0)).toThrow('no answer within 20 ms')
  })

  test('is no concern of a look at its memory, which loses nothing of what it keeps', () => {
    const { clock, options } = slow()
    const source = `const kept = Array.from({ length: 1000 }, () => ({}))
      let asked = 0
      export default () => ++asked === 2`
    const sandbox = new Sandbox('f', source, options)
    sandbox.ask(sms)
    clock.now += 60_000
    expect(sandbox.memory().allocations).toBeGreaterThan(3000)
    expect(sandbox.ask(sms).match).toBeTrue()
  })
})

describe('a filter', () => {
  test('sees no change that it made to an earlier message', () => {
    const sandbox = new Sandbox(
      'f',
      'export default sms => { const seen = sms.esme; sms.esme = 99; return seen === 99 }',
      limits,
    )
    expect(sandbox.ask(sms).match).toBeFalse()
    expect(sandbox.ask(sms).match).toBeFalse()
  })

  test.each([
    'sms.extra = 1',
    'for (let i = 0; i < 50; i++) sms["extra" + i] = i',
    'delete sms.esme',
    'sms.self = sms',
    'Object.freeze(sms)',
    'Object.preventExtensions(sms)',
    'Object.setPrototypeOf(sms, { extra: 1 })',
    'Object.defineProperty(sms, "esme", { get: () => 99 })',
    'const like = Object.create(Object.getPrototypeOf(sms)); Object.assign(like, sms); delete like.source; like.extra = 1',
    'globalThis.kept ??= []; kept.push(sms); if (kept.length > 100) kept.length = 0',
  ])('gets every message in full and as plain as the first after: %s', change => {
    const seen = `JSON.stringify([
      Reflect.ownKeys(sms), Object.getOwnPropertyDescriptors(sms), Object.isExtensible(sms), typeof sms.in, sms.extra === undefined,
    ])`
    const source = `let was
      export default sms => {
        const now = ${seen}
        was ??= now
        ${change}
        return now === was
      }`
    const changed = new Sandbox('f', source, limits)
    for (let i = 0; i < 300; i++) expect(changed.ask(sms).match).toBeTrue()
  })

  test('that holds all its memory is out of it when a message has no room, and answers the next', () => {
    const source = `const kept = []
      export default sms => {
        if (sms.message !== 'grow') return true
        for (let bytes = 65536; bytes > 64; bytes /= 2) try { for (;;) kept.push(new ArrayBuffer(bytes)) } catch {}
        return false
      }`
    const full = new Sandbox('f', source, { ...limits, timeoutMs: 2000 })
    const overfill = () => {
      full.ask(packed({ message: 'grow' }))
      full.ask(packed({ message: 'x'.repeat(50_000) }))
    }
    expect(overfill).toThrow(/out of .*memory/)
    expect(full.ask(sms).match).toBeTrue()
  })

  test('whose variables fill its memory from message to message begins with empty ones then, and says why', () => {
    const source = `const seen = new Map()
      let asked = 0
      export default sms => {
        asked++
        for (let i = 0; i < 5000; i++) seen.set(asked + sms.destination + i, sms)
        return { match: true, reason: String(asked) }
      }`
    const leaky = new Sandbox('f', source, { ...limits, memoryBytes: 2 * 1024 ** 2, timeoutMs: 2000 })
    const told = Array.from({ length: 12 }, () => {
      try {
        return leaky.ask(sms).reason
      } catch (fault) {
        return fault instanceof FilterFault ? `${fault.kind}: ${fault.message}` : fault
      }
    })
    const full = told.findIndex(text => !Number(text))
    expect(told[full]).toStartWith('costly: ')
    expect(told[full]).toContain('out of memory')
    expect(told[full + 1]).toBe('1')
  })

  test('keeps its variables from message to message', () => {
    const sandbox = new Sandbox('f', 'let n = 0\nexport default () => ++n === 3', limits)
    expect([sandbox.ask(sms).match, sandbox.ask(sms).match, sandbox.ask(sms).match]).toEqual([
      false,
      false,
      true,
    ])
  })

  test('may use Date on the time of the message, and finds itself in UTC', () => {
    const source = `export default sms => {
      const date = new Date(sms.time * 1000)
      return { match: true, reason: date.toISOString() + ' ' + date.getHours() + ' ' + date.getTimezoneOffset() }
    }`
    const { reason } = new Sandbox('f', source, limits).ask(packed({ time: 1_767_225_600 }))
    expect(reason).toBe('2026-01-01T00:00:00.000Z 0 0')
  })

  test('gives a reason of one line, bounded, without control characters', () => {
    const ask = (reason: string) =>
      new Sandbox(
        'f',
        `export default () => ({ match: true, reason: ${JSON.stringify(reason)} })`,
        limits,
      ).ask(sms).reason
    expect(ask('a\r\nb\u2028c\u0007d\u202ee\u2029f')).toBe('a b c d e f')
    expect(ask('x'.repeat(160))).toBe('x'.repeat(160))
    expect(ask('x'.repeat(1000))).toBe(`${'x'.repeat(159)}…`)
    expect(ask('😀'.repeat(200)).isWellFormed()).toBeTrue()
  })

  test('that fails names what, and the line', () => {
    const source = '\n\nexport default sms => sms.nothing.at'
    expect(() => new Sandbox('premium', source, limits).ask(sms)).toThrow(
      /^TypeError: cannot read property 'at' of undefined \(premium\.js:3:\d+\)$/,
    )
    expect(() => new Sandbox('premium', 'export default\n{ , }', limits)).toThrow(
      /^SyntaxError: .* \(premium\.js:2:\d+\)$/,
    )
  })

  test('says in 400 characters what it is and what went wrong', () => {
    const long = `${'x'.repeat(399)}…`
    const source = `export const description = 'x'.repeat(1000)
      export default () => { throw 'x'.repeat(1000) }`
    const sandbox = new Sandbox('f', source, limits)
    expect(sandbox.declaration.description).toBe(long)
    expect(() => sandbox.ask(sms)).toThrow(/^it threw x{390}…$/)
    expect(() => new Sandbox('f', `throw new Error('x'.repeat(1000))`, limits)).toThrow(long)
  })

  test('that throws what is no error as it loads shows it', () => {
    const load = (thrown: string) => () => new Sandbox('f', `throw ${thrown}`, limits)
    expect(load('5')).toThrow(/^it threw 5$/)
    expect(load('{ message: 7 }')).toThrow(/^it threw {"message":7}$/)
  })

  test('may be given the most memory that a configuration can name', () => {
    const ample = new Sandbox('f', 'export default () => true', { ...limits, memoryBytes: 1024 ** 3 })
    expect(ample.ask(sms).match).toBeTrue()
  })

  test.each([
    ['{ match: true }', ''],
    ['null', 'it returned null: a filter returns true, false or { match, reason }'],
    ['1', 'it returned number: a filter returns true, false or { match, reason }'],
    ['{ match: 1 }', 'it returned object: a filter returns true, false or { match, reason }'],
    ['{ match: true, reason: null }', 'it returned a reason that is no string'],
    ['{ match: true, then() {} }', 'it returned a promise: a filter answers at once'],
    ['async () => true', 'it returned function: a filter returns true, false or { match, reason }'],
    ['(() => { throw null })()', 'it threw null'],
    ['(() => { throw 5 })()', 'it threw 5'],
    ['(() => { throw { get name() { throw this } } })()', 'it threw what cannot be shown'],
    ['sms.in(1, "x")', 'TypeError: sms.in(list, value) takes two strings'],
    ['sms.in("x", 1)', 'TypeError: sms.in(list, value) takes two strings'],
    ['Date.now()', 'Error: a filter has no clock: use sms.time'],
    ['new Date()', 'Error: a filter has no clock: use sms.time'],
    ['new (new Date(0).constructor)()', 'Error: a filter has no clock: use sms.time'],
    ['Math.random()', 'Error: a filter has no random numbers'],
  ])('whose answer is %s is told: %s', (answer, error) => {
    let told = ''
    try {
      new Sandbox('f', `export default sms => (${answer})`, limits).ask(sms)
    } catch (fault) {
      told = messageOf(fault).replace(/ \(f\.js:.*/, '')
    }
    expect(told).toBe(error)
  })

  test.each([
    ['export const active = true', 'there is no function to ask: write "export default sms => …"'],
    ['export function then() {}', 'it waits for something as it loads: a filter answers at once'],
    ['export const description = 1', '"description" must be a string of at most 1000 characters'],
    [
      `export const description = 'x'.repeat(1001)`,
      '"description" must be a string of at most 1000 characters',
    ],
    ['export const blacklist = 1', '"blacklist" must be true or false'],
    ['export const active = "yes"', '"active" must be true or false'],
    ['export const mode = "off"', '"mode" must be "enforce" or "shadow"'],
    [
      'export const blackList = false',
      '"blackList" says nothing of a filter: write "export const blacklist"',
    ],
    [
      'export const whitelist = 1',
      '"whitelist" says nothing of a filter: write "export const blacklist = false"',
    ],
    ['export const Mode = 1', '"Mode" says nothing of a filter: write "export const mode"'],
    ['export const enabled = false', '"enabled" says nothing of a filter: write "export const active"'],
  ])('that declares %s is refused: %s', (line, error) => {
    const source = line.includes('active = true') ? line : `${line}\nexport default () => true`
    expect(() => new Sandbox('f', source, limits)).toThrow(error)
  })

  test('may export more, for tests of its own', () => {
    const source = 'export const isPremium = n => n > 1, toString = 1\nexport default () => true'
    expect(new Sandbox('f', source, limits).declaration.blacklist).toBeTrue()
  })

  test('declares what it is; what it leaves out has its default', () => {
    const bare = new Sandbox('f', 'export default () => true', limits).declaration
    expect(bare).toEqual({ description: '', blacklist: true, active: true, mode: 'enforce' })
    const source = `export const description = 'a\\nb\\ud800', blacklist = false, active = false, mode = 'shadow'
      JSON.stringify = () => '{}'
      export default () => true`
    const full = new Sandbox('f', source, limits).declaration
    expect(full).toEqual({ description: 'a b', blacklist: false, active: false, mode: 'shadow' })
  })

  test('asks a list, and is told when there is none of that name', () => {
    const asked: string[][] = []
    const lookup = (list: string, value: string) => {
      asked.push([list, value])
      return list === 'none' ? undefined : value === 'Жук😀'
    }
    const ask = (call: string) =>
      new Sandbox('f', `export default sms => ${call}`, { ...limits, lookup }).ask(sms).match
    expect(ask("sms.in('words', 'Жук😀')")).toBeTrue()
    expect(ask("sms.in('words', sms.destination)")).toBeFalse()
    expect(() => ask("sms.in('none', 'x')")).toThrow('there is no list "none": it would be the file none.txt')
    expect(ask("sms.in('words', 'Жук😀\\0')")).toBeFalse()
    expect(() => ask("sms.in('words\\0', 'x')")).not.toThrow()
    expect(asked).toEqual([
      ['words', 'Жук😀'],
      ['words', '447700900123'],
      ['none', 'x'],
      ['words', 'Жук😀\ufffd'],
      ['words\ufffd', 'x'],
    ])
  })
})
