import { expect, test } from 'bun:test'
import { FAULT_OPTIONS } from '../../src/smsc/faults.ts'
import { Esme, told } from './esme.ts'

const COMMAND = `
  const { smsc } = await import('${import.meta.dir}/../../src/cli/smsc.ts')
  process.exitCode = await smsc(process.argv.slice(1))
`

const start = (...args: string[]) =>
  Bun.spawn([process.execPath, '-e', COMMAND, '--', ...args], { stdout: 'pipe', stderr: 'pipe' })

async function ended(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const command = start(...args)
  const [out, err, code] = await Promise.all([
    new Response(command.stdout).text(),
    new Response(command.stderr).text(),
    command.exited,
  ])
  return { code, out, err }
}

test('smsc --help names every fault with its default, and what may be written', async () => {
  const { code, out } = await ended('--help')
  expect(code).toBe(0)
  for (const { name } of FAULT_OPTIONS) expect(out).toContain(`  --${name}`)
  expect(out).toContain('--delay TIME                    before the response to each message (0ms)')
  expect(out).toContain('WHICH   never, always, a share such as 0.1')
  expect(out).not.toContain('undefined')
})

const wrong: readonly (readonly [string, readonly string[], string])[] = [
  ['a wrong time', ['--delay', '20'], '--delay: "20" is not a time such as 20ms or 1.5s'],
  ['an unknown flag', ['--nope'], "'--nope'"],
  ['a port past 65535', ['--port', '70000'], '--port: "70000" is not a whole number up to 65535'],
  [
    'an account without a password',
    ['--account', 'me'],
    '--account: write the system_id, a colon and the password',
  ],
]
for (const [name, args, told] of wrong)
  test(`smsc refuses ${name} and says what would be right`, async () => {
    const { code, err } = await ended(...args)
    expect(code).toBe(2)
    expect(err).toContain(told)
    expect(err).toEndWith('see sms-proxy smsc --help\n')
  })

test('smsc prints its port, serves with its faults, and ends well on SIGTERM', async () => {
  const command = start('--port', '0', '--account', 'esme:secret', '--error', '0x45=*7', '--receipts', 'off')
  const reader = command.stdout.getReader()
  const read = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value)
  const port = Number(/^SMSC on port (\d+)\n$/.exec(await read())?.[1])
  using esme = await Esme.bound(port)
  expect(told(await esme.submit('491707'))).toBe('0x45')
  expect(told(await esme.submit('491701'))).toMatch(/^0x0 \d{15}$/)
  command.kill('SIGTERM')
  expect(await esme.closed).toBe('unbound by the peer')
  expect(await command.exited).toBe(0)
  expect(await read()).toBe('2 messages, 1 taken, 1 refused\n')
})

/** Which of 24 messages a simulator with this seed refuses, at a chance of one in two. */
async function refused(seed: string): Promise<string> {
  const command = start('--port', '0', '--seed', seed, '--error', '0x45=0.5')
  const { value } = await command.stdout.getReader().read()
  using esme = await Esme.bound(Number(/\d+/.exec(new TextDecoder().decode(value))?.[0]))
  let drawn = ''
  for (let sent = 0; sent < 24; sent++) drawn += told(await esme.submit('491701')) === '0x45' ? '1' : '0'
  command.kill('SIGTERM')
  await command.exited
  return drawn
}

test('smsc --seed: the same number draws the same faults, another draws others, the least and the most among them', async () => {
  const [least, again, most, other] = await Promise.all(['0', '0', '4294967295', '7'].map(refused))
  expect(again).toBe(least)
  expect(new Set([least, most, other]).size).toBe(3)
  for (const drawn of [least, most, other]) expect(drawn).toMatch(/^(?=.*1)(?=.*0)/)
})
