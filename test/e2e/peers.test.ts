import { expect, test } from 'bun:test'
import { createRequire } from 'node:module'
import { startGateway, type TestGateway } from './gateway.ts'

/** As much of the `smpp` package, which has no types, as is used here. */
interface PeerPdu {
  readonly system_id: string
  readonly password: string
  readonly destination_addr: string
  readonly source_addr: string
  readonly data_coding: number
  readonly esm_class: number
  readonly registered_delivery: number
  readonly command_status: number
  readonly short_message: { readonly message: string | Buffer; readonly udh?: readonly Buffer[] | Buffer }
  response(fields?: object): PeerPdu
}
interface PeerSession {
  on(event: string, listener: (pdu: PeerPdu) => void): void
  send(pdu: PeerPdu): void
  deliver_sm(fields: object, answered: (pdu: PeerPdu) => void): void
  destroy(): void
}
interface PeerServer {
  listen(port: number, host: string, listening: () => void): void
  address(): { readonly port: number }
  close(): void
}
const peer: { createServer(each: (session: PeerSession) => void): PeerServer } = createRequire(
  import.meta.url,
)('smpp')

/** An SMSC made of the npm package: takes binds and messages, and tells of each that it was delivered. */
class PeerSmsc {
  readonly binds: string[] = []
  readonly messages: PeerPdu[] = []
  /** command_status of each deliver_sm_resp. */
  readonly acknowledged: number[] = []
  readonly #sessions: PeerSession[] = []

  private constructor(
    private readonly server: PeerServer,
    readonly port: number,
  ) {}

  static async start(): Promise<PeerSmsc> {
    const take: { session?: (session: PeerSession) => void } = {}
    const server = peer.createServer(session => take.session?.(session))
    await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
    const smsc = new PeerSmsc(server, server.address().port)
    take.session = session => smsc.#take(session)
    return smsc
  }

  #take(session: PeerSession): void {
    this.#sessions.push(session)
    for (const bind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver'])
      session.on(bind, pdu => {
        this.binds.push(`${bind} ${pdu.system_id} ${pdu.password}`)
        session.send(pdu.response({ system_id: 'peer' }))
      })
    session.on('submit_sm', pdu => this.#submitted(session, pdu))
    session.on('enquire_link', pdu => session.send(pdu.response()))
    session.on('unbind', pdu => session.send(pdu.response()))
    session.on('error', () => undefined)
  }

  #submitted(session: PeerSession, pdu: PeerPdu): void {
    this.messages.push(pdu)
    const id = `peer-${this.messages.length}`
    session.send(pdu.response({ message_id: id }))
    session.deliver_sm(
      {
        source_addr: pdu.destination_addr,
        destination_addr: pdu.source_addr,
        esm_class: 4,
        short_message: `id:${id} sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 stat:DELIVRD err:000 text:`,
      },
      answer => this.acknowledged.push(answer.command_status),
    )
  }

  /** The text that the parts carry, as the peer's own codec reads them. */
  get text(): string {
    return this.messages.map(({ short_message }) => String(short_message.message)).join('')
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions) session.destroy()
    this.server.close()
  }
}

const delivered = (gateway: TestGateway, messageId: string) =>
  gateway.until(
    () => gateway.info(messageId),
    ({ body }) => body.status === 'delivered',
  )

test.each([
  ['one part of GSM characters', 'Hello @ {€} ñ', 1],
  ['parts of GSM characters', `${'Hello world. '.repeat(30)}€`, 3],
  ['one part of UCS-2', 'Привет, мир 😀', 1],
  ['parts of UCS-2', 'Привет, мир! '.repeat(12), 3],
])(
  'an SMSC of another make reads %s as they were sent, and its receipts are taken',
  async (_, message, parts) => {
    using smsc = await PeerSmsc.start()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    expect(smsc.binds).toEqual(['bind_transceiver tester secret'])
    const sent = await gateway.send({ message })
    expect(sent.body).toMatchObject({
      success: true,
      sms_ids: Array.from({ length: parts }, (_, part) => `peer-${part + 1}`),
    })
    expect(smsc.text).toBe(message)
    const [first] = smsc.messages
    expect(first).toMatchObject({
      source_addr: '123456789',
      destination_addr: '987654321',
      registered_delivery: 1,
      esm_class: parts > 1 ? 0x40 : 0,
    })
    const info = await delivered(gateway, sent.body.message_id)
    expect(info.body.delivered_count).toBe(parts)
    await gateway.until(
      () => smsc.acknowledged.length,
      count => count === parts,
    )
    expect(new Set(smsc.acknowledged)).toEqual(new Set([0]))
  },
)

test('a transmitter and a receiver bound to an SMSC of another make are one link, unbound at the end', async () => {
  using smsc = await PeerSmsc.start()
  await using gateway = await startGateway({ links: [{ port: smsc.port, more: 'bind: pair' }] })
  expect(smsc.binds.toSorted()).toEqual(['bind_receiver tester secret', 'bind_transmitter tester secret'])
  expect((await gateway.send()).status).toBe(200)
  expect(await gateway.stop()).toBe(0)
})
