import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lineOutput } from '../src/log_output.ts'

test('lines arrive in order, each once, however many come at a time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sms-proxy-log-'))
  const file = join(folder, 'log')
  const fd = openSync(file, 'w')
  const output = lineOutput(fd)
  const lines = Array.from({ length: 10_000 }, (_, number) => `line ${number}\n`)
  for (const [number, line] of lines.entries()) {
    output.write(line)
    if (number % 1000 === 0) await Bun.sleep(1)
  }
  while (!readFileSync(file, 'utf8').endsWith('line 9999\n')) await Bun.sleep(5)
  expect(readFileSync(file, 'utf8')).toBe(lines.join(''))
  closeSync(fd)
  rmSync(folder, { recursive: true })
})

test('a full disk costs the lines and throws nothing', async () => {
  const fd = openSync('/dev/full', 'w')
  const output = lineOutput(fd)
  for (let number = 0; number < 100; number++) {
    expect(() => output.write('lost\n')).not.toThrow()
    if (number % 10 === 0) await Bun.sleep(1)
  }
  await Bun.sleep(20)
  closeSync(fd)
})
