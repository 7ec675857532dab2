import { statusName } from './status.ts'

/** One PDU is wrong and the framing is sound: answer it with `status` and go on. */
export class PduError extends Error {
  override readonly name = 'PduError'

  constructor(
    /** `command_status` for the answer. */
    readonly status: number,
    text: string,
  ) {
    super(`${text}: ${statusName(status)}`)
  }
}

/** The boundaries of PDUs are lost: send generic_nack with ESME_RINVCMDLEN, then close (SMPP 3.4 §4.3). */
export class FramingError extends Error {
  override readonly name = 'FramingError'
}
