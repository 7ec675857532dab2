import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resultCodes } from '../../src/aerospike/errors.ts'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { createIds } from '../../src/ids.ts'
import type { Message } from '../../src/message.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { openSpool } from '../../src/store/sqlite_spool.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { messageOf } from '../support/message.ts'

const MAIN = join(import.meta.dir, '../../src/main.ts')

// Each step is a process of its own, on a machine that may be busy.
setDefaultTimeout(240_000)

let folder = ''
let server: AerospikeServer
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'sms-proxy-store-')))
  server = new AerospikeServer({ namespaces: ['sms'] })
})
afterEach(() => {
  server.stop()
  rmSync(folder, { recursive: true })
})

function start(words: string) {
  return Bun.spawn([process.execPath, MAIN, 'store', ...words.split(' ')], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '' },
    stdout: 'pipe',
    stderr: 'pipe',
  })
}
async function ended(child: ReturnType<typeof start>): Promise<{ code: number; out: string; err: string }> {
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, out, err }
}
const sms = (words: string) => ended(start(words))

const configure = (aerospike = true): void =>
  writeFileSync(
    join(folder, 'sms-proxy.yaml'),
    `storage: { db_path: ./data/sms.db }\n${
      aerospike ? `aerospike: { hosts: "127.0.0.1:${server.nodes[0]?.port}", namespace: sms }\n` : ''
    }`,
  )
const path = (): string => join(folder, 'data/sms-messages.db')
const open = () => openSqliteStore({ path: path(), clock: systemClock, retentionMs: 30 * 86_400_000 })
const ids = createIds(systemClock, systemRandom)
/** Of three days ago. */
const oldIds = createIds({ ...systemClock, now: () => Date.now() - 3 * 86_400_000 }, systemRandom)
const message = (smscId: string, over: Partial<Message> = {}): Message => {
  const parts = [{ state: 'submitted', smscId, account: 'a:1/x', error: 0 }] as const
  return messageOf(Date.now(), { id: ids.messageId(), taskId: ids.taskId(), parts }, over)
}
async function fill(count: number): Promise<void> {
  mkdirSync(join(folder, 'data'), { recursive: true })
  const store = await open()
  await Promise.all(Array.from({ length: count }, (_, at) => store.save(message(String(at)))))
  await store.close()
}

test('copy brings a file into a cluster and back, and counts what it did', async () => {
  configure()
  await fill(10)
  const source = await open()
  await source.save(message('old', { id: oldIds.messageId() }))
  await source.close()
  const there = await sms('copy --from sqlite --to aerospike')
  expect(there.err).toContain(`copying from ${path()} to the Aerospike namespace sms\n`)
  expect(there.err).toContain('copying  messages 100 %  11\n')
  expect(there.err).toContain('checking messages 100 %  11\n')
  expect(there.out).toMatch(/messages +10 +1 +0\n(?:.*\n)* {2}tallies +1 +0 +0\n/)
  expect(there.out).toContain('messages ever counted: 11 in the source, 11 in the target\n')
  expect(there.out).toContain('the target keeps messages for 1 d (aerospike.ttl): older ones were left out')
  expect(there.code).toBe(0)
  rmSync(join(folder, 'data'), { recursive: true })
  mkdirSync(join(folder, 'data'))
  expect(await sms('copy --from aerospike --to sqlite')).toMatchObject({ code: 0 })
  const store = await open()
  expect(await store.totals()).toEqual({ messages: 11 })
  await store.close()
})

test('copy says which rows are missing in the target, with exit code 1', async () => {
  configure()
  await fill(3)
  // A cluster that took a message, and has it no more.
  const { records } = server
  const apply = records.apply.bind(records)
  let lost: Uint8Array | undefined
  records.apply = (request, digest) => {
    if (lost && Buffer.compare(digest, lost) === 0) return { resultCode: resultCodes.RECORD_NOT_FOUND }
    const answer = apply(request, digest)
    lost ??= records.all('sms').find(({ set }) => set.endsWith('messages'))?.digest
    return answer
  }
  const { code, out, err } = await sms('copy --from sqlite --to aerospike')
  expect(out).toMatch(/messages +3 +0 +1\n/)
  expect(err).toEndWith('something is missing in the target: run the same command again\n')
  expect(code).toBe(1)
})

test('copy leaves a cluster alone that has not yet heard of all that waits in the spool', async () => {
  configure()
  mkdirSync(join(folder, 'data'))
  const file = join(folder, 'data/sms-spool.db')
  const spool = openSpool(file, systemClock)
  await spool.append({ kind: 'save', message: message('1') })
  await spool.close()
  expect(await sms('copy --from aerospike --to sqlite')).toEqual({
    code: 1,
    out: '',
    err: `writes wait in ${file} (1): run the gateway with aerospike.spool until the cluster has them, then copy\n`,
  })
})

test('copy stops at a signal, and goes on from there', async () => {
  configure()
  await fill(20_000)
  // The cluster takes its time, so that the signal comes in the middle.
  server.nodes[0]?.fail({ kind: 'slow', delayMs: 50 }, 1000)
  const child = start('copy --from sqlite --to aerospike')
  while (server.records.all('sms').length < 1000) await Bun.sleep(10)
  child.kill('SIGINT')
  const stopped = await ended(child)
  expect(stopped.err).toEndWith('stopped: run the same command again to go on from here\n')
  expect(stopped.code).toBe(1)
  server.nodes[0]?.faults.splice(0)
  const resumed = await sms('copy --from sqlite --to aerospike')
  expect(resumed.err).toContain('an earlier copy was interrupted: going on from there\n')
  expect(resumed.out).toMatch(/messages +20000 +0 +0\n/)
  expect(resumed.code).toBe(0)
})

test('copy says what is wrong, and how to mend it', async () => {
  configure(false)
  const section = await sms('copy --from sqlite --to aerospike')
  expect(section).toMatchObject({ code: 2, out: '' })
  expect(section.err).toContain('aerospike is missing: it says where the cluster is')
  configure()
  expect(await sms('copy --from sqlite --to aerospike')).toMatchObject({
    code: 1,
    err: `there is no ${path()}: nothing to copy\n`,
  })
  expect(await sms('copy --from sqlite --to sqlite')).toMatchObject({ code: 2 })
  expect((await sms('copy --from mysql --to sqlite')).err).toStartWith(
    '--from must be sqlite or aerospike, not "mysql"\n\nsms-proxy store copy',
  )
  expect((await sms('move')).err).toStartWith('there is no "store move"')
  await fill(1)
  const gateway = await open()
  const locked = await sms('copy --from sqlite --to aerospike')
  await gateway.close()
  expect(locked.err).toContain(`${path()} cannot be used: another process has it open: stop that`)
  expect(locked.code).toBe(1)
  server.stop()
  const away = await sms('copy --from sqlite --to aerospike')
  expect(away.err).toContain('the Aerospike store cannot be opened: ')
  expect(away.code).toBe(1)
})
