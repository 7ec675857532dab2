import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { systemRandom } from '../../src/clock.ts'
import { GatewayError } from '../../src/errors.ts'
import { openUserDatabase, type UserDatabase } from '../../src/users/index.ts'
import { DUMMY_HASH, type Passwords } from '../../src/users/passwords.ts'
import { fakePasswords } from '../http/support.ts'
import { auditOf } from '../support/audit.ts'
import { TurnedClock } from '../support/clock.ts'

const folders: string[] = []
const opened: UserDatabase[] = []

function open(path = join(newFolder(), 'users.db'), work: Passwords = fakePasswords()) {
  const passwords = { verified: [] as string[], ...work }
  const clock = new TurnedClock()
  const database = openUserDatabase({ path, tokenTtlSeconds: 60, clock, random: systemRandom, passwords })
  opened.push(database)
  return { ...database, passwords, clock, path }
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'users-'))
  folders.push(folder)
  return folder
}

afterEach(() => {
  for (const database of opened.splice(0)) database.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

const PROXY_USER = {
  email: 'api-user@example.com',
  password: 'strongpass',
  appName: 'my-app',
  appSecret: 'my-secret',
}

const codeOf = async (work: Promise<unknown> | (() => unknown)): Promise<string> => {
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    if (error instanceof GatewayError) return error.code
    throw error
  }
  return 'done'
}

describe('the first start', () => {
  test('makes app 1 default, which no secret joins', async () => {
    const { users } = open()
    expect(users.app(1)).toMatchObject({ id: 1, name: 'default' })
    expect(users.appCount()).toBe(1)
    const joining = users.registerProxyUser({ ...PROXY_USER, appName: 'default' }, 'test')
    expect(await codeOf(joining)).toBe('invalid')
  })

  test('leaves a file that its owner alone can read', () => {
    const { path } = open()
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600)
  })

  test('makes its folder for its owner alone, and takes a file back from others who could read it', () => {
    const path = join(newFolder(), 'data', 'users.db')
    open(path)
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    const wide = join(newFolder(), 'users.db')
    writeFileSync(wide, '', { mode: 0o644 })
    open(wide)
    expect(statSync(wide).mode & 0o777).toBe(0o600)
  })

  test.each([
    [
      "another program's",
      (path: string) => new Database(path).run('CREATE TABLE theirs (id)'),
      "another program's database",
    ],
    ['a folder', (path: string) => mkdirSync(path), 'is a folder: storage.db_path names a file'],
    [
      'a text',
      (path: string) => writeFileSync(path, 'x'.repeat(5000)),
      'is no SQLite database: restore a copy',
    ],
    ['below a file', (path: string) => writeFileSync(dirname(path), ''), 'is no folder; take that file away'],
  ])('where the file is %s says so, and how to mend it', (_, make, words) => {
    const path = join(newFolder(), 'data', 'users.db')
    if (!words.includes('no folder')) mkdirSync(dirname(path))
    make(path)
    expect(() => open(path)).toThrow(words)
  })

  test.each(['installation', 'link_switches'])('where %s is damaged names the file', table => {
    const { path, close } = open()
    close()
    opened.pop()
    const db = new Database(path)
    const root = db.query(`SELECT rootpage FROM sqlite_schema WHERE name = '${table}'`).values()[0]?.[0]
    db.close()
    const octets = readFileSync(path)
    writeFileSync(path, octets.fill(0xff, (Number(root) - 1) * 4096, Number(root) * 4096))
    expect(() => open(path)).toThrow(`${path} is damaged: restore a copy`)
  })

  test('is not repeated: users, apps, tokens and link switches outlive a restart', async () => {
    const first = open()
    const id = await first.users.registerProxyUser(PROXY_USER, 'test')
    const token = await first.users.login(PROXY_USER.email, PROXY_USER.password, 2)
    first.linkSwitches.set(7, false, 'admin', 'maintenance')
    first.close()
    opened.splice(opened.indexOf(first), 1)
    const second = open(first.path)
    expect(await second.users.authenticate(2, token ?? '')).toBe(id)
    expect(second.linkSwitches.enabled(7)).toBe(false)
    expect(second.linkSwitches.enabled(8)).toBeUndefined()
  })

  test('that breaks off leaves nothing half made', async () => {
    const path = join(newFolder(), 'users.db')
    const clock = new TurnedClock()
    const random = () => {
      throw new Error('broken off')
    }
    expect(() => openUserDatabase({ path, tokenTtlSeconds: 60, clock, random })).toThrow('broken off')
    expect(await open(path).users.register('a@example.com', 'secret')).toBe(1)
  })

  test('makes what no other installation has: the key of its tokens, the secret of its default app', async () => {
    const [here, there] = [open(), open()]
    for (const { users } of [here, there]) {
      await users.registerProxyUser(PROXY_USER, 'test')
      await users.register('a@example.com', 'secret')
    }
    const token = (await here.users.login(PROXY_USER.email, PROXY_USER.password, 2)) ?? ''
    expect(await here.users.authenticate(2, token)).toBe(1)
    expect(await there.users.authenticate(2, token)).toBeUndefined()
    const [ours, theirs] = [here, there].map(({ users }) => users.list()[1]?.secretFingerprint)
    expect(ours).not.toBe(theirs ?? '')
  })

  test('is not made up for: a database without its key is damaged', () => {
    const { path, close } = open()
    close()
    opened.pop()
    const db = new Database(path)
    db.run('DELETE FROM installation')
    db.close()
    expect(() => open(path)).toThrow('has no installation key: it is damaged, restore a copy')
  })

  test('refuses a database of a newer program and says so', () => {
    const path = join(newFolder(), 'users.db')
    const db = new Database(path)
    db.run('PRAGMA user_version = 99')
    db.close()
    expect(() => open(path)).toThrow(/schema version 99.*newer program/)
  })
})

describe('registering', () => {
  test('puts a user into app 1 unless an app is named', async () => {
    const { users } = open()
    await users.registerProxyUser(PROXY_USER, 'test')
    const plain = await users.register('a@example.com', 'secret')
    const named = await users.register('b@example.com', 'secret', 2)
    expect([users.user(plain)?.appId, users.user(named)?.appId]).toEqual([1, 2])
    expect(await codeOf(users.register('c@example.com', 'secret', 3))).toBe('invalid')
  })

  test('knows one mailbox by any of its spellings', async () => {
    const { users } = open()
    await users.register(' User@Example.COM ', 'secret')
    expect(users.list()[0]?.email).toBe('user@example.com')
    expect(await codeOf(users.register('user@example.com', 'secret'))).toBe('invalid')
    await users.register('zo\u00eb@example.com', 'secret')
    expect(await codeOf(users.register('zoe\u0308@example.com', 'secret'))).toBe('invalid')
    await users.register('\u01f0@example.com', 'secret')
    expect(await codeOf(users.register('J\u030c@example.com', 'secret'))).toBe('invalid')
    expect(await users.login('USER@example.com', 'secret', 1)).toBeString()
  })

  test('of one email twice at the same moment succeeds once', async () => {
    const { users } = open()
    const both = [1, 2].map(() => codeOf(users.register('a@example.com', 'secret')))
    expect((await Promise.all(both)).sort()).toEqual(['done', 'invalid'])
    expect(users.list()).toHaveLength(1)
  })

  test('an email that is taken leaves no new app behind', async () => {
    const { users, path } = open()
    await users.register(PROXY_USER.email, 'secret')
    expect(await codeOf(users.registerProxyUser(PROXY_USER, 'test'))).toBe('invalid')
    expect(users.appCount()).toBe(1)
    expect(auditOf(path)).toHaveLength(1)
  })

  test('two users of one new app at the same moment: one makes it, the other is told to try again', async () => {
    const { users } = open()
    const both = ['a@example.com', 'b@example.com'].map(email =>
      users.registerProxyUser({ ...PROXY_USER, email }, 'test').catch(String),
    )
    expect(await Promise.all(both)).toEqual([1, expect.stringContaining('taken a moment ago: try again')])
  })

  test('with an app whose last user goes meanwhile makes that app anew, under the same secret', async () => {
    const { users } = open()
    const first = await users.registerProxyUser(PROXY_USER, 'test')
    const joining = users.registerProxyUser({ ...PROXY_USER, email: 'second@example.com' }, 'test')
    users.delete(first, 'test')
    expect(users.user(await joining)?.appId).toBe(3)
    const third = users.registerProxyUser({ ...PROXY_USER, email: 'third@example.com' }, 'test')
    expect(users.user(await third)?.appId).toBe(3)
  })

  test.each([
    ['no email', '', 'secret'],
    ['an email without @', 'nobody', 'secret'],
    ['an email with a line break', 'a@b\r\nc', 'secret'],
    ['an email with a space', 'a b@example.com', 'secret'],
    ['an email with a character that is not seen', 'a\u200b@example.com', 'secret'],
    ['an email with a second @', 'a@b@example.com', 'secret'],
    ['an email too long', `${'a'.repeat(243)}@example.com`, 'secret'],
    ['a password of 5', 'a@example.com', 'short'],
    ['a password of 257', 'a@example.com', 'x'.repeat(257)],
  ])('refuses %s', async (_, email, password) => {
    const { users } = open()
    expect(await codeOf(users.register(email, password))).toBe('invalid')
    expect(users.list()).toHaveLength(0)
  })

  test.each([
    ['an app_secret of 7', { appSecret: 'x'.repeat(7) }],
    ['an app_secret of 257', { appSecret: 'x'.repeat(257) }],
    ['an app_name of 65', { appName: 'x'.repeat(65) }],
    ['an app_name of blanks', { appName: '  ' }],
    ['an app_name with a line break', { appName: 'my\napp' }],
    ['257 allowed_ips', { allowedIps: Array<string>(257).fill('10.0.0.1') }],
  ])('refuses %s', async (_, wrong) => {
    const { users } = open()
    expect(await codeOf(users.registerProxyUser({ ...PROXY_USER, ...wrong }, 'test'))).toBe('invalid')
    expect(users.appCount()).toBe(1)
  })

  test.each([
    ['email', { email: ' ' }],
    ['password', { password: '' }],
    ['app_name', { appName: ' ' }],
    ['app_secret', { appSecret: '' }],
  ])('says that %s is required where there is nothing in it', async (field, missing) => {
    const { users } = open()
    const refused = users.registerProxyUser({ ...PROXY_USER, ...missing }, 'test')
    await expect(refused).rejects.toThrow(new GatewayError('invalid', `${field} is required`))
  })

  test('knows one app by any spelling of its name', async () => {
    const { users } = open()
    await users.registerProxyUser({ ...PROXY_USER, appName: 'caf\u00e9' }, 'test')
    await users.registerProxyUser({ ...PROXY_USER, email: 'b@example.com', appName: 'cafe\u0301' }, 'test')
    expect(users.appCount()).toBe(2)
  })

  test('takes what is as long, or as short, as it may be', async () => {
    const { users } = open()
    const long = { appName: 'x'.repeat(64), appSecret: 'x'.repeat(256), password: 'x'.repeat(256) }
    const short = { appName: 'x', appSecret: 'x'.repeat(8), password: 'x'.repeat(6) }
    const allowedIps = Array<string>(256).fill('10.0.0.1')
    await users.registerProxyUser({ email: 'long@example.com', ...long, allowedIps }, 'test')
    await users.registerProxyUser({ email: 'short@example.com', ...short }, 'test')
    await users.register(`${'a'.repeat(242)}@example.com`, 'secret')
    expect(users.appCount()).toBe(3)
  })

  test('an app that exists takes a user in by its own secret only', async () => {
    const { users } = open()
    const first = await users.registerProxyUser(PROXY_USER, 'test')
    const second = { ...PROXY_USER, email: 'second@example.com' }
    expect(await codeOf(users.registerProxyUser({ ...second, appSecret: 'another-secret' }, 'test'))).toBe(
      'invalid',
    )
    const joined = await users.registerProxyUser({ ...second, appName: ' my-app ' }, 'test')
    expect(users.user(joined)?.appId).toBe(users.user(first)?.appId ?? 0)
    expect(users.appCount()).toBe(2)
  })

  test('shows a fingerprint that tells secrets apart and is none of them', async () => {
    const { users } = open()
    await users.registerProxyUser(PROXY_USER, 'test')
    const [shown] = users.list()
    expect(shown?.secretFingerprint).toMatch(/^sha256:[\da-f]{16}$/)
    expect(JSON.stringify(users.list())).not.toContain(PROXY_USER.appSecret)
  })

  test('are all listed, whatever is wrong with the networks of one app', async () => {
    const { users, path } = open()
    await users.registerProxyUser(PROXY_USER, 'test')
    const other = { ...PROXY_USER, appName: 'other', email: 'other@example.com' }
    await users.registerProxyUser({ ...other, appSecret: 'another-secret' }, 'test')
    using db = new Database(path)
    db.run(`UPDATE apps SET allowed_ips = '["10.0.0.0/33"]' WHERE name = 'other'`)
    users.user(1)
    expect(users.list().map(({ email, appName }) => [email, appName])).toEqual([
      [PROXY_USER.email, PROXY_USER.appName],
      ['other@example.com', 'other'],
    ])
    expect(new Set(users.list().map(user => user.secretFingerprint)).size).toBe(2)
  })

  test('keeps what is wrong in allowed_ips out, and names it', async () => {
    const { users } = open()
    const wrong = { ...PROXY_USER, allowedIps: ['10.0.0.0/8', '10.0.0.0/33'] }
    await expect(users.registerProxyUser(wrong, 'test')).rejects.toThrow(/10\.0\.0\.0\/33/)
    const id = await users.registerProxyUser({ ...PROXY_USER, allowedIps: ['10.0.0.0/8'] }, 'test')
    const appId = users.user(id)?.appId ?? 0
    expect(users.app(appId)?.allowedIps.has('10.1.2.3')).toBe(true)
    expect(await codeOf(() => users.setAllowedIps(appId, ['10.0.0.0/33'], 'test'))).toBe('invalid')
    users.setAllowedIps(appId, [], 'test')
    expect(users.app(appId)?.allowedIps.empty).toBe(true)
  })
})

describe('logging in', () => {
  test('does the same work for an unknown email, a wrong password and a foreign app', async () => {
    const { users, passwords } = open()
    await users.register('a@example.com', 'secret')
    await users.registerProxyUser(PROXY_USER, 'test')
    passwords.verified.length = 0
    expect(await users.login('nobody@example.com', 'secret', 1)).toBeUndefined()
    expect(await users.login('a@example.com', 'wrong-one', 1)).toBeUndefined()
    expect(await users.login('a@example.com', 'secret', 2)).toBeUndefined()
    expect(passwords.verified).toEqual([DUMMY_HASH, '$plain$secret', '$plain$secret'])
  })

  test('is refused to those who would wait behind many others', async () => {
    const passwords = { hash: async () => '', verify: () => new Promise<boolean>(() => {}) }
    const { users } = open(undefined, passwords)
    const logins = Array.from({ length: 100 }, () => codeOf(users.login('a@example.com', 'secret', 1)))
    expect(await Promise.race(logins)).toBe('unavailable')
  })

  test('to an unknown app is another mistake, found before any work', async () => {
    const { users, passwords } = open()
    expect(await codeOf(users.login('a@example.com', 'secret', 9))).toBe('invalid')
    expect(passwords.verified).toHaveLength(0)
  })
})

describe('deleting', () => {
  test('ends the tokens of the user at once, also one that was used a moment ago', async () => {
    const { users } = open()
    const id = await users.register('a@example.com', 'secret')
    const token = (await users.login('a@example.com', 'secret', 1)) ?? ''
    expect(await users.authenticate(1, token)).toBe(id)
    expect(users.authenticate(9, token)).toBeUndefined()
    users.delete(id, 'test')
    expect(users.authenticate(1, token)).toBeUndefined()
  })

  test('the last user takes the app along, another leaves it, and app 1 stays', async () => {
    const { users, path } = open()
    const alone = await users.register('a@example.com', 'secret')
    const first = await users.registerProxyUser(PROXY_USER, 'test')
    const second = await users.registerProxyUser({ ...PROXY_USER, email: 'second@example.com' }, 'test')
    users.delete(first, 'test')
    expect(users.app(2)).toBeDefined()
    users.delete(second, 'test')
    expect(users.app(2)).toBeUndefined()
    users.delete(alone, 'test')
    expect(users.app(1)).toBeDefined()
    expect(
      auditOf(path)
        .slice(0, 4)
        .map(({ action, subject }) => `${action}: ${subject}`),
    ).toEqual([
      'delete user: user 1 of app 1',
      'delete app: app 2',
      'delete user: user 3 of app 2',
      'delete user: user 2 of app 2',
    ])
  })

  test('never gives an id away again, so that old messages and tokens find no new owner', async () => {
    const { users } = open()
    const first = await users.registerProxyUser(PROXY_USER, 'test')
    const appId = users.user(first)?.appId
    users.delete(first, 'test')
    const second = await users.registerProxyUser(PROXY_USER, 'test')
    expect(second).toBeGreaterThan(first)
    expect(users.user(second)?.appId).toBeGreaterThan(appId ?? 0)
  })

  test('what is not there is not found', async () => {
    const { users } = open()
    expect(await codeOf(() => users.delete(5, 'test'))).toBe('not_found')
    expect(await codeOf(() => users.toggleAdmin(5, 'test'))).toBe('not_found')
    expect(await codeOf(() => users.setAllowedIps(5, [], 'test'))).toBe('not_found')
  })

  test('by another process is noticed within a tenth of a second', async () => {
    const server = open()
    const id = await server.users.register('a@example.com', 'secret')
    const token = (await server.users.login('a@example.com', 'secret', 1)) ?? ''
    expect(await server.users.authenticate(1, token)).toBe(id)
    open(server.path).users.delete(id, 'cli')
    server.clock.skip(100)
    expect(server.users.authenticate(1, token)).toBeUndefined()
  })
})

test('networks that another process gives an app hold within a tenth of a second', () => {
  const server = open()
  expect(server.users.app(1)?.allowedIps.empty).toBe(true)
  open(server.path).users.setAllowedIps(1, ['10.0.0.0/8'], 'cli')
  server.clock.skip(100)
  expect(server.users.app(1)?.allowedIps.has('10.1.2.3')).toBe(true)
})

test('to look at a user has no app looked up again, until another process has written', async () => {
  const { users, path } = open()
  const id = await users.register('a@example.com', 'secret')
  const app = users.app(1)
  expect(users.user(id)?.isAdmin).toBe(false)
  expect(users.app(1)).toBe(app)
  open(path).users.toggleAdmin(id, 'cli')
  expect(users.user(id)?.isAdmin).toBe(true)
  expect(users.app(1)).not.toBe(app)
})

test('a change waits for one that another process is about', async () => {
  const { path, users } = open()
  const program = `
    const db = new (require('bun:sqlite').Database)(process.argv[1])
    db.run('BEGIN IMMEDIATE')
    db.run('UPDATE users SET is_admin = 1')
    console.log('begun')
    setTimeout(() => db.run('COMMIT'), 50)`
  const other = Bun.spawn([process.execPath, '-e', program, path], { stdout: 'pipe' })
  await other.stdout.getReader().read()
  users.setAllowedIps(1, ['10.0.0.0/8'], 'admin')
  expect(await other.exited).toBe(0)
})

test('a change is refused soon where another process keeps the file locked: all else waits meanwhile', () => {
  const { path, users } = open()
  using other = new Database(path)
  other.run('BEGIN IMMEDIATE')
  const startedAt = performance.now()
  expect(() => users.setAllowedIps(1, ['10.0.0.0/8'], 'admin')).toThrow('locked')
  expect(performance.now() - startedAt).toBeLessThan(3000)
  other.run('ROLLBACK')
  users.setAllowedIps(1, ['10.0.0.0/8'], 'admin')
})

test('a change goes by what another process left a moment ago, not by what was looked up before', async () => {
  const server = open()
  const cli = open(server.path)
  const first = await server.users.registerProxyUser(PROXY_USER, 'admin')
  const second = await server.users.register('b@example.com', 'secret')
  const { appId = 0 } = server.users.user(first) ?? {}
  expect([server.users.user(second)?.isAdmin, server.users.app(appId)?.name]).toEqual([false, 'my-app'])
  cli.users.toggleAdmin(second, 'cli')
  cli.users.delete(first, 'cli')
  expect(server.users.toggleAdmin(second, 'admin')).toBe(false)
  const third = await server.users.registerProxyUser(PROXY_USER, 'admin')
  const { appId: next = 0 } = server.users.user(third) ?? {}
  expect(server.users.app(next)?.name).toBe('my-app')
  cli.users.delete(third, 'cli')
  expect(await codeOf(server.users.register('c@example.com', 'secret', next))).toBe('invalid')
  cli.users.delete(second, 'cli')
  expect(await codeOf(() => server.users.delete(second, 'admin'))).toBe('not_found')
  const fourth = await server.users.register('d@example.com', 'secret')
  expect(server.users.user(fourth)?.isAdmin).toBe(false)
  cli.users.toggleAdmin(fourth, 'cli')
  expect(server.users.user(fourth)?.isAdmin).toBe(true)
})

test('making an app and opening it to other networks leaves a line each', async () => {
  const { users, path } = open()
  const app = { password: 'secret', appName: 'shop', appSecret: 'secret-of-the-shop' }
  await users.registerProxyUser({ ...app, email: 'a@example.com', allowedIps: ['10.0.0.0/8'] }, 'admin')
  await users.registerProxyUser({ ...app, email: 'b@example.com', allowedIps: [] }, 'admin')
  expect(auditOf(path).map(({ action, subject, reason }) => `${action} ${subject} ${reason}`)).toEqual([
    'register user user 2 of app 2 ',
    'set allowed ips app 2 ',
    'register user user 1 of app 2 ',
    'make app app 2 10.0.0.0/8',
  ])
})

test('what was said of a link last holds, and each word is kept', () => {
  const { linkSwitches, path } = open()
  linkSwitches.set(3, false, 'admin', 'maintenance')
  linkSwitches.set(3, true, 'user 1', 'over')
  expect(linkSwitches.enabled(3)).toBe(true)
  expect(auditOf(path)).toMatchObject([
    { who: 'user 1', action: 'enable link', subject: '3', reason: 'over' },
    { who: 'admin', action: 'disable link', subject: '3', reason: 'maintenance' },
  ])
})

test('of the audit table the newest million lines stay', () => {
  const { linkSwitches, path } = open()
  const lines = (): unknown => {
    using db = new Database(path)
    return db.query('SELECT min(id), max(id), count(*) FROM audit').values()[0]
  }
  const said =
    "INSERT INTO audit (id, at, who, action, subject, reason) VALUES (?, 0, 'cli', 'reload', '', '')"
  {
    using db = new Database(path)
    for (const id of [1, 2, 3, 1_000_001]) db.query(said).run(id)
  }
  linkSwitches.set(3, false, 'admin', 'maintenance')
  expect(lines()).toEqual([3, 1_000_002, 3])
  linkSwitches.set(3, true, 'admin', 'over')
  expect(lines()).toEqual([1_000_001, 1_000_003, 3])
  expect(auditOf(path)[0]).toMatchObject({ action: 'enable link', reason: 'over' })
})

test('nothing is switched without its line in the audit table', () => {
  const { path, linkSwitches } = open()
  const other = new Database(path)
  other.run('DROP TABLE audit')
  other.close()
  expect(() => linkSwitches.set(3, false, 'admin', 'maintenance')).toThrow('audit')
  expect(linkSwitches.enabled(3)).toBeUndefined()
})

test('who did what to whom, when and why is kept, newest first', async () => {
  const { users, linkSwitches, path, clock } = open()
  const id = await users.register('a@example.com', 'secret')
  clock.skip(1000)
  expect(users.toggleAdmin(id, 'admin')).toBe(true)
  expect(users.toggleAdmin(id, 'user 1')).toBe(false)
  linkSwitches.set(3, false, 'user 1', 'maintenance window')
  expect(auditOf(path)).toEqual([
    {
      at: clock.now(),
      who: 'user 1',
      action: 'disable link',
      subject: '3',
      reason: 'maintenance window',
    },
    { at: clock.now(), who: 'user 1', action: 'unmake admin', subject: `user ${id}`, reason: '' },
    { at: clock.now(), who: 'admin', action: 'make admin', subject: `user ${id}`, reason: '' },
    {
      at: clock.now() - 1000,
      who: 'admin',
      action: 'register user',
      subject: `user ${id} of app 1`,
      reason: '',
    },
  ])
})

test.each(["'; DROP TABLE users; --@x", '" OR ""="@x', '%@x', '_@x'])(
  'SQL in an email is an email: %s',
  async email => {
    const { users } = open()
    const hostile = email.replaceAll(' ', '\u00b7')
    await users.register('a@example.com', 'secret')
    await users.register(hostile, 'secret')
    expect(users.list().map(user => user.email)).toEqual(['a@example.com', hostile.toLowerCase()])
    expect(await users.login(hostile, 'secret', 1)).toBeString()
  },
)
