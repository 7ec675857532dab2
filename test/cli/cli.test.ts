import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MAIN = join(import.meta.dir, '../../src/main.ts')

// Each step is a process of its own, on a machine that may be busy.
setDefaultTimeout(240_000)

let folder = ''
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'sms-proxy-cli-')))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Runs the program in an empty folder, with an environment of its own. */
async function sms(
  words: string,
  { input = '', env = {} }: { input?: string; env?: Record<string, string> } = {},
): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([process.execPath, MAIN, ...words.split(' ').filter(word => word !== '')], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdin: new Blob([input]),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, out, err }
}

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)

describe('sms-proxy', () => {
  test('helps, with every command', async () => {
    const { code, out } = await sms('--help')
    expect(code).toBe(0)
    for (const word of ['init', 'check', 'user', 'store', 'license', 'smsc', 'health', 'version']) {
      expect(out).toContain(`sms-proxy ${word}`)
    }
  })

  test('suggests what was meant by a command that it does not know', async () => {
    const { code, err } = await sms('chekc')
    expect(code).toBe(2)
    expect(err).toStartWith('sms-proxy: there is no command "chekc": did you mean "sms-proxy check"?\n')
  })

  test('takes no command from what every object has', async () => {
    expect((await sms('constructor')).code).toBe(2)
    expect((await sms('user constructor')).err).toStartWith('there is no "user constructor"')
  })

  test('says its version on one line', async () => {
    const { out } = await sms('version')
    expect(out).toMatch(/^sms-proxy \d+\.\d+\.\d+ \(.+, Bun .+\)\n$/)
    expect((await sms('--version')).out).toBe(out)
  })

  test('refuses an option that a command does not have, with its usage', async () => {
    const { code, err } = await sms('check --confg x')
    expect(code).toBe(2)
    expect(err).toContain('--confg')
    expect(err).toContain('sms-proxy check [--config FILE]')
  })
})

describe('init', () => {
  test('writes a configuration that check finds right, for its owner alone', async () => {
    expect((await sms('init')).code).toBe(0)
    expect(statSync(join(folder, 'sms-proxy.yaml')).mode & 0o777).toBe(0o600)
    const { code, out } = await sms('check')
    expect(code).toBe(0)
    expect(out).toContain('The configuration is right.')
    expect(out).toMatch(/1 {2}smpp-link-1 {2}127\.0\.0\.1:2775/)
    expect(out).not.toContain('secret')
  })

  test('never writes over a file', async () => {
    write('mine.yaml', 'env: mine\n')
    const { code, err } = await sms('init mine.yaml')
    expect(code).toBe(1)
    expect(err).toContain('mine.yaml exists and was left as it is')
    expect(await Bun.file(join(folder, 'mine.yaml')).text()).toBe('env: mine\n')
  })
})

describe('check', () => {
  test('without a configuration says how to make one', async () => {
    const { code, err } = await sms('check')
    expect(code).toBe(2)
    expect(err).toContain('make one with "sms-proxy init"')
  })

  test('says where messages are, and that a login without TLS can be listened to', async () => {
    write('sms-proxy.yaml', 'aerospike: { hosts: a:1, user: sms, password: sesame }\n')
    const { code, out } = await sms('check')
    expect(code).toBe(0)
    expect(out).toContain(
      'messages    in the Aerospike namespace sms at a:1 as sms, whose login whoever listens can use: set tls\n',
    )
    expect(out).not.toContain('sesame')
  })

  test('says what is wrong with configuration, rules and filters at once', async () => {
    write('rules.yaml', '- { pool: nowhere }\n')
    mkdirSync(join(folder, 'filters'))
    write('filters/broken.js', 'export default (sms => ')
    write('sms-proxy.yaml', 'smpp: { rules: rules.yaml, pools: [{ id: 0, name: p, links: [ghost] }] }\n')
    const { code, out, err } = await sms('check')
    expect(code).toBe(2)
    expect(out).toBe('')
    expect(err).toContain('smpp.pools[0].links[0] is "ghost", and no link has that name')
    expect(err).toContain(`${join(folder, 'rules.yaml')}: rules[0].pool`)
    expect(err).toContain('broken')
    expect(err).toEndWith('\n3 problems\n')
  })

  test('says what is wrong between values also where a single value is wrong, and nothing twice', async () => {
    write(
      'sms-proxy.yaml',
      `log: { level: loud }
license: { public_key: nonsense }
security: { allowed_ips: [10.0.0.0/33] }
smpp: { rules: ./gone.yaml, queue_max: many, pools: [{ id: 0, name: p, links: [ghost] }] }
`,
    )
    const { code, err } = await sms('check')
    expect(code).toBe(2)
    const complained = err.split('\n').map(line => line.split(' ')[1])
    expect(complained.slice(0, -3)).toEqual([
      ...['log.level', 'smpp.queue_max', 'smpp.pools[0].links[0]'],
      ...['security.allowed_ips[0]', 'smpp.rules', 'license.public_key'],
    ])
    expect(err).toEndWith('\n6 problems\n')
  })

  test('explains a rule that can never match by the one that stands in its way', async () => {
    write(
      'rules.yaml',
      '- { name: all, refuse: no }\n- { name: uk, match: { destination: "44" }, refuse: later }\n',
    )
    write('sms-proxy.yaml', 'smpp: { rules: rules.yaml }\n')
    const { code, err } = await sms('check')
    expect(code).toBe(2)
    expect(err).toContain(
      `${join(folder, 'rules.yaml')}: rules[1] "uk" can never match: "all" (rules[0]) stands`,
    )
    expect(err).toContain('put it first, or narrow "all"')
  })

  test('places inline rules in the configuration', async () => {
    write('sms-proxy.yaml', 'smpp:\n  rules:\n    - pool: nowhere\n')
    expect((await sms('check')).err).toContain('./sms-proxy.yaml:3:13: smpp.rules[0].pool')
  })
})

describe('user', () => {
  beforeEach(() => write('sms-proxy.yaml', 'storage: { db_path: sms.db }\n'))

  test('adds, lists, promotes and deletes, and never shows a password', async () => {
    const added = await sms('user add Ann@Example.com', { input: 'a-password\n' })
    expect(added).toMatchObject({ code: 0, out: 'user 1\n' })
    expect((await sms('user admin 1 on')).out).toBe('user 1 is an admin\n')
    expect((await sms('user admin 1 on')).out).toBe('user 1 is an admin\n')
    const { out } = await sms('user list')
    expect(out).toMatch(/1 {2}ann@example\.com {2}yes +1 {2}default/)
    expect(out).not.toContain('a-password')
    expect((await sms('user admin 1 off')).code).toBe(0)
    expect((await sms('user delete 1')).code).toBe(0)
    expect((await sms('user list')).out).toBe('no users yet\n')
  })

  test('makes an app with a secret that is shown once', async () => {
    const { out } = await sms('user add ann@example.com --new-app shop', { input: 'a-password' })
    expect(out).toMatch(/^user 1 of app 2; the secret of app shop, shown this once: [\w-]{32}\n$/)
    expect((await sms('user allow-ips 2 10.0.0.0/8 ::1')).out).toBe('app 2 may send from 10.0.0.0/8, ::1\n')
    expect((await sms('user allow-ips 2')).out).toBe('app 2 may send from everywhere\n')
    expect((await sms('user add bob@example.com --new-app shop')).err).toStartWith(
      'app shop is there: --app-id 2 adds a user to it',
    )
  })

  test.each([
    ['user add ann@example.com', '', 2, 'no password was given'],
    ['user add ann@example.com', 'short\n', 1, 'password must have 6 to 256 characters'],
    ['user add ann@example.com --app-id 9', 'a-password\n', 1, 'unknown app_id'],
    ['user delete x', '', 2, 'ID must be a number, not "x"'],
    ['user delete 7', '', 1, 'user not found'],
    ['user allow-ips 1 10.0.0.0/99', '', 1, '/99'],
    ['user', '', 2, 'what shall be done?'],
  ])('says what is wrong with: %s', async (words, input, wanted, text) => {
    const { code, err } = await sms(words, { input })
    expect(err).toContain(text)
    expect(code).toBe(wanted)
  })
})

describe('health', () => {
  test('asks the server that the configuration describes', async () => {
    const asked: string[] = []
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: request => {
        asked.push(new URL(request.url).pathname)
        return Response.json({ status: 'ok' })
      },
    })
    const { code, out } = await sms('health', { env: { SMS_PROXY_ENDPOINT: `0.0.0.0:${server.port}` } })
    expect(code).toBe(0)
    expect(out).toContain('200 {"status":"ok"}')
    expect(asked).toEqual(['/healthy'])
  })

  test('fails when nobody answers, or not well', async () => {
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () => new Response('', { status: 503 }),
    })
    expect((await sms(`health --url http://127.0.0.1:${server.port}/healthy`)).code).toBe(1)
    await server.stop(true)
    const { code, err } = await sms(`health --url http://127.0.0.1:${server.port}/healthy`)
    expect(code).toBe(1)
    expect(err).toContain('does not answer')
  })
})
