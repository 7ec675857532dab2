import { expect, test } from 'bun:test'
import { AerospikeServer } from '../support/aerospike_server.ts'
import { startSmsc } from '../support/smsc.ts'
import { run, TestGateway } from './gateway.ts'

test('a gateway that moves to a cluster, and back to its file, goes on as if nothing had happened', async () => {
  const server = new AerospikeServer({ namespaces: ['sms'] })
  // The last receipt comes in the second life, to the gateway on the cluster.
  await using smsc = startSmsc({ receiptDelay: '3s' })
  const links = [{ port: smsc.port }]
  const cluster = `aerospike: { hosts: "127.0.0.1:${server.nodes[0]?.port}", namespace: sms }`
  await using gateway = new TestGateway({ links })
  const key = { 'idempotency-key': 'order-4711' }
  const campaigns = async () => (await gateway.admin('GET', '/api/v1/admin/metrics/campaigns')).body.data
  const copy = async (from: string, to: string) => {
    const words = ['store', 'copy', '--from', from, '--to', to, '--config', gateway.configFile]
    const { code, stderr } = await run(words, { cwd: gateway.folder })
    expect(stderr).not.toContain('missing')
    expect(code).toBe(0)
  }

  await (await gateway.start()).bound()
  const sent = await gateway.send({ campaign_uuid: 'spring' }, key)
  expect(sent.body).toMatchObject({ success: true, status: 'submitted' })
  const counted = await campaigns()
  await gateway.stop()
  gateway.configure({ links, yaml: cluster })
  await copy('sqlite', 'aerospike')

  await (await gateway.start()).bound()
  expect((await gateway.send({ campaign_uuid: 'spring' }, key)).body).toEqual(sent.body)
  expect((await gateway.send({ message: 'another' }, key)).status).toBe(409)
  await gateway.until(
    () => gateway.info(sent.body.message_id),
    ({ body }) => body.status === 'delivered',
  )
  expect(await campaigns()).toEqual(counted)
  const more = await gateway.send({ campaign_uuid: 'spring' })
  await gateway.stop()
  await copy('aerospike', 'sqlite')
  gateway.configure({ links })

  await (await gateway.start()).bound()
  expect((await gateway.info(sent.body.message_id)).body.status).toBe('delivered')
  await gateway.until(
    () => gateway.info(more.body.message_id),
    ({ body }) => body.status === 'delivered',
  )
  expect((await gateway.send({ campaign_uuid: 'spring' }, key)).body.message_id).toBe(sent.body.message_id)
  expect((await gateway.admin('GET', '/dashboard/stats')).body.data.topCampaignStats).toMatchObject([
    { name: 'spring', messages: 2 },
  ])
  expect(smsc.received).toHaveLength(2)
  server.stop()
}, 240_000)
