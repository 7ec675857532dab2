import type { Clock, Random } from '../clock.ts'
import { Audit } from './audit.ts'
import { openDatabase, tokenKeyOf } from './database.ts'
import { Directory } from './directory.ts'
import { LinkSwitches } from './link_switches.ts'
import { argon2id, bounded, type Passwords } from './passwords.ts'
import { Tokens } from './tokens.ts'
import { Users } from './users.ts'

export { DEFAULT_APP_ID } from './database.ts'
export { FIELD_LENGTHS } from './fields.ts'
export type { AppIdentity, Users } from './users.ts'

export interface UserDatabaseOptions {
  /** `storage.db_path`. */
  readonly path: string
  /** `security.token_ttl`. */
  readonly tokenTtlSeconds: number
  readonly clock: Clock
  readonly random: Random
  /** Argon2id unless a test counts the work. */
  readonly passwords?: Passwords
}

/** All that is kept about people and their decisions, in one file. */
export interface UserDatabase {
  readonly users: Users
  readonly linkSwitches: LinkSwitches
  readonly audit: Audit
  close(): void
}

const TOKENS_REMEMBERED_MAX = 10_000
/** One core stays with the sends; past four, memory is the price. */
const HASHES_AT_ONCE_MAX = Math.min(Math.max(navigator.hardwareConcurrency - 1, 1), 4)
const HASHES_WAITING_MAX = 64

export function openUserDatabase(options: UserDatabaseOptions): UserDatabase {
  const { path, tokenTtlSeconds, clock, random, passwords = argon2id } = options
  const db = openDatabase(path, clock, random)
  const audit = new Audit(db, clock)
  const limits = { atOnceMax: HASHES_AT_ONCE_MAX, waitingMax: HASHES_WAITING_MAX }
  const tokenOptions = { ttlSeconds: tokenTtlSeconds, rememberedMax: TOKENS_REMEMBERED_MAX }
  const users = new Users(
    db,
    new Directory(db, clock),
    new Tokens(tokenKeyOf(db), tokenOptions, clock),
    bounded(passwords, limits),
    audit,
  )
  return { users, linkSwitches: new LinkSwitches(db, audit), audit, close: () => db.close() }
}
