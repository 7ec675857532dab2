import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../src/clock.ts'
import { type Config, loadConfig } from '../src/config/index.ts'
import { startGateway } from '../src/gateway.ts'
import { createIds } from '../src/ids.ts'
import type { Message } from '../src/message.ts'
import { messagesPath, openMessageStore } from '../src/message_store.ts'
import { silent } from './support/simulation_quiet.ts'
import { startSmsc } from './support/smsc.ts'

function configured(folder: string, ports: readonly number[], more = ''): Config {
  const file = join(folder, 'sms-proxy.yaml')
  const links = ports.map(
    (port, at) =>
      `    - { id: ${at + 1}, name: l${at}, host: 127.0.0.1, port: ${port}, system_id: me, password: x }`,
  )
  writeFileSync(
    file,
    `endpoint: 127.0.0.1:0\nstorage: { db_path: ./sms.db }\nsmpp:\n  links:\n${links.join('\n')}\n${more}`,
  )
  const loaded = loadConfig(file, { ADMIN_API_KEY: 'admin-key-of-the-tests' })
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}

const PARTS = { clock: systemClock, random: systemRandom, log: silent }

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sms-proxy-gateway-'))
  await work(folder).finally(() => rmSync(folder, { recursive: true }))
}

test('what a crash left open is unknown at the next start, though the clock was set back', () =>
  inFolder(async folder => {
    const config = configured(folder, [1])
    const sentAt = Date.now() + 3_600_000
    const ids = createIds({ ...systemClock, now: () => sentAt }, systemRandom)
    const part = { state: 'accepted', smscId: '', account: '', error: 0 } as const
    const open: Message = {
      ...{ id: ids.messageId(), taskId: ids.taskId(), appId: 1, esme: 1, campaign: 'c', transactionId: '' },
      ...{ source: 'SHOP', destination: '4915112345678', state: 'accepted', parts: [part], error: '' },
      ...{ sentAt, updatedAt: sentAt },
    }
    const claim = { appId: 1, key: 'k', bodyHash: new Uint8Array(32), expiresAt: sentAt + 86_400_000 }
    const crashed = await openMessageStore(config, PARTS)
    await crashed.store.claim(claim, open)
    await crashed.store.close()
    const gateway = await startGateway(config, { ...PARTS, readConfig: () => config })
    await gateway.stop()
    const { store } = await openMessageStore(config, PARTS)
    expect((await store.find(open.id))?.state).toBe('unknown')
    await store.close()
  }))

test('a reload that meets a stop is refused, and binds no link that nobody would close', () =>
  inFolder(async folder => {
    await using first = startSmsc()
    await using second = startSmsc()
    const gateway = await startGateway(configured(folder, [first.port]), {
      ...PARTS,
      readConfig: () => configured(folder, [first.port, second.port]),
    })
    const before = gateway.reload('SIGHUP')
    const stopped = gateway.stop()
    // Awaited as it stands: `rejects` turns the loop itself, and then hears nothing of other threads.
    expect(String(await before.catch(String))).toContain('stopping')
    await expect(gateway.reload('SIGHUP')).rejects.toThrow('stopping')
    await stopped
  }))

test('a reload takes the rules as they are when it comes into force, not as they were when it began', () =>
  inFolder(async folder => {
    const refuse = (why: string) =>
      writeFileSync(join(folder, 'rules.yaml'), `- { name: r, refuse: "${why}" }\n`)
    refuse('old')
    const config = configured(folder, [1], '  rules: ./rules.yaml\n')
    const gateway = await startGateway(config, { ...PARTS, readConfig: () => config })
    const reloaded = gateway.reload('SIGHUP')
    refuse('new')
    await reloaded
    const explained = await fetch(`http://127.0.0.1:${gateway.port}/api/v1/admin/route/explain`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-admin-key': 'admin-key-of-the-tests' },
      body: JSON.stringify({ esme: 1, source: 'SHOP', destination: '4915112345678', message: 'Hello' }),
    })
    expect(await explained.text()).toContain('"error":"rejected by rule \\"r\\": new"')
    await gateway.stop()
  }))

test('a message that a stop finds with a slow filter still ends in the store', () =>
  inFolder(async folder => {
    await using smsc = startSmsc()
    mkdirSync(join(folder, 'filters'))
    writeFileSync(join(folder, 'filters', 'slow.js'), 'export default () => { for (;;) {} }')
    const slow = 'filters: { dir: ./filters, timeout: 1s, on_error: pass }\nshutdown_timeout: 100ms\n'
    const config = configured(folder, [smsc.port], slow)
    const gateway = await startGateway(config, { ...PARTS, readConfig: () => config })
    const ask = (path: string, body?: object, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${gateway.port}${path}`, {
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
        headers: { 'content-type': 'application/json', ...headers },
      })
    const login = { email: 'me@example.com', password: 'password', app_id: 1 }
    await ask('/api/v1/user/register', login, { 'x-admin-key': 'admin-key-of-the-tests' })
    const { token } = (await (await ask('/api/v1/user/login', login)).json()) as { token: string }
    const sms = { esme: 1, source: 'SHOP', destination: '4915112345678', message: 'Hello' }
    const sent = ask('/api/v1/sms/send', sms, { authorization: `Bearer ${token}`, 'x-app-id': '1' })
    sent.catch(() => {})
    // By then the send is with the filter.
    for (let times = 0; times < 20; times++) await (await ask('/healthy')).text()
    await gateway.stop()
    const { store } = await openMessageStore(config, PARTS)
    expect(await store.totals()).toEqual({ messages: 1 })
    await store.close()
  }))

test('messages that are damaged where a start looks for what is open end it, and it says so', () =>
  inFolder(async folder => {
    const config = configured(folder, [1])
    const { store } = await openMessageStore(config, PARTS)
    await store.close()
    const path = messagesPath(config.storage.db_path)
    const db = new Database(path)
    const root = db.query("SELECT rootpage FROM sqlite_schema WHERE name = 'message_open'").values()[0]?.[0]
    db.close()
    const octets = readFileSync(path)
    writeFileSync(path, octets.fill(0xff, (Number(root) - 1) * 4096, Number(root) * 4096))
    const started = startGateway(config, { ...PARTS, readConfig: () => config })
    await expect(started).rejects.toThrow(
      'the messages that were left open cannot be ended: the database is damaged: restore it from a backup',
    )
  }))
