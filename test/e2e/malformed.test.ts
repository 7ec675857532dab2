import { expect, test } from 'bun:test'
import { decode } from '../../src/smpp/codec.ts'
import { Framer } from '../../src/smpp/framer.ts'
import { type Listener, listen } from '../../src/smpp/net.ts'
import type { Transport } from '../../src/smpp/outbox.ts'
import type { Pdu } from '../../src/smpp/pdu.ts'
import { pduBytes } from '../smpp/wire.ts'
import { startGateway, type TestGateway } from './gateway.ts'

/** An SMSC that takes binds and messages, and otherwise says the octets it is told to. */
class RawSmsc implements Disposable {
  readonly received: Pdu[] = []
  readonly boundAt: number[] = []
  readonly closedAt: number[] = []
  readonly listener: Listener
  #transport: Transport | undefined

  constructor() {
    this.listener = listen({ host: '127.0.0.1', port: 0 }, transport => {
      this.#transport = transport
      const framer = new Framer()
      return {
        received: chunk =>
          framer.push(chunk, (bytes, from, to) => this.#take(transport, decode(bytes, from, to))),
        drained() {},
        close: () => void this.closedAt.push(performance.now()),
      }
    })
  }

  get port(): number {
    return this.listener.port
  }

  say(hex: string): void {
    this.#transport?.write(Uint8Array.fromHex(hex.replaceAll(' ', '')))
  }

  #take(transport: Transport, pdu: Pdu): void {
    const { command, sequence_number: sequence } = pdu
    this.received.push(pdu)
    if (command === 'bind_transceiver') {
      transport.write(pduBytes('bind_transceiver_resp', { system_id: 's' }, sequence))
      this.boundAt.push(performance.now())
    }
    if (command === 'submit_sm')
      transport.write(pduBytes('submit_sm_resp', { message_id: `m${sequence}` }, sequence))
    if (command === 'unbind') transport.write(pduBytes('unbind_resp', {}, sequence))
  }

  [Symbol.dispose](): void {
    this.listener.stop(true)
  }
}

/** A PDU with the length that is its own; sequence 7. */
function pdu(command: string, body = '', sequence = '00000007'): string {
  const octets = body.replaceAll(' ', '').length / 2 + 16
  return `${octets.toString(16).padStart(8, '0')} ${command} 00000000 ${sequence} ${body}`
}

const ADDRESSES = '00 0101 3439313700 0101 3132333400'

const start = (smsc: RawSmsc): Promise<TestGateway> => startGateway({ links: [{ port: smsc.port }] })

test.each([0, 2, 4, 8, 15, 2 ** 31, 2 ** 32 - 1])(
  'a command_length of %d is answered with a generic_nack, ends the session, and the link is bound again soon',
  async length => {
    using smsc = new RawSmsc()
    await using gateway = await start(smsc)
    smsc.say(`${length.toString(16).padStart(8, '0')} 00000005 00000000 00000001`)
    await gateway.until(
      () => smsc.boundAt.length,
      count => count === 2,
    )
    const [, again = Number.NaN] = smsc.boundAt
    const [closed = Number.NaN] = smsc.closedAt
    expect(smsc.received.find(({ command }) => command === 'generic_nack')).toMatchObject({
      command_status: 0x02,
    })
    // A quarter to half of a second, and what a slow machine adds to it.
    expect(again - closed).toBeLessThan(10_000)
    await gateway.bound()
    expect((await gateway.send()).body).toMatchObject({ success: true, status: 'submitted' })
  },
)

/** What the SMSC says; the answer to it, if there is one. */
test.each([
  ['an unknown command', pdu('00000777'), ['generic_nack', 0x03]],
  ['an unknown response', pdu('80000777'), undefined],
  ['a response to nothing', pdu('80000004', '00', '00000063'), undefined],
  ['a generic_nack to nothing', '00000010 80000000 00000003 00000000', undefined],
  ['a submit_sm, which is not the SMSC’s to send', pdu('00000004'), ['submit_sm_resp']],
  ['a deliver_sm without a body', pdu('00000005'), ['deliver_sm_resp']],
  [
    'a deliver_sm whose text is longer than it',
    pdu('00000005', `${ADDRESSES} 04 00 00 00 00 00 00 00 00 ff 6869`),
    ['deliver_sm_resp'],
  ],
  [
    'a deliver_sm with an address that never ends',
    pdu('00000005', `00 0101 ${'31'.repeat(29)}`),
    ['deliver_sm_resp'],
  ],
] as const)('%s leaves the session as it is', async (_, hex, answer) => {
  using smsc = new RawSmsc()
  await using gateway = await start(smsc)
  smsc.say(hex)
  // Answered in order: what was said before the enquire_link has its answer by then.
  smsc.say(pdu('00000015', '', '00000009'))
  await gateway.until(
    () => smsc.received.some(({ command }) => command === 'enquire_link_resp'),
    answered => answered,
  )
  const [, said] = smsc.received
  if (answer) {
    const [command, status] = answer
    expect(said).toMatchObject({ command, sequence_number: 7 })
    expect(said?.command_status).not.toBe(0)
    if (status !== undefined) expect(said?.command_status).toBe(status)
  } else expect(said?.command).toBe('enquire_link_resp')
  expect((await gateway.send()).body).toMatchObject({ success: true, status: 'submitted' })
  expect(smsc.boundAt).toHaveLength(1)
})

test('a receipt with a service_type that is too long, and an octet behind its TLVs, finds its message', async () => {
  using smsc = new RawSmsc()
  await using gateway = await start(smsc)
  const { body: sent } = await gateway.send()
  const id = Buffer.from(`${sent.sms_ids[0]}\0`).toString('hex')
  const tlvs = `001e ${(id.length / 2).toString(16).padStart(4, '0')} ${id} 0427 0001 02 00`
  smsc.say(pdu('00000005', `736d736373696d ${ADDRESSES} 04 00 00 00 00 00 00 00 00 00 ${tlvs}`))
  await gateway.until(
    () => gateway.info(sent.message_id),
    ({ body }) => body.status === 'delivered',
  )
  // Stored first, acknowledged then.
  const acknowledged = await gateway.until(
    () => smsc.received.find(({ command }) => command === 'deliver_sm_resp'),
    answer => answer !== undefined,
  )
  expect(acknowledged).toMatchObject({ command_status: 0 })
})
