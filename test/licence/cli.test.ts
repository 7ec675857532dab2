import { afterAll, afterEach, beforeEach, expect, mock, spyOn, test } from 'bun:test'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { licence } from '../../src/cli/licence.ts'

const folder = mkdtempSync(join(tmpdir(), 'licence-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let out = ''
let err = ''
beforeEach(() => {
  spyOn(process.stdout, 'write').mockImplementation(text => {
    out += String(text)
    return true
  })
  spyOn(process.stderr, 'write').mockImplementation(text => {
    err += String(text)
    return true
  })
})
afterEach(() => mock.restore())

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  out = ''
  err = ''
  const code = await licence(argv)
  return { code, out, err }
}

test('keygen, sign and show go together', async () => {
  const key = join(folder, 'a.key')
  const made = await run('keygen', '--out', key)
  expect(made).toMatchObject({ code: 0, err: expect.stringContaining(key) })
  expect(statSync(key).mode & 0o777).toBe(0o600)
  const publicKey = made.out.trim()

  const grant = ['--company', 'Acme', '--valid-until', '2999-12-31', '--max-tps', '500']
  const signed = await run('sign', '--key', key, ...grant)
  expect(signed.code).toBe(0)
  expect(JSON.parse(signed.out)).toMatchObject({ company: 'Acme', max_connections: 0, max_tps: 500 })

  const file = join(folder, 'a.json')
  writeFileSync(file, signed.out)
  expect(await run('show', file, '--public-key', publicKey)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/Acme.*no limit.*500.*good/s),
  })
  expect((await run('show', file)).out).toContain('not checked')

  const other = (await run('keygen', '--out', join(folder, 'b.key'))).out.trim()
  expect(await run('show', file, '--public-key', other)).toMatchObject({
    code: 1,
    out: expect.stringContaining('NOT'),
  })
})

test('keygen never overwrites a key', async () => {
  const key = join(folder, 'c.key')
  writeFileSync(key, 'precious')
  expect(await run('keygen', '--out', key)).toMatchObject({ code: 1, err: expect.stringContaining('exists') })
})

test('a licence that is past is signed with a note', async () => {
  const key = join(folder, 'd.key')
  await run('keygen', '--out', key)
  const signed = await run('sign', '--key', key, '--company', 'Acme', '--valid-until', '2020-01-01')
  expect(signed).toMatchObject({ code: 0, err: 'note: 2020-01-01 is past\n' })
})

test.each([
  [['show', join(folder, 'nowhere.json')], 1, 'cannot be read: ENOENT'],
  [
    ['sign', '--key', import.meta.path, '--company', 'A', '--valid-until', '2999-01-01'],
    1,
    'not an Ed25519 private key',
  ],
  [['sign', '--company', 'A'], 2, 'are needed'],
  [
    ['sign', '--key', 'k', '--company', 'A', '--valid-until', 'v', '--max-tps', 'many'],
    2,
    '"many" is not a whole number',
  ],
  [['show'], 2, 'name one licence file'],
  [['show', 'a', '--frobnicate'], 2, 'frobnicate'],
  [['frobnicate'], 2, 'there is no "license frobnicate"'],
  [[], 2, 'license keygen'],
])('%p is answered with what is wrong', async (argv, code, text) => {
  const answer = await run(...argv)
  expect(answer).toMatchObject({ code, out: '' })
  expect(answer.err).toContain(text)
})

test('each of its words has --help', async () => {
  for (const argv of [['--help'], ['sign', '--help'], ['keygen', '-h']]) {
    expect(await run(...argv)).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining('license keygen'),
    })
  }
})
