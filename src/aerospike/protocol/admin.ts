import { malformed } from '../errors.ts'
import { beginField, endField } from './fields.ts'
import { beginFrame, endFrame, frameTypes } from './header.ts'
import { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/**
 * Logging in (Enterprise). A body begins with 16 octets, of which number 1 is the result, 2 the command and 3
 * the count of fields; the fields are as in a message. A login answers a session token, with which every
 * further connection to the node authenticates.
 */
const HEADER_BYTES = 16
const commands = { authenticate: 0, login: 20 } as const
const fields = { user: 0, credential: 3, clearPassword: 4, sessionToken: 5, sessionTtl: 6 } as const

export interface Login {
  readonly user: string
  /** bcrypt, of the protocol's fixed salt. */
  readonly passwordHash: string
  /** The password itself, for a server that asks a directory (LDAP): over TLS alone. */
  readonly clearPassword?: string
}

export interface Session {
  readonly token: Uint8Array
  /** Undefined when the server did not say. */
  readonly ttlSeconds: number | undefined
}

export function writeLogin(writer: Writer, login: Login): void {
  writeAdmin(writer, commands.login, [
    [fields.user, Buffer.from(login.user)],
    [fields.credential, Buffer.from(login.passwordHash)],
    ...(login.clearPassword === undefined
      ? []
      : [[fields.clearPassword, Buffer.from(login.clearPassword)] as const]),
  ])
}

export function writeAuthenticate(writer: Writer, user: string, token: Uint8Array): void {
  writeAdmin(writer, commands.authenticate, [
    [fields.user, Buffer.from(user)],
    [fields.sessionToken, token],
  ])
}

function writeAdmin(
  writer: Writer,
  command: number,
  entries: readonly (readonly [number, Uint8Array])[],
): void {
  const start = beginFrame(writer, frameTypes.admin)
  writer.reserve(HEADER_BYTES)
  writer.bytes.fill(0, writer.at, writer.at + HEADER_BYTES)
  writer.bytes[writer.at + 2] = command
  writer.bytes[writer.at + 3] = entries.length
  writer.at += HEADER_BYTES
  for (const [type, octets] of entries) {
    const field = beginField(writer, type)
    writer.octets(octets)
    endField(writer, field)
  }
  endFrame(writer, start)
}

export function adminResult(body: Uint8Array): number {
  if (body.length < HEADER_BYTES)
    throw malformed(`An answer to a login has ${body.length} octets, fewer than ${HEADER_BYTES}.`)
  return body[1] ?? 0
}

export function parseSession(body: Uint8Array): Session {
  const reader = new Reader(body)
  reader.skip(3)
  const count = reader.u8()
  reader.skip(HEADER_BYTES - 4)
  let token: Uint8Array | undefined
  let ttlSeconds: number | undefined
  for (let index = 0; index < count; index++) {
    const size = reader.u32() - 1
    const type = reader.u8()
    if (type === fields.sessionToken) token = reader.octets(size)
    else if (type === fields.sessionTtl && size === 4) ttlSeconds = reader.u32()
    else reader.skip(size)
  }
  if (!token) throw malformed('An answer to a login has no session token.')
  return { token, ttlSeconds }
}
