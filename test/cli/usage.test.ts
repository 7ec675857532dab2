import { expect, test } from 'bun:test'
import { listenFault, UsageError, wholeNumber } from '../../src/cli/usage.ts'

test('a whole number goes from 0 to its bound, and is nothing else', () => {
  expect(wholeNumber('port', '0', 65_535)).toBe(0)
  expect(wholeNumber('port', '65535', 65_535)).toBe(65_535)
  for (const wrong of ['65536', '', '-1', '1.5', '1e3', '7x', ' 7', true, undefined])
    expect(() => wholeNumber('port', wrong, 65_535)).toThrow(UsageError)
})

test('a server that may not listen at a port says so with a remedy, and any other fault stays as it is', () => {
  const at = { host: '127.0.0.1', port: 80 }
  const fault = (code: string) => Object.assign(new Error('no'), { code })
  for (const code of ['EACCES', 'EPERM'])
    expect(listenFault(fault(code), at, 'name another')).toMatchObject({
      message: '127.0.0.1:80 may not be listened at, as a port below 1024 may by few: name another',
    })
  const other = fault('ENOSPC')
  expect(listenFault(other, at, 'name another')).toBe(other)
})
