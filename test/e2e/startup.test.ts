import { describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certPem } from '../smpp/certificate.ts'
import { startSmsc } from '../support/smsc.ts'
import { BINARY, LIFE_MS, run, startGateway, TestGateway } from './gateway.ts'

/** An empty folder with these files in it. */
function folder(files: Readonly<Record<string, string>> = {}): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sms-proxy-e2e-'))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true })
    writeFileSync(join(path, name), content)
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

const LINK = 'id: 1, name: one, host: 127.0.0.1, system_id: me, password: hunter2'
const yaml = (text: string): Record<string, string> => ({
  'sms-proxy.yaml': `endpoint: 127.0.0.1:0\n${text}`,
})

/** `serve` as a child that is looked at while it starts, which `startGateway` waits for. */
const serve = (cwd: string, env: Record<string, string>) =>
  Bun.spawn([BINARY, 'serve'], {
    cwd,
    env,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
    timeout: LIFE_MS,
    killSignal: 'SIGKILL',
  })

/** What it says until it was reloaded, or not: `change` comes once it listens, and SIGHUP behind that. */
async function reloaded(child: ReturnType<typeof serve>, change: () => void): Promise<string> {
  let said = ''
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (!said.includes('"listening"') && (said + chunk).includes('"listening"')) {
      change()
      child.kill('SIGHUP')
    }
    said += chunk
    if (/not reloaded|read anew/.test(said)) break
  }
  return said
}

/** What no text for people may have in it. */
const LEAK = /hunter2|\bat \S+:\d+:\d+|node:|OPENSSL|SQLITE/

describe('a configuration that is wrong is refused by check and by serve with exit code 2, and one text of both', () => {
  test.each<[string, Record<string, string>, readonly string[]]>([
    ['none at all', {}, ['there is none', 'sms-proxy init']],
    ['YAML that does not end', { 'sms-proxy.yaml': 'smpp: { links: [\n' }, ['sms-proxy.yaml:2:']],
    ['an unknown key', yaml('endpiont: x'), ['sms-proxy.yaml:2:1: endpiont', 'did you mean endpoint?']],
    [
      'three wrong types at once',
      yaml(`smpp: { links: [{ ${LINK}, limit_tps: many }], queue_timeout: soon }\nfilters: { memory: [] }`),
      ['limit_tps is "many"', 'smpp.queue_timeout is "soon"', 'filters.memory'],
    ],
    [
      'a pool of a link that is not there',
      yaml(`smpp: { links: [{ ${LINK} }], pools: [{ id: 0, name: p, links: [on] }] }`),
      ['smpp.pools[0].links[0] is "on"', 'did you mean one?'],
    ],
    [
      'a password that is too long',
      yaml(`smpp: { links: [{ ${LINK}hunter2 }] }`),
      ['smpp.links[0].password'],
    ],
    [
      'a secret that the environment does not have',
      yaml(`smpp: { links: [{ ${LINK.replace('hunter2', '"${SMSC_PASSWORD}"')} }] }`),
      ['SMSC_PASSWORD', 'not set in the environment'],
    ],
    [
      'TLS files that are not there',
      yaml('tls: { cert: a.crt, key: a.key }'),
      ['tls.cert', 'tls.key', 'no such file'],
    ],
    [
      'TLS files that are none',
      { ...yaml('tls: { cert: a.crt, key: a.key }'), 'a.crt': 'garbage', 'a.key': 'garbage' },
      ['tls.cert', 'no certificate in PEM', 'tls.key', 'no private key'],
    ],
    [
      'a key that is another certificate’s',
      { ...yaml('tls: { cert: a.crt, key: a.key }'), 'a.crt': certPem, 'a.key': OTHER_KEY },
      ['tls.key is not the key of the certificate in tls.cert'],
    ],
    ['a rules file that is not there', yaml('smpp: { rules: ./rules.yaml }'), ['smpp.rules', 'no such file']],
    [
      'a rule to a pool that is not there',
      { ...yaml('smpp: { rules: ./rules.yaml }'), 'rules.yaml': '- { name: r, pool: nowhere }\n' },
      ['rules.yaml', 'nowhere'],
    ],
    ['what this version does not do', yaml('grpc: { port: 50051 }'), ['grpc', 'does not have']],
  ])('%s', async (_, files, words) => {
    using at = folder(files)
    const checked = await run(['check'], { cwd: at.path })
    const served = await run(['serve'], { cwd: at.path })
    expect([checked.code, served.code]).toEqual([2, 2])
    for (const { stdout, stderr } of [checked, served]) {
      for (const word of words) expect(stderr).toContain(word)
      expect(stdout + stderr).not.toMatch(LEAK)
    }
    expect(checked.stderr).toStartWith(served.stderr.trimEnd())
  })
})

const OTHER_KEY = await otherKey()

async function otherKey(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
  ])
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', privateKey)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`
}

describe('the binary', () => {
  test('knows the words it does not know, and says what was meant', async () => {
    using at = folder()
    const { code, stderr } = await run(['srve'], { cwd: at.path })
    expect(code).toBe(2)
    expect(stderr).toStartWith('sms-proxy: there is no command "srve": did you mean "sms-proxy serve"?')
    expect((await run(['serve', '--confg', 'x'], { cwd: at.path })).code).toBe(2)
    expect((await run(['--help'], { cwd: at.path })).code).toBe(0)
  })

  test('does not start on a port that is taken, and leaves the SMSC alone', async () => {
    await using smsc = startSmsc()
    using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
    using at = folder({
      'sms-proxy.yaml': `endpoint: 127.0.0.1:${taken.port}\nsmpp: { links: [{ ${LINK}, port: ${smsc.port} }] }`,
    })
    const { code, stderr } = await run(['serve'], { cwd: at.path })
    expect(code).toBe(1)
    expect(stderr).toBe(`127.0.0.1:${taken.port} is taken: stop the other server, or set another endpoint\n`)
    expect(smsc.smsc.sessions).toEqual([])
  })

  test('does not start with a broken filter while on_error is reject, and check says the same', async () => {
    using at = folder({ ...yaml(''), 'filters/broken.js': 'export default (sms) => {{{' })
    const served = await run(['serve'], { cwd: at.path })
    expect(served.code).toBe(1)
    expect(served.stderr).toContain('broken.js: SyntaxError')
    const checked = await run(['check'], { cwd: at.path })
    expect(checked.code).toBe(2)
    expect(checked.stderr).toContain('SyntaxError')
  })

  test('alone in an empty folder: init, edit, check, serve', async () => {
    await using smsc = startSmsc()
    await using gateway = new TestGateway({ links: [{ port: smsc.port }] })
    const { folder: cwd, configFile } = gateway
    rmSync(configFile)
    const made = await run(['init'], { cwd })
    expect(made.code).toBe(0)
    expect(made.stdout).toContain('sms-proxy check')
    // What somebody wrote is never written over.
    expect((await run(['init'], { cwd })).code).toBe(1)
    const template = readFileSync(configFile, 'utf8')
    writeFileSync(
      configFile,
      template.replace('0.0.0.0:8088', '127.0.0.1:0').replace('port: 2775', `port: ${smsc.port}`),
    )
    const checked = await run(['check'], { cwd })
    expect([checked.code, checked.stderr]).toEqual([0, ''])
    expect(checked.stdout).toContain(`127.0.0.1:${smsc.port}`)
    await gateway.start()
    await gateway.bound()
    expect((await gateway.send()).body.status).toBe('submitted')
    expect(await gateway.stop()).toBe(0)
  })

  test('reads neither the .env nor the bunfig.toml of the folder it is started in', async () => {
    using at = folder({
      ...yaml(''),
      '.env': 'SMS_PROXY_ENDPOINT=nonsense\nADMIN_API_KEY=from-the-file\n',
      'bunfig.toml': 'preload = ["./preload.ts"]\n',
      'preload.ts': 'process.exit(77)\n',
    })
    const { code, stdout } = await run(['check'], { cwd: at.path })
    expect(code).toBe(0)
    expect(stdout).toContain('not set')
  })

  test('serves with its allocator set, as the process that was started, and as whoever started it set it', async () => {
    await using smsc = await startSmsc()
    const links = [{ port: smsc.port }]
    await using gateway = await startGateway({ links, env: { MIMALLOC_PURGE_DELAY: '70', NAME: 'Zoë' } })
    const of = (file: string) => readFileSync(`/proc/${gateway.pid}/${file}`, 'utf8').split('\0')
    const own = ['MIMALLOC_PURGE_HOLES=0', 'MIMALLOC_PURGE_DELAY=70', 'NAME=Zoë']
    expect(of('environ')).toEqual(expect.arrayContaining(own))
    expect(of('cmdline')).toEqual([BINARY, 'serve', '--config', gateway.configFile, ''])
  })

  test('as a demo prints three lines that work when they are pasted, behind a proxy too, and leaves nothing behind', async () => {
    using at = folder()
    const child = Bun.spawn([BINARY, 'demo', '--port', '0'], {
      cwd: at.path,
      env: { TMPDIR: at.path, HTTP_PROXY: 'http://127.0.0.1:1' },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: LIFE_MS,
      killSignal: 'SIGKILL',
    })
    let said = ''
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      said += chunk
      if (said.includes('sms-proxy init')) break
    }
    const lines = said.split('\n').filter(line => /^(TOKEN=|SENT=|curl )/.test(line))
    expect(lines).toHaveLength(3)
    const shell = Bun.spawn(['bash', '-c', lines.join('\n')], {
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: LIFE_MS,
    })
    const [sent = '', info = ''] = (await new Response(shell.stdout).text()).split('\n')
    expect(await new Response(shell.stderr).text()).toBe('')
    expect(JSON.parse(sent)).toMatchObject({ success: true, status: 'submitted', transaction_id: 'tx-001' })
    expect(JSON.parse(info)).toMatchObject({ status: 'delivered', parts: { '1': 'delivered' } })
    expect(said).toContain(`Its data lies in ${at.path}/`)
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    expect(readdirSync(at.path)).toEqual([])
  }, 240_000)

  test('reads at SIGHUP, also while it starts, the file that it found when it began, and no other when that is gone', async () => {
    using at = folder(yaml('env: x'))
    // With one variable, which the environment alone would be a configuration by: one of no links.
    const child = serve(at.path, { SMS_PROXY_SERVER_NAME: 'here' })
    const file = join(at.path, 'sms-proxy.yaml')
    const said = await reloaded(child, () => renameSync(file, `${file}~`))
    expect(said).toContain('"sms-proxy.yaml: there is no such file')
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
  }, 240_000)

  test('that began with the environment alone takes no file at SIGHUP that came later', async () => {
    using at = folder()
    const child = serve(at.path, { SMS_PROXY_ENDPOINT: '127.0.0.1:0' })
    const said = await reloaded(child, () =>
      writeFileSync(join(at.path, 'sms-proxy.yaml'), 'no: configuration'),
    )
    expect(said).toContain('read anew')
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
  }, 240_000)

  test('stops as it should at a SIGTERM that comes while it starts', async () => {
    using at = folder(yaml('env: x'))
    const child = serve(at.path, {})
    let said = ''
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      // The first line of a start, long before the last.
      if (said === '') child.kill('SIGTERM')
      said += chunk
    }
    expect([await child.exited, said]).toEqual([0, expect.stringContaining('"stopped"')])
  }, 240_000)

  test('takes a signal that comes twice at once, from a shell to its group and from who runs it, as one', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    gateway.signal('SIGTERM')
    gateway.signal('SIGINT')
    expect(await gateway.stop()).toBe(0)
  })

  test('ends at once at a signal half a second behind the first, whatever is under way', async () => {
    await using smsc = startSmsc({ delay: '5m' })
    const link = { port: smsc.port, more: 'response_timeout: 5m' }
    await using gateway = await startGateway({ links: [link], yaml: 'shutdown_timeout: 5m' })
    const cut = gateway.send().catch(() => 'cut')
    await smsc.arrived(1)
    let over = false
    const ended = gateway.stop().finally(() => {
      over = true
    })
    while (!over) {
      gateway.signal('SIGINT')
      await Promise.race([ended, Bun.sleep(50)])
    }
    expect([await ended, await cut]).toEqual([1, 'cut'])
  }, 240_000)

  test('does not start with a folder of filters that it cannot read, and check says the same', async () => {
    using at = folder({ ...yaml('filters: { dir: ./filters }'), filters: 'a file' })
    const served = await run(['serve'], { cwd: at.path })
    expect(served.code).toBe(1)
    expect(served.stderr).toContain('the filter folder cannot be read (ENOTDIR)')
    expect((await run(['check'], { cwd: at.path })).stderr).toContain('the filter folder cannot be read')
  })

  test('says where it cannot listen, and what to do', async () => {
    using at = folder({ 'sms-proxy.yaml': 'endpoint: 192.0.2.1:8103\n' })
    const { code, stderr } = await run(['serve'], { cwd: at.path })
    expect([code, stderr]).toEqual([
      1,
      '192.0.2.1:8103 is at no address of this machine: set another endpoint\n',
    ])
    expect((await run(['smsc', '--host', '192.0.2.1'], { cwd: at.path })).stderr).toStartWith(
      '192.0.2.1:2775 is at no address of this machine: name another with --host and --port',
    )
    using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
    for (const command of ['demo', 'smsc']) {
      const { stderr } = await run([command, '--port', `${taken.port}`], { cwd: at.path })
      expect(stderr).toStartWith(`127.0.0.1:${taken.port} is taken: stop the other server, or name another`)
    }
    const wrong = await run(['demo', '--port', 'x'], { cwd: at.path })
    expect([wrong.code, wrong.stderr.split('\n')[0]]).toEqual([
      2,
      '--port: "x" is not a whole number up to 65535',
    ])
  })

  test('ends with 0 at SIGTERM under load, and every request has its answer', async () => {
    await using smsc = startSmsc({ delay: '20ms' })
    await using gateway = new TestGateway({ links: [{ port: smsc.port, more: 'limit_tps: 0' }] })
    await gateway.start()
    await gateway.bound()
    await gateway.app('POST', '/api/v1/sms/check-esme', { esme: 1 })
    const sends: Promise<number>[] = []
    let stopped: Promise<number> | undefined
    for (let round = 0; round < 60; round++) {
      if (round === 30) stopped = gateway.stop()
      for (let each = 0; each < 5; each++)
        sends.push(
          gateway.send({ destination: `+4917${1_000_000 + sends.length}` }).then(
            ({ status }) => status,
            () => 0,
          ),
        )
      await Bun.sleep(10)
    }
    expect(await stopped).toBe(0)
    // Refused connections have no status; who was let in was answered.
    const statuses = await Promise.all(sends)
    expect(statuses.filter(status => status === 200)).toHaveLength(smsc.received.length)
    expect(statuses.filter(status => status !== 200 && status !== 0)).toEqual([])
    expect(smsc.smsc.sessions).toEqual([])
  }, 240_000)

  test('tells messages that still wait for room when its time to stop is over that they were not sent', async () => {
    await using smsc = startSmsc()
    await using gateway = new TestGateway({
      links: [{ port: smsc.port, more: 'limit_tps: 1' }],
      smpp: '  queue_timeout: 60s',
      yaml: 'shutdown_timeout: 300ms',
    })
    await gateway.start()
    await gateway.bound()
    expect((await gateway.send()).status).toBe(200)
    const waiting = [gateway.send(), gateway.send()]
    await gateway.until(
      () => gateway.fetch('GET', '/metrics'),
      ({ body }) => /^sms_proxy_pool_queued\S* 2$/m.test(body),
    )
    const stopped = gateway.stop()
    const replies = await Promise.all(waiting)
    const unsent = replies.filter(({ body }) => body.error === 'not sent: the gateway is stopping')
    expect(unsent.length).toBeGreaterThan(0)
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(2 - unsent.length)
    expect(await stopped).toBe(0)
  })
})
