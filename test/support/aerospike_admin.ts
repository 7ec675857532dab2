import { resultCodes } from '../../src/aerospike/errors.ts'
import { beginFrame, endFrame, frameTypes } from '../../src/aerospike/protocol/header.ts'
import { Reader } from '../../src/aerospike/protocol/reader.ts'
import { Writer } from '../../src/aerospike/protocol/writer.ts'

/** Who may log in. */
export interface Users {
  readonly passwords: ReadonlyMap<string, string>
  readonly sessionSeconds: number
  /** Sessions that are in force: a test may clear them, as a node's restart does. */
  readonly sessions: Set<string>
}

const LOGIN = 20
const USER = 0
const CREDENTIAL = 3
const SESSION_TOKEN = 5
const SESSION_TTL = 6

/** Answers a login, or an authentication with a session. */
export async function answerAdmin(
  users: Users | undefined,
  body: Uint8Array,
): Promise<{ frame: Uint8Array; admitted: boolean }> {
  if (!users) return { frame: adminFrame(resultCodes.SECURITY_NOT_ENABLED, []), admitted: true }
  const reader = new Reader(body)
  reader.skip(2)
  const command = reader.u8()
  const count = reader.u8()
  reader.skip(12)
  const fields = new Map<number, Uint8Array>()
  for (let index = 0; index < count; index++) {
    const size = reader.u32() - 1
    fields.set(reader.u8(), reader.octets(size))
  }
  const text = (field: number) => Buffer.from(fields.get(field) ?? new Uint8Array()).toString('utf8')
  if (command !== LOGIN) {
    const admitted = users.sessions.has(text(SESSION_TOKEN))
    return { frame: adminFrame(admitted ? resultCodes.OK : resultCodes.EXPIRED_SESSION, []), admitted }
  }
  const password = users.passwords.get(text(USER))
  if (password === undefined) return { frame: adminFrame(resultCodes.INVALID_USER, []), admitted: false }
  // The server knows the password's hash; here the hash that came is held against the password itself.
  if (!(await Bun.password.verify(password, text(CREDENTIAL)))) {
    return { frame: adminFrame(resultCodes.INVALID_CREDENTIAL, []), admitted: false }
  }
  const token = `session-${users.sessions.size}`
  users.sessions.add(token)
  const ttl = Buffer.alloc(4)
  ttl.writeUInt32BE(users.sessionSeconds)
  const session = [[SESSION_TOKEN, Buffer.from(token)] as const, [SESSION_TTL, ttl] as const]
  return { frame: adminFrame(resultCodes.OK, session), admitted: true }
}

function adminFrame(result: number, fields: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  const writer = new Writer(128)
  const start = beginFrame(writer, frameTypes.admin)
  writer.octets(Uint8Array.of(0, result, 0, fields.length, ...new Uint8Array(12)))
  for (const [type, octets] of fields) {
    writer.u32(octets.length + 1)
    writer.u8(type)
    writer.octets(octets)
  }
  endFrame(writer, start)
  return new Uint8Array(writer.taken())
}
