import { expect, test } from 'bun:test'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Folder } from '../../src/filters/folder.ts'

const text = ({ octets }: { readonly octets?: Uint8Array }) => new TextDecoder().decode(octets)

test('a file that is written to while it is read is taken once it is whole', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'folder-'))
  const file = join(dir, 'f.js')
  let reads = 0
  // Asked for the size limit just before it reads: that is when the other one saves.
  const folder = new Folder(dir, () => {
    if (spotted && reads++ === 1) writeFileSync(file, 'half')
    return 1000
  })
  let spotted = false
  writeFileSync(file, 'first')
  expect((await folder.changes(false)).map(text)).toEqual(['first'])
  writeFileSync(file, 'second')
  expect(await folder.changes(true)).toEqual([])
  spotted = true
  expect(await folder.changes(true)).toEqual([])
  expect(reads).toBe(2)
  writeFileSync(file, 'whole')
  expect(await folder.changes(true)).toEqual([])
  expect((await folder.changes(true)).map(text)).toEqual(['whole'])
  expect(await folder.changes(true)).toEqual([])
  rmSync(dir, { recursive: true })
})

test('a file that the disk would not give is read again, and its failure told once', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'folder-'))
  writeFileSync(join(dir, 'f.js'), 'text')
  // The folder is away while the file is read: asked for the size limit in the list, and just before it reads.
  let asked = 0
  let away = true
  const folder = new Folder(dir, () => {
    if (away && asked++ % 2 === 1) renameSync(dir, `${dir}.away`)
    return 1000
  })
  const look = async () => {
    const changes = await folder.changes(false)
    if (away) renameSync(`${dir}.away`, dir)
    return changes.map(change => change.error ?? text(change))
  }
  expect([await look(), await look()]).toEqual([['it cannot be read (ENOENT)'], []])
  away = false
  expect([await look(), await look()]).toEqual([['text'], []])
  // Another time is another failure.
  writeFileSync(join(dir, 'f.js'), 'other text')
  away = true
  expect(await look()).toEqual(['it cannot be read (ENOENT)'])
  rmSync(dir, { recursive: true })
})
