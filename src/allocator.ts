/**
 * Imported first: a server begins anew, before the rest of it is loaded, with its allocator set as it needs it.
 *
 * Bun's mimalloc gives back what is free ten times a second, even between what is in use, and takes it from the system again
 * for the next messages, a page fault for each 4 KiB. Set as its authors ship it, it keeps what it had a second ago: a
 * fifth less CPU a send, and shorter tails (test/bench/RESULTS.md). It reads this as a process begins, from the environment alone.
 */
const SETTINGS = { MIMALLOC_PURGE_HOLES: '0', MIMALLOC_PURGE_DELAY: '1000' }

const [word = 'serve'] = process.argv.slice(2)
const serves = word === 'serve' || word.startsWith('--config')
const compiled = import.meta.path.startsWith('/$bunfs/')
const set = Object.keys(SETTINGS).every(name => process.env[name] !== undefined)

if (compiled && serves && !set) {
  try {
    process.execve?.(process.execPath, [process.argv0, ...process.argv.slice(2)], {
      ...SETTINGS,
      ...process.env,
    })
  } catch {
    // Where no program may be started, this one is slower and as good.
  }
}

export {}
