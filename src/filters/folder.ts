import { readdir, readFile, stat } from 'node:fs/promises'
import { codeOf } from '../errors.ts'

/** A file that is new, other than it was, or gone (no octets and no error). */
export interface Change {
  readonly file: string
  readonly octets?: Uint8Array
  readonly error?: string
  /** The disk's word, not the file's: it is read again at the next look. */
  readonly mayPass?: true
}

const GONE = 'gone'

/**
 * Finds what changed in a folder by looking at it. Notifications of the kernel tell nothing on a network disk and
 * little of a ConfigMap's swapped link, and an editor's save is a burst of them; a `stat` a file tells everywhere.
 *
 * A change is taken once two looks in a row see the same: by then a file is written, and one that an editor moved
 * aside to save it is back. Names that begin with a dot (swap files, `..data`) are passed over.
 */
export class Folder {
  readonly #taken = new Map<string, string>()
  readonly #spotted = new Map<string, string>()
  /** Why files could not be read the last time: said once. */
  readonly #failing = new Map<string, string>()

  constructor(
    private readonly dir: string,
    /** The size limit of files by this name; undefined when they are none of ours. */
    private readonly bytesMaxOf: (file: string) => number | undefined,
  ) {}

  /** What changed since the last call; without `settled`, what is seen now is taken. Throws when it cannot look. */
  async changes(settled: boolean): Promise<Change[]> {
    const listed = (await readdir(this.dir)).filter(file => !file.startsWith('.')).sort()
    const files = new Set(listed.filter(file => this.bytesMaxOf(file) !== undefined))
    const changes: Change[] = []
    // Those that are gone come before those that are new: a renamed one takes its own place.
    const known = new Set([...this.#taken.keys(), ...this.#failing.keys()])
    for (const file of known.union(files)) {
      const isListed = files.has(file)
      const stamp = await this.#stamp(file, isListed)
      if (stamp === this.#taken.get(file)) this.#spotted.delete(file)
      else if (settled && this.#spotted.get(file) !== stamp) this.#spotted.set(file, stamp)
      else {
        const change = stamp === GONE ? { file } : await this.#read(file)
        // Written to while it was read: the next looks see what becomes of it.
        if (settled && (await this.#stamp(file, isListed)) !== stamp) continue
        if (change.mayPass) {
          if (this.#failing.get(file) !== change.error) changes.push(change)
          this.#failing.set(file, change.error ?? '')
          this.#taken.delete(file)
          continue
        }
        this.#failing.delete(file)
        this.#spotted.delete(file)
        if (stamp === GONE) this.#taken.delete(file)
        else this.#taken.set(file, stamp)
        changes.push(change)
      }
    }
    return changes
  }

  /** Only what the folder does not list is gone: a link that leads nowhere is one that cannot be read. */
  async #stamp(file: string, isListed: boolean): Promise<string> {
    try {
      const { mtimeNs, ctimeNs, size, ino } = await stat(`${this.dir}/${file}`, { bigint: true })
      return `${mtimeNs} ${ctimeNs} ${size} ${ino}`
    } catch (error) {
      const code = codeOf(error)
      return code === 'ENOENT' && !isListed ? GONE : code
    }
  }

  async #read(file: string): Promise<Change> {
    const bytesMax = this.bytesMaxOf(file) ?? 0
    try {
      const { size } = await stat(`${this.dir}/${file}`)
      if (size > bytesMax) return { file, error: `it has ${size} octets, and ${bytesMax} is the most` }
      return { file, octets: await readFile(`${this.dir}/${file}`) }
    } catch (error) {
      return { file, error: `it cannot be read (${codeOf(error)})`, mayPass: true }
    }
  }
}
