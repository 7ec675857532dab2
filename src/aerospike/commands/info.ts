import type { Exchange } from '../connection.ts'
import { type AerospikeError, resultCodes, serverError } from '../errors.ts'
import {
  adminResult,
  type Login,
  parseSession,
  type Session,
  writeAuthenticate,
  writeLogin,
} from '../protocol/admin.ts'
import { frameTypes } from '../protocol/header.ts'
import { parseInfo, writeInfo } from '../protocol/info.ts'
import type { Writer } from '../protocol/writer.ts'

/** An exchange whose answer is one frame, as a promise. */
class Single<T> implements Exchange {
  streamEnd = 0
  readonly abandoned = false
  readonly answer = Promise.withResolvers<T>()

  constructor(
    readonly frameType: number,
    private readonly write: (writer: Writer) => void,
    private readonly read: (body: Uint8Array) => T,
  ) {}

  encode(writer: Writer): void {
    this.write(writer)
  }

  message(bytes: Buffer, at: number, end: number): boolean {
    this.answer.resolve(this.read(bytes.subarray(at, end)))
    return true
  }

  failed(error: AerospikeError): void {
    this.answer.reject(error)
  }
}

interface Carrier {
  readonly peer: string
  send(exchange: Exchange): void
}

function ask<T>(carrier: Carrier, exchange: Single<T>): Promise<T> {
  carrier.send(exchange)
  return exchange.answer.promise
}

export function askInfo(carrier: Carrier, names: readonly string[]): Promise<Map<string, string>> {
  return ask(carrier, new Single(frameTypes.info, writer => writeInfo(writer, names), parseInfo))
}

/** Undefined when the server has no security, so that connections need none. */
export async function logIn(carrier: Carrier, login: Login): Promise<Session | undefined> {
  const body = await ask(carrier, new Single(frameTypes.admin, writer => writeLogin(writer, login), copy))
  const result = adminResult(body)
  if (result === resultCodes.SECURITY_NOT_ENABLED) return undefined
  if (result !== resultCodes.OK) throw serverError(result, carrier.peer)
  return parseSession(body)
}

export async function authenticate(carrier: Carrier, user: string, token: Uint8Array): Promise<void> {
  const write = (writer: Writer) => writeAuthenticate(writer, user, token)
  const result = await ask(carrier, new Single(frameTypes.admin, write, adminResult))
  if (result !== resultCodes.OK && result !== resultCodes.SECURITY_NOT_ENABLED)
    throw serverError(result, carrier.peer)
}

function copy(body: Uint8Array): Uint8Array {
  return new Uint8Array(body)
}
