const SETTINGS = { MIMALLOC_PURGE_HOLES: '0', MIMALLOC_PURGE_DELAY: '1000' }

/**
 * Has a server begin anew, before the rest of it is loaded, with its allocator set as it needs it: `execve`, so it stays the
 * process that it is. Returns where that is done, or cannot be.
 *
 * Bun's mimalloc gives back what is free ten times a second, even between what is in use, and takes it from the system again
 * for the next messages, a page fault for each 4 KiB. Set as its authors ship it, it keeps what it had a second ago: a
 * quarter less CPU a send, and shorter tails (test/bench/RESULTS.md). It reads this as a process begins, from the environment alone.
 */
export function beginAnew(): void {
  const compiled = import.meta.path.startsWith('/$bunfs/')
  const set = Object.keys(SETTINGS).every(name => process.env[name] !== undefined)
  if (!compiled || set) return
  const argv = [process.argv0, ...process.argv.slice(2)]
  try {
    process.execve?.(process.execPath, argv, { ...SETTINGS, ...process.env })
  } catch {
    // Where no program may be started this one goes on: slower, and as good.
  }
}
