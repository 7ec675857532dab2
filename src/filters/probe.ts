import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../errors.ts'
import { List } from './list.ts'
import { LIST_ENTRIES_MAX, sourceOf } from './loader.ts'
import { FilterFault, Sandbox, type SandboxOptions } from './sandbox.ts'

/**
 * One filter by itself, with the lists that lie beside it, for the command line. Throws a FilterFault when the module or
 * a list cannot be read, and what the file system throws of the module.
 */
export async function openFilter(file: string, options: Omit<SandboxOptions, 'lookup'>): Promise<Sandbox> {
  const source = sourceOf(await readFile(file))
  const dir = dirname(file)
  const lists = new Map<string, List>()
  for (const name of await readdir(dir)) {
    if (name.startsWith('.') || !name.endsWith('.txt')) continue
    lists.set(basename(name, '.txt'), await readList(dir, name))
  }
  const lookup = (list: string, value: string) => lists.get(list)?.has(value)
  return new Sandbox(basename(file, '.js'), source, { ...options, lookup })
}

async function readList(dir: string, name: string): Promise<List> {
  try {
    const octets = await readFile(join(dir, name))
    return await List.read(octets, { entriesMax: LIST_ENTRIES_MAX, pause: () => Promise.resolve() })
  } catch (error) {
    throw new FilterFault('error', `the list ${name} beside it cannot be read (${codeOf(error)})`)
  }
}
