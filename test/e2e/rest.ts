import { Database } from 'bun:sqlite'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Contract } from '../http/contract.ts'
import { BINARY, type Reply, type TestGateway } from './gateway.ts'

/** Runs a command of the binary in `folder`. */
export function run(folder: string, ...words: string[]): { code: number; out: string; err: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([BINARY, ...words], { cwd: folder, env: {} })
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() }
}

/** A key pair made in `folder`, and the public key for `license.public_key`. */
export function licenceKey(folder: string): string {
  return run(folder, 'license', 'keygen').out.trim()
}

export interface Terms {
  readonly company?: string
  readonly validUntil?: string
  readonly connectionsMax?: number
  readonly tpsMax?: number
}

/** A licence signed with the key in `folder`, as a form that uploads it. */
export function licenceForm(folder: string, terms: Terms = {}): FormData {
  const { company = 'UNIQUBIC Corporation', validUntil = '2999-12-31' } = terms
  const { code, out, err } = run(
    folder,
    ...['license', 'sign', '--key', 'licence.key', '--company', company, '--valid-until', validUntil],
    ...['--max-connections', String(terms.connectionsMax ?? 100), '--max-tps', String(terms.tpsMax ?? 1000)],
  )
  if (code !== 0) throw new Error(err)
  return formOf(out)
}

export function formOf(content: string, field = 'license'): FormData {
  const form = new FormData()
  form.append(field, new Blob([content]), 'license.json')
  return form
}

/** The users' database of the gateway, opened beside it. */
export function openUsers(gateway: TestGateway): Database {
  const db = new Database(join(gateway.folder, 'data/sms.db'))
  db.run('PRAGMA busy_timeout = 5000')
  return db
}

/** The newest line of the audit table. */
export function audited(gateway: TestGateway): unknown {
  using db = openUsers(gateway)
  return db.query('SELECT who, action, subject, reason FROM audit ORDER BY id DESC LIMIT 1').get()
}

/** Takes every table away under the gateway's feet: all that it asks of its users' database fails from now on. */
export function loseUsers(gateway: TestGateway): void {
  using db = openUsers(gateway)
  const tables = db
    .query<{ name: string }, []>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )
    .all()
  for (const { name } of tables) db.run(`ALTER TABLE ${name} RENAME TO gone_${name}`)
}

/** Damages what a stopped gateway's file has of these tables and indices, as a bad disk would. */
export function damageMessages(gateway: TestGateway, names: readonly string[]): void {
  const path = join(gateway.folder, 'data/sms-messages.db')
  using db = new Database(path)
  const size = db.query<{ page_size: number }, []>('PRAGMA page_size').get()?.page_size ?? 0
  const roots = db
    .query<{ name: string; rootpage: number }, []>('SELECT name, rootpage FROM sqlite_schema')
    .all()
  const damaged = roots.filter(({ name }) => names.includes(name))
  if (damaged.length !== names.length) throw new Error(`not all of ${names.join(', ')} are in the file`)
  const file = openSync(path, 'r+')
  for (const { rootpage } of damaged)
    writeSync(file, Buffer.alloc(size, 0xff), 0, size, (rootpage - 1) * size)
  closeSync(file)
}

/** Holds an answer against the document that the gateway serves; answers it. */
export function checked(contract: Contract, row: string, reply: Reply): Reply {
  contract.check(row, reply.status, reply.headers.get('content-type') ?? '', reply.body)
  return reply
}

export const methodOf = (row: string): string => row.slice(0, row.indexOf(' '))

/** The row's path; `{id}` becomes `id`. */
export const pathOf = (row: string, id: number | string = 1): string =>
  row.slice(row.indexOf(' ') + 1).replace('{id}', String(id))
