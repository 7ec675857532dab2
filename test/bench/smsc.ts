import { systemClock } from '../../src/clock.ts'
import { connect } from '../../src/smpp/net.ts'
import type { Log } from '../../src/smpp/ports.ts'
import { Session } from '../../src/smpp/session.ts'
import { Smsc, seededDraw } from '../../src/smsc/smsc.ts'

/**
 * `bun test/bench/smsc.ts`: submit_sm a second that the simulator answers, in a process of its own, to one
 * session; without receipts and with one for each.
 */

const WINDOW = 500
const MESSAGES = 300_000

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

if (process.argv[2] === 'serve') {
  const options = {
    host: '127.0.0.1',
    port: 0,
    firstId: 1,
    clock: systemClock,
    draw: seededDraw(1),
    log: silent,
  }
  const smsc = new Smsc(options)
  console.log(smsc.port)
} else {
  const server = Bun.spawn([process.execPath, import.meta.path, 'serve'], { stdout: 'pipe' })
  const { value } = await server.stdout.getReader().read()
  const port = Number(new TextDecoder().decode(value))
  await measure(port, 0)
  await measure(port, 1)
  server.kill()
  await server.exited
  const { total } = server.resourceUsage()?.cpuTime ?? { total: 0n }
  console.log(`the simulator's CPU   ${Math.round(Number(total) / ((2 * MESSAGES) / 1000))} us a thousand`)
  process.exit(0)
}

function measure(port: number, registered_delivery: number): Promise<void> {
  return new Promise(done => {
    const body = {
      ...{ source_addr: 'Sender', source_addr_ton: 5, dest_addr_ton: 1, dest_addr_npi: 1 },
      ...{
        destination_addr: '491701234567',
        registered_delivery,
        short_message: new Uint8Array(100).fill(97),
      },
    }
    let sent = 0
    let answered = 0
    let receipts = 0
    let startedAt = 0
    const settle = (): void => {
      answered++
      next()
    }
    const next = (): void => {
      if (sent < MESSAGES) {
        sent++
        session.send('submit_sm', body, undefined, settle)
      } else finish()
    }
    const finish = (): void => {
      if (answered < MESSAGES || receipts < MESSAGES * registered_delivery) return
      const seconds = (performance.now() - startedAt) / 1000
      const kind = registered_delivery === 0 ? 'without receipts' : 'with receipts'
      console.log(`${kind.padEnd(18)} ${Math.round(MESSAGES / seconds)} submit_sm/s`)
      session.close('done')
      done()
    }
    let session: Session
    const request = (): number => {
      receipts++
      finish()
      return 0
    }
    connect(
      { host: '127.0.0.1', port },
      transport => {
        const options = { role: 'esme', window: WINDOW, responseTimeoutMs: 5000, enquireLinkMs: 0 } as const
        session = new Session(transport, options, { request, closed() {} }, systemClock, silent)
        session.send('bind_transceiver', { system_id: `bench${registered_delivery}` }, undefined, () => {
          startedAt = performance.now()
          for (let i = 0; i < WINDOW; i++) next()
        })
        return session
      },
      reason => {
        throw new Error(reason)
      },
    )
  })
}
