import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSmsc } from '../support/smsc.ts'
import { ADMIN_KEY, BINARY, LIFE_MS, run, startGateway, TestGateway } from './gateway.ts'

/**
 * No file may grow past a few KiB: what a full disk is to a program, and what any user on any machine can do.
 * SIGXFSZ is ignored, so that a write fails as one does on a full disk.
 */
const FULL_OCTETS = 4096
const UNDER = ['sh', '-c', `trap '' XFSZ; exec "$0" "$@"`]

function limitFiles(gateway: TestGateway, octets: number | 'unlimited'): void {
  const { exitCode, stderr } = Bun.spawnSync([
    'prlimit',
    `--pid=${gateway.pid}`,
    `--fsize=${octets}:unlimited`,
  ])
  if (exitCode !== 0) throw new Error(stderr.toString())
}

describe('a store that does not take writes', () => {
  test('fails sends with its reason and never a 200, asks for receipts again, and mends without a restart', async () => {
    const taken: string[] = []
    await using smsc = startSmsc(
      { receiptDelay: '300ms' },
      { onReceipt: (messageId, ok) => void (ok && taken.push(messageId)) },
    )
    await using gateway = await startGateway({ links: [{ port: smsc.port }], under: UNDER })
    const before = await gateway.send({ message: 'before' })
    expect(before.status).toBe(200)

    limitFiles(gateway, FULL_OCTETS)
    // The SMSC has it before anybody knows of the disk: its caller hears exactly that.
    const first = await gateway.send({ message: 'first' })
    expect(first.status).toBe(500)
    expect(first.body).toMatchObject({ success: false, status: 'unknown', sms_ids: [] })
    expect(first.body.error).toMatch(
      /^the SMSC took the message, but its outcome could not be stored: the store did not take it$/,
    )
    // From then on nothing leaves.
    const later = await Promise.all([
      gateway.send({ message: 'later' }),
      gateway.send({ message: 'keyed' }, { 'idempotency-key': 'k' }),
    ])
    for (const { status, body } of later) {
      expect(status).toBe(500)
      expect(body).toMatchObject({ success: false, status: 'failed' })
      expect(body.error).toMatch(/^not sent: /)
    }
    expect(smsc.received).toHaveLength(2)
    const ready = await gateway.fetch('GET', '/ready')
    expect([ready.status, ready.body]).toEqual([503, { error: `not ready: ${FAULT}` }])
    expect((await gateway.fetch('GET', '/healthy')).status).toBe(200)
    expect((await gateway.fetch('GET', '/metrics')).body).toMatch(/^sms_proxy_store_faulty 1$/m)
    // What was stored is still read.
    expect((await gateway.info(before.body.message_id)).body.status).toBe('submitted')
    await gateway.until(
      () => gateway.log.filter(line => line.includes('the SMSC is asked to send it again')).length,
      count => count > 0,
    )
    expect(taken).toEqual([])

    limitFiles(gateway, 'unlimited')
    await gateway.until(
      () => gateway.fetch('GET', '/ready'),
      ({ status }) => status === 200,
    )
    expect((await gateway.send({ message: 'after' })).status).toBe(200)
    expect((await gateway.send({ message: 'keyed' }, { 'idempotency-key': 'k' })).status).toBe(200)
    const info = await gateway.until(
      () => gateway.info(before.body.message_id),
      ({ body }) => body.status === 'delivered',
    )
    expect(info.body.delivered_count).toBe(1)
    expect(await gateway.stop()).toBe(0)
  }, 240_000)

  test('a log that cannot be written costs lines, not messages', async () => {
    await using smsc = startSmsc()
    await using gateway = new TestGateway({ links: [{ port: smsc.port }] })
    const child = Bun.spawn([BINARY, 'serve', '--config', gateway.configFile], {
      cwd: gateway.folder,
      env: { ADMIN_API_KEY: ADMIN_KEY },
      stdin: 'ignore',
      // Every write to it fails with ENOSPC.
      stdout: Bun.file('/dev/full'),
      stderr: 'pipe',
      timeout: LIFE_MS,
      killSignal: 'SIGKILL',
    })
    gateway.port = await gateway.until(
      () => listeningPort(child.pid),
      port => port !== 0,
    )
    await gateway.bound()
    expect((await gateway.send()).body).toMatchObject({ success: true, status: 'submitted' })
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    expect(await new Response(child.stderr).text()).toBe('')
  }, 240_000)
})

const FAULT = 'the disk reports an error'

/** The port at which a process listens, which its log cannot say; 0 while there is none. */
function listeningPort(pid: number): number {
  const socketOf = (fd: string): string | undefined => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]
    } catch {
      return undefined
    }
  }
  const sockets = new Set(readdirSync(`/proc/${pid}/fd`).map(socketOf))
  // proc_pid_net(5): the second column is the local address, the fourth its state (0A: it listens), the tenth its inode.
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
  const [, local = ''] = rows.find(row => row[3] === '0A' && sockets.has(row[9])) ?? []
  return Number.parseInt(local.split(':')[1] ?? '0', 16)
}

interface Folder extends Disposable {
  readonly path: string
  readonly config: string
}

function folder(dbPath: string): Folder {
  const path = mkdtempSync(join(tmpdir(), 'sms-proxy-e2e-'))
  const config = join(path, 'sms-proxy.yaml')
  writeFileSync(config, `endpoint: 127.0.0.1:0\nstorage: { db_path: ${dbPath} }\n`)
  return {
    path,
    config,
    [Symbol.dispose]() {
      chmodSync(path, 0o700)
      rmSync(path, { recursive: true, force: true })
    },
  }
}

const serve = (at: Folder, under: readonly string[] = []) =>
  run(['serve', '--config', at.config], { cwd: at.path, under })

/** One or two lines for people: no stack, no code. */
function expectPlain(stderr: string, ...words: readonly string[]): void {
  for (const word of words) expect(stderr).toContain(word)
  expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2)
  expect(stderr).not.toMatch(/\bat .*:\d+|SQLITE_|\.ts\b|\bEACCES\b/)
}

/** Root may write anywhere: it steps down to nobody. */
const AS_NOBODY =
  process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []

describe('the server does not start, and says why', () => {
  test('where it may not write', async () => {
    using at = folder('data/sms.db')
    chmodSync(at.path, 0o555)
    chmodSync(at.config, 0o444)
    const { code, stderr } = await serve(at, AS_NOBODY)
    expect(code).toBe(1)
    expectPlain(stderr, join(at.path, 'data'), 'permission')
  })

  test('where a file stands instead of the folder', async () => {
    using at = folder('data/sms.db')
    writeFileSync(join(at.path, 'data'), '')
    const { code, stderr } = await serve(at)
    expect(code).toBe(1)
    expectPlain(stderr, join(at.path, 'data'), 'folder')
  })

  test('on a database that another gateway has open', async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({
      links: [{ port: smsc.port }],
      yaml: 'storage: { db_path: sms.db }',
    })
    using at = folder(join(gateway.folder, 'sms.db'))
    const { code, stderr } = await serve(at)
    expect(code).toBe(1)
    expectPlain(stderr, 'sms-messages.db', 'another process has it open')
    expect((await gateway.send()).status).toBe(200)
  })

  test.each(['sms.db', 'sms-messages.db'])('on %s when it is no database', async name => {
    using at = folder('sms.db')
    writeFileSync(join(at.path, name), 'this was a database once. '.repeat(400))
    const { code, stderr } = await serve(at)
    expect(code).toBe(1)
    expectPlain(stderr, name, 'no SQLite database')
  })

  test.each(['sms.db', 'sms-messages.db'])('on %s when it is another program’s', async name => {
    using at = folder('sms.db')
    const db = new Database(join(at.path, name))
    db.run('CREATE TABLE theirs (a)')
    db.close()
    const { code, stderr } = await serve(at)
    expect(code).toBe(1)
    expectPlain(stderr, name, 'another program')
  })
})
