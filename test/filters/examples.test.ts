import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FilterMessage } from '../../src/filters/filter.ts'
import { openFilter } from '../../src/filters/probe.ts'
import { limits, message, openFolder, packed } from './support.ts'

const DIR = new URL('../../filters/', import.meta.url).pathname
const NAMES = readdirSync(DIR)
  .filter(file => file.endsWith('.js'))
  .map(file => file.slice(0, -3))

const open = (name: string) => openFilter(join(DIR, `${name}.js`), limits)
const at = (time: string) => Date.parse(time) / 1000

async function refuses(name: string, fields: Partial<FilterMessage>): Promise<boolean> {
  const sandbox = await open(name)
  return sandbox.ask(packed(fields)).match === sandbox.declaration.blacklist
}

test('every example loads, and says what it is', async () => {
  for (const name of NAMES) expect((await open(name)).declaration.description).not.toBe('')
})

test('as they are shipped, the examples refuse nothing', async () => {
  const files: Record<string, string> = {}
  for (const file of readdirSync(DIR)) files[file] = await Bun.file(join(DIR, file)).text()
  await using folder = await openFolder(files)
  expect(
    folder.filters.inspect().filters.every(({ state }) => state === 'inactive' || state === 'shadow'),
  ).toBeTrue()
  for (const destination of ['987654321', '447700900123', '19005551234']) {
    expect(folder.filters.check(message({ destination, message: 'Verify your account' })).pass).toBeTrue()
  }
})

test('premium refuses premium-rate prefixes', async () => {
  expect(await refuses('premium', { destination: '19005551234' })).toBeTrue()
  expect(await refuses('premium', { destination: '4419005551' })).toBeFalse()
})

test('blocked-numbers refuses what is on its list', async () => {
  expect(await refuses('blocked-numbers', { destination: '447700900123' })).toBeTrue()
  expect(await refuses('blocked-numbers', { destination: '447700900150' })).toBeTrue()
  expect(await refuses('blocked-numbers', { destination: '447700900199' })).toBeFalse()
  expect(await refuses('blocked-numbers', { destination: '447700900200' })).toBeFalse()
})

test('known-senders holds an app to its own names, and others to none', async () => {
  expect(await refuses('known-senders', { app_name: 'my-app', source: 'MyShop' })).toBeFalse()
  expect(await refuses('known-senders', { app_name: 'my-app', source: 'YourBank' })).toBeTrue()
  expect(await refuses('known-senders', { app_name: 'other', source: 'YourBank' })).toBeFalse()
})

test("quiet-hours refuses campaigns at night by the destination's clock", async () => {
  const campaign = { campaign_uuid: 'spring', app_id: 1 }
  const ask = (destination: string, time: string) =>
    refuses('quiet-hours', { ...campaign, destination, time: at(time) })
  expect(await ask('447700900123', '2026-01-05T20:59:00Z')).toBeFalse()
  expect(await ask('447700900123', '2026-01-05T21:00:00Z')).toBeTrue()
  expect(await ask('447700900123', '2026-01-05T07:59:00Z')).toBeTrue()
  expect(await ask('447700900123', '2026-01-05T08:00:00Z')).toBeFalse()
  expect(await ask('919876543210', '2026-01-05T16:00:00Z')).toBeTrue()
  expect(await ask('919876543210', '2026-01-05T15:00:00Z')).toBeFalse()
  // In a country of many zones it is night where it is night in the first or the last of them.
  expect(await ask('12025550123', '2026-01-05T15:00:00Z')).toBeTrue()
  expect(await ask('12025550123', '2026-01-05T20:00:00Z')).toBeFalse()
  expect(await ask('999123456', '2026-01-05T23:00:00Z')).toBeFalse()
  const code = {
    campaign_uuid: 'app-1',
    app_id: 1,
    destination: '447700900123',
    time: at('2026-01-05T23:00:00Z'),
  }
  expect(await refuses('quiet-hours', code)).toBeFalse()
})

test('phishing reads words through look-alike letters, accents, digits and spaces', async () => {
  for (const text of [
    'Verify your account now',
    'Vеrіfу уоur аccоunt',
    'V-E-R-1-F-Y  y0ur  @cc0unt',
    'vérífy yöur àccount',
    'Ｖｅｒｉｆｙ ｙｏｕｒ ａｃｃｏｕｎｔ',
  ]) {
    expect([text, await refuses('phishing', { message: text })]).toEqual([text, true])
  }
  for (const text of ['Your code is 123456', 'Привет, встреча в семь', 'Your account statement is ready']) {
    expect([text, await refuses('phishing', { message: text })]).toEqual([text, false])
  }
})

test('daily-cap counts each app by itself, and begins anew each day', async () => {
  const sandbox = await open('daily-cap')
  const ask = (app_name: string, time: string) => sandbox.ask(packed({ app_name, time: at(time) })).match
  for (let i = 0; i < 10_000; i++) ask('my-app', '2026-01-05T10:00:00Z')
  expect(ask('my-app', '2026-01-05T23:59:59Z')).toBeTrue()
  expect(ask('other', '2026-01-05T23:59:59Z')).toBeFalse()
  expect(ask('my-app', '2026-01-06T00:00:00Z')).toBeFalse()
})

test('an editor checks them: they and their contract pass the type checker, and a mistake does not', async () => {
  const check = async (files: string[]) => {
    const tsc = new URL('../../node_modules/.bin/tsc', import.meta.url).pathname
    const options =
      '--ignoreConfig --noEmit --checkJs --allowJs --strict --target esnext --lib esnext --module preserve --allowImportingTsExtensions --types'
    const child = Bun.spawn([tsc, ...options.split(' '), '', ...files], { stdout: 'pipe' })
    return (await new Response(child.stdout).text()).trim()
  }
  const mistaken = `/** @type {import('${DIR}filter.d.ts').Filter} */\nexport default sms => sms.destinaton`
  await using folder = await openFolder({ 'f.js': mistaken })
  expect(await check(NAMES.map(name => join(DIR, `${name}.js`)))).toBe('')
  expect(await check([join(folder.dir, 'f.js')])).toContain("Property 'destinaton' does not exist")
}, 240_000)
