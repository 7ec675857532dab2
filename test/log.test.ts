import { expect, test } from 'bun:test'
import { createLog, type LogOptions } from '../src/log.ts'

const OPTIONS: LogOptions = { level: 'info', format: 'json', server: 'gw-1' }

function logged(options: Partial<LogOptions>, use: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = []
  use(createLog({ ...OPTIONS, ...options }, { write: line => void lines.push(line) }))
  return lines
}

const json = (line = ''): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>

test('a line is one JSON object with its time, level, server, component, fields and text', () => {
  const [line] = logged({}, log => log.child('smpp').warn({ link: 'a' }, 'link state'))
  expect(line).toEndWith('\n')
  expect(json(line)).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    level: 'warn',
    server: 'gw-1',
    component: 'smpp',
    link: 'a',
    msg: 'link state',
  })
})

test('what is below the level is not said', () => {
  const lines = logged({ level: 'warn' }, log => {
    log.debug({}, 'a')
    log.info({}, 'b')
    log.child('x').info({}, 'c')
    log.error({}, 'd')
  })
  expect(lines.map(line => json(line).msg)).toEqual(['d'])
})

test.each(['json', 'pretty'] as const)('no line in %s has a secret in it, wherever it was put', format => {
  const lines = logged({ format }, log => {
    log.info({ password: 'hunter2', link: { password: 'hunter2', name: 'a' } }, 'one')
    log.child('http').info({ authorization: 'hunter2', request: { token: 'hunter2' } }, 'two')
  })
  expect(lines).toHaveLength(2)
  expect(lines.join('')).not.toContain('hunter2')
  expect(lines[0]).toContain('"a"')
})

test('an error is one line, with its cause', () => {
  const [line, ...rest] = logged({}, log =>
    log.error({ err: new Error('not stored', { cause: new Error('disk full') }) }, 'failed'),
  )
  expect(rest).toEqual([])
  expect(line?.trimEnd()).not.toContain('\n')
  expect(json(line).err).toMatchObject({ type: 'Error', message: 'not stored', cause: 'disk full' })
})

test('pretty is a line for people', () => {
  const [line] = logged({ format: 'pretty' }, log => log.child('smpp').info({ link: 'a' }, 'link state'))
  expect(line).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: smpp: link state/)
  expect(line).toContain('{"link":"a"}')
})
