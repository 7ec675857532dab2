import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { openUserDatabase } from '../../src/users/index.ts'
import { certPem, keyPem } from '../smpp/certificate.ts'
import { Esme, told } from '../smsc/esme.ts'
import { auditOf } from '../support/audit.ts'

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
    for (const word of [
      'serve',
      'demo',
      'init',
      'check',
      'filter',
      'smsc',
      'store',
      'license',
      'user',
      'health',
      'version',
    ]) {
      expect(out).toContain(`sms-proxy ${word}`)
    }
    for (const word of ['-h', 'help']) expect((await sms(word)).out).toBe(out)
  })

  test.each(['', 'serve '])('serves where it is told "%s" and a configuration', async words => {
    const { code, err } = await sms(`${words}--config none.yaml`)
    expect([code, err]).toEqual([2, expect.stringMatching(/^none\.yaml: there is no such file/)])
  })

  test('suggests what was meant by a command that it does not know', async () => {
    const { code, err } = await sms('chekc')
    expect(code).toBe(2)
    expect(err).toStartWith('sms-proxy: there is no command "chekc": did you mean "sms-proxy check"?\n')
  })

  // A shell, since the runner reads to the end whatever it pipes.
  test.each([
    ['> /dev/full', 1, 'the standard output cannot be written: ENOSPC\n'],
    ['| true', 1, ''],
    ['> /dev/null', 0, ''],
  ])('whose output goes %s ends with %i', async (where, wanted, words) => {
    const line = `sleep 0.2; "${process.execPath}" "${MAIN}" init -`
    const shell = Bun.spawn(['bash', '-c', `(${line}; echo $? > code) ${where}`], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '' },
      stdout: 'ignore',
      stderr: 'pipe',
    })
    const err = await new Response(shell.stderr).text()
    await shell.exited
    expect(await Bun.file(join(folder, 'code')).text()).toBe(`${wanted}\n`)
    expect(err).toBe(words)
  })

  test('takes no command from what every object has', async () => {
    expect((await sms('constructor')).code).toBe(2)
    expect((await sms('user constructor')).err).toStartWith('there is no "user constructor"')
  })

  test('says its version on one line', async () => {
    const { out } = await sms('version')
    expect(out).toMatch(/^sms-proxy \d+\.\d+\.\d+ \(.+, Bun .+\)\n$/)
    for (const word of ['--version', '-v']) expect((await sms(word)).out).toBe(out)
  })

  test('refuses an option that a command does not have, with its usage', async () => {
    const { code, err } = await sms('check --confg x')
    expect(code).toBe(2)
    expect(err).toContain('--confg')
    expect(err).toContain('sms-proxy check [--config FILE]')
  })
})

describe('serve', () => {
  test('tells of errors that nothing caught, and goes on', async () => {
    write('sms-proxy.yaml', 'endpoint: 127.0.0.1:0\n')
    write(
      'bug.ts',
      `process.once('SIGUSR2', () => {
        process.once('SIGUSR2', () => void Promise.reject(new Error('rejected')))
        throw new Error('thrown')
      })`,
    )
    const child = Bun.spawn([process.execPath, '--preload', './bug.ts', MAIN, 'serve'], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '' },
      stdout: 'pipe',
      stderr: 'ignore',
      timeout: 120_000,
      killSignal: 'SIGKILL',
    })
    const steps = [
      ['"listening"', 'SIGUSR2'],
      ['thrown', 'SIGUSR2'],
      ['rejected', 'SIGTERM'],
    ] as const
    let said = ''
    let step = 0
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      said += chunk
      const [words, signal] = steps[step] ?? []
      if (words === undefined || !said.includes(words)) continue
      child.kill(signal)
      step++
    }
    expect([await child.exited, said.match(/unexpected error/g)?.length]).toEqual([0, 2])
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

  test('makes the folders on the way to its file, and names the file in what comes next', async () => {
    const { code, out } = await sms('init etc/sms/a.yaml')
    expect(code).toBe(0)
    expect(out).toContain('sms-proxy check --config etc/sms/a.yaml\n')
    expect((await sms('check --config etc/sms/a.yaml')).code).toBe(0)
  })

  test('shows what it would write, and writes nothing', async () => {
    expect((await sms('init -')).out).toStartWith('# Configuration of sms-proxy.')
    expect(await sms('init --force')).toMatchObject({ code: 2, out: '' })
    expect((await sms('init a.yaml b.yaml')).code).toBe(2)
    expect(['-', 'sms-proxy.yaml', 'a.yaml'].filter(name => existsSync(join(folder, name)))).toEqual([])
  })

  test('does not say that a file exists whose folder is a file', async () => {
    write('mine.yaml', 'env: mine\n')
    expect(await sms('init mine.yaml/a.yaml')).toMatchObject({
      code: 1,
      err: 'mine.yaml/a.yaml cannot be written: ENOTDIR\n',
    })
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
    expect(out).toContain('\nLinks: none\n')
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
    expect(err).toContain(`${join(folder, 'rules.yaml')}:1:11: rules[0].pool`)
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
      `${join(folder, 'rules.yaml')}:2:3: rules[1] "uk" can never match: "all" (rules[0]) stands`,
    )
    expect(err).toContain('put it first, or narrow "all"')
  })

  test.each([
    ['a second document', '- { refuse: no }\n---\n[]\n', ':2:1: --- begins a second document'],
    ['a tag', '- { name: !x uk, refuse: no }\n', ':1:11: tags (!name) are not read'],
    ['an alias', '- { name: &a uk, refuse: *a }\n', ':1:26: aliases (*name) are not read'],
    ['a folder', undefined, ': cannot be read: EISDIR'],
  ])('reads a file of rules as it reads the configuration: refused is %s', async (_, text, words) => {
    if (text === undefined) mkdirSync(join(folder, 'rules.yaml'))
    else write('rules.yaml', text)
    write('sms-proxy.yaml', 'smpp: { rules: rules.yaml }\n')
    const { err } = await sms('check')
    expect(err).toStartWith(`${join(folder, 'rules.yaml')}${words}`)
    expect(err).toEndWith('\n\n1 problem\n')
  })

  test('reads a file of rules that an editor of Windows wrote', async () => {
    write('rules.yaml', '\uFEFF- name: uk\r\n  match: { destination: "44" }\r\n  refuse: no\r\n')
    write('sms-proxy.yaml', 'smpp: { rules: rules.yaml }\n')
    const { out, err } = await sms('check')
    expect(err).toBe('')
    expect(out).toContain('\n  rules       1\n')
  })

  test('places inline rules in the configuration', async () => {
    write('sms-proxy.yaml', 'smpp:\n  rules:\n    - pool: nowhere\n')
    const { err } = await sms('check')
    expect(err).toContain('./sms-proxy.yaml:3:13: smpp.rules[0].pool')
    expect(err).toEndWith('\n1 problem\n')
  })

  test('says what it found in the file that is named: links, pools, rules and filters', async () => {
    write('a.crt', certPem)
    write('a.key', keyPem)
    mkdirSync(join(folder, 'filters'))
    write('filters/only.js', 'export const blacklist = false\nexport default () => true\n')
    write('filters/not.js', 'export default () => false\n')
    write('sms-proxy.yaml', 'endpoint: nonsense\n')
    write(
      'mine.yaml',
      `endpoint: 127.0.0.1:8443
tls: { cert: a.crt, key: a.key }
aerospike: { hosts: a:1, user: sms, password: sesame, tls: true }
smpp:
  links:
    - { id: 1, name: one, host: a.example, port: 3550, system_id: me, password: secret, tls: true, limit_tps: 50 }
    - { id: 20, name: second, host: b.example, system_id: you, password: secret, limit_tps: 0, enabled: false }
  pools: [{ id: 0, name: main, links: [one] }]
  rules: [{ refuse: no }]
`,
    )
    const { code, out, err } = await sms('check --config mine.yaml', {
      env: { ADMIN_API_KEY: 'key-of-16-letters' },
    })
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain('listens on  https://127.0.0.1:8443\n')
    expect(out).toContain('at a:1 (TLS) as sms\n')
    expect(out).toContain('admin key   set\n')
    expect(out).toContain('rules       1\n')
    expect(out).toMatch(/\n {3}1 {2}one +a\.example:3550 \(TLS\) {2}me .* 50 +on\n/)
    expect(out).toMatch(/\n {2}20 {2}second {2}b\.example:2775 +you .* no limit {2}off\n/)
    expect(out).toMatch(/\n {2}main +\S+ +one\n {2}second {2}the link alone {2}second\n/)
    expect(out).toMatch(/\n {2}only +\S+ +refuses what does not match\n/)
    expect(out).toMatch(/\n {2}not +\S+ +refuses what matches\n/)
  })

  test('gives filters the memory of the configuration, and says which of their lists is wrong', async () => {
    mkdirSync(join(folder, 'filters'))
    write('filters/large.js', 'const a = new Array(1e6).fill(1)\nexport default () => a.length === 0\n')
    write('filters/bad.txt', '44*7*\n')
    // And the time, which a busy machine may need.
    write('sms-proxy.yaml', 'filters: { memory: 64MB, timeout: 1s }\n')
    const { code, err } = await sms('check')
    expect(code).toBe(2)
    expect(err).toContain('"*" stands at the end of a prefix')
    expect(err).not.toContain('large')
  })
})

describe('user', () => {
  beforeEach(() => write('sms-proxy.yaml', 'storage: { db_path: sms.db }\n'))

  /** The account of the operating system, where it has a name. */
  const CLI = expect.stringMatching(/^cli( \S+)?$/)
  const audited = () => auditOf(join(folder, 'sms.db')).map(({ who, action }) => ({ who, action }))

  test('adds, lists, promotes and deletes, and never shows a password', async () => {
    const added = await sms('user add Ann@Example.com', { input: 'a-password\n' })
    expect(added).toMatchObject({ code: 0, out: 'user 1\n' })
    expect((await sms('user admin 1 on')).out).toBe('user 1 is an admin\n')
    expect((await sms('user admin 1 on')).out).toBe('user 1 is an admin\n')
    const { out } = await sms('user list')
    expect(out).toMatch(/1 {2}ann@example\.com {2}yes +1 {2}default/)
    expect(out).not.toContain('a-password')
    expect((await sms('user admin 1 off')).out).toBe('user 1 is no admin\n')
    expect((await sms('user admin 1 off')).out).toBe('user 1 is no admin\n')
    expect((await sms('user list')).out).not.toContain('yes')
    expect((await sms('user delete 1')).out).toBe('user 1 is deleted, and its tokens with it\n')
    expect((await sms('user list')).out).toBe('no users yet\n')
    const done = ['delete user', 'unmake admin', 'make admin', 'register user']
    expect(audited()).toEqual(done.map(action => ({ who: CLI, action })))
  })

  test('takes the first line of its input for the password, whichever system ended it', async () => {
    await sms('user add ann@example.com --new-app shop', { input: 'a-password' })
    const added = await sms('user add bob@example.com --app-id 2', { input: 'b-password\r\nmore\n' })
    expect(added).toMatchObject({ code: 0, out: 'user 2\n', err: '' })
    expect((await sms('user list')).out).toMatch(/2 {2}bob@example\.com +2 {2}shop\n/)
    const at = { clock: systemClock, random: systemRandom, tokenTtlSeconds: 60 }
    const people = openUserDatabase({ path: join(folder, 'sms.db'), ...at })
    expect(await people.users.login('bob@example.com', 'b-password', 2)).toBeString()
    people.close()
  })

  test('asks at a terminal, and shows nothing of what is typed there', async () => {
    let shown = ''
    const ended = Promise.withResolvers<void>()
    const child = Bun.spawn([process.execPath, MAIN, 'user', 'add', 'ann@example.com'], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '' },
      terminal: {
        data(terminal, octets) {
          const asked = shown.includes('password: ')
          shown += Buffer.from(octets).toString()
          if (!asked && shown.includes('password: ')) terminal.write('a-password\r')
        },
        exit: () => ended.resolve(),
      },
    })
    expect(await child.exited).toBe(0)
    await ended.promise
    expect(shown).toBe('password: \r\nuser 1\r\n')
  })

  test('makes an app with a secret that is shown once', async () => {
    const { out } = await sms('user add ann@example.com --new-app shop', { input: 'a-password' })
    expect(out).toMatch(/^user 1 of app 2; the secret of app shop, shown this once: [\w-]{32}\n$/)
    expect((await sms('user allow-ips 2 10.0.0.0/8 ::1')).out).toBe('app 2 may send from 10.0.0.0/8, ::1\n')
    expect((await sms('user allow-ips 2')).out).toBe('app 2 may send from everywhere\n')
    expect((await sms('user add bob@example.com --new-app shop')).err).toStartWith(
      'app shop is there: --app-id 2 adds a user to it',
    )
    const done = ['set allowed ips', 'set allowed ips', 'register user', 'make app']
    expect(audited()).toEqual(done.map(action => ({ who: CLI, action })))
  })

  test.each([
    ['user add ann@example.com', '', 2, 'no password was given'],
    ['user add ann@example.com', 'short\n', 1, 'password must have 6 to 256 characters'],
    ['user add ann@example.com --app-id 9', 'a-password\n', 1, 'unknown app_id'],
    ['user delete x', '', 2, 'ID must be a number, not "x"'],
    ['user delete 7', '', 1, 'user not found'],
    ['user allow-ips 1 10.0.0.0/99', '', 1, '/99'],
    ['user allow-ips', '', 2, 'APP_ID must be a number'],
    ['user', '', 2, 'what shall be done?'],
    ['user add', '', 2, 'whose address?'],
    ['user add a@example.com b@example.com', '', 2, '"b@example.com" is one word too many'],
    ['user add a@example.com --app-id 1 --new-app shop', '', 2, '--app-id or --new-app, not both'],
    ['user add a@example.com --app-id one', '', 2, '--app-id must be a number, not "one"'],
    ['user list --app-id 1', '', 2, '--app-id and --new-app are for "user add"'],
    ['user delete 1 --new-app shop', '', 2, '--app-id and --new-app are for "user add"'],
    ['user list all', '', 2, '"all" is one word too many'],
    ['user delete 1 2', '', 2, '"2" is one word too many'],
    ['user admin 1', '', 2, 'on or off?'],
    ['user admin 1 yes', '', 2, 'on or off?'],
    ['user admin 1 on off', '', 2, '"off" is one word too many'],
    ['user admin 7 on', '', 1, 'user not found'],
    ['user admin 7 off', '', 1, 'user not found'],
  ])('says what is wrong with: %s', async (words, input, wanted, text) => {
    const { code, err } = await sms(words, { input })
    expect(err).toContain(text)
    expect(code).toBe(wanted)
  })
})

describe('license', () => {
  test('puts every limit into the licence, and shows one that is past as such', async () => {
    expect((await sms('license keygen')).err).toStartWith('the private key is in licence.key:')
    const sign = 'license sign --key licence.key --company Acme --max-connections 3 --max-tps 7 --valid-until'
    for (const [day, shown] of [
      ['2020-01-01', '2020-01-01 (past)\n'],
      ['2999-01-01', '2999-01-01\n'],
    ]) {
      write('a.json', (await sms(`${sign} ${day}`)).out)
      const { code, out } = await sms('license show a.json')
      expect(code).toBe(0)
      expect(out).toContain(`valid_until      ${shown}max_connections  3\nmax_tps          7\n`)
    }
  })

  test.each([
    ['sign --key k --company A', 2, '--key, --company and --valid-until are needed'],
    ['sign --key k --valid-until 2999-01-01', 2, '--key, --company and --valid-until are needed'],
    ['sign --company A --valid-until 2999-01-01', 2, '--key, --company and --valid-until are needed'],
    [
      'sign --key k --company A --valid-until 2999-01-01 --max-tps 5x',
      2,
      '--max-tps: "5x" is not a whole number up to 1000000',
    ],
    ['sign --key ec --company A --valid-until 2999-01-01', 1, 'ec is not an Ed25519 private key'],
    ['show a b', 2, 'name one licence file'],
    ['keygen --out nowhere/k', 1, 'nowhere/k cannot be written: ENOENT'],
  ])('says what is wrong with: license %s', async (words, wanted, text) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    write('ec', privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
    const { code, out, err } = await sms(`license ${words}`)
    expect(err).toStartWith(text)
    expect([code, out]).toEqual([wanted, ''])
  })
})

describe('smsc', () => {
  test('shows each message where it is verbose, and ends well on SIGINT', async () => {
    const words = 'smsc --port 0 --account other:a:b --account esme:secret --verbose --error 0x45=*7'
    const child = Bun.spawn([process.execPath, MAIN, ...words.split(' ')], { stdout: 'pipe', stderr: 'pipe' })
    const reader = child.stdout.getReader()
    const read = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value)
    using esme = await Esme.bound(Number(/port (\d+)/.exec(await read())?.[1]))
    expect(told(await esme.submit('491707'))).toBe('0x45')
    expect(await read()).toMatch(/^esme: \S* to 491707: 0x45\n$/)
    await esme.submit('491701')
    expect(await read()).toMatch(/^esme: \S* to 491701: \d{15}\n$/)
    child.kill('SIGINT')
    expect(await child.exited).toBe(0)
  })

  test.each([
    ['--account :b', '--account: write the system_id'],
    ['--seed 4294967296', '--seed: "4294967296" is not a whole number up to 4294967295'],
    ['--port 1e3', '--port: "1e3" is not a whole number'],
    ['2775', "Unexpected argument '2775'"],
  ])('says what is wrong with: smsc %s', async (words, text) => {
    const { code, out, err } = await sms(`smsc ${words}`)
    expect(err).toStartWith(text)
    expect([code, out]).toEqual([2, ''])
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
      fetch: request => new Response('', { status: Number(new URL(request.url).pathname.slice(1)) }),
    })
    for (const status of [404, 503])
      expect((await sms(`health --url http://127.0.0.1:${server.port}/${status}`)).code).toBe(1)
    await server.stop(true)
    const { code, err } = await sms(`health --url http://127.0.0.1:${server.port}/healthy`)
    expect(code).toBe(1)
    expect(err).toContain('does not answer')
  })

  test('does not ail from a server that is over its global limit', async () => {
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () => new Response('', { status: 429 }),
    })
    expect((await sms(`health --url http://127.0.0.1:${server.port}/healthy`)).code).toBe(0)
  })

  test('asks over TLS where the server has it, whoever the certificate is for', async () => {
    write('a.crt', certPem)
    write('a.key', keyPem)
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: { cert: certPem, key: keyPem },
      fetch: () => new Response('ok'),
    })
    write('mine.yaml', `endpoint: 0.0.0.0:${server.port}\ntls: { cert: a.crt, key: a.key }\n`)
    expect(await sms('health --config mine.yaml')).toEqual({
      code: 0,
      out: `https://127.0.0.1:${server.port}/healthy: 200 ok\n`,
      err: '',
    })
  })

  test('waits three seconds for a server that hangs, and says so', async () => {
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      idleTimeout: 0,
      fetch: () => new Promise<Response>(() => undefined),
    })
    const url = `http://127.0.0.1:${server.port}/healthy`
    expect(await sms(`health --url ${url}`)).toMatchObject({
      code: 1,
      err: `${url} does not answer: The operation timed out.\n`,
    })
    await server.stop(true)
  })

  test.each([
    ['0.0.0.0:1', 'http://127.0.0.1:1/healthy'],
    ['[::]:1', 'http://[::1]:1/healthy'],
    ['[::1]:1', 'http://[::1]:1/healthy'],
  ])('asks a server that listens on %s at %s', async (endpoint, url) => {
    const { code, err } = await sms('health', { env: { SMS_PROXY_ENDPOINT: endpoint } })
    expect(code).toBe(1)
    expect(err).toStartWith(`${url} does not answer: `)
  })

  test('asks the server itself, whatever proxy the environment names', async () => {
    using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('ok') })
    const proxy = 'http://127.0.0.1:1'
    const { code } = await sms(`health --url http://127.0.0.1:${server.port}/healthy`, {
      env: { HTTP_PROXY: proxy, http_proxy: proxy, no_proxy: 'example.com' },
    })
    expect(code).toBe(0)
  })

  test('does not ail from rules and files that a running server does without', async () => {
    using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('ok') })
    write('rules.yaml', '- { pool: nowhere }\n')
    const text = `endpoint: 127.0.0.1:${server.port}\nsmpp: { rules: rules.yaml, max_parts: 0 }\n`
    write('sms-proxy.yaml', `${text}license: { public_key: nonsense }\n`)
    const { code, out, err } = await sms('health')
    expect({ code, out }).toEqual({ code: 0, out: `http://127.0.0.1:${server.port}/healthy: 200 ok\n` })
    expect(err).toBe('./sms-proxy.yaml:2:39: smpp.max_parts is "0": wanted is a whole number from 1 to 255\n')
    await server.stop(true)
    expect((await sms('health')).code).toBe(1)
  })

  test.each([
    ['endpoint: 8088', 'endpoint is "8088"'],
    ['tls: yes', 'tls must have keys and values'],
    ['env: "', 'Missing closing "quote'],
  ])('says where it cannot know whom to ask, with exit code 2: %s', async (text, words) => {
    write('sms-proxy.yaml', text)
    const { code, out, err } = await sms('health')
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(words)
  })

  test('says what is wrong with the configuration, with exit code 2', async () => {
    const { code, err } = await sms('health --config none.yaml')
    expect(code).toBe(2)
    expect(err).toStartWith('none.yaml: there is no such file')
  })
})
