import { describe, expect, test } from 'bun:test'
import { decode, encode, headerOf } from '../../src/smpp/codec.ts'
import { PduError } from '../../src/smpp/error.ts'
import { Framer } from '../../src/smpp/framer.ts'
import type { BodyInput, Command, Pdu } from '../../src/smpp/pdu.ts'
import { commandOf, PDUS } from '../../src/smpp/pdu.ts'
import { STATUS, statusName } from '../../src/smpp/status.ts'
import { ByteWriter } from '../../src/smpp/writer.ts'
import { quickestMs } from '../support/quickest.ts'
import { VECTORS } from './vectors.ts'
import { encodePdu, framed } from './wire.ts'

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

function encoded<C extends Command>(command: C, body: BodyInput<C>, sequence = 1, status = 0): Uint8Array {
  const out = new ByteWriter()
  encode(out, command, body, sequence, status)
  return out.view().slice()
}

function statusOf(run: () => unknown): number {
  try {
    run()
  } catch (error) {
    if (error instanceof PduError) return error.status
    throw error
  }
  throw new Error('nothing was thrown')
}

describe.each(VECTORS)('$name', ({ hex, command, status, sequence, body }) => {
  const bytes = bytesOf(hex)

  test('is decoded as the specification says', () => {
    const pdu: Pdu = decode(bytes)
    expect(pdu).toMatchObject({ command, command_status: status, sequence_number: sequence, ...body })
  })

  test('is encoded to the same octets', () => {
    expect(Buffer.from(encoded(command, body, sequence, status)).toString('hex')).toBe(hex.toLowerCase())
  })

  test('comes back equal from a round trip', () => {
    expect(decode(encodePdu(decode(bytes)))).toEqual(decode(bytes))
    expect(Buffer.from(encodePdu(decode(bytes))).toString('hex')).toBe(hex.toLowerCase())
  })

  test('is framed wherever the stream is split', () => {
    const stream = Buffer.concat([bytes, bytes])
    for (let split = 0; split <= stream.length; split++) {
      const frames: string[] = []
      const framer = new Framer()
      const take = framed(frame => frames.push(Buffer.from(frame).toString('hex')))
      framer.push(stream.subarray(0, split), take)
      framer.push(stream.subarray(split), take)
      expect(frames).toEqual([hex.toLowerCase(), hex.toLowerCase()])
    }
  })
})

describe('decode', () => {
  test('gives fields that outlive their frame', () => {
    const frame = Buffer.from(encoded('submit_sm', { short_message: new Uint8Array([1, 2]) }))
    const pdu = decode(frame)
    frame.fill(0xff)
    expect(pdu).toMatchObject({ command: 'submit_sm', short_message: new Uint8Array([1, 2]) })
  })

  test('reads every response without a body', () => {
    for (const command of Object.keys(PDUS) as Command[]) {
      if (!command.endsWith('_resp')) continue
      const bare = encoded('enquire_link', {}, 7, 0x58)
      new DataView(bare.buffer).setUint32(4, PDUS[command].id)
      expect(decode(bare)).toMatchObject({ command, command_status: 0x58, sequence_number: 7, tlvs: {} })
    }
  })

  const submit = encoded('submit_sm', {
    source_addr: '1',
    destination_addr: '2',
    short_message: new Uint8Array(5),
  })
  const patched = (frame: Uint8Array, at: number, ...octets: number[]): Uint8Array => {
    const copy = frame.slice()
    copy.set(octets, at)
    return copy
  }

  test.each([
    ['an unknown command', patched(submit, 4, 0x00, 0x01, 0x02, 0x03), STATUS.ESME_RINVCMDID],
    ['a request without its body', submit.slice(0, 16), STATUS.ESME_RINVSERTYP],
    ['a service_type without NUL', patched(submit, 16, 65, 65, 65, 65, 65, 65, 65), STATUS.ESME_RINVSERTYP],
    ['an sm_length past the end', patched(submit, submit.length - 6, 6), STATUS.ESME_RINVMSGLEN],
    ['an sm_length of 255', patched(submit, submit.length - 6, 255), STATUS.ESME_RINVMSGLEN],
    ['an sm_length short of the end', patched(submit, submit.length - 6, 2), STATUS.ESME_RINVOPTPARSTREAM],
    ['a body that ends before sm_length', submit.slice(0, submit.length - 6), STATUS.ESME_RINVCMDLEN],
    ['a time of 3 octets', patched(submit, 28, 65, 65), STATUS.ESME_RINVSCHED],
    [
      'a TLV header cut short',
      Buffer.concat([submit, Buffer.from([4, 0x24, 0])]),
      STATUS.ESME_RINVOPTPARSTREAM,
    ],
    [
      'a TLV past the end',
      Buffer.concat([submit, Buffer.from([4, 0x24, 0, 1])]),
      STATUS.ESME_RINVOPTPARSTREAM,
    ],
  ])('refuses %s with its status', (_, frame, status) => {
    expect(statusName(statusOf(() => decode(frame)))).toBe(statusName(status))
  })

  test('keeps what no table explains: unknown tags, doubles, known ones of the wrong length', () => {
    const tlvs = bytesOf('14010000' + '0427000102' + '0427000103' + '0423000401020304' + '001e00026162')
    const receipt = Buffer.concat([encoded('deliver_sm', {}), tlvs])
    expect(decode(receipt)).toMatchObject({
      tlvs: {
        message_state: 2,
        receipted_message_id: 'ab',
        other: [
          { tag: 0x1401, value: bytesOf('') },
          { tag: 0x0427, value: bytesOf('03') },
          { tag: 0x0423, value: bytesOf('01020304') },
        ],
      },
    })
  })

  test('keeps every callback_num', () => {
    const tlvs = { callback_num: [bytesOf('01010131'), bytesOf('0101013232')], callback_num_pres_ind: [0, 1] }
    expect(decode(encoded('submit_sm', { tlvs }))).toMatchObject({ tlvs })
  })

  test('takes as many of them as a PDU holds in the time of its length', () => {
    const callback_num_pres_ind = Array.from({ length: 13_000 }, (_, index) => index & 3)
    const longest = encoded('deliver_sm', { tlvs: { callback_num_pres_ind } })
    expect(decode(longest).tlvs).toEqual({ callback_num_pres_ind })
    expect(quickestMs(() => void decode(longest))).toBeLessThan(200)
  })
})

describe('encode', () => {
  test.each([
    ['system_id of 16 characters', 'bind_receiver', { system_id: 'x'.repeat(16) }, STATUS.ESME_RINVSYSID],
    ['password of 9 characters', 'bind_receiver', { password: 'x'.repeat(9) }, STATUS.ESME_RINVPASWD],
    ['address of 21 characters', 'submit_sm', { destination_addr: '1'.repeat(21) }, STATUS.ESME_RINVDSTADR],
    ['address with a NUL', 'submit_sm', { source_addr: '1\0' }, STATUS.ESME_RINVSRCADR],
    ['address past Latin-1', 'submit_sm', { source_addr: 'я' }, STATUS.ESME_RINVSRCADR],
    ['time of 15 characters', 'submit_sm', { validity_period: '0'.repeat(15) }, STATUS.ESME_RINVEXPIRY],
    ['text of 255 octets', 'submit_sm', { short_message: new Uint8Array(255) }, STATUS.ESME_RINVMSGLEN],
    [
      'short_message beside message_payload',
      'submit_sm',
      { short_message: new Uint8Array(1), tlvs: { message_payload: new Uint8Array(1) } },
      STATUS.ESME_ROPTPARNOTALLWD,
    ],
    ['octet of 256', 'submit_sm', { esm_class: 256 }, STATUS.ESME_RINVCMDLEN],
    [
      'TLV of the wrong length',
      'submit_sm',
      { tlvs: { network_error_code: new Uint8Array(2) } },
      STATUS.ESME_RINVPARLEN,
    ],
    ['TLV out of range', 'submit_sm', { tlvs: { sar_msg_ref_num: 65536 } }, STATUS.ESME_RINVOPTPARAMVAL],
  ] as const)('refuses a %s and leaves the buffer as it was', (_, command, body, status) => {
    const out = new ByteWriter(16)
    encode(out, 'enquire_link', {}, 1)
    const before = out.view().slice()
    expect(statusName(statusOf(() => encode<Command>(out, command, body, 2)))).toBe(statusName(status))
    expect(out.view()).toEqual(before)
  })
})

test('every command is found by its id, and a response is its request with bit 31', () => {
  for (const command of Object.keys(PDUS) as Command[]) {
    expect(commandOf(PDUS[command].id)).toBe(command)
    const response = PDUS[`${command}_resp` as Command]
    if (response) expect(Number(response.id)).toBe(PDUS[command].id + 0x80000000)
  }
})

test('headerOf reads a frame that cannot be decoded', () => {
  expect(headerOf(bytesOf('00000010ffffffff80000001fffffffe'))).toEqual({
    id: 0xffffffff,
    status: 0x80000001,
    sequence: 0xfffffffe,
  })
})

test('a status prints with its name and number, one of a vendor with its number', () => {
  expect([0x58, 0x00, 0x401].map(statusName)).toEqual(['ESME_RTHROTTLED (0x58)', 'ESME_ROK (0x00)', '0x401'])
})
