import { expect, test } from 'bun:test'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openFolder } from './support.ts'

const DIR = new URL('../../filters/', import.meta.url).pathname
const COMMAND = new URL('../../src/cli/filter.ts', import.meta.url).pathname

async function filter(...argv: string[]) {
  const script = `import { filter } from '${COMMAND}'; process.exitCode = await filter(${JSON.stringify(argv)})`
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, out, err }
}

test('filter test says what becomes of a message, and why; exit code 1 when it is refused', async () => {
  const refused = await filter(
    'test',
    join(DIR, 'premium.js'),
    '--destination',
    '+1 900 555-1234',
    '--message',
    'Привет',
  )
  expect(refused).toMatchObject({ code: 1, err: '' })
  expect(refused.out).toMatch(
    /^premium \(blacklist, shadow\): Premium-rate numbers\n {2}from MyCompany to 19005551234, ucs2, 1 part: "Привет"\nrefused {2}premium-rate prefix 1900 {2}\(it matches, \d+ µs the first time\)\n$/,
  )
  const passes = await filter('test', join(DIR, 'blocked-numbers.js'), '--destination', '447700900199')
  expect(passes).toMatchObject({
    code: 0,
    err: '',
    out: expect.stringContaining('\npasses  (it does not match'),
  })
})

test('filter bench says what an answer costs', async () => {
  const { code, out } = await filter('bench', join(DIR, 'premium.js'))
  expect(code).toBe(0)
  expect(out).toMatch(/\d+ answers, [\d.]+ µs each; p50 [\d.]+ µs, p99 [\d.]+ µs; it holds \d+ KiB\n$/)
}, 240_000)

test('a filter that is broken, absent or endless is exit code 2, and so is a wrong question', async () => {
  await using folder = await openFolder({ 'endless.js': 'export default () => { for (;;) {} }' })
  await folder.write('broken.js', 'export default')
  const told = async (...argv: string[]) => {
    const { code, err } = await filter(...argv)
    expect(code).toBe(2)
    return err
  }
  expect(await told('test', join(folder.dir, 'broken.js'))).toContain('broken.js: SyntaxError')
  expect(await told('test', join(folder.dir, 'endless.js'))).toContain('no answer within 20 ms')
  expect(await told('test', join(folder.dir, 'none.js'))).toContain('cannot be read (ENOENT)')
  await writeFile(join(folder.dir, 'latin1.js'), Buffer.from('export default () => "\xe9"', 'latin1'))
  expect(await told('test', join(folder.dir, 'latin1.js'))).toContain('latin1.js: it is not UTF-8')
  await folder.write('numbers.txt', '1\na*b')
  expect(await told('test', join(folder.dir, 'endless.js'))).toContain(
    'the list numbers.txt beside it cannot be read (line 2: "*" stands at the end',
  )
  expect(await told('run', 'x')).toContain('sms-proxy filter test')
  expect(await told('test', 'x', '--timeout', 'soon')).toStartWith('--timeout is a whole number')
  expect(await told('test', 'x', '--time', '2027-02-30T10:00:00Z')).toStartWith('--time is a moment')
}, 240_000)

test('filter test asks about the message that its options describe', async () => {
  const seen =
    'export const active = false\nexport default sms => ({ match: false, reason: KEYS.map(key => sms[key]).join() })'
  const keys = ['source', 'esme', 'app_id', 'app_name', 'transaction_id', 'campaign_uuid', 'time', 'parts']
  await using folder = await openFolder({
    'seen.js': `const KEYS = ${JSON.stringify(keys)}\n${seen}`,
    'only.js': 'export const blacklist = false\nexport default () => true',
    'endless.js': 'export default () => { for (;;) {} }',
  })
  await folder.write('large.js', 'const a = new Array(1e6).fill(1)\nexport default () => a.length === 0')
  const ask = (file: string, options = '') =>
    filter('test', join(folder.dir, file), ...options.split(' ').filter(word => word !== ''))
  const all =
    '--source +447700900123 --esme 2 --app-id 3 --app-name shop --transaction-id t --campaign c --time 2026-01-31T22:30:00Z'
  const { out, code } = await ask('seen.js', `${all} --message ${'x'.repeat(161)}`)
  expect(code).toBe(0)
  expect(out).toStartWith('seen (blacklist, inactive)\n')
  expect(out).toContain(', 2 parts: ')
  expect(out).toContain('\npasses  447700900123,2,3,shop,t,c,1769898600,2  (')
  expect((await ask('seen.js', '--app-id 3')).out).toContain(',app-3,')
  const only = await ask('only.js')
  expect(only.code).toBe(0)
  expect(only.out).toMatch(/^only \(whitelist\)\n.*\npasses {2}\(it matches/)
  // With time to spare, which a busy machine may need.
  const large = (options = '') => ask('large.js', `--timeout 1000 ${options}`)
  expect((await large()).err).toContain('out of memory')
  expect((await large('--memory 64')).code).toBe(0)
  expect((await ask('endless.js', '--timeout 33')).err).toContain('no answer within 33 ms')
  expect((await ask('only.js', '--app-id 0')).err).toStartWith('--app-id is a whole number, 1 or more')
  // Every number that a link can have.
  for (const esme of ['0', '2147483647'])
    expect((await ask('seen.js', `--esme ${esme}`)).out).toContain(`,${esme},`)
  expect((await ask('only.js', '--esme 2147483648')).err).toStartWith('--esme: "2147483648" is not a whole')
  expect((await ask('only.js', join(folder.dir, 'seen.js'))).code).toBe(2)
}, 240_000)
