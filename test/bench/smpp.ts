/**
 * The SMPP engine by itself: `bun test/bench/smpp.ts`. The codec in this process; then submit_sm a second
 * by window over one loopback connection, to an SMSC in a second process that answers at once.
 */
import { systemClock, systemRandom } from '../../src/clock.ts'
import { decode, encode } from '../../src/smpp/codec.ts'
import { Link } from '../../src/smpp/link.ts'
import { connect, listen } from '../../src/smpp/net.ts'
import type { BodyInput, Command } from '../../src/smpp/pdu.ts'
import { Session } from '../../src/smpp/session.ts'
import { ByteWriter } from '../../src/smpp/writer.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const CODEC_RUNS = 1_000_000
const ENGINE_MS = 3000

const submit = {
  source_addr_ton: 5,
  source_addr: 'Sender',
  dest_addr_ton: 1,
  dest_addr_npi: 1,
  destination_addr: '447700900123',
  registered_delivery: 1,
  short_message: new Uint8Array(Buffer.from('Your code is 123456. Do not give it to anybody at all.')),
}

function timed(run: () => void): number {
  for (let i = 0; i < CODEC_RUNS / 10; i++) run()
  const startedAt = performance.now()
  for (let i = 0; i < CODEC_RUNS; i++) run()
  return ((performance.now() - startedAt) / CODEC_RUNS) * 1e6
}

function codec<C extends Command>(command: C, body: BodyInput<C>): void {
  const out = new ByteWriter()
  const encodeNs = timed(() => {
    out.length = 0
    encode(out, command, body, 1)
  })
  const frame = out.view().slice()
  const decodeNs = timed(() => decode(frame))
  console.log(`| ${command} | ${frame.length} | ${encodeNs.toFixed(0)} | ${decodeNs.toFixed(0)} |`)
}

function serve(): void {
  let id = 0
  const { port } = listen(
    { host: '127.0.0.1', port: 0 },
    transport =>
      new Session(
        transport,
        { role: 'smsc', window: 1, responseTimeoutMs: 5000, enquireLinkMs: 0 },
        {
          request: pdu =>
            pdu.command === 'submit_sm' ? { status: 0, body: { message_id: (++id).toString(16) } } : 0,
          closed() {},
        },
        systemClock,
        quiet,
      ),
  )
  console.log(port)
}

async function measure(port: number, window: number): Promise<void> {
  let accepted = 0
  let endsAt = 0
  const fill = (link: Link): void => {
    if (performance.now() >= endsAt) return
    for (let room = link.room(); room > 0; room--) {
      void link.submit(submit, undefined).then(outcome => {
        if (outcome.kind === 'accepted') accepted++
      })
    }
  }
  const link = await new Promise<Link>(resolve => {
    const made = new Link(
      {
        id: 1,
        name: 'bench',
        address: { host: '127.0.0.1', port },
        systemId: 'bench',
        password: '',
        systemType: '',
        interfaceVersion: 0x34,
        bind: 'transceiver',
        connectTimeoutMs: 1000,
        responseTimeoutMs: 5000,
        enquireLinkMs: 0,
        window,
        limitTps: 0,
        enabled: true,
      },
      {
        connect,
        clock: systemClock,
        random: systemRandom,
        log: quiet,
        events: {
          room: fill,
          deliver: () => 0,
          late() {},
          state: (bound, _, to) => {
            if (to === 'LOADED') resolve(bound)
          },
        },
      },
    )
    made.start()
  })
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  endsAt = startedAt + ENGINE_MS
  fill(link)
  await new Promise(resolve => setTimeout(resolve, ENGINE_MS))
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const rate = Math.round(accepted / seconds).toLocaleString('en')
  console.log(`| ${window} | ${rate} | ${((user + system) / accepted).toFixed(2)} |`)
  await link.close()
}

if (process.argv[2] === 'smsc') serve()
else {
  console.log('| PDU | octets | encode ns | decode ns |\n|---|---|---|---|')
  codec('submit_sm', submit)
  codec('submit_sm_resp', { message_id: '0123456789abcdef' })
  codec('deliver_sm', {
    ...submit,
    esm_class: 4,
    tlvs: { receipted_message_id: '0123456789abcdef', message_state: 2 },
  })
  codec('deliver_sm_resp', {})
  const smsc = Bun.spawn([process.execPath, import.meta.path, 'smsc'], { stdout: 'pipe', stderr: 'inherit' })
  const { value } = await smsc.stdout.getReader().read()
  const port = Number(new TextDecoder().decode(value))
  console.log('\n| window | submit_sm/s | CPU µs each, our side |\n|---|---|---|')
  for (const window of [1, 10, 100, 1000]) await measure(port, window)
  smsc.kill()
}
