import type { BodyInput, Command } from '../../src/smpp/pdu.ts'

export interface Vector<C extends Command = Command> {
  readonly name: string
  readonly hex: string
  readonly command: C
  readonly status: number
  readonly sequence: number
  readonly body: BodyInput<C>
}

const vector = <C extends Command>(
  name: string,
  command: C,
  status: number,
  sequence: number,
  body: BodyInput<C>,
  hex: string,
): Vector => ({ name, command, status, sequence, body, hex: hex.replaceAll(' ', '') })

const text = (latin1: string): Uint8Array => new Uint8Array(Buffer.from(latin1, 'latin1'))

/** Octets written out by hand from SMPP 3.4 §4 and §5; the first is the specification's own (§3.2.3). */
export const VECTORS: readonly Vector[] = [
  vector(
    'the bind_transmitter of the specification',
    'bind_transmitter',
    0,
    1,
    {
      system_id: 'SMPP3TEST',
      password: 'secret08',
      system_type: 'SUBMIT1',
      interface_version: 0,
      addr_ton: 1,
      addr_npi: 1,
    },
    '0000002F 00000002 00000000 00000001 534D50503354455354 00 7365637265743038 00 5355424D495431 00 00 01 01 00',
  ),
  vector(
    'bind_transceiver_resp with sc_interface_version',
    'bind_transceiver_resp',
    0,
    2,
    { system_id: 'SMSC', tlvs: { sc_interface_version: 0x34 } },
    '0000001A 80000009 00000000 00000002 534D5343 00 0210 0001 34',
  ),
  vector(
    'a refused bind without a body',
    'bind_receiver_resp',
    0x0e,
    3,
    {},
    '00000010 80000001 0000000E 00000003',
  ),
  vector(
    'submit_sm',
    'submit_sm',
    0,
    0x7fffffff,
    {
      source_addr_ton: 5,
      source_addr: 'Shop',
      dest_addr_ton: 1,
      dest_addr_npi: 1,
      destination_addr: '4477',
      esm_class: 0x40,
      validity_period: '000000000100000R',
      registered_delivery: 1,
      data_coding: 8,
      short_message: text('\x05\x00\x03\x01\x02\x01\x00A'),
    },
    `00000041 00000004 00000000 7FFFFFFF 00 05 00 53686F70 00 01 01 34343737 00 40 00 00 00
     30303030303030303031303030303052 00 01 00 08 00 08 0500030102010041`.replaceAll('\n', ' '),
  ),
  vector(
    'submit_sm_resp',
    'submit_sm_resp',
    0,
    9,
    { message_id: 'A1' },
    '00000013 80000004 00000000 00000009 4131 00',
  ),
  vector(
    'submit_sm_resp with an error',
    'submit_sm_resp',
    0x58,
    9,
    {},
    '00000010 80000004 00000058 00000009',
  ),
  vector(
    'deliver_sm, a receipt with its TLVs and one of a vendor',
    'deliver_sm',
    0,
    4,
    {
      source_addr: '1',
      destination_addr: '2',
      esm_class: 4,
      tlvs: {
        receipted_message_id: 'ab',
        message_state: 2,
        network_error_code: text('\x03\x00\x01'),
        other: [{ tag: 0x1400, value: text('xy') }],
      },
    },
    `0000003C 00000005 00000000 00000004 00 00 00 31 00 00 00 32 00 04 00 00 00 00 00 00 00 00 00
     001E 0003 616200 0427 0001 02 0423 0003 030001 1400 0002 7879`.replaceAll('\n', ' '),
  ),
  vector('deliver_sm_resp', 'deliver_sm_resp', 0, 4, {}, '00000011 80000005 00000000 00000004 00'),
  vector('enquire_link', 'enquire_link', 0, 5, {}, '00000010 00000015 00000000 00000005'),
  vector('enquire_link_resp', 'enquire_link_resp', 0, 5, {}, '00000010 80000015 00000000 00000005'),
  vector('generic_nack with sequence 0', 'generic_nack', 2, 0, {}, '00000010 80000000 00000002 00000000'),
  vector('unbind', 'unbind', 0, 6, {}, '00000010 00000006 00000000 00000006'),
  vector('unbind_resp', 'unbind_resp', 0, 6, {}, '00000010 80000006 00000000 00000006'),
  vector(
    'outbind',
    'outbind',
    0,
    7,
    { system_id: 's', password: 'p' },
    '00000014 0000000B 00000000 00000007 7300 7000',
  ),
  vector(
    'submit_multi to an address and a distribution list',
    'submit_multi',
    0,
    8,
    {
      dest_address: [
        { dest_flag: 1, dest_addr_ton: 1, dest_addr_npi: 1, destination_addr: '44' },
        { dest_flag: 2, dl_name: 'L' },
      ],
      short_message: text('hi'),
    },
    `0000002A 00000021 00000000 00000008 00 00 00 00 02 01 01 01 3434 00 02 4C 00
     00 00 00 00 00 00 00 00 00 02 6869`.replaceAll('\n', ' '),
  ),
  vector(
    'submit_multi_resp',
    'submit_multi_resp',
    0,
    8,
    {
      message_id: 'm',
      unsuccess_sme: [
        { dest_addr_ton: 1, dest_addr_npi: 1, destination_addr: '44', error_status_code: 0x0b },
      ],
    },
    '0000001C 80000021 00000000 00000008 6D00 01 01 01 343400 0000000B',
  ),
  vector(
    'data_sm with message_payload',
    'data_sm',
    0,
    10,
    {
      source_addr: '1',
      destination_addr: '2',
      tlvs: { message_payload: text('payload'), alert_on_message_delivery: true },
    },
    '0000002B 00000103 00000000 0000000A 00 00 00 3100 00 00 3200 00 00 00 0424 0007 7061796C6F6164 130C 0000',
  ),
  vector(
    'data_sm_resp',
    'data_sm_resp',
    0,
    10,
    { message_id: 'd' },
    '00000012 80000103 00000000 0000000A 6400',
  ),
  vector(
    'query_sm',
    'query_sm',
    0,
    11,
    { message_id: 'q', source_addr: '1' },
    '00000016 00000003 00000000 0000000B 7100 00 00 3100',
  ),
  vector(
    'query_sm_resp',
    'query_sm_resp',
    0,
    11,
    { message_id: 'q', final_date: '260101000000000+', message_state: 2 },
    '00000025 80000003 00000000 0000000B 7100 3236303130313030303030303030302B 00 02 00',
  ),
  vector(
    'cancel_sm',
    'cancel_sm',
    0,
    12,
    { message_id: 'c', source_addr: '1', destination_addr: '2' },
    '0000001B 00000008 00000000 0000000C 00 6300 00 00 3100 00 00 3200',
  ),
  vector('cancel_sm_resp', 'cancel_sm_resp', 0, 12, {}, '00000010 80000008 00000000 0000000C'),
  vector(
    'replace_sm',
    'replace_sm',
    0,
    13,
    { message_id: 'r', source_addr: '1', short_message: text('n') },
    '0000001C 00000007 00000000 0000000D 7200 00 00 3100 00 00 00 00 01 6E',
  ),
  vector('replace_sm_resp', 'replace_sm_resp', 0, 13, {}, '00000010 80000007 00000000 0000000D'),
  vector(
    'alert_notification',
    'alert_notification',
    0,
    14,
    { source_addr: '1', esme_addr: '2', tlvs: { ms_availability_status: 0 } },
    '0000001D 00000102 00000000 0000000E 00 00 3100 00 00 3200 0422 0001 00',
  ),
]
