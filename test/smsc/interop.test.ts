import { expect, test } from 'bun:test'
import { createRequire } from 'node:module'
import { certPem, keyPem } from '../smpp/certificate.ts'
import { startSmsc } from '../support/smsc.ts'

/** As much of the `smpp` package, which has no types, as is used here. */
interface PeerPdu {
  readonly command_status: number
  readonly message_id: string
  readonly receipted_message_id: string
  readonly message_state: number
  readonly esm_class: number
  readonly short_message: { readonly message: string }
  response(): PeerPdu
}
interface PeerSession {
  once(event: 'connect' | 'close', listener: () => void): void
  once(event: 'deliver_sm', listener: (pdu: PeerPdu) => void): void
  on(event: 'error', listener: () => void): void
  bind_transceiver(fields: object, answered: (pdu: PeerPdu) => void): void
  submit_sm(fields: object, answered: (pdu: PeerPdu) => void): void
  unbind(answered: () => void): void
  send(pdu: PeerPdu): void
  close(): void
}
const peer: { connect(options: object): PeerSession } = createRequire(import.meta.url)('smpp')

async function converse(options: object): Promise<void> {
  const session = peer.connect(options)
  session.on('error', () => undefined)
  await new Promise<void>(resolve => session.once('connect', resolve))
  const bound = await new Promise<PeerPdu>(resolve =>
    session.bind_transceiver({ system_id: 'esme', password: 'secret' }, resolve),
  )
  expect(bound.command_status).toBe(0)

  const receipt = new Promise<PeerPdu>(resolve => session.once('deliver_sm', resolve))
  const submit = { destination_addr: '491701', short_message: 'Hello', registered_delivery: 1 }
  const answered = await new Promise<PeerPdu>(resolve => session.submit_sm(submit, resolve))
  expect(answered).toMatchObject({ command_status: 0, message_id: '1000000' })
  const delivered = await receipt
  expect(delivered).toMatchObject({ receipted_message_id: '1000000', message_state: 2, esm_class: 4 })
  expect(delivered.short_message.message).toContain('stat:DELIVRD')
  session.send(delivered.response())
  await new Promise<void>(resolve => session.unbind(resolve))
  session.close()
}

test('an ESME of another make binds, sends, gets its receipt and unbinds', async () => {
  await using smsc = startSmsc()
  await converse({ host: '127.0.0.1', port: smsc.port })
  expect((await smsc.arrived(1))[0]?.systemId).toBe('esme')
})

test('the same over TLS', async () => {
  await using smsc = startSmsc({}, { tls: { certPem, keyPem } })
  await converse({ host: '127.0.0.1', port: smsc.port, tls: true, ca: certPem })
})
