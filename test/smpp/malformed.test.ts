import { afterEach, expect, test } from 'bun:test'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { decode } from '../../src/smpp/codec.ts'
import { Framer } from '../../src/smpp/framer.ts'
import { Link } from '../../src/smpp/link.ts'
import type { Listener } from '../../src/smpp/net.ts'
import { connect, listen } from '../../src/smpp/net.ts'
import type { Transport } from '../../src/smpp/outbox.ts'
import type { Pdu } from '../../src/smpp/pdu.ts'
import { submit } from './link_rig.ts'
import { pduBytes, silent } from './wire.ts'

/** An SMSC on a real socket that sends whatever octets it is told to, and answers binds and submits. */
class RawSmsc {
  readonly received: Pdu[] = []
  readonly listener: Listener
  connections = 0
  transport: Transport | undefined
  #waiting: (() => void)[] = []

  constructor() {
    this.listener = listen({ host: '127.0.0.1', port: 0 }, transport => {
      this.connections++
      this.transport = transport
      const framer = new Framer()
      return {
        received: chunk =>
          framer.push(chunk, (bytes, from, to) => this.#take(transport, decode(bytes, from, to))),
        drained() {},
        close: () => this.#wake(),
      }
    })
  }

  send(bytes: Uint8Array): void {
    this.transport?.write(bytes)
  }

  /** Waits for octets to arrive until `condition` holds. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  #take(transport: Transport, pdu: Pdu): void {
    this.received.push(pdu)
    if (pdu.command === 'bind_transceiver')
      transport.write(pduBytes('bind_transceiver_resp', { system_id: 's' }, pdu.sequence_number))
    if (pdu.command === 'submit_sm')
      transport.write(pduBytes('submit_sm_resp', { message_id: 'ok' }, pdu.sequence_number))
    if (pdu.command === 'unbind') transport.write(pduBytes('unbind_resp', {}, pdu.sequence_number))
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function loaded(): Promise<{ smsc: RawSmsc; link: Link }> {
  const smsc = new RawSmsc()
  let changed = (): void => undefined
  const link = new Link(
    {
      id: 1,
      name: 'one',
      address: { host: '127.0.0.1', port: smsc.listener.port },
      systemId: 'me',
      password: 'secret',
      systemType: '',
      addresses: { ton: 0, npi: 0, range: '' },
      interfaceVersion: 0x34,
      bind: 'transceiver',
      connectTimeoutMs: 1000,
      responseTimeoutMs: 1000,
      enquireLinkMs: 30_000,
      window: 10,
      limitTps: 0,
    },
    {
      connect,
      clock: systemClock,
      random: systemRandom,
      log: silent,
      events: { room: () => changed(), deliver: () => 0, late() {}, state: () => changed() },
    },
  )
  link.enable()
  while (link.state() !== 'LOADED') await new Promise<void>(resolve => (changed = resolve))
  ends.push(async () => {
    await link.close()
    smsc.listener.stop(true)
  })
  return { smsc, link }
}

test.each([0, 2, 4, 8, 15, 2 ** 31, 2 ** 32 - 1])(
  'a command_length of %d is answered with a generic_nack, and the link is bound again soon',
  async length => {
    const { smsc, link } = await loaded()
    const bytes = pduBytes('enquire_link', {}, 1)
    new DataView(bytes.buffer).setUint32(0, length)
    const startedAt = performance.now()
    smsc.send(bytes)
    await smsc.until(() => smsc.connections === 2 && smsc.received.at(-1)?.command === 'bind_transceiver')
    expect(performance.now() - startedAt).toBeLessThan(5000)
    expect(smsc.received.map(pdu => pdu.command)).toEqual([
      'bind_transceiver',
      'generic_nack',
      'bind_transceiver',
    ])
    expect(smsc.received[1]).toMatchObject({ command_status: 2, sequence_number: 0 })
    while (link.room() === 0) await new Promise(resolve => setImmediate(resolve))
    expect(await submit(link, { destination_addr: '44' }, 1)).toEqual({ kind: 'accepted', messageId: 'ok' })
  },
)

const badBody = pduBytes('deliver_sm', { source_addr: '1' }, 7)
badBody.fill(65, 16)
const unknownCommand = pduBytes('enquire_link', {}, 7)
unknownCommand[6] = 0x7f
const longText = pduBytes('deliver_sm', {}, 7)
longText[longText.length - 1] = 1

test.each([
  ['a body without NULs', badBody, 'deliver_sm_resp', 0x02],
  ['a text longer than its PDU', longText, 'deliver_sm_resp', 0x01],
  ['an unknown command', unknownCommand, 'generic_nack', 0x03],
  ['a submit_sm, which is not for us', pduBytes('submit_sm', {}, 7), 'submit_sm_resp', 0x04],
  ['a bind, which is not for us', pduBytes('bind_receiver', {}, 7), 'bind_receiver_resp', 0x05],
] as const)('%s is answered with its error, and the session goes on', async (_, bytes, command, status) => {
  const { smsc, link } = await loaded()
  smsc.send(bytes)
  await smsc.until(() => smsc.received.length === 2)
  expect(smsc.received[1]).toMatchObject({ command, command_status: status, sequence_number: 7 })
  expect(await submit(link, { destination_addr: '44' }, 1)).toEqual({ kind: 'accepted', messageId: 'ok' })
  expect(smsc.connections).toBe(1)
})

test('responses to nothing are passed over', async () => {
  const { smsc, link } = await loaded()
  smsc.send(pduBytes('submit_sm_resp', { message_id: 'x' }, 4711))
  smsc.send(pduBytes('generic_nack', {}, 0, 3))
  smsc.send(pduBytes('bind_transceiver_resp', {}, 4712))
  expect(await submit(link, { destination_addr: '44' }, 1)).toEqual({ kind: 'accepted', messageId: 'ok' })
  expect(smsc.connections).toBe(1)
})
