import { afterEach, describe, expect, spyOn, test } from 'bun:test'
import { type Clock, systemClock, systemRandom } from '../../src/clock.ts'
import type { LinkOptions, SubmitOutcome } from '../../src/smpp/link.ts'
import { Link } from '../../src/smpp/link.ts'
import type { Address, ListenOptions } from '../../src/smpp/net.ts'
import { connect, listen } from '../../src/smpp/net.ts'
import { Session } from '../../src/smpp/session.ts'
import { TurnedClock } from '../support/clock.ts'
import { certPem, keyPem } from './certificate.ts'
import { submit } from './link_rig.ts'
import { silent } from './wire.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** An SMSC that takes every submit_sm; `arrivals` has the monotonic moment of each. */
function smsc({ clock = systemClock, ...options }: Partial<ListenOptions> & { clock?: Clock } = {}) {
  const arrivals: number[] = []
  const listener = listen({ host: '127.0.0.1', port: 0, ...options }, transport => {
    return new Session(
      transport,
      { role: 'smsc', window: 10, responseTimeoutMs: 1000, enquireLinkMs: 0 },
      {
        request: pdu => {
          if (pdu.command !== 'submit_sm') return 0
          arrivals.push(clock.monotonic())
          return { status: 0, body: { message_id: `${arrivals.length}` } }
        },
        closed() {},
      },
      clock,
      silent,
    )
  })
  ends.push(() => listener.stop(true))
  return { listener, arrivals }
}

function linkTo(
  address: Address,
  options: Partial<LinkOptions> = {},
  room?: (link: Link) => void,
  clock: Clock = systemClock,
): Link {
  const link = new Link(
    {
      id: 1,
      name: 'one',
      address,
      systemId: 'me',
      password: 'secret',
      systemType: '',
      addresses: { ton: 0, npi: 0, range: '' },
      interfaceVersion: 0x34,
      bind: 'transceiver',
      connectTimeoutMs: 1000,
      responseTimeoutMs: 1000,
      enquireLinkMs: 30_000,
      window: 1000,
      limitTps: 0,
      ...options,
    },
    {
      connect,
      clock,
      random: systemRandom,
      log: silent,
      events: { room: link => room?.(link), deliver: () => 0, late() {}, state() {} },
    },
  )
  ends.push(() => link.close())
  link.enable()
  return link
}

/** What became of one connection. */
const outcome = (address: Address): Promise<string> =>
  new Promise(resolve => {
    connect(
      address,
      transport => {
        transport.close()
        resolve('opened')
        return { received() {}, drained() {}, close() {} }
      },
      reason => resolve(`failed: ${reason}`),
    )
  })

describe('connect', () => {
  test('opens a TCP connection', async () => {
    const { listener } = smsc()
    expect(await outcome({ host: '127.0.0.1', port: listener.port })).toBe('opened')
  })

  test('fails where nobody listens, and for a name that does not resolve', async () => {
    const { listener } = smsc()
    const { port } = listener
    listener.stop(true)
    expect(await outcome({ host: '127.0.0.1', port })).toStartWith('failed: ')
    expect(await outcome({ host: 'no-such-host.invalid', port })).toStartWith('failed: ')
  })

  test('opens TLS to a certificate of the authority that is given, by address and by name', async () => {
    const { listener } = smsc({ tls: { certPem, keyPem } })
    for (const host of ['127.0.0.1', 'localhost'])
      expect(await outcome({ host, port: listener.port, tls: { caPem: certPem } })).toBe('opened')
  })

  test('refuses a certificate that no authority vouches for, that of another host, and a peer without TLS', async () => {
    const { listener } = smsc({ host: '0.0.0.0', tls: { certPem, keyPem } })
    const { port } = listener
    expect(await outcome({ host: '127.0.0.1', port, tls: true })).toStartWith('failed: TLS')
    expect(await outcome({ host: '127.0.0.2', port, tls: { caPem: certPem } })).toStartWith('failed: TLS')
    const plain = smsc()
    plain.listener.stop(false)
    expect(await outcome({ host: '127.0.0.1', port: plain.listener.port, tls: true })).toStartWith('failed: ')
  })

  test('that is called off calls nobody', async () => {
    const { listener } = smsc()
    let called = ''
    const cancel = connect(
      { host: '127.0.0.1', port: listener.port },
      () => {
        called = 'opened'
        return { received() {}, drained() {}, close() {} }
      },
      () => {
        called = 'failed'
      },
    )
    cancel()
    expect(await outcome({ host: '127.0.0.1', port: listener.port })).toBe('opened')
    expect(called).toBe('')
  })

  const nobody = (): never => {
    throw new Error('it is not up')
  }

  test('that is called off, before it is up or while it shakes hands, leaves no connection standing', async () => {
    for (const tls of [false, true]) {
      let cancel = (): void => {}
      await new Promise<void>(closed => {
        const sink = { received: () => cancel(), drained() {}, close: () => closed() }
        const { port, stop } = listen({ host: '127.0.0.1', port: 0 }, () => sink)
        ends.push(() => stop(true))
        cancel = connect({ host: '127.0.0.1', port, tls }, nobody, nobody)
        if (!tls) cancel()
      })
    }
  })
})

test('a link over TLS takes ten thousand submits, each answered with its own id', async () => {
  const { listener, arrivals } = smsc({ tls: { certPem, keyPem } })
  const outcomes: Promise<SubmitOutcome>[] = []
  await new Promise<void>(resolve => {
    linkTo({ host: '127.0.0.1', port: listener.port, tls: { caPem: certPem } }, {}, link => {
      const short_message = new Uint8Array(140)
      while (link.room() > 0 && outcomes.length < 10_000) outcomes.push(submit(link, { short_message }, 0))
      if (outcomes.length === 10_000) resolve()
    })
  })
  const ids = (await Promise.all(outcomes)).map(each =>
    each.kind === 'accepted' ? each.messageId : each.kind,
  )
  expect([new Set(ids).size, arrivals.length]).toEqual([10_000, 10_000])
})

test('no sliding second at the SMSC holds more than limit_tps', async () => {
  const clock = new TurnedClock()
  const { listener, arrivals } = smsc({ clock })
  const fill = (link: Link): void => {
    while (link.room() > 0) void submit(link, {}, 0)
  }
  const link = linkTo({ host: '127.0.0.1', port: listener.port }, { limitTps: 500 }, fill, clock)
  // No time passes while octets are on their way.
  while (arrivals.length < 1500) {
    await clock.advance(1)
    while (link.state() !== 'LOADED' || arrivals.length < link.stats().submitted) await clock.settle()
  }
  for (let i = 500; i < arrivals.length; i++)
    expect((arrivals[i] ?? 0) - (arrivals[i - 500] ?? 0)).toBeGreaterThan(1000)
})

test('a connection that Bun calls idle is kept, and cut only once we have ended our side', () => {
  const listening = spyOn(Bun, 'listen')
  let end = (): void => {}
  const listener = listen({ host: '127.0.0.1', port: 0 }, transport => {
    end = transport.close
    return { received() {}, drained() {}, close() {} }
  })
  ends.push(() => listener.stop(true))
  const { socket: handlers } = listening.mock.calls[0]?.[0] ?? {}
  listening.mockRestore()
  const told: string[] = []
  const socket = {
    ...{ data: undefined, remoteAddress: '127.0.0.1', setNoDelay() {} },
    timeout: (seconds: number) => told.push(`timeout in ${seconds} s`),
    ...{ end: () => told.push('end'), terminate: () => told.push('terminate') },
  } as never
  handlers?.open?.(socket)
  handlers?.timeout?.(socket)
  expect(told).toEqual([])
  end()
  handlers?.timeout?.(socket)
  expect(told).toEqual(['timeout in 2 s', 'end', 'terminate'])
})
