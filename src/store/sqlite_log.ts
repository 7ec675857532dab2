import { closeSync, fdatasync, openSync, realpathSync } from 'node:fs'

/** SQLite's write-ahead log, which the stores sync by themselves. */
export interface Log {
  /** Puts all that was written before on disk. */
  sync(done: (error: Error | null) => void): void
  close(): void
}

export function openLog(path: string): Log {
  const file = openSync(`${realpathSync(path)}-wal`, 'r+')
  return { sync: done => fdatasync(file, done), close: () => closeSync(file) }
}
