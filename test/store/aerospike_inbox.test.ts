import { afterEach, expect, test } from 'bun:test'
import { AerospikeClient } from '../../src/aerospike/index.ts'
import { Inbox } from '../../src/store/aerospike_inbox.ts'
import { Deadline, Records } from '../../src/store/aerospike_records.ts'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { patientClock } from '../support/clock.ts'
import { inboundOf } from '../support/message.ts'

const NAMESPACE = 'sms'
const ALL = { offset: 0, limit: 1000 }

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

class WatchedRecords extends Records {
  /** What happens once, behind the next write that may be repeated. */
  behind: () => Promise<void> = async () => {}

  override async repeat(...asked: Parameters<Records['repeat']>): ReturnType<Records['repeat']> {
    const done = await super.repeat(...asked)
    const { behind } = this
    this.behind = async () => {}
    await behind()
    return done
  }
}

/** A sender that gives each of its messages one reference, in a cluster that takes records of 80 kB. */
async function sender() {
  const server = new AerospikeServer({ namespaces: [NAMESPACE], recordOctetsMax: 80_000 })
  const client = new AerospikeClient({ hosts: server.hosts, clock: patientClock })
  await client.connect()
  ends.push(
    () => client.close(),
    () => server.stop(),
  )
  const records = new WatchedRecords(client, NAMESPACE, 'sms-', patientClock)
  const inbox = new Inbox(records, 3600_000)
  const now = Date.now()
  const idOf = (message: number, part: number): string => {
    const hex = (now + message).toString(16).padStart(12, '0')
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${String(part).padStart(12, '0')}`
  }
  const textOf = (message: number, part: number): string => `${message}.${part} `.padEnd(153, 'x')
  const keep = (message: number, part: number): Promise<void> =>
    inbox.keep(
      {
        ...inboundOf(now + message, {
          id: idOf(message, part),
          account: 'a:1/x',
          text: textOf(message, part),
        }),
        segment: { reference: 0, total: 2, part },
      },
      new Deadline(patientClock, 10_000),
    )
  return { records, inbox, idOf, textOf, keep, now }
}

test('many messages of a sender under one reference within the hour fill no record, and each is shown once', async () => {
  const { inbox, textOf, keep } = await sender()
  for (let message = 0; message < 300; message++) for (const part of [2, 1]) await keep(message, part)
  // Sent again, and known.
  await keep(299, 2)
  const { rows, total } = await inbox.list(ALL)
  expect(total).toBe(300)
  expect(rows.map(row => row.parts)).toEqual(
    Array.from({ length: 300 }, (_, at) => [textOf(299 - at, 1), textOf(299 - at, 2)]),
  )
})

test('a segment that comes to a message which is about to leave its full record is kept with it', async () => {
  const { records, inbox, textOf, keep, now } = await sender()
  await keep(0, 1)
  const [begun] = (await inbox.list(ALL)).rows
  if (!begun) throw new Error('nothing is kept')
  const whole = { ...begun, parts: [textOf(0, 1), textOf(0, 2)] }
  for (let message = 1, met = false; !met; message++) {
    // By a gateway that read the record before it was full.
    records.behind = async () => {
      met = true
      await inbox.bring(whole, 0, now, new Deadline(patientClock, 10_000))
    }
    for (const part of [1, 2]) await keep(message, part)
  }
  const { rows } = await inbox.list(ALL)
  expect(rows.at(-1)).toEqual(whole)
  expect(rows.filter(row => row.parts.includes(null))).toEqual([])
})

test('a message that is brought to a full record has one of its own', async () => {
  const { inbox, idOf, keep, now } = await sender()
  for (let message = 0; message < 200; message++) for (const part of [1, 2]) await keep(message, part)
  const { rows } = await inbox.list({ offset: 0, limit: 1 })
  const [row] = rows
  if (!row) throw new Error('nothing is kept')
  const deadline = new Deadline(patientClock, 10_000)
  for (let n = 0; n < 200; n++) await inbox.bring({ ...row, id: idOf(1000 + n, 1) }, 0, now, deadline)
  expect((await inbox.list({ offset: 0, limit: 1 })).total).toBe(400)
})
