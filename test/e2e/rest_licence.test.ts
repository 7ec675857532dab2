import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startSmsc, type TestSmsc } from '../support/smsc.ts'
import { type Reply, TestGateway } from './gateway.ts'
import { audited, formOf, licenceForm, licenceKey, run, type Terms } from './rest.ts'

/** A licence from `keygen` to its enforcement, by the binary's own commands. */

setDefaultTimeout(240_000)

const UPLOAD = '/api/v1/admin/settings/license/upload'

let smsc: TestSmsc
let gateway: TestGateway
let publicKey: string

beforeEach(async () => {
  smsc = startSmsc()
  const links = [1, 2, 3].map(() => ({ port: smsc.port, more: 'limit_tps: 0' }))
  gateway = new TestGateway({ links })
  publicKey = licenceKey(gateway.folder)
  const yaml = `license: { public_key: "${publicKey}" }`
  gateway.configure({ links, yaml, smpp: '  queue_timeout: 100ms' })
  await gateway.start()
  await gateway.bound()
})
afterEach(async () => {
  await gateway[Symbol.asyncDispose]()
  await smsc.close()
})

const upload = (terms: Terms): Promise<Reply> =>
  gateway.admin('POST', UPLOAD, licenceForm(gateway.folder, terms))

const states = async (): Promise<readonly string[]> => {
  const { body } = await gateway.admin('GET', '/api/v1/admin/dashboard/smpp-links')
  return body.data.map((link: { status: string }) => link.status)
}

test('without a licence there are no limits, and the fields are empty', async () => {
  const { body } = await gateway.app('GET', '/api/v1/settings/license')
  const data = { company: '', valid_until: '', max_connections: 0, max_tps: 0, status: 'none' }
  expect(body).toEqual({ success: true, data })
  expect((await gateway.send()).status).toBe(200)
})

test('a licence is written down with who uploaded it, shown by both routes and by the command, and kept over a restart', async () => {
  const terms = { company: 'Fernmelde GmbH', validUntil: '2999-12-31', connectionsMax: 3, tpsMax: 50 }
  const file = licenceForm(gateway.folder, terms).get('license')
  writeFileSync(join(gateway.folder, 'mine.json'), file instanceof Blob ? await file.bytes() : '')
  const shown = run(gateway.folder, 'license', 'show', 'mine.json', '--public-key', publicKey)
  expect(shown.code).toBe(0)
  for (const word of ['Fernmelde GmbH', '2999-12-31', '3', '50', 'good']) expect(shown.out).toContain(word)

  const data = {
    ...{ company: 'Fernmelde GmbH', valid_until: '2999-12-31' },
    ...{ max_connections: 3, max_tps: 50, status: 'active' },
  }
  const app = await gateway.app('POST', '/api/v1/settings/license/upload', licenceForm(gateway.folder, terms))
  expect(app.body).toEqual({ success: true, message: 'License uploaded successfully', data })
  expect(audited(gateway)).toEqual({
    who: 'user 1',
    action: 'upload licence',
    subject: 'Fernmelde GmbH',
    reason: 'valid until 2999-12-31, max_connections 3, max_tps 50',
  })
  await gateway.kill()
  await gateway.start()
  for (const path of ['/api/v1/settings/license', '/api/v1/admin/settings/license']) {
    const ask = path.includes('admin') ? gateway.admin('GET', path) : gateway.app('GET', path)
    expect((await ask).body).toEqual({ success: true, data })
  }
})

describe('a licence is enforced as soon as it is answered:', () => {
  test('max_connections', async () => {
    expect((await upload({ connectionsMax: 1 })).status).toBe(200)
    await gateway.until(states, seen => seen.join() === 'LOADED,DISABLED,DISABLED')
    expect(smsc.smsc.sessions).toHaveLength(1)
    // Another is switched off: its place is free.
    await gateway.admin('PUT', '/api/v1/admin/smpp/1/toggle', { enabled: false })
    await gateway.until(states, seen => seen.join() === 'DISABLED,LOADED,DISABLED')
    await gateway.admin('PUT', '/api/v1/admin/smpp/1/toggle', { enabled: true })
    expect((await upload({ connectionsMax: 0 })).status).toBe(200)
    await gateway.bound()
    expect(smsc.smsc.sessions).toHaveLength(3)
  })

  test('max_tps, over all links together', async () => {
    await upload({ tpsMax: 2 })
    // What went before without a limit counts as gone just now: the first second is empty.
    await gateway.until(
      () => gateway.send(),
      reply => reply.status === 200,
    )
    const startedAt = performance.now()
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, at) => gateway.send({ esme: (at % 3) + 1 })),
    )
    const seconds = Math.floor((performance.now() - startedAt) / 1000)
    const sent = replies.filter(reply => reply.status === 200)
    expect(sent.length).toBeLessThanOrEqual(2 * (seconds + 1))
    const waited = replies.find(reply => reply.status === 500)
    expect(waited?.body).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('no link had room'),
    })
  })

  test('its date', async () => {
    const { status, body } = await upload({ validUntil: '2020-12-31' })
    expect([status, body.data.status]).toEqual([200, 'expired'])
    const refused = await gateway.send({ transaction_id: 'tx-001' })
    expect([refused.status, refused.body]).toEqual([
      403,
      {
        ...{ success: false, error: 'license expired', esme: 1, transaction_id: 'tx-001' },
        ...{ message_id: '', status: '', sms_ids: [], task_id: 0 },
      },
    ])
    expect(smsc.received).toEqual([])
    const today = new Date().toISOString().slice(0, 10)
    expect((await upload({ validUntil: today })).body.data.status).toBe('active')
    await gateway.until(
      () => gateway.send(),
      reply => reply.status === 200,
    )
  })
})

describe('a licence is refused, and the one in force stays, when it', () => {
  beforeEach(() => upload({ company: 'In Force' }))
  const refused = async (form: FormData, why: string): Promise<void> => {
    const { status, body } = await gateway.admin('POST', UPLOAD, form)
    expect([status, body.success]).toEqual([400, false])
    expect(body.error).toContain(why)
    const { body: now } = await gateway.admin('GET', '/api/v1/admin/settings/license')
    expect(now.data.company).toBe('In Force')
  }
  const text = async (): Promise<string> => {
    const file = licenceForm(gateway.folder).get('license')
    return file instanceof Blob ? file.text() : ''
  }

  test('was changed by a digit', async () => {
    await refused(formOf((await text()).replace('1000', '9000')), 'changed, or signed with a key other')
  })

  test('was signed by another', async () => {
    rmSync(join(gateway.folder, 'licence.key'))
    licenceKey(gateway.folder)
    await refused(licenceForm(gateway.folder), 'signed with a key other')
  })

  test('says more than its signature covers', async () => {
    await refused(formOf((await text()).replace('{', '{"admin":true,')), 'a member "admin"')
  })

  test('is too large, cut, or no licence', async () => {
    await refused(formOf((await text()).slice(0, 40)), 'not a JSON document')
    await refused(formOf('[]'), 'not a JSON object')
  })
})
