import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import type { FilterMessage } from '../../src/filters/filter.ts'
import {
  type FiltersOptions,
  type OpenFilters,
  openFilters,
  SAMPLE_MESSAGE,
} from '../../src/filters/index.ts'
import { pack, type SandboxOptions } from '../../src/filters/sandbox.ts'

export const limits: SandboxOptions = {
  timeoutMs: 20,
  memoryBytes: 8 * 1024 * 1024,
  monotonic: systemClock.monotonic,
  lookup: () => undefined,
}

export const message = (fields: Partial<FilterMessage> = {}): FilterMessage => ({
  ...SAMPLE_MESSAGE,
  ...fields,
})

/** A packed message that stays, other than what `pack` gives. */
export const packed = (fields: Partial<FilterMessage> = {}): Uint8Array => {
  const octets = pack(message(fields))
  if (!octets) throw new Error('too long')
  return octets.slice()
}

export interface OpenFolder extends AsyncDisposable {
  readonly dir: string
  readonly filters: OpenFilters
  readonly logged: string[]
  write(file: string, text: string): Promise<void>
}

/** Filters opened on a folder of their own, which goes with them. */
export async function openFolder(
  files: Readonly<Record<string, string>>,
  options: Partial<FiltersOptions> = {},
): Promise<OpenFolder> {
  const dir = await mkdtemp(join(tmpdir(), 'filters-'))
  const write = (file: string, text: string) => writeFile(join(dir, file), text)
  for (const [file, text] of Object.entries(files)) await write(file, text)
  const logged: string[] = []
  const log = (fields: object, text: string) => void logged.push(`${text} ${JSON.stringify(fields)}`)
  const filters = await openFilters({
    dir,
    timeoutMs: limits.timeoutMs,
    memoryBytes: limits.memoryBytes,
    onError: 'reject',
    clock: systemClock,
    logger: { info: log, warn: log },
    ...options,
  })
  const close = async () => {
    await filters.close()
    await rm(dir, { recursive: true })
  }
  return { dir, filters, logged, write, [Symbol.asyncDispose]: close }
}
