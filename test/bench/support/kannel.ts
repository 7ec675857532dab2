import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TEXT } from './gateway.ts'
import { type Child, freePort, type Place, start, stop } from './process.ts'

/** Kannel 1.4.5 as Debian packages it, with the same link, message and SMSC; on 127.0.0.1 alone. */

const BEARERBOX = Bun.which('bearerbox', { PATH: `${process.env.PATH}:/usr/sbin` })
const SMSBOX = Bun.which('smsbox', { PATH: `${process.env.PATH}:/usr/sbin` })

export interface KannelOptions {
  readonly smscPort: number
  /** `none` keeps messages in memory alone. */
  readonly store: 'none' | 'spool' | 'file'
  /** Receipts asked for, and told to a sink by HTTP. */
  readonly receipts: boolean
  readonly window?: number
  readonly place: Place
}

export interface Kannel {
  readonly port: number
  readonly pids: readonly number[]
  /** A whole HTTP request; the destination ends in `#`. */
  readonly request: string
  /** Calls of the dlr-url that the sink has heard. */
  callbacks(): number
  stop(): Promise<void>
}

export const kannelInstalled = BEARERBOX !== null && SMSBOX !== null

export async function startKannel(options: KannelOptions): Promise<Kannel> {
  if (BEARERBOX === null || SMSBOX === null) throw new Error('Kannel is not installed')
  const { smscPort, store, receipts, window = 100, place } = options
  const folder = mkdtempSync(join(tmpdir(), 'bench-kannel-'))
  mkdirSync(join(folder, 'spool'))
  const [admin, box, port] = [freePort(), freePort(), freePort()]
  const storage = {
    none: '',
    spool: `store-type = spool\nstore-location = ${folder}/spool`,
    file: `store-type = file\nstore-location = ${folder}/store`,
  }[store]
  const configuration = join(folder, 'kannel.conf')
  writeFileSync(
    configuration,
    `group = core
admin-port = ${admin}
admin-interface = 127.0.0.1
admin-password = bench
smsbox-port = ${box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-level = 4
dlr-storage = internal
${storage}

group = smsc
smsc = smpp
smsc-id = bench
host = 127.0.0.1
port = ${smscPort}
smsc-username = bench
smsc-password = secret
system-type = bench
transceiver-mode = true
max-pending-submits = ${window}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = ${port}
sendsms-interface = 127.0.0.1
log-level = 4

group = sendsms-user
username = bench
password = bench
max-messages = 10
`,
  )
  let heard = 0
  const sink = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: () => {
      heard++
      return new Response()
    },
  })
  const children: Child[] = []
  const run = (program: string): void => {
    const child = start([program, '-v', '4', configuration], place, { cwd: folder })
    void child.stdout.pipeTo(new WritableStream())
    children.push(child)
  }
  run(BEARERBOX)
  await listening(box)
  run(SMSBOX)
  await listening(port)
  await online(admin)
  const query = new URLSearchParams({ username: 'bench', password: 'bench', from: 'MyCompany', text: TEXT })
  if (receipts) {
    query.set('dlr-mask', '31')
    query.set('dlr-url', `http://127.0.0.1:${sink.port}/?id=%F&state=%d`)
  }
  return {
    port,
    pids: children.map(child => child.pid),
    request: `GET /cgi-bin/sendsms?to=49#&${query} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`,
    callbacks: () => heard,
    stop: async () => {
      for (const child of children.toReversed()) await stop(child)
      await sink.stop(true)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function listening(port: number): Promise<void> {
  await until(async () => {
    const socket = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } })
    socket.end()
    return true
  })
}

async function online(adminPort: number): Promise<void> {
  await until(async () =>
    (
      await fetch(`http://127.0.0.1:${adminPort}/status.txt?password=bench`).then(reply => reply.text())
    ).includes('online'),
  )
}

async function until(ask: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1500; tries++) {
    if (await ask().catch(() => false)) return
    await Bun.sleep(10)
  }
  throw new Error('Kannel does not start')
}
