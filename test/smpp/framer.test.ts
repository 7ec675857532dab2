import { expect, test } from 'bun:test'
import { FramingError } from '../../src/smpp/error.ts'
import { Framer, PDU_OCTETS_MAX } from '../../src/smpp/framer.ts'
import { framed, pduBytes } from './wire.ts'

const one = pduBytes('enquire_link', {}, 1)
const two = pduBytes('submit_sm_resp', { message_id: 'abc' }, 2)

const prefix = (length: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, length)
  return bytes
}

test('octet by octet gives the same frames', () => {
  const framer = new Framer()
  const frames: Uint8Array[] = []
  for (const octet of Buffer.concat([one, two, one]))
    framer.push(
      Uint8Array.of(octet),
      framed(frame => frames.push(frame.slice())),
    )
  expect(frames).toEqual([one, two, one])
  expect(framer.held).toBe(0)
})

test('frames that lie whole in a read are told by their place in it', () => {
  const chunk = new Uint8Array(Buffer.concat([one, two]))
  new Framer().push(chunk, bytes => expect(bytes).toBe(chunk))
  expect.assertions(2)
})

test.each([0, 2, 4, 8, 15, PDU_OCTETS_MAX + 1, 2 ** 31, 2 ** 32 - 1])(
  'a command_length of %d ends the framing, after the PDUs before it',
  length => {
    for (const split of [0, 1, 2, 3]) {
      const framer = new Framer()
      const frames: Uint8Array[] = []
      const bad = prefix(length)
      expect(() => {
        framer.push(
          Buffer.concat([one, bad.subarray(0, split)]),
          framed(frame => frames.push(frame.slice())),
        )
        framer.push(
          bad.subarray(split),
          framed(frame => frames.push(frame.slice())),
        )
      }).toThrow(FramingError)
      expect(frames).toEqual([one])
    }
  },
)

test('the longest PDU passes, in two reads', () => {
  const pdu = new Uint8Array(PDU_OCTETS_MAX)
  pdu.set(prefix(PDU_OCTETS_MAX))
  const framer = new Framer()
  const lengths: number[] = []
  framer.push(pdu.subarray(0, 20), (_, from, to) => lengths.push(to - from))
  expect(framer.held).toBe(20)
  framer.push(pdu.subarray(20), (_, from, to) => lengths.push(to - from))
  expect(lengths).toEqual([PDU_OCTETS_MAX])
})

test('a long PDU that comes in many pieces is whole', () => {
  const pdu = pduBytes('submit_sm', { tlvs: { message_payload: new Uint8Array(3000).fill(65) } }, 1)
  const frames: Uint8Array[] = []
  const framer = new Framer()
  for (let at = 0; at < pdu.length; at += 100)
    framer.push(
      pdu.subarray(at, at + 100),
      framed(frame => frames.push(frame.slice())),
    )
  expect(frames).toEqual([pdu])
})
