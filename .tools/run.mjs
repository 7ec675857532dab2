/** `node .tools/run.mjs ARG…`: installs what is missing, then becomes `bun ARG…` as far as a caller can tell. */
import { spawn } from 'node:child_process'
import { install } from './install.mjs'

const child = spawn(install(), process.argv.slice(2), { stdio: 'inherit' })
// A terminal's Ctrl-C reaches the child by itself; a signal to this process alone is passed on.
for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP']))
  process.on(signal, () => child.kill(signal))
process.on('SIGINT', () => {})
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
