import { setDefaultTimeout } from 'bun:test'
import { attacks } from '../http/attacks.ts'
import { startSmsc } from '../support/smsc.ts'
import { ADMIN_KEY, startGateway } from './gateway.ts'

/** The attacks of test/http, on the binary. */

setDefaultTimeout(240_000)

attacks(async () => {
  const smsc = startSmsc()
  const gateway = await startGateway({ links: [{ port: smsc.port, more: 'limit_tps: 0' }] })
  const asApp = await gateway.asApp()
  return {
    url: gateway.url,
    port: gateway.port,
    ...gateway.user,
    token: asApp.authorization?.slice('Bearer '.length) ?? '',
    asApp,
    asAdmin: { 'x-admin-key': ADMIN_KEY },
    sent: () => smsc.received.length,
    // A line that is no JSON is a stack on the standard error.
    faults: () => gateway.log.filter(line => !line.startsWith('{') || JSON.parse(line).level === 'error'),
    async close() {
      await gateway[Symbol.asyncDispose]()
      await smsc.close()
    },
  }
})
