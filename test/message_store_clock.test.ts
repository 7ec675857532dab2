import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '../src/clock.ts'
import { type Config, loadConfig } from '../src/config/index.ts'
import { createIds } from '../src/ids.ts'
import type { Log } from '../src/log.ts'
import { openMessageStore } from '../src/message_store.ts'
import { TurnedClock } from './support/clock.ts'
import { messageOf } from './support/message.ts'

const DAY_MS = 24 * 3600_000

let folder: string
let clock: TurnedClock
let warned: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sms-proxy-store-'))
  clock = new TurnedClock()
  warned = []
})
afterEach(() => rmSync(folder, { recursive: true }))

function configured(): Config {
  const file = join(folder, 'sms-proxy.yaml')
  writeFileSync(file, 'storage: { db_path: ./sms.db, retention: 30d }\n')
  const loaded = loadConfig(file, {})
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}

const warn = (_: object, text: string): void => void warned.push(text)
const log: Log = { debug() {}, info() {}, warn, error() {}, child: () => log }

/** When a gateway that starts `days` after its newest message looks for what is past its time, from the start on. */
async function firstSweepMs(days: number): Promise<number> {
  const parts = { clock, random: systemRandom, log }
  const before = await openMessageStore(configured(), parts)
  const ids = createIds(clock, systemRandom, 0, before.lastIds)
  const submitted = [{ state: 'submitted', smscId: '1', account: 'a:1/x', error: 0 }] as const
  const message = { id: ids.messageId(), taskId: ids.taskId(), parts: submitted }
  await before.store.save(messageOf(clock.now(), message))
  await before.store.close()
  clock.skip(days * DAY_MS)
  const { store, sweepPace } = await openMessageStore(configured(), parts)
  await store.close()
  return sweepPace.firstMs ?? sweepPace.everyMs
}

test('where the clock says at the start that all messages are to go, they stay for an hour and the log asks about it', async () => {
  expect(await firstSweepMs(31)).toBe(3600_000)
  expect(warned).toEqual([expect.stringContaining('all messages are past storage.retention')])
})

test('where one is to stay, the others go within a minute', async () => {
  expect(await firstSweepMs(29)).toBe(60_000)
  expect(warned).toEqual([])
})

test('a file of no messages has nothing to lose', async () => {
  const { store, sweepPace } = await openMessageStore(configured(), { clock, random: systemRandom, log })
  await store.close()
  expect([sweepPace.firstMs, warned]).toEqual([undefined, []])
})
