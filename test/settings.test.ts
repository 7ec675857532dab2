import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, loadConfig } from '../src/config/index.ts'
import { NO_RULES } from '../src/routing/rules.ts'
import { ipList, networkSettings, readRules } from '../src/settings.ts'
import { certPem } from './smpp/certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'sms-proxy-settings-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'sms-proxy.yaml')

function read(yaml: string): Config {
  writeFileSync(file, yaml)
  const loaded = loadConfig(file, {})
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}

test('each value of a link reaches the link, in the unit of its name', () => {
  const config = read(`smpp:
  queue_timeout: 7s
  queue_max: 17
  links:
    - { id: 1, name: a, host: h, port: 2776, system_id: s, password: p, system_type: t, interface_version: "3.3",
        bind: pair, connect_timeout: 1s, response_timeout: 2s, enquire_link: 3s, window: 4, limit_tps: 5,
        enabled: false, short_code: { ton: 1, npi: 6 }, weight: 8, service_type: CMT,
        addresses: { ton: 2, npi: 8, range: "^4477" } }
  pools:
    - { id: 9, name: p, links: [a], strategy: weighted }
`)
  expect(networkSettings(config, NO_RULES)).toEqual({
    links: [
      {
        ...{ id: 1, name: 'a', address: { host: 'h', port: 2776, tls: false }, systemId: 's', password: 'p' },
        ...{
          systemType: 't',
          addresses: { ton: 2, npi: 8, range: '^4477' },
          interfaceVersion: 0x33,
          bind: 'pair',
          connectTimeoutMs: 1000,
        },
        ...{ responseTimeoutMs: 2000, enquireLinkMs: 3000, window: 4, limitTps: 5, enabled: false },
        ...{ shortCodeTon: 1, shortCodeNpi: 6, serviceType: 'CMT', weight: 8 },
      },
    ],
    pools: [{ id: 9, name: 'p', links: ['a'], strategy: 'weighted' }],
    rules: NO_RULES,
    queueTimeoutMs: 7000,
    queueMax: 17,
  })
})

test('a link speaks TLS when it is told so, with the authorities that it is given', () => {
  writeFileSync(join(folder, 'ca.pem'), certPem)
  const tlsOf = (more: string) => {
    const link = `{ id: 1, name: a, host: h, system_id: s, password: p${more} }`
    return networkSettings(read(`smpp: { links: [${link}] }`), NO_RULES).links[0]?.address.tls
  }
  expect(tlsOf('')).toBe(false)
  expect(tlsOf(', tls: true')).toBe(true)
  expect(tlsOf(', tls: true, tls_ca: ca.pem')).toEqual({ caPem: certPem })
})

test('rules may name a pool, and a link that is in none; what is wrong is placed in their file, or the configuration', () => {
  const link = (id: number, name: string) =>
    `{ id: ${id}, name: ${name}, host: h, system_id: s, password: p }`
  const smpp = (rules: string) =>
    read(`smpp:
  links: [${link(1, 'a')}, ${link(2, 'b')}]
  pools: [{ id: 0, name: p, links: [a] }]
  rules: ${rules}
`)
  const rule = (pool: string) =>
    `{ name: ${pool}, match: { app_name: ${pool}, destination: ["49"] }, pool: ${pool} }`
  expect(readRules(smpp(`[${rule('p')}, ${rule('b')}]`))).toHaveProperty('rules')
  expect(readRules(smpp(`[${rule('p')}, ${rule('a')}]`))).toMatchObject({
    problems: [{ path: 'smpp.rules[1].pool' }],
  })
  const rules = join(folder, 'rules.yaml')
  writeFileSync(rules, `- ${rule('p')}\n- ${rule('a')}\n`)
  expect(readRules(smpp('rules.yaml'))).toMatchObject({
    problems: [{ path: 'rules[1].pool', place: `${rules}:2:65` }],
  })
  expect(readRules(read('{}'))).toEqual({ rules: NO_RULES })
})

test('a list of networks holds those of the configuration', () => {
  expect(ipList(['10.0.0.0/8']).has('10.1.2.3')).toBe(true)
  expect(ipList([]).empty).toBe(true)
})
