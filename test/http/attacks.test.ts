import { expect, test } from 'bun:test'
import { DUMMY_HASH } from '../../src/users/passwords.ts'
import { attacks } from './attacks.ts'
import { EMAIL, jsonOf, PASSWORD, startEdge } from './support.ts'

attacks(async () => {
  const edge = await startEdge()
  return {
    ...edge,
    email: EMAIL,
    password: PASSWORD,
    sent: () => edge.submitted.length,
    faults: () => edge.logged,
    close: () => edge.stop(),
  }
})

test('login does the same work for an unknown email, a wrong password and a foreign app', async () => {
  const edge = await startEdge()
  const login = (email: string, password: string, app_id: number) =>
    fetch(`${edge.url}/api/v1/user/login`, jsonOf({ email, password, app_id }))
  const request = { email: 'b@example.com', password: 'secret-b', appName: 'b', appSecret: 'secret-of-b' }
  await edge.users.registerProxyUser(request, 'test')
  const before = edge.verified.length
  await login('nobody@example.com', PASSWORD, 1)
  await login(EMAIL, 'wrong-password', 1)
  await login(EMAIL, PASSWORD, 2)
  expect(edge.verified.slice(before)).toEqual([DUMMY_HASH, `$plain$${PASSWORD}`, `$plain$${PASSWORD}`])
  await edge.stop()
})
