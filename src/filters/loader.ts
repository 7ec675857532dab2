import { codeOf, messageOf } from '../errors.ts'
import type { ChainLink } from './chain.ts'
import { type Change, Folder } from './folder.ts'
import { List } from './list.ts'
import { FilterFault, type Sandbox } from './sandbox.ts'
import { Tally } from './tally.ts'

export interface FilterLogger {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
}

export interface LoadedFilter {
  readonly tally: Tally
  /** The last good version; undefined when there never was one. */
  readonly sandbox: Sandbox | undefined
  /** Why the file as it stands is not in force; empty when it is. */
  readonly error: string
  /** When the file last changed for us, Unix milliseconds. */
  readonly changedAt: number
}

export interface LoadedList {
  readonly list: List | undefined
  readonly error: string
  readonly changedAt: number
}

export interface LoaderOptions {
  readonly dir: string
  readonly now: () => number
  readonly logger: FilterLogger
  /** Throws a FilterFault when the source is not a sound filter. */
  readonly compile: (name: string, source: string) => Sandbox
  /** Called with the filters to ask from now on. */
  readonly swap: (links: readonly ChainLink[]) => void
  /** Lets other work run between two files, and within a large one. */
  readonly pause: () => Promise<void>
}

const FILTERS_MAX = 100
export const SOURCE_BYTES_MAX = 256 * 1024
const LISTS_MAX = 100
const LIST_BYTES_MAX = 128 * 1024 * 1024
export const LIST_ENTRIES_MAX = 5_000_000

export const NO_FOLDER = 'the filter folder is not there'
const NAME = /^[A-Za-z0-9_][\w.-]{0,63}\.(js|txt)$/

/**
 * Brings what is in the folder into force: each file is read and validated apart, then all of a look's changes
 * are swapped in between two messages. A file that is broken keeps its last good version.
 */
export class Loader {
  readonly #folder: Folder
  #filters: ReadonlyMap<string, LoadedFilter> = new Map()
  #lists: ReadonlyMap<string, LoadedList> = new Map()
  #folderError = ''

  constructor(private readonly options: LoaderOptions) {
    this.#folder = new Folder(options.dir, file =>
      file.endsWith('.js') ? SOURCE_BYTES_MAX : file.endsWith('.txt') ? LIST_BYTES_MAX : undefined,
    )
  }

  get filters(): ReadonlyMap<string, LoadedFilter> {
    return this.#filters
  }

  get lists(): ReadonlyMap<string, LoadedList> {
    return this.#lists
  }

  /** Why the folder could not be looked at the last time, empty when it could; what was loaded stays in force. */
  get folderError(): string {
    return this.#folderError
  }

  /** `sms.in(name, value)`: undefined when there is no such list. */
  lookup = (name: string, value: string): boolean | undefined => this.#lists.get(name)?.list?.has(value)

  /** One look. `settled`: changes are taken once two looks agree on them. Never rejects. */
  async scan(settled: boolean): Promise<void> {
    let changes: Change[]
    try {
      changes = await this.#folder.changes(settled)
      this.#folderError = ''
    } catch (error) {
      this.#folderFailed(codeOf(error))
      return
    }
    if (changes.length === 0) return
    const lists = new Map(this.#lists)
    for (const change of changes) if (change.file.endsWith('.txt')) await this.#takeList(lists, change)
    const filters = new Map(this.#filters)
    for (const change of changes) {
      if (!change.file.endsWith('.js')) continue
      this.#takeFilter(filters, change)
      await this.options.pause()
    }
    this.#lists = lists
    this.#filters = filters
    this.options.swap(
      [...filters.values()].flatMap(({ sandbox, tally }) => (sandbox ? [{ sandbox, tally }] : [])),
    )
  }

  #folderFailed(code: string): void {
    const error = code === 'ENOENT' ? NO_FOLDER : `the filter folder cannot be read (${code})`
    if (error !== this.#folderError) this.options.logger.warn({ dir: this.options.dir }, error)
    this.#folderError = error
  }

  #takeFilter(filters: Map<string, LoadedFilter>, { file, octets, error }: Change): void {
    const { logger, compile, now } = this.options
    const name = file.slice(0, -'.js'.length)
    const before = filters.get(name)
    if (octets === undefined && error === undefined) {
      filters.delete(name)
      logger.info({ filter: name }, 'filter removed')
      return
    }
    const tally = before?.tally ?? new Tally()
    try {
      const sound = [...filters.values()].filter(({ sandbox }) => sandbox).length
      refuse(file, error, !before?.sandbox && sound >= FILTERS_MAX ? FILTERS_MAX : undefined)
      const sandbox = compile(name, sourceOf(octets))
      tally.absolve()
      filters.set(name, { tally, sandbox, error: '', changedAt: now() })
      logger.info(
        { filter: name, ...sandbox.declaration },
        before?.sandbox ? 'filter changed' : 'filter loaded',
      )
    } catch (thrown) {
      const text = messageOf(thrown)
      filters.set(name, { tally, sandbox: before?.sandbox, error: text, changedAt: now() })
      logger.warn({ filter: name, error: text }, outcome('filter', before?.sandbox))
    }
  }

  async #takeList(lists: Map<string, LoadedList>, { file, octets, error }: Change): Promise<void> {
    const { logger, now, pause } = this.options
    const name = file.slice(0, -'.txt'.length)
    const before = lists.get(name)
    if (octets === undefined && error === undefined) {
      lists.delete(name)
      logger.info({ list: name }, 'list removed')
      return
    }
    try {
      const sound = [...lists.values()].filter(({ list }) => list).length
      refuse(file, error, !before?.list && sound >= LISTS_MAX ? LISTS_MAX : undefined)
      const list = await List.read(octets ?? new Uint8Array(), { entriesMax: LIST_ENTRIES_MAX, pause })
      lists.set(name, { list, error: '', changedAt: now() })
      logger.info({ list: name, entries: list.entries }, before?.list ? 'list changed' : 'list loaded')
    } catch (thrown) {
      const text = messageOf(thrown)
      lists.set(name, { list: before?.list, error: text, changedAt: now() })
      logger.warn({ list: name, error: text }, outcome('list', before?.list))
    }
  }
}

function refuse(file: string, error: string | undefined, most: number | undefined): void {
  if (error !== undefined) throw new Error(error)
  if (!NAME.test(file)) throw new Error('a name has letters, digits, "_", "-" and ".", 64 of them at most')
  if (most !== undefined) throw new Error(`there are ${most} already, and that is the most`)
}

const outcome = (what: string, kept: object | undefined): string =>
  kept ? `${what} is broken: its last good version stays in force` : `${what} is broken and not in force`

/** Throws a FilterFault when a filter's file is no text. */
export function sourceOf(octets: Uint8Array | undefined): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch {
    throw new FilterFault('error', 'it is not UTF-8')
  }
}
