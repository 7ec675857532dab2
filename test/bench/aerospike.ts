import { AerospikeServer } from '../support/aerospike_server.ts'

/**
 * Our client in Bun against the official one in Node: the same server, the same load, one after the other.
 * AEROSPIKE_HOSTS=127.0.0.1:3000 bun test/bench/aerospike.ts; without it on the fake server, whose own cost
 * then limits both. With one request in flight the waking of an idle core has half of the time: `taskset` the
 * server and this to one core to see the clients.
 */
interface Figures {
  readonly opsPerSecond: number
  readonly opsPerCpuSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const namespace = process.env.AEROSPIKE_NAMESPACE ?? 'test'
const durationMs = process.env.BENCH_MS ?? '3000'
const fake = process.env.AEROSPIKE_HOSTS ? undefined : new AerospikeServer({ namespaces: [namespace] })
const hosts =
  process.env.AEROSPIKE_HOSTS ?? fake?.hosts.map(({ host, port }) => `${host}:${port}`).join() ?? ''

async function run(command: readonly string[], inFlight: number): Promise<Figures> {
  const child = Bun.spawn([...command, hosts, namespace, String(inFlight), durationMs], { stderr: 'inherit' })
  const text = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')} failed`)
  return JSON.parse(text)
}

const whole = (number: number) => Math.round(number).toLocaleString('en').padStart(10)
console.log(`${hosts}, half puts, half gets, ${durationMs} ms each`)
console.log('in flight | client   |      ops/s | ops/CPU s  | p50 ms | p99 ms')
for (const inFlight of [1, 16, 256]) {
  const ours = await run([process.execPath, `${import.meta.dir}/aerospike_ours.ts`], inFlight)
  const official = await run(['node', `${import.meta.dir}/aerospike_official.mjs`], inFlight)
  const floor =
    inFlight === 1 ? await run([process.execPath, `${import.meta.dir}/aerospike_floor.ts`], 1) : undefined
  for (const [name, figures] of [
    ['ours', ours],
    ['official', official],
    ...(floor ? [['floor', floor] as const] : []),
  ] as const) {
    const latency = [figures.p50Ms, figures.p99Ms].map(ms => ms.toFixed(3).padStart(6)).join(' | ')
    console.log(
      `${String(inFlight).padStart(9)} | ${name.padEnd(8)} | ${whole(figures.opsPerSecond)} | ${whole(figures.opsPerCpuSecond)} | ${latency}`,
    )
  }
  console.log(
    `          | ops per CPU second: ${(ours.opsPerCpuSecond / official.opsPerCpuSecond).toFixed(2)} times${floor ? `, ${(floor.opsPerCpuSecond / official.opsPerCpuSecond).toFixed(2)} at the best` : ''}`,
  )
}
fake?.stop()
