import { beforeEach, expect, test } from 'bun:test'
import {
  type Book,
  type CopiedClaim,
  type CopySide,
  CopyStopped,
  copyStore,
  type Progress,
  type Report,
  type Shelf,
} from '../../src/store/copy.ts'

class Away extends Error {}

let now: number
let waited: string[]
let book: Book & { progress: Progress | undefined }
beforeEach(() => {
  now = 0
  waited = []
  book = {
    progress: undefined,
    read: () => book.progress,
    write: progress => {
      book.progress = progress
    },
    clear: () => {
      book.progress = undefined
    },
  }
})

const row = (key: number): CopiedClaim => ({
  claim: { appId: 1, key: String(key), bodyHash: new Uint8Array(32), expiresAt: Number.MAX_SAFE_INTEGER },
  messageId: String(key),
})
const empty = <T>(): Shelf<T> => ({ async *read() {}, async write() {}, missing: async () => 0 })

/** Of claims alone, each a piece. */
function side(id: string, claims: readonly CopiedClaim[], write: () => Promise<void>): CopySide {
  const shelf: Shelf<CopiedClaim> = {
    async *read(after) {
      for (let at = Number(after); at < claims.length; at++) {
        yield { rows: claims.slice(at, at + 1), after: String(at + 1), share: (at + 1) / claims.length }
      }
    },
    write,
    missing: async () => 0,
  }
  return {
    ...{ id, opening: '', retentionMs: 1000 },
    shelves: { messages: empty(), claims: shelf, inbound: empty(), held: empty() },
    async prepare() {},
    async undisturbed() {},
    tallies: async () => [],
    received: async () => [],
    async receive() {},
    failure: error => (error instanceof Away ? { text: 'it does not answer', mayPass: true } : undefined),
    async close() {},
  }
}

/** Time goes by while it waits alone. */
const copy = (pieces: number, write: () => Promise<void>, stopped = () => false): Promise<Report> =>
  copyStore({
    from: side(
      'from',
      Array.from({ length: pieces }, (_, at) => row(at)),
      async () => {},
    ),
    to: side('to', [], write),
    book,
    clock: {
      now: () => now,
      monotonic: () => now,
      after(ms, task) {
        now += ms
        setImmediate(task)
        return () => {}
      },
    },
    stopped,
    tell() {},
    waits: why => void waited.push(why),
  })

test('a store that has not answered for a minute is given up, with its fault, and the copy goes on from there', async () => {
  let written = 0
  const first = copy(3, async () => {
    if (written === 1) throw new Away()
    written++
  })
  await expect(first).rejects.toThrow('it does not answer')
  expect(now).toBe(60_000)
  expect(new Set(waited)).toEqual(new Set(['it does not answer']))
  const second = await copy(3, async () => void written++)
  expect(written).toBe(3)
  expect(second.counts.claims).toEqual({ copied: 3, past: 0 })
  expect(book.progress).toBeUndefined()
})

test('the minute begins anew with each piece that arrives', async () => {
  let tries = 0
  const report = await copy(4, async () => {
    if (++tries % 40 !== 0) throw new Away()
  })
  expect(report.counts.claims).toEqual({ copied: 4, past: 0 })
  expect(now).toBeGreaterThan(120_000)
})

test('a copy that waits for a store can be stopped', async () => {
  const stopping = copy(
    1,
    async () => {
      throw new Away()
    },
    () => now >= 3000,
  )
  await expect(stopping).rejects.toThrow(CopyStopped)
  expect(now).toBe(3000)
})

test('an error that is of neither store ends the copy as it is', async () => {
  const wrong = new TypeError('a mistake')
  await expect(copy(1, () => Promise.reject(wrong))).rejects.toBe(wrong)
  expect(waited).toEqual([])
})
