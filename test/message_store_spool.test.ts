import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../src/clock.ts'
import { type Config, loadConfig } from '../src/config/index.ts'
import { createIds } from '../src/ids.ts'
import type { Log } from '../src/log.ts'
import type { Message } from '../src/message.ts'
import { type OpenedStore, openMessageStore } from '../src/message_store.ts'
import { AerospikeServer } from './support/aerospike_server.ts'

let folder: string
let server: AerospikeServer
/** As `level text`. */
let said: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sms-proxy-store-'))
  server = new AerospikeServer({ namespaces: ['sms'] })
  said = []
})
afterEach(() => {
  server.stop()
  rmSync(folder, { recursive: true })
})

/** `spool` undefined: without the cluster. */
function configured(spool: boolean | undefined): Config {
  const file = join(folder, 'sms-proxy.yaml')
  const hosts = `127.0.0.1:${server.nodes[0]?.port}`
  const cluster = spool === undefined ? '' : `aerospike: { hosts: "${hosts}", spool: ${spool} }\n`
  writeFileSync(file, `storage: { db_path: ./sms.db }\n${cluster}`)
  const loaded = loadConfig(file, {})
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}

const say =
  (level: string) =>
  (_: object, text: string): void =>
    void said.push(`${level} ${text}`)
const log: Log = { debug() {}, info: say('info'), warn: say('warn'), error: say('error'), child: () => log }

const open = (spool: boolean | undefined): Promise<OpenedStore> =>
  openMessageStore(configured(spool), { clock: systemClock, random: systemRandom, log })

const ids = createIds(systemClock, systemRandom)
const message = (): Message => ({
  ...{ id: ids.messageId(), taskId: ids.taskId(), appId: 1, esme: 1, campaign: 'c', transactionId: '' },
  ...{ source: 'SHOP', destination: '4915112345678', state: 'submitted', error: '' },
  parts: [{ state: 'submitted', smscId: '1', account: 'a:1/x', error: 0 }],
  ...{ sentAt: Date.now(), updatedAt: Date.now() },
})

test('what waits in a spool that was switched off is named at the start, and told to the cluster when it is on again', async () => {
  const first = await open(true)
  server.kill(0)
  const one = await first.store.save(message())
  await first.store.close()
  server.revive(0)

  const off = await open(false)
  expect(said).toContain('error writes wait in the spool: switch aerospike.spool on again')
  expect(await off.store.find(one.id)).toBeUndefined()
  await off.store.close()

  const on = await open(true)
  expect(on.node).toBe(first.node)
  while (on.spool?.warning() !== undefined) await Bun.sleep(5)
  await on.store.close()
  said.length = 0
  const last = await open(false)
  expect(await last.store.find(one.id)).toEqual(one)
  expect(said.filter(line => line.startsWith('error'))).toEqual([])
  await last.store.close()
})

test('what waits in a spool is named at the start of a gateway that has left the cluster', async () => {
  const { store } = await open(true)
  server.kill(0)
  await store.save(message())
  await store.close()
  const alone = await open(undefined)
  expect(said).toContain('error writes wait in the spool: switch aerospike.spool on again')
  await alone.store.close()
})

test('a gateway whose cluster is away starts on what it knew, and names that once while it goes on looking', async () => {
  await expect(async () => {
    server.kill(0)
    await open(true)
  }).toThrow('cannot be opened')
  server.revive(0)
  const { node, store: before } = await open(true)
  await before.close()
  server.kill(0)
  said.length = 0
  const opened = await open(true)
  expect(opened.node).toBe(node)
  expect(opened.store.fault()).toBeUndefined()
  const one = await opened.store.save(message())
  await Bun.sleep(2500)
  const warned = said.filter(line => line === 'warn aerospike: a node did not answer')
  expect(warned).toHaveLength(1)
  server.revive(0)
  while (opened.spool?.warning() !== undefined) await Bun.sleep(5)
  expect(await opened.store.find(one.id)).toEqual(one)
  await opened.store.close()
}, 240_000)
