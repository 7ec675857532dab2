/** Deletions after which the table is made anew, or as many as there are entries: no dearer than a Map in the long run. */
const DELETED_MAX = 16

/**
 * A Map for entries that come and go all the time. Whenever the table of JavaScriptCore's own is full of deleted entries
 * it goes on in another, to which the old one points. Once one of them is old, all that came after it, with the entries
 * they had, counts as reached when only the young are collected. While a session's window, a pool's routes and the bodies
 * under way were Maps, such a collection marked 5 MB in 20 ms and kept them until a full one; now 0.3 MB in 1.4 ms.
 * So this one begins again, every so often, with a table that nothing points to.
 */
export class ChurningMap<K, V> {
  #map = new Map<K, V>()
  #deleted = 0

  get size(): number {
    return this.#map.size
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  set(key: K, value: V): void {
    this.#map.set(key, value)
  }

  /** Who is walking through the entries may delete the one he is at. */
  delete(key: K): boolean {
    if (!this.#map.delete(key)) return false
    if (++this.#deleted >= Math.max(DELETED_MAX, this.#map.size)) this.#renew(this.#map)
    return true
  }

  /** Lets the oldest go, better some at once: each time this walks past what was deleted before. */
  shed(count: number): void {
    let left = count
    for (const key of this.keys()) {
      if (left-- <= 0) return
      this.delete(key)
    }
  }

  clear(): void {
    this.#renew([])
  }

  /** The oldest first, as with a Map; likewise the entries. */
  keys(): MapIterator<K> {
    return this.#map.keys()
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#map[Symbol.iterator]()
  }

  #renew(entries: Iterable<readonly [K, V]>): void {
    this.#map = new Map(entries)
    this.#deleted = 0
  }
}
