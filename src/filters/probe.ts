import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { List } from './list.ts'
import { LIST_ENTRIES_MAX } from './loader.ts'
import { Sandbox, type SandboxOptions } from './sandbox.ts'

/**
 * One filter by itself, with the lists that lie beside it, for the command line. Throws a FilterFault when the module
 * cannot be read, and what the file system throws.
 */
export async function openFilter(file: string, options: Omit<SandboxOptions, 'lookup'>): Promise<Sandbox> {
  const source = await readFile(file, 'utf8')
  const dir = dirname(file)
  const lists = new Map<string, List>()
  for (const name of await readdir(dir)) {
    if (name.startsWith('.') || !name.endsWith('.txt')) continue
    const octets = await readFile(join(dir, name))
    const list = await List.read(octets, { entriesMax: LIST_ENTRIES_MAX, pause: () => Promise.resolve() })
    lists.set(basename(name, '.txt'), list)
  }
  const lookup = (list: string, value: string) => lists.get(list)?.has(value)
  return new Sandbox(basename(file, '.js'), source, { ...options, lookup })
}
