import type { Database } from 'bun:sqlite'

/** SMSC accounts by number, so that rows stay short. As many as the configuration has ever named. */
export class SqliteAccounts {
  readonly #numbers = new Map<string, number>()
  readonly #names = new Map<number, string>()
  readonly #insert
  readonly #all

  constructor(db: Database) {
    this.#insert = db.query('INSERT INTO account (name) VALUES (?) RETURNING id')
    this.#all = db.query('SELECT id, name FROM account')
    this.reload()
  }

  /** After a rollback memory may know more than the table. */
  reload(): void {
    const rows = this.#all.values()
    this.#numbers.clear()
    this.#names.clear()
    for (const [number, name] of rows) this.#learn(Number(number), String(name))
  }

  /** Inserts a new name: inside the transaction that uses it. */
  number(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    const number = Number(this.#insert.values(name)[0]?.[0])
    this.#learn(number, name)
    return number
  }

  known(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  name(number: number): string {
    return this.#names.get(number) ?? ''
  }

  #learn(number: number, name: string): void {
    this.#numbers.set(name, number)
    this.#names.set(number, name)
  }
}
