import { describe, expect, test } from 'bun:test'
import { mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { LOOK_MS, openFilters } from '../../src/filters/index.ts'
import { Loader, SOURCE_BYTES_MAX } from '../../src/filters/loader.ts'
import type { Sandbox } from '../../src/filters/sandbox.ts'
import { TurnedClock } from '../support/clock.ts'
import { limits, message, type OpenFolder, openFolder } from './support.ts'

const says = (reason: string) => `export default () => ({ match: true, reason: '${reason}' })`

const heard = ({ filters }: OpenFolder): string => {
  const verdict = filters.check(message())
  return verdict.pass ? 'pass' : `${verdict.filter}: ${verdict.reason}`
}

/** Until the next look at the folder is over: the one after it is set then. */
async function look(clock: TurnedClock): Promise<void> {
  await clock.advance(LOOK_MS)
  while (clock.timers === 0) await Bun.sleep(1)
}

describe('a change to the folder', () => {
  test('holds within a second, by itself', async () => {
    const clock = new TurnedClock()
    await using folder = await openFolder({}, { clock })
    const second = async () => {
      for (let ms = LOOK_MS; ms <= 1000; ms += LOOK_MS) await look(clock)
    }
    await folder.write('f.js', says('one'))
    await second()
    expect(heard(folder)).toBe('f: one')
    await unlink(join(folder.dir, 'f.js'))
    await second()
    expect(heard(folder)).toBe('pass')
  })

  test('adds, changes, renames and removes filters', async () => {
    await using folder = await openFolder({ 'a.js': says('one') })
    expect(heard(folder)).toBe('a: one')
    await folder.write('a.js', says('other'))
    await folder.filters.reload()
    expect(heard(folder)).toBe('a: other')
    await rename(join(folder.dir, 'a.js'), join(folder.dir, 'b.js'))
    await folder.filters.reload()
    expect(heard(folder)).toBe('b: other')
    await folder.write('a.js', says('before it'))
    await folder.filters.reload()
    expect(heard(folder)).toBe('a: before it')
    for (const file of ['a.js', 'b.js']) await unlink(join(folder.dir, file))
    await folder.filters.reload()
    expect(heard(folder)).toBe('pass')
  })

  test('of the same length within the same millisecond is seen', async () => {
    await using folder = await openFolder({ 'f.js': says('a') })
    for (const letter of 'bcdefgh') {
      await folder.write('new', says(letter))
      await rename(join(folder.dir, 'new'), join(folder.dir, 'f.js'))
      await folder.filters.reload()
      expect(heard(folder)).toBe(`f: ${letter}`)
    }
  })

  test('is taken when two looks agree: a file in the making, or moved aside for a moment, changes nothing', async () => {
    const clock = new TurnedClock()
    await using folder = await openFolder({ 'f.js': says('old') }, { clock })
    await rename(join(folder.dir, 'f.js'), join(folder.dir, 'f.js~'))
    await look(clock)
    expect(heard(folder)).toBe('f: old')
    await folder.write('f.js', 'export default () => ({ match: true, rea')
    await look(clock)
    expect(heard(folder)).toBe('f: old')
    await folder.write('f.js', says('new'))
    await look(clock)
    expect(heard(folder)).toBe('f: old')
    await look(clock)
    expect(heard(folder)).toBe('f: new')
    expect(folder.logged.join('\n')).not.toContain('broken')
  })

  test('comes through the swapped link of a ConfigMap', async () => {
    await using folder = await openFolder({})
    for (const version of ['1', '2']) {
      await mkdir(join(folder.dir, `..${version}`))
      await writeFile(join(folder.dir, `..${version}`, 'f.js'), says(version))
    }
    await symlink('..1', join(folder.dir, '..data'))
    await symlink('..data/f.js', join(folder.dir, 'f.js'))
    await folder.filters.reload()
    expect(heard(folder)).toBe('f: 1')
    await symlink('..2', join(folder.dir, '..data_tmp'))
    await rename(join(folder.dir, '..data_tmp'), join(folder.dir, '..data'))
    await folder.filters.reload()
    expect(heard(folder)).toBe('f: 2')
  })

  test('to what is no filter is passed over', async () => {
    await using folder = await openFolder({
      '.f.js.swp': 'x',
      'f.js~': 'x',
      'filter.d.ts': 'x',
      'README.md': 'x',
      '.x.js': 'x',
    })
    expect(folder.filters.inspect().filters).toEqual([])
  })

  test('brings lists and the filters that ask them together', async () => {
    await using folder = await openFolder({
      'f.js': "export default sms => sms.in('a', sms.source)",
      'a.txt': 'MyCompany',
    })
    expect(folder.filters.check(message()).pass).toBeFalse()
    await folder.write('a.txt', 'Other')
    await folder.filters.reload()
    expect(folder.filters.check(message()).pass).toBeTrue()
    expect(folder.filters.inspect().lists).toMatchObject([{ name: 'a', entries: 1, error: '' }])
  })
})

describe('a broken file', () => {
  test('keeps its last good version, and says so until it is mended', async () => {
    await using folder = await openFolder({ 'f.js': says('good'), 'l.txt': '1' })
    await folder.write('f.js', 'export default')
    await folder.write('l.txt', 'a*b')
    await folder.filters.reload()
    expect(heard(folder)).toBe('f: good')
    expect(folder.filters.inspect()).toMatchObject({
      filters: [{ state: 'active', error: expect.stringMatching(/^SyntaxError.*f\.js:1/) }],
      lists: [{ entries: 1, error: 'line 1: "*" stands at the end of a prefix and nowhere else' }],
    })
    expect(folder.logged.filter(line => line.includes('its last good version stays in force'))).toHaveLength(
      2,
    )
    await folder.write('f.js', says('better'))
    await folder.filters.reload()
    expect(heard(folder)).toBe('f: better')
    expect(folder.filters.inspect().filters[0]?.error).toBe('')
  })

  test('that never was good decides nothing, and says so', async () => {
    await using folder = await openFolder({ 'f.js': says('good') })
    await folder.write('g.js', 'for (;;) {}')
    await folder.write('a b.js', says('x'))
    await folder.write('h.js', `// ${'x'.repeat(SOURCE_BYTES_MAX)}`)
    await writeFile(join(folder.dir, 'i.js'), new Uint8Array([0xff, 0xfe]))
    await folder.filters.reload()
    expect(heard(folder)).toBe('f: good')
    expect(folder.filters.inspect().filters.map(({ name, state, error }) => [name, state, error])).toEqual([
      ['a b', 'broken', 'a name has letters, digits, "_", "-" and ".", 64 of them at most'],
      ['f', 'active', ''],
      ['g', 'broken', 'it did not load within 500 ms'],
      ['h', 'broken', `it has ${SOURCE_BYTES_MAX + 3} octets, and ${SOURCE_BYTES_MAX} is the most`],
      ['i', 'broken', 'it is not UTF-8'],
    ])
  })

  test('is a link that leads nowhere, told once and while it stands, and none once it is gone', async () => {
    const clock = new TurnedClock()
    await using folder = await openFolder({ 'f.js': says('good') }, { clock })
    const link = join(folder.dir, 'g.js')
    await symlink('nowhere/g.js', link)
    const looks = async () => {
      for (let times = 0; times < 4; times++) await look(clock)
      return folder.logged.splice(0).map(line => line.split(' {')[0])
    }
    expect(await looks()).toEqual(['filter loaded', 'filter is broken and not in force'])
    expect(folder.filters.inspect().filters).toMatchObject([
      { name: 'f', state: 'active' },
      { name: 'g', state: 'broken', error: 'it cannot be read (ENOENT)' },
    ])
    await expect(openFolder({}, { dir: folder.dir })).rejects.toThrow('g.js: it cannot be read (ENOENT)')
    await unlink(link)
    expect(await looks()).toEqual(['filter removed'])
    expect(folder.filters.inspect().filters).toMatchObject([{ name: 'f' }])
  })

  test('that was good and is a link to what is away keeps its last good version until that is back as it was', async () => {
    await using folder = await openFolder({ target: says('linked') })
    const target = join(folder.dir, 'target')
    await symlink('target', join(folder.dir, 'f.js'))
    const state = async () => {
      await folder.filters.reload()
      return [heard(folder), folder.filters.inspect().filters[0]?.error]
    }
    expect(await state()).toEqual(['f: linked', ''])
    // A folder's move leaves the file in it as it was, its times among it.
    await mkdir(join(folder.dir, 'mount'))
    await rename(target, join(folder.dir, 'mount', 'target'))
    await rm(join(folder.dir, 'f.js'))
    await symlink('mount/target', join(folder.dir, 'f.js'))
    expect(await state()).toEqual(['f: linked', ''])
    await rename(join(folder.dir, 'mount'), join(folder.dir, 'away'))
    expect(await state()).toEqual(['f: linked', 'it cannot be read (ENOENT)'])
    await rename(join(folder.dir, 'away'), join(folder.dir, 'mount'))
    expect(await state()).toEqual(['f: linked', ''])
  })

  test('past the most that there may be is refused, however often it is touched', async () => {
    const files = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`l${100 + at}.txt`, '1']))
    await using folder = await openFolder(files, { onError: 'pass' })
    const broken = () => folder.filters.inspect().lists.filter(({ error }) => error !== '').length
    let touched = 0
    const touch = async () => {
      await folder.write('l200.txt', '1\n2'.repeat(++touched))
      await folder.filters.reload()
    }
    expect(broken()).toBe(1)
    await touch()
    expect(broken()).toBe(1)
    // Those that are in force may still change.
    await folder.write('l100.txt', '1\n2')
    await folder.filters.reload()
    expect(folder.filters.inspect().lists[0]).toMatchObject({ name: 'l100', entries: 2, error: '' })
    await rm(join(folder.dir, 'l100.txt'))
    await folder.filters.reload()
    await touch()
    expect(broken()).toBe(0)
    // So may their names.
    await rename(join(folder.dir, 'l150.txt'), join(folder.dir, 'a.txt'))
    await folder.filters.reload()
    expect(broken()).toBe(0)
  })

  test('is the hundred-first filter, and the hundred that are in force may still change', async () => {
    const files = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`f${100 + at}.js`, 'old']))
    await using folder = await openFolder({})
    for (const [file, text] of Object.entries(files)) await folder.write(file, text)
    const declaration = { description: '', blacklist: true, active: true, mode: 'enforce' }
    const loader = new Loader({
      dir: folder.dir,
      now: () => 0,
      logger: { info() {}, warn() {} },
      compile: (name, source) => ({ name, source, declaration }) as unknown as Sandbox,
      swap() {},
      pause: () => Promise.resolve(),
    })
    await loader.scan(false)
    const broken = () =>
      [...loader.filters].flatMap(([name, { error }]) => (error === '' ? [] : [name, error]))
    expect(broken()).toEqual(['f200', 'there are 100 already, and that is the most'])
    await folder.write('f100.js', 'new')
    await loader.scan(false)
    expect(loader.filters.get('f100')).toMatchObject({ sandbox: { source: 'new' }, error: '' })
  })

  test('of tables that take their time is none, also in the ninth machine and after', async () => {
    const table = `const rows = []; for (let i = 0; i < 10000; i++) rows.push(String(i * 7).padStart(8, '0'))
export default sms => rows.includes(sms.source)`
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`f${at}.js`, table]))
    // By the processor's time: what its neighbours take of a busy machine is no fault of a filter.
    const monotonic = () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    }
    await using folder = await openFolder(files, { clock: { ...systemClock, monotonic } })
    expect(folder.filters.inspect().filters.map(({ error }) => error)).toEqual(Array(12).fill(''))
  })

  test('keeps a gateway from starting where a failing filter refuses, and names every such file', async () => {
    const files = { 'f.js': 'export default', 'g.js': 'export default 1', 'l.txt': 'a*b' }
    await expect(openFolder(files)).rejects.toThrow(
      /f\.js: SyntaxError[\s\S]*g\.js: there is no function[\s\S]*l\.txt: line 1/,
    )
    await using folder = await openFolder(files, { onError: 'pass' })
    expect(heard(folder)).toBe('pass')
  })
})

describe('the folder', () => {
  test('may be missing: there are no filters until it comes, and they stay when it goes', async () => {
    const dir = join(tmpdir(), `no-such-folder-${crypto.randomUUID()}`)
    const { timeoutMs, memoryBytes } = limits
    const warned: string[] = []
    const logger = { info() {}, warn: (_: object, text: string) => void warned.push(text) }
    const filters = await openFilters({
      dir,
      timeoutMs,
      memoryBytes,
      onError: 'reject',
      clock: systemClock,
      logger,
    })
    expect(filters.inspect()).toEqual({
      folder_error: 'the filter folder is not there',
      filters: [],
      lists: [],
    })
    await filters.reload()
    expect(warned).toEqual(['the filter folder is not there'])
    await mkdir(dir)
    await writeFile(join(dir, 'f.js'), says('come'))
    await filters.reload()
    expect(filters.check(message())).toMatchObject({ reason: 'come' })
    expect(filters.inspect().folder_error).toBe('')
    await rm(dir, { recursive: true })
    await filters.reload()
    expect(filters.check(message())).toMatchObject({ reason: 'come' })
    expect(filters.inspect().folder_error).toBe('the filter folder is not there')
    await filters.close()
  })

  test('that cannot be looked at keeps a gateway from starting where a failing filter refuses', async () => {
    await using folder = await openFolder({ 'a-file': '' })
    const dir = join(folder.dir, 'a-file')
    const why = `${dir}: filters that cannot be used:\n  the filter folder cannot be read (ENOTDIR)`
    await expect(openFolder({}, { dir })).rejects.toThrow(why)
    await using open = await openFolder({}, { dir, onError: 'pass' })
    expect(heard(open)).toBe('pass')
  })

  test('is looked at to the end as the filters close, and then no more', async () => {
    const looks: (() => void)[] = []
    const after = (_: number, look: () => void) => {
      looks.push(look)
      return () => {}
    }
    await using folder = await openFolder({}, { clock: { ...systemClock, after } })
    await folder.write('f.js', says('one'))
    void folder.filters.reload()
    looks[0]?.()
    await folder.filters.close()
    expect(folder.logged.map(line => line.split(' {')[0])).toEqual(['filter loaded'])
    await Bun.sleep(0)
    expect(looks).toHaveLength(1)
  })

  test('is not looked at any more once the filters are closed', async () => {
    const clock = new TurnedClock()
    const folder = await openFolder({}, { clock })
    await folder[Symbol.asyncDispose]()
    expect(clock.timers).toBe(0)
  })
})

test('editing under load: each message is decided by the old version or by the new one, and none is lost', async () => {
  await using folder = await openFolder({ 'f.js': says('version 0'), 'g.js': says('never') })
  let checks = 0
  let newest = 0
  let stop = false
  const traffic = (async () => {
    while (!stop) {
      for (let i = 0; i < 20; i++, checks++) {
        const version = /^f: version (\d+)$/.exec(heard(folder))?.[1]
        if (version === undefined) throw new Error(heard(folder))
        // Never back to an older version, never ahead of what was written.
        expect(Number(version)).toBeGreaterThanOrEqual(newest)
        newest = Number(version)
      }
      await Bun.sleep(5)
    }
  })()
  for (let version = 1; version <= 40; version++) {
    await folder.write('f.js', version % 5 === 0 ? 'export default broken(' : says(`version ${version}`))
    await folder.filters.reload()
  }
  stop = true
  await traffic
  expect(checks).toBeGreaterThan(100)
  expect(heard(folder)).toBe('f: version 39')
})
