import { expect, test } from 'bun:test'
import { startSmsc, type TestSmsc } from '../support/smsc.ts'
import { type Reply, startGateway, type TestGateway } from './gateway.ts'

/** Longer by `FAILOVER_MS=30000`. */
const EACH_MS = Number(process.env.FAILOVER_MS ?? 600)
const SENDS_PER_SECOND = Number(process.env.FAILOVER_RATE ?? 1000)
const WINDOW = 50
/** Far more than the slow one takes, also where the machine is slow. */
const RESPONSE_TIMEOUT_MS = 2000

interface Sent {
  readonly tag: string
  readonly at: number
  readonly tookMs: number
  readonly reply: Reply
}

/** Sends at a steady pace; a third of the way in, something happens. */
async function load(gateway: TestGateway, changes: () => Promise<unknown> | unknown): Promise<Sent[]> {
  const answers: Promise<Sent>[] = []
  const began = performance.now()
  let changed = false
  for (let elapsed = 0; elapsed < 3 * EACH_MS; elapsed = performance.now() - began) {
    if (!changed && elapsed >= EACH_MS) {
      changed = true
      void changes()
    }
    while (answers.length < (elapsed * SENDS_PER_SECOND) / 1000)
      answers.push(send(gateway, answers.length, began))
    await Bun.sleep(5)
  }
  return Promise.all(answers)
}

async function send(gateway: TestGateway, number: number, began: number): Promise<Sent> {
  const tag = `tag-${number}`
  const start = performance.now()
  const reply = await gateway.send({ message: tag, destination: `+49170${1_000_000 + number}` })
  return { tag, at: start - began, tookMs: performance.now() - start, reply }
}

const tagsOf = ({ received }: TestSmsc): string[] =>
  received.map(({ pdu }) =>
    pdu.command === 'submit_sm' ? Buffer.from(pdu.short_message).toString('latin1') : '',
  )

function p99(sent: readonly Sent[]): string {
  const times = sent.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
  return `${Math.round(times[Math.floor(times.length * 0.99)] ?? 0)} ms`
}

function reset(dying: TestSmsc): Promise<void> {
  dying.smsc.drop({ reset: true })
  return dying.close()
}

test.each([
  ['is reset and comes no more', reset],
  ['falls mute', (dying: TestSmsc) => dying.smsc.set({ mute: 'on' })],
  ['answers slowly', (dying: TestSmsc) => dying.smsc.set({ delay: '400ms' })],
] as const)(
  `when one of two links %s under ${SENDS_PER_SECOND} messages a second, what was not written goes over the other and what was is unknown`,
  async (name, die) => {
    await using dying = startSmsc({ delay: '5ms', receipts: 'off' })
    await using living = startSmsc({ delay: '5ms', receipts: 'off' })
    const more = `window: ${WINDOW}, limit_tps: 0, response_timeout: ${RESPONSE_TIMEOUT_MS}ms`
    await using gateway = await startGateway({
      links: [
        { port: dying.port, more },
        { port: living.port, more },
      ],
    })
    await gateway.app('POST', '/api/v1/sms/check-esme', { esme: 1 })
    const sent = await load(gateway, () => die(dying))

    const answered = sent.filter(({ reply }) => reply.status === 200)
    const unknown = sent.filter(({ reply }) => reply.body.status === 'unknown')
    expect(
      sent.filter(one => !answered.includes(one) && !unknown.includes(one)).map(one => one.reply.body),
    ).toEqual([])
    const tags = [...tagsOf(dying), ...tagsOf(living)]
    expect(new Set(tags).size).toBe(tags.length)
    const reached = new Set(tags)
    for (const { tag } of answered) expect(reached).toContain(tag)
    const survivors = new Set(tagsOf(living))
    for (const { tag } of unknown) expect(survivors).not.toContain(tag)
    // What was in flight: a link that is silent gets nothing more.
    expect(unknown.length).toBeLessThanOrEqual(WINDOW)
    if (name === 'answers slowly') expect(unknown).toEqual([])
    const [before, during, after] = [0, 1, 2].map(third =>
      p99(sent.filter(({ at }) => Math.min(2, Math.floor(at / EACH_MS)) === third)),
    )
    console.log(
      `${name}: ${sent.length} sends, ${unknown.length} unknown; p99 ${before}, ${during}, ${after}`,
    )
  },
  240_000 + 4 * EACH_MS,
)
