import { expect, test } from 'bun:test'
import { filterViews, linkView, poolViews, readiness } from '../src/views.ts'

test('a pool allows as many parts a second as its links together, and has no limit where one has none', () => {
  const totalOf = (...limits: number[]) => {
    const links = limits.map((limitTps, id) => ({ name: `link-${id}`, settings: { limitTps } }))
    return poolViews({ pools: () => [{ id: 0, name: 'pool', links }] as never })[0]?.totalTps
  }
  expect([totalOf(10, 20), totalOf(10, 0)]).toEqual([30, 0])
})

test('a link tells the SMPP version that it announces', () => {
  const versionOf = (interfaceVersion: number) =>
    linkView({ settings: { interfaceVersion, address: {} }, stats: {} } as never).interfaceVersion
  expect([versionOf(0x33), versionOf(0x34)]).toEqual(['3.3', '3.4'])
})

test('a filter whose file is not in force says why, and another says nothing of it', () => {
  const filter = { active: true, blacklist: true, description: '', snippet: '' }
  const named = (name: string, error: string) => ({ ...filter, name, error, hits: 1 })
  expect(filterViews({ filters: [named('good', ''), named('broken', 'line 3')] } as never)).toEqual({
    good: filter,
    broken: { ...filter, error: 'line 3' },
  })
})

test('a gateway is ready while it runs, its store takes writes and one of its links is bound, whatever it warns of', () => {
  const ready = ({ stopping = false, fault = undefined as string | undefined, bound = true } = {}) => {
    const links = [{ bound: false }, { bound }]
    return readiness(stopping, { fault: () => fault }, { links: () => links as never }, 'writes wait')
  }
  expect(ready()).toEqual({ ready: true, reason: 'writes wait' })
  expect(ready({ stopping: true })).toEqual({ ready: false, reason: 'the gateway is stopping' })
  expect(ready({ fault: 'the disk is full' })).toEqual({ ready: false, reason: 'the disk is full' })
  expect(ready({ bound: false })).toEqual({ ready: false, reason: 'no link is bound' })
})
