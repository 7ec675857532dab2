/**
 * The SMPP engine by itself: submit_sm a second by window over one loopback connection, to an SMSC in a second
 * process that answers at once.
 *   bun run bench engine
 */
import { systemClock, systemRandom } from '../../src/clock.ts'
import { Link } from '../../src/smpp/link.ts'
import { connect, listen } from '../../src/smpp/net.ts'
import { Session } from '../../src/smpp/session.ts'
import { start, stop } from './support/process.ts'
import { heading, hundredths, row, whole } from './support/table.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }
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
      link.send(submit, undefined, outcome => {
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
        addresses: { ton: 0, npi: 0, range: '' },
        interfaceVersion: 0x34,
        bind: 'transceiver',
        connectTimeoutMs: 1000,
        responseTimeoutMs: 5000,
        enquireLinkMs: 0,
        window,
        limitTps: 0,
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
    made.enable()
  })
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  endsAt = startedAt + ENGINE_MS
  fill(link)
  await new Promise(resolve => setTimeout(resolve, ENGINE_MS))
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpu)
  row(String(window), whole(accepted / seconds), hundredths((user + system) / accepted))
  await link.close()
}

if (process.argv[2] === 'smsc') serve()
else {
  const smsc = start([process.execPath, import.meta.path, 'smsc'], 'load')
  const { value } = await smsc.stdout.getReader().read()
  const port = Number(new TextDecoder().decode(value))
  heading('The SMPP engine, one connection', 'window', 'submit_sm/s', 'CPU µs each, our side')
  for (const window of [1, 10, 100, 1000]) await measure(port, window)
  await stop(smsc)
}
