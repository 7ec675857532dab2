import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { UsageError } from './usage.ts'

/**
 * A secret from the person at the terminal, unseen, or the first line of the standard input. Never an argument:
 * those stay in the shell's history and show in the list of processes.
 */
export async function askSecret(name: string): Promise<string> {
  const terminal = process.stdin.isTTY === true
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: unseen, terminal })
  // Behind it: whoever types as soon as he is asked (a program, say) would see what he types.
  if (terminal) process.stderr.write(`${name}: `)
  try {
    for await (const line of lines) {
      if (line !== '') return line
      break
    }
    throw new UsageError(`no ${name} was given: type it, or pipe it in as one line`)
  } finally {
    lines.close()
    if (terminal) process.stderr.write('\n')
  }
}
