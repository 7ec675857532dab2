/**
 * The SMPP codec alone.
 *   bun run bench parts
 */
import { decode, encode } from '../../src/smpp/codec.ts'
import type { BodyInput, Command } from '../../src/smpp/pdu.ts'
import { ByteWriter } from '../../src/smpp/writer.ts'
import { heading, row, whole } from './support/table.ts'

const CODEC_RUNS = 1_000_000

const submit = {
  source_addr_ton: 5,
  source_addr: 'Sender',
  dest_addr_ton: 1,
  dest_addr_npi: 1,
  destination_addr: '447700900123',
  registered_delivery: 1,
  short_message: new Uint8Array(Buffer.from('Your code is 123456. Do not give it to anybody at all.')),
}

function timed(run: () => void): number {
  for (let i = 0; i < CODEC_RUNS / 10; i++) run()
  const startedAt = performance.now()
  for (let i = 0; i < CODEC_RUNS; i++) run()
  return ((performance.now() - startedAt) / CODEC_RUNS) * 1e6
}

function codec<C extends Command>(command: C, body: BodyInput<C>): void {
  const out = new ByteWriter()
  const encodeNs = timed(() => {
    out.length = 0
    encode(out, command, body, 1)
  })
  const frame = out.view().slice()
  const decodeNs = timed(() => decode(frame))
  row(command, String(frame.length), whole(encodeNs), whole(decodeNs))
}

heading('The codec', 'PDU', 'octets', 'encode ns', 'decode ns')
codec('submit_sm', submit)
codec('submit_sm_resp', { message_id: '0123456789abcdef' })
codec('deliver_sm', {
  ...submit,
  esm_class: 4,
  tlvs: { receipted_message_id: '0123456789abcdef', message_state: 2 },
})
codec('deliver_sm_resp', {})
