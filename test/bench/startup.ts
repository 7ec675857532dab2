/**
 * From the start of the binary to its first 200, ten times, and the memory it then has.
 *   bun run bench startup
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BINARY } from './support/gateway.ts'
import { freePort, rssMiB, start, stop } from './support/process.ts'
import { heading, row, tenths, whole } from './support/table.ts'

const RUNS = 10
const GIVE_UP_MS = 10_000

async function firstAnswer(port: number): Promise<void> {
  const until = performance.now() + GIVE_UP_MS
  for (;;) {
    try {
      if ((await fetch(`http://127.0.0.1:${port}/healthy`)).status === 200) return
    } catch {
      // Nobody listens yet.
    }
    if (performance.now() > until) throw new Error('no answer')
    await Bun.sleep(1)
  }
}

async function measure(name: string, files: Readonly<Record<string, string>>): Promise<void> {
  const times: number[] = []
  let rss = 0
  for (let run = 0; run < RUNS; run++) {
    const folder = mkdtempSync(join(tmpdir(), 'bench-startup-'))
    const port = freePort()
    for (const [file, text] of Object.entries(files)) await Bun.write(join(folder, file), text)
    writeFileSync(
      join(folder, 'sms-proxy.yaml'),
      `endpoint: 127.0.0.1:${port}\nfilters: { dir: ./filters }\n`,
    )
    const startedAt = performance.now()
    const child = start([BINARY, 'serve'], 'server', { cwd: folder, env: {} })
    void child.stdout.pipeTo(new WritableStream())
    await firstAnswer(port)
    times.push(performance.now() - startedAt)
    await Bun.sleep(500)
    rss = Math.max(rss, rssMiB(child.pid))
    await stop(child)
    rmSync(folder, { recursive: true, force: true })
  }
  times.sort((a, b) => a - b)
  row(name, tenths(times[0] ?? 0), tenths(times[RUNS >> 1] ?? 0), tenths(times[RUNS - 1] ?? 0), whole(rss))
}

heading('Start to the first 200', 'start', 'best ms', 'median ms', 'worst ms', 'RSS MiB, idle')
await measure('an empty folder', {})
await measure('with two filters', {
  'filters/one.js': 'export default sms => sms.destination.startsWith("1900")',
  'filters/two.js': 'export default sms => /casino|lottery/i.test(sms.message)',
})
