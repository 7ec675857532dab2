import { afterAll, expect, spyOn, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatewayError } from '../../src/errors.ts'
import { type Grant, signLicence, writePublicKey } from '../../src/licence/document.ts'
import { type Licence, type LicenceView, openLicence } from '../../src/licence/licence.ts'
import { SLIDING_MS } from '../../src/smpp/pacer.ts'
import { TurnedClock } from '../support/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'licence-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const keys = generateKeyPairSync('ed25519')
const others = generateKeyPairSync('ed25519')
const grant: Grant = { company: 'Acme', valid_until: '2026-01-02', max_connections: 3, max_tps: 2 }
const bytesOf = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const good = bytesOf(signLicence(grant, keys.privateKey))
const NONE: LicenceView = { company: '', valid_until: '', max_connections: 0, max_tps: 0, status: 'none' }

let files = 0
function setUp(publicKey = writePublicKey(keys.publicKey)) {
  const file = join(folder, `data-${files++}`, 'license.json')
  const clock = new TurnedClock(Date.UTC(2026, 0, 1))
  const logged: object[] = []
  const log = { error: (fields: object) => void logged.push(fields) }
  const start = (): Promise<Licence> => openLicence({ file, publicKey, clock, log })
  return { file, clock, logged, start }
}

test('without a file there is no licence and no limit', async () => {
  const { start, logged } = setUp()
  const licence = await start()
  expect(licence.current()).toEqual(NONE)
  expect(licence.expired()).toBe(false)
  expect(licence.tps.waitMs()).toBe(0)
  expect(logged).toEqual([])
})

test('an upload holds at once, and is there after a restart', async () => {
  const { start, file, clock } = setUp()
  const licence = await start()
  const active: LicenceView = { ...grant, status: 'active' }
  expect(await licence.upload(good)).toEqual(active)
  expect(licence.current()).toEqual(active)
  expect(licence.tps.take()).toBe(false)
  await clock.advance(SLIDING_MS)
  expect([licence.tps.take(), licence.tps.take(), licence.tps.take()]).toEqual([true, true, false])

  expect(readFileSync(file)).toEqual(Buffer.from(good))
  expect(readdirSync(join(file, '..'))).toEqual(['license.json'])
  const again = await start()
  expect(again.current()).toEqual(active)
  await clock.advance(SLIDING_MS)
  expect([again.tps.take(), again.tps.take(), again.tps.take()]).toEqual([true, true, false])
})

test('a licence expires as its last day ends, and a new one lifts that', async () => {
  const { start, clock } = setUp()
  const licence = await start()
  await licence.upload(good)
  clock.skip(2 * 24 * 3600 * 1000 - 1)
  expect(licence.expired()).toBe(false)
  clock.skip(1)
  expect(licence.expired()).toBe(true)
  expect(licence.current()).toEqual({ ...grant, status: 'expired' })
  await licence.upload(bytesOf(signLicence({ ...grant, valid_until: '2027-01-01' }, keys.privateKey)))
  expect(licence.expired()).toBe(false)
})

test('a licence whose date is past is taken, and is expired', async () => {
  const { start } = setUp()
  const licence = await start()
  const past = bytesOf(signLicence({ ...grant, valid_until: '2025-12-31' }, keys.privateKey))
  expect((await licence.upload(past)).status).toBe('expired')
  expect((await start()).expired()).toBe(true)
})

test.each([
  ['a foreign signature', bytesOf(signLicence(grant, others.privateKey)), 'signed with a key other than'],
  ['a changed limit', bytesOf({ ...signLicence(grant, keys.privateKey), max_tps: 9 }), 'was changed'],
  ['no JSON', new Uint8Array([1, 2, 3]), 'is not a JSON document'],
])(
  'an upload with %s is invalid and changes nothing, and the next is taken',
  async (_what, bytes, reason) => {
    const { start, file } = setUp()
    const licence = await start()
    await licence.upload(good)
    const error = await licence.upload(bytes).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(GatewayError)
    expect(error).toMatchObject({ code: 'invalid', publicText: expect.stringContaining(reason) })
    expect(licence.current().status).toBe('active')
    expect(readFileSync(file)).toEqual(Buffer.from(good))
    const next = bytesOf(signLicence({ ...grant, max_tps: 9 }, keys.privateKey))
    expect((await licence.upload(next)).max_tps).toBe(9)
  },
)

test('with no public key configured an upload is invalid and says why', async () => {
  const { start } = setUp('')
  const upload = (await start()).upload(good)
  await expect(upload).rejects.toMatchObject({
    code: 'invalid',
    publicText: expect.stringContaining('license.public_key'),
  })
})

test('a public key that is none is refused at the start', async () => {
  await expect(setUp('not a key').start()).rejects.toThrow('license.public_key')
})

test.each([
  ['a torn file', good.slice(0, 20)],
  ['a foreign licence', bytesOf(signLicence(grant, others.privateKey))],
])('%s at the start is said in the log and counts as none', async (_what, bytes) => {
  const { start, file, logged } = setUp()
  await (await start()).upload(good)
  writeFileSync(file, bytes)
  expect((await start()).current()).toEqual(NONE)
  expect(logged).toEqual([{ file, why: expect.stringContaining('licence') }])
})

test('uploads at the same time end with the last in force and on disk', async () => {
  const { start, file } = setUp()
  const licence = await start()
  const uploads = [1, 2, 3, 4, 5].map(max_tps => bytesOf(signLicence({ ...grant, max_tps }, keys.privateKey)))
  await Promise.all(uploads.map(bytes => licence.upload(bytes)))
  expect(licence.current().max_tps).toBe(5)
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ max_tps: 5 })
})

test('a disk that does not take it leaves the old licence in force, and no path leaves', async () => {
  const { start, file } = setUp()
  const licence = await start()
  await licence.upload(good)
  rmSync(join(file, '..'), { recursive: true })
  writeFileSync(join(file, '..'), 'a file where the folder was')
  const next = bytesOf(signLicence({ ...grant, max_tps: 9 }, keys.privateKey))
  const error = await licence.upload(next).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'internal', publicText: expect.not.stringContaining(folder) })
  expect(licence.current().max_tps).toBe(2)
})

test('a folder that cannot be synced leaves file and licence in force the same one, and the log says so', async () => {
  const { start, file, logged } = setUp()
  const licence = await start()
  await licence.upload(good)
  const handle = await open(file)
  const handles = Object.getPrototypeOf(handle) as typeof handle
  await handle.close()
  const { sync } = handles
  let filesSynced = 0
  const spied = spyOn(handles, 'sync').mockImplementation(async function (this: typeof handle) {
    if ((await this.stat()).isFile()) filesSynced++
    else throw new Error('EINVAL: this file system syncs no folders')
    return sync.call(this)
  })
  const next: Grant = { ...grant, max_tps: 9 }
  const uploaded = await licence
    .upload(bytesOf(signLicence(next, keys.privateKey)))
    .finally(() => spied.mockRestore())
  expect(filesSynced).toBe(1)
  expect(uploaded).toEqual({ ...next, status: 'active' })
  expect(licence.current()).toEqual(uploaded)
  expect((await start()).current()).toEqual(uploaded)
  expect(logged).toEqual([{ file, why: expect.stringContaining('EINVAL') }])
})

test('a licence file that is no file is said in the log, and an upload leaves nothing beside it', async () => {
  const { start, file, logged } = setUp()
  mkdirSync(file, { recursive: true })
  const licence = await start()
  expect(logged).toEqual([{ file, why: expect.stringContaining('EISDIR') }])
  await expect(licence.upload(good)).rejects.toMatchObject({ code: 'internal' })
  expect(readdirSync(join(file, '..'))).toEqual(['license.json'])
})
