import type { Decode, Encode } from './compile.ts'
import { compile } from './compile.ts'
import { PduError } from './error.ts'
import { putU32, u32At } from './octets.ts'
import type { BodyInput, Command, Pdu } from './pdu.ts'
import { COMMANDS, commandOf, HEADER_OCTETS, PDUS } from './pdu.ts'
import { STATUS } from './status.ts'
import type { ByteWriter } from './writer.ts'

/** PDUs to octets and back (SMPP 3.4 §3.2, §4, §5). */

const CODECS = new Map<Command, { decode: Decode; encode: Encode }>(
  COMMANDS.map(command => [command, compile(command)]),
)

function codecOf(command: Command): { decode: Decode; encode: Encode } {
  const codec = CODECS.get(command)
  if (!codec) throw new TypeError(`${command} is no PDU of SMPP 3.4`)
  return codec
}

export interface Header {
  /** `command_id` as it stood, known or not. */
  readonly id: number
  readonly status: number
  readonly sequence: number
}

/** The header of a frame, which is sound whenever the framer gave it. */
export const headerOf = (bytes: Uint8Array, from = 0): Header => ({
  id: u32At(bytes, from + 4),
  status: u32At(bytes, from + 8),
  sequence: u32At(bytes, from + 12),
})

/**
 * Decodes one whole PDU, as the framer gives it; the result shares no memory with `bytes`.
 * Throws a PduError whose `status` is the answer that the specification asks for. `lenient`: what breaks the rule of its
 * field and yet says what it says is taken.
 */
export function decode(bytes: Uint8Array, from = 0, to = bytes.length, lenient = false): Pdu {
  const id = u32At(bytes, from + 4)
  const command = commandOf(id)
  if (command === undefined) throw new PduError(STATUS.ESME_RINVCMDID, `command_id 0x${id.toString(16)}`)
  return codecOf(command).decode(bytes, from, to, u32At(bytes, from + 8), u32At(bytes, from + 12), lenient)
}

/**
 * Appends one PDU to `out`. Throws a PduError for a value that does not fit its field, and leaves `out` as
 * it was.
 */
export function encode<C extends Command>(
  out: ByteWriter,
  command: C,
  body: BodyInput<C>,
  sequence: number,
  status = 0,
): void {
  const start = out.length
  out.reserve(HEADER_OCTETS)
  out.length = start + HEADER_OCTETS
  try {
    if (status === 0 || !bare(command, body)) codecOf(command).encode(out, body)
  } catch (error) {
    out.length = start
    throw error
  }
  const bytes = out.bytes
  putU32(bytes, start, out.length - start)
  putU32(bytes, start + 4, PDUS[command].id)
  putU32(bytes, start + 8, status)
  putU32(bytes, start + 12, sequence)
}

/** An error response that has nothing to say, of a kind that then has no body. */
function bare(command: Command, body: BodyInput<Command>): boolean {
  if (!('bareOnError' in PDUS[command])) return false
  const said: Readonly<Record<string, unknown>> = body
  return PDUS[command].fields.every(field => !said[field.name]) && Object.keys(body.tlvs ?? {}).length === 0
}
