/** The first page of a list that comes in no order, without holding all of it. */
export class Newest<T> {
  #rows: T[] = []
  /** How many were ever added. */
  total = 0

  /** `name` sorts: the greatest is the newest. */
  constructor(
    private readonly count: number,
    private readonly name: (row: T) => string,
  ) {}

  add(row: T): void {
    this.total++
    this.#rows.push(row)
    if (this.#rows.length > 2 * this.count + 1000) this.#cut()
  }

  rows(): readonly T[] {
    this.#cut()
    return this.#rows
  }

  #cut(): void {
    const { name } = this
    this.#rows.sort((a, b) => (name(a) < name(b) ? 1 : -1))
    this.#rows.length = Math.min(this.#rows.length, this.count)
  }
}
