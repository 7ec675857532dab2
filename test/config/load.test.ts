import { afterAll, describe, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TypeRegistry } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import fc from 'fast-check'
import {
  type Config,
  configTemplate,
  describeConfig,
  loadConfig,
  showProblem,
  showPublicly,
} from '../../src/config/index.ts'
import { ConfigSchema } from '../../src/config/schema.ts'
import { certPem, keyPem } from '../smpp/certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'sms-proxy-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const file = join(folder, 'sms-proxy.yaml')

function load(yaml: string, env: Record<string, string> = {}) {
  writeFileSync(file, yaml)
  return loadConfig(file, env)
}

function good(yaml: string, env: Record<string, string> = {}): Config {
  const loaded = load(yaml, env)
  if ('problems' in loaded) throw new Error(loaded.problems.map(showProblem).join('\n'))
  return loaded.config
}

/** The problems as they are shown, with the file's name alone. */
function bad(yaml: string, env: Record<string, string> = {}): string[] {
  const loaded = load(yaml, env)
  return 'problems' in loaded ? loaded.problems.map(one => showProblem(one).replaceAll(`${folder}/`, '')) : []
}

const LINK = '{ id: 1, name: a, host: h, system_id: s, password: p }'

describe('init', () => {
  test('writes a configuration that is right as it stands, and says every default', () => {
    const { smpp, ...rest } = good(configTemplate())
    const { smpp: _, ...defaults } = good('{}')
    expect(rest).toEqual(defaults)
    expect(smpp.links).toHaveLength(1)
    expect(smpp.pools[0]?.links).toEqual(['smpp-link-1'])
  })

  test('names the optional sections too, commented out, and they are right when they are not', () => {
    const all = configTemplate().replace(/^( *)# ((?: {2})*[a-z_]+:( \S.*)?)$/gm, '$1$2')
    const problems = bad(all)
    // The files that it names are not here, and two features are of a later version.
    expect(
      problems.filter(one => !/cannot be read|which this version does not have|switch tls on/.test(one)),
    ).toEqual([])
    expect(all).toContain('\naerospike:\n')
    expect(configTemplate()).toContain(
      '# how a link is picked: least_loaded | round_robin | weighted | priority\n',
    )
    expect(configTemplate()).not.toContain('# # ')
  })
})

describe('a value', () => {
  test('that is read satisfies the schema that its type comes from', () => {
    // TypeBox does not look into its own Type.Unsafe unless it is told how.
    TypeRegistry.Set('Unsafe', () => true)
    const { adminKey: _, ...value } = good(configTemplate())
    expect([...Value.Errors(ConfigSchema, value)]).toEqual([])
  })

  test('is in milliseconds, octets and absolute paths, and cannot be changed', () => {
    const config = good('storage: { db_path: ./x.db }\nfilters: { timeout: 1.5s, memory: 16MB }')
    expect(config.storage.db_path).toBe(join(folder, 'x.db'))
    expect(config.filters).toMatchObject({ timeout: 1500, memory: 16 * 1024 * 1024 })
    expect(Object.isFrozen(config.filters)).toBe(true)
  })

  test('that is left empty is its default, a section too, and all of an empty file', () => {
    const defaults = good('{}')
    expect(good('endpoint:\nlog: ~\nsmpp:\n  links:\n  queue_max:\ngrpc:\n')).toEqual(defaults)
    for (const text of ['', '# nothing\n', '---\n']) {
      expect(good(text)).toEqual(defaults)
      expect(good(text, { SMS_PROXY_NODE: '3' }).node).toBe(3)
    }
  })

  test('that is not there is what the documentation says, down to each link and pool', () => {
    const config = good(
      `aerospike: { hosts: h }\nsmpp: { links: [${LINK}], pools: [{ id: 0, name: p, links: [a] }] }`,
    )
    expect(config).toMatchObject({
      env: 'production',
      endpoint: { host: '0.0.0.0', port: 8088 },
      shutdown_timeout: 10_000,
      log: { level: 'info', format: 'auto' },
      storage: { db_path: join(folder, 'data/sms.db'), retention: 30 * 86_400_000 },
      aerospike: {
        ...{ port: 3000, namespace: 'sms', sweep_time: 3_600_000, ttl: 86_400_000 },
        ...{ tls: false, spool: false, spool_max: 1_000_000 },
      },
      security: { token_ttl: 86_400_000, allowed_ips: [], trusted_proxies: [], open_routes: [] },
      rate_limit: { global: { rps: 0, burst: 0 }, per_app: { rps: 0, burst: 0 } },
      license: { file: join(folder, 'data/license.json'), public_key: '' },
      filters: { dir: join(folder, 'filters'), timeout: 20, memory: 8 * 1024 * 1024, on_error: 'reject' },
      statistic_exporter: { enabled: false, target: '', bucket: '', tls: false },
      monitoring: { otel: false, sampling: 0.1, collector: 'otel-collector:4317' },
    })
    expect(config.smpp).toMatchObject({ max_parts: 10, queue_timeout: 10_000, queue_max: 10_000 })
    expect(config.smpp.links).toMatchObject([
      {
        ...{ port: 2775, tls: false, interface_version: '3.4', bind: 'transceiver', enabled: true },
        ...{ response_timeout: 5000, enquire_link: 30_000, window: 100, limit_tps: 100 },
        ...{ connect_timeout: 10_000, weight: 1 },
        addresses: { ton: 0, npi: 0, range: '' },
        service_type: '',
        short_code: { ton: 3, npi: 0 },
      },
    ])
    expect(config.smpp.pools).toMatchObject([{ strategy: 'least_loaded' }])
  })

  test('may be its least and its most', () => {
    expect([good('node: 0').node, good('node: 31').node]).toEqual([0, 31])
    expect(good('endpoint: h:65535').endpoint.port).toBe(65_535)
    const routes = ['/dashboard/stats', ...['register', 'validate', 'delete'].map(at => `/api/v1/user/${at}`)]
    expect(good(`security: { open_routes: [${routes}] }`).security.open_routes).toEqual(routes)
    expect(good('#'.repeat(4 * 1024 ** 2))).toEqual(good('{}'))
  })

  test.each([
    ['system_id', 15],
    ['password', 8],
    ['system_type', 12],
  ])('has at most as many octets as SMPP 3.4 has for %s: %d', (key, most) => {
    const fields = { id: 1, name: 'a', host: 'h', system_id: 's', password: 'p' }
    const link = (length: number) =>
      `smpp: { links: [${JSON.stringify({ ...fields, [key]: 'x'.repeat(length) })}] }`
    expect(bad(link(most))).toEqual([])
    expect(bad(link(most + 1))).toEqual([
      expect.stringMatching(new RegExp(`smpp.links\\[0\\].${key} .*text of \\d to ${most} octets`)),
    ])
  })

  test('that is text may look like a number', () => {
    const [link] = good(
      'smpp: { links: [{ id: 1, name: 7, host: h, system_id: 007, password: 0123, interface_version: 3.4 }] }',
    ).smpp.links
    expect(link).toMatchObject({ name: '7', system_id: '007', password: '0123', interface_version: '3.4' })
  })

  test.each([
    ['endpoint: 8088', 'endpoint is "8088": wanted is host:port'],
    ['endpoint: localhost:70000', 'endpoint is "localhost:70000"'],
    ['shutdown_timeout: 10', 'shutdown_timeout is "10": wanted is a duration like 10s from 0s to 5m0s'],
    ['filters: { memory: 8GiB }', 'filters.memory is "8GiB": wanted is a size like 8MB from 1MB to 1GB'],
    [
      'log: { level: wran }',
      'log.level is "wran": wanted is one of debug, info, warn, error (did you mean warn?)',
    ],
    ['tls: true', 'tls must have keys and values'],
    ['smpp: { links: x }', 'smpp.links must be a list'],
    ['smpp: { queue_max: 0 }', 'smpp.queue_max is "0": wanted is a whole number from 1 to 1000000'],
    ['monitoring: { otel: "yes" }', 'monitoring.otel is "yes": wanted is true or false'],
    ['monitoring: { sampling: 2 }', 'monitoring.sampling is "2": wanted is a number from 0 to 1'],
    ['node: "3"', 'node is "3": wanted is a whole number from 0 to 31'],
    ['monitoring: { otel: "true" }', 'monitoring.otel is "true": wanted is true or false'],
    ['node: 1.5', 'node is "1.5": wanted is a whole number from 0 to 31'],
    ['just text', 'must have keys and values'],
    ['node: 32', 'node is "32": wanted is a whole number from 0 to 31'],
    ['env: "a\\nb"', 'env is "a\\nb": wanted is text of 0 to 64 octets, without control characters'],
    ['toString: 1', 'toString is no key of the configuration'],
    ['smpp: { links: [5] }', 'smpp.links[0] must have keys and values'],
    [
      `security: { open_routes: [${Array(5).fill('/dashboard/stats')}] }`,
      'security.open_routes has more than 4 entries',
    ],
    ['security: { allowed_ips: "::1" }', 'security.allowed_ips must be a list, not a single value'],
    ['env: true', 'env is "true": wanted is text'],
    [`env: ${'é'.repeat(33)}`, 'wanted is text of 0 to 64 octets'],
    ['server_name: ""', 'server_name is "": wanted is text of 1 to 64 octets'],
    ['storage: { db_path: "" }', 'storage.db_path is "": wanted is a path'],
    ['smpp: { rules: "" }', 'smpp.rules must be a list of rules, or the path of a file that has one'],
    ['endpoint: http://localhost:80', 'endpoint is "http://localhost:80": wanted is host:port'],
    [`node: ${'x'.repeat(99)}`, `node is "${'x'.repeat(60)}…": wanted is`],
    [
      'security: { open_routes: [/api/v1/admin/reload] }',
      'security.open_routes[0] is "/api/v1/admin/reload": wanted is one of /dashboard/stats, /api/v1/user/register,',
    ],
    ['env: !secret x', 'tags (!name) are not read'],
    ['env: &x a\nserver_name: *x', '2:14: aliases (*name) are not read'],
    ['? [env, node]\n: x', 'has a key that is no text'],
    ['smpp: { pools: [{ id: 0, name: p }] }', '1:17: smpp.pools[0].links is empty'],
    [`env: ${'['.repeat(33)}${']'.repeat(33)}`, 'is nested deeper than 32 levels'],
  ])('of the wrong kind is refused with what is wanted: %s', (yaml, words) => {
    expect(bad(yaml)).toHaveLength(1)
    expect(bad(yaml)[0]).toContain(words)
  })
})

describe('problems', () => {
  test('come all at once, each with its line and column', () => {
    const yaml = `endpiont: 0.0.0.0:80
smpp:
  links:
    - id: 1
      name: a
      host: h
      port: 70000
      system_id: s
`
    expect(bad(yaml)).toEqual([
      'sms-proxy.yaml:1:1: endpiont is no key of the configuration: did you mean endpoint?',
      'sms-proxy.yaml:7:13: smpp.links[0].port is "70000": wanted is a whole number from 1 to 65535',
      expect.stringMatching(/^sms-proxy.yaml:4:7: smpp.links\[0\].password is missing/),
    ])
  })

  test('between values name the value that does not fit', () => {
    const yaml = `smpp:
  links:
    - ${LINK}
    - { id: 1, name: a, host: h, system_id: s, password: p }
    - { id: 3, name: lonely, host: h, system_id: s, password: p }
  pools:
    - { id: 0, name: x, links: [a, aa] }
    - { id: 0, name: lonely, links: [] }
    - { id: 2, name: x, links: [a] }
security: { allowed_ips: [10.0.0.0/33], trusted_proxies: [::1, proxy] }
`
    expect(bad(yaml)).toEqual([
      'sms-proxy.yaml:4:13: smpp.links[1].id is 1, as smpp.links[0].id is: each needs its own',
      'sms-proxy.yaml:4:22: smpp.links[1].name is "a", as smpp.links[0].name is: each needs its own',
      'sms-proxy.yaml:8:13: smpp.pools[1].id is 0, as smpp.pools[0].id is: each needs its own',
      'sms-proxy.yaml:9:22: smpp.pools[2].name is "x", as smpp.pools[0].name is: each needs its own',
      expect.stringContaining(
        'sms-proxy.yaml:8:22: smpp.pools[1].name is "lonely", as a link in no pool is called',
      ),
      'sms-proxy.yaml:7:36: smpp.pools[0].links[1] is "aa", and no link has that name: did you mean a?',
      'sms-proxy.yaml:8:30: smpp.pools[1].links is empty: name at least one link',
      'sms-proxy.yaml:9:33: smpp.pools[2].links[0] is "a", which is in pool x already: a link is in one pool',
      expect.stringContaining('sms-proxy.yaml:10:27: security.allowed_ips[0] "10.0.0.0/33"'),
      expect.stringContaining('sms-proxy.yaml:10:64: security.trusted_proxies[1] "proxy"'),
    ])
  })

  test.each([
    ['grpc: { port: 1 }', 'grpc'],
    ['monitoring: { otel: true }', 'monitoring.otel'],
    ['statistic_exporter: { enabled: true }', 'statistic_exporter.enabled'],
  ])('what this version does not do is refused when it is switched on: %s', (yaml, path) => {
    expect(bad(yaml)).toEqual([
      expect.stringMatching(new RegExp(`: ${path} asks for .*, which this version does not have`)),
    ])
  })

  test.each([
    ['a,,b', '""'],
    ['a:0', '"a:0"'],
    ['a:70000', '"a:70000"'],
    ['http://a', '"http://a"'],
    ['[::1', '"[::1"'],
  ])('hosts of a cluster that are none are named: %s', (hosts, named) => {
    expect(bad(`aerospike: { hosts: "${hosts}" }`)).toEqual([
      `sms-proxy.yaml:1:21: aerospike.hosts names ${named}, which is no host, nor host:port`,
    ])
  })

  test('a credential that no bind could carry is one, and is not repeated', () => {
    const yaml = `smpp:
  links:
    - { id: 1, name: a, host: h, system_id: naïve, password: 密钥 }
`
    expect(bad(yaml)).toEqual([
      expect.stringMatching(/smpp.links\[0\].password holds a character that SMPP cannot carry/),
    ])
    expect(bad(yaml.replace('password: 密钥', 'password: p, system_type: 密'))).toEqual([
      expect.stringMatching(/smpp.links\[0\].system_type holds a character that SMPP cannot carry/),
    ])
    for (const [key, value] of [
      ['service_type', 'service_type: 密'],
      ['addresses.range', 'addresses: { range: "^密" }'],
    ] as const)
      expect(bad(yaml.replace('password: 密钥', `password: p, ${value}`))).toEqual([
        expect.stringContaining(`smpp.links[0].${key} holds a character that SMPP cannot carry`),
      ])
    expect(bad(yaml)[0]).not.toContain('密')
  })

  test('name no folder of this host to whoever asks from elsewhere', () => {
    writeFileSync(join(folder, 'junk.pem'), 'junk')
    const loaded = load('tls: { cert: no.crt, key: junk.pem }\nnode: 99')
    const problems = 'problems' in loaded ? loaded.problems : []
    expect(problems.map(showProblem).filter(line => line.includes(folder))).toHaveLength(3)
    expect(problems.map(showPublicly)).toEqual([
      'sms-proxy.yaml:2:7: node is "99": wanted is a whole number from 0 to 31',
      'sms-proxy.yaml:1:14: tls.cert names a file, which cannot be read: there is no such file',
      'sms-proxy.yaml:1:27: tls.key names a file, which holds no private key without a passphrase in PEM',
    ])
  })

  test('authorities of a link that speaks no TLS are one', () => {
    writeFileSync(join(folder, 'ca.pem'), certPem)
    expect(bad(`smpp: { links: [${LINK.replace(' }', ', tls_ca: ca.pem }')}] }`)).toEqual([
      expect.stringContaining('smpp.links[0].tls_ca is set while tls is false: switch tls on'),
    ])
  })

  test('what a link or the rules name and is not there, or is no certificate, is one', () => {
    writeFileSync(join(folder, 'junk.pem'), 'junk')
    const link = (file: string) => `[${LINK.replace(' }', `, tls: true, tls_ca: ${file} }`)}]`
    expect(bad(`smpp: { links: ${link('no.pem')}, rules: no.yaml }`)).toEqual([
      expect.stringContaining(
        'smpp.links[0].tls_ca names no.pem, which cannot be read: there is no such file',
      ),
      expect.stringContaining('smpp.rules names no.yaml, which cannot be read: there is no such file'),
    ])
    expect(bad(`smpp: { links: ${link('junk.pem')} }`)).toEqual([
      expect.stringContaining('smpp.links[0].tls_ca names junk.pem, which holds no certificate in PEM'),
    ])
  })

  test('a file that no configuration is as large as is one, and is not read', () => {
    expect(bad('#'.repeat(4 * 1024 ** 2 + 1))).toEqual([
      'sms-proxy.yaml: has 4194305 octets; a configuration has at most 4194304',
    ])
  })

  test('a file that is named and not there is one', () => {
    expect(bad('tls: { cert: no.crt, key: no.key }')).toEqual([
      expect.stringContaining('tls.cert names no.crt, which cannot be read: there is no such file'),
      expect.stringContaining('tls.key names no.key'),
    ])
  })

  test('of access to the cluster say what does not go together, and what the files do not hold', () => {
    writeFileSync(join(folder, 'cert.pem'), certPem)
    writeFileSync(join(folder, 'key.pem'), keyPem)
    const { privateKey } = generateKeyPairSync('ed25519')
    writeFileSync(join(folder, 'other.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const cluster = (more: string) => bad(`aerospike: { hosts: h, ${more} }`)
    const pair = 'tls: true, tls_ca: cert.pem, tls_cert: cert.pem'
    expect(cluster(`${pair}, tls_key: key.pem, tls_name: n, user: u, password: p`)).toEqual([])
    expect(cluster(`${pair}, tls_key: other.pem`)).toEqual([
      expect.stringContaining('aerospike.tls_key is not the key of the certificate in aerospike.tls_cert'),
    ])
    expect(cluster('tls: true, tls_ca: key.pem')).toEqual([
      expect.stringContaining('aerospike.tls_ca names key.pem, which holds no certificate in PEM'),
    ])
    expect(cluster('tls: true, tls_ca: no.pem')).toEqual([
      expect.stringContaining('aerospike.tls_ca names no.pem, which cannot be read: there is no such file'),
    ])
    expect(cluster('tls_ca: cert.pem, tls_name: n')).toEqual([
      expect.stringContaining('aerospike.tls_ca is set while tls is false: switch tls on'),
      expect.stringContaining('aerospike.tls_name is set while tls is false: switch tls on'),
    ])
    expect(cluster('user: u')).toEqual([
      expect.stringContaining('aerospike.user is set without password: they go together'),
    ])
    expect(cluster('password: p')).toEqual([
      expect.stringContaining('aerospike.password is set without user: they go together'),
    ])
    expect(cluster(`${pair}`)).toEqual([
      expect.stringContaining('aerospike.tls_cert is set without tls_key: they go together'),
    ])
  })

  test('of a port beside a host of the cluster are told from its least and its most', () => {
    const hosts = (text: string) => bad(`aerospike: { hosts: '${text}' }`)
    expect(hosts('a:1, b:65535, [::1]:3000, c')).toEqual([])
    for (const wrong of ['a:0', 'a:65536', 'a:', 'a b', '[::1', ''])
      expect(hosts(`c,${wrong}`)).toEqual([expect.stringContaining(`names ${JSON.stringify(wrong)}, which`)])
  })

  test('of the YAML itself have a place too', () => {
    expect(bad('a: [1\nb: 2')[0]).toMatch(/^sms-proxy.yaml:\d+:\d+: /)
    expect(bad('env: a\nenv: b')).toEqual([
      'sms-proxy.yaml:2:1: this key stands in its section already: keep one of them',
    ])
    const each = 'sms-proxy.yaml:2:2: is not valid YAML here: is a quote, a bracket or an indentation wrong?'
    expect(bad('- name: a\n\tmatch: { destination: "1900" }\n')).toEqual([each])
  })

  test('are all that a second document can hold: nothing of a file is passed over', () => {
    for (const rest of ['node: 1', 'nodee: "', ''])
      expect(bad(`env: a\n---\n${rest}`)[0]).toStartWith('sms-proxy.yaml:2:1: --- begins a second document')
    expect(good('---\nenv: a\n...\n').env).toBe('a')
  })

  test('are looked for behind a byte order mark as without it', () => {
    expect(good('\uFEFFsmpp:\r\n  max_parts: 3\r\n').smpp.max_parts).toBe(3)
    expect(bad('\uFEFFnodee: 1')[0]).toStartWith('sms-proxy.yaml:1:1: nodee')
  })

  test('that have no path are told beside each other', () => {
    const told = bad('env: x', { SMS_PROXY_SMPP__LINKS__A__ID: '1', ADMIN_API_KEY: 'key\n' })
    expect(told).toEqual([
      expect.stringContaining('SMS_PROXY_SMPP__LINKS__A__ID: '),
      expect.stringContaining('ADMIN_API_KEY: '),
    ])
  })

  test('of another part, handed in as a check, are placed like the rest', () => {
    writeFileSync(file, 'env: x\nsmpp:\n  rules:\n    - { pool: nowhere }\n')
    const loaded = loadConfig(file, {}, [() => [{ path: 'smpp.rules[0].pool', message: 'is unknown' }]])
    expect('problems' in loaded && loaded.problems[0]?.place).toEndWith('sms-proxy.yaml:4:15')
  })

  test('no file at all is one, which says how to make one', () => {
    const loaded = loadConfig(undefined, {})
    expect('problems' in loaded && loaded.problems.map(showProblem).join()).toContain('sms-proxy init')
  })
})

describe('the environment', () => {
  test.each(['SMS_PROXY', 'SMS_PROXY_ADMIN', 'SMS_PROXY_BLUE_2'])(
    'of a pod beside a Service, whose variables begin with %s, is passed over',
    service => {
      const env = {
        [`${service}_SERVICE_HOST`]: '10.0.0.7',
        [`${service}_SERVICE_PORT`]: '8088',
        [`${service}_SERVICE_PORT_HTTP`]: '8088',
        [`${service}_PORT`]: 'tcp://10.0.0.7:8088',
        [`${service}_PORT_8088_TCP`]: 'tcp://10.0.0.7:8088',
        [`${service}_PORT_8088_TCP_ADDR`]: '10.0.0.7',
        [`${service}_PORT_8088_TCP_PROTO`]: 'tcp',
      }
      expect(bad('env: x', env)).toEqual([])
      expect(bad('env: x', { ...env, [`${service}_PORTS`]: '1' })).toHaveLength(1)
      expect(loadConfig(undefined, env)).toMatchObject({ problems: [{ place: 'configuration' }] })
    },
  )

  test('with a key that somebody guessed is refused, and says how a path is written', () => {
    expect(bad('env: x', { SMS_PROXY_PORT: '9000' })).toEqual([
      expect.stringMatching(/^SMS_PROXY_PORT: port is no key of the configuration: .*monitoring$/),
    ])
    expect(bad('env: x', { SMS_PROXY_STORAGE_DB_PATH: '/x' })).toEqual([
      expect.stringMatching(/^SMS_PROXY_STORAGE_DB_PATH: .* \("__" stands between the steps of a path\)$/),
    ])
    expect(bad('env: x', { SMS_PROXY_AEROSPIKE_PORT: '3000' })).toHaveLength(1)
    expect(bad('storage_db_path: x')[0]).toEndWith('monitoring')
  })

  test.each(['key\n', ' key', 'key ', 'schlüssel', 'ke\x07y'])(
    'with the admin key %j, which no header can carry, is refused',
    key => {
      expect(bad('env: x', { ADMIN_API_KEY: key })).toEqual([
        'ADMIN_API_KEY: can be in no header: wanted are visible ASCII characters, and nothing around them (a line end?)',
      ])
      expect(bad('env: x', { ADMIN_API_KEY: 'key of two words!' })).toEqual([])
    },
  )

  test('wins over the file, and adds what the file has not', () => {
    const config = good(`storage: { db_path: a.db }\nsmpp: { links: [${LINK}] }`, {
      SMS_PROXY_STORAGE__DB_PATH: '/b.db',
      SMS_PROXY_SMPP__LINKS__0__HOST: 'other',
      SMS_PROXY_SMPP__LINKS__1__ID: '2',
      SMS_PROXY_SMPP__LINKS__1__NAME: 'b',
      SMS_PROXY_SMPP__LINKS__1__HOST: 'h',
      SMS_PROXY_SMPP__LINKS__1__SYSTEM_ID: '123',
      SMS_PROXY_SMPP__LINKS__1__PASSWORD: '456',
      SMS_PROXY_SMPP__LINKS__1__SHORT_CODE__TON: '0',
      SMS_PROXY_SECURITY__ALLOWED_IPS: '10.0.0.0/8, ::1',
    })
    expect(config.storage.db_path).toBe('/b.db')
    expect(config.smpp.links[0]).toMatchObject({ host: 'other', system_id: 's' })
    expect(config.smpp.links[1]).toMatchObject({ id: 2, system_id: '123', short_code: { ton: 0, npi: 0 } })
    expect(config.security.allowed_ips).toEqual(['10.0.0.0/8', '::1'])
  })

  test('is taken in the order of its numbers, whichever comes first', () => {
    const entries = Array.from({ length: 11 }, (_, at) => `10.0.0.${at}`)
    const env = entries.map((entry, at) => [`SMS_PROXY_SECURITY__ALLOWED_IPS__${at}`, entry])
    expect(good('{}', Object.fromEntries(env.reverse())).security.allowed_ips).toEqual(entries)
  })

  test('is taken as it stands: an empty list is empty, and ${NAME} is nobody', () => {
    const config = good('security: { allowed_ips: [::1] }', {
      SMS_PROXY_SECURITY__ALLOWED_IPS: '',
      SMS_PROXY_SERVER_NAME: '${NODE}',
      NODE: '7',
    })
    expect(config.security.allowed_ips).toEqual([])
    expect(config.server_name).toBe('${NODE}')
  })

  test('is enough without a file', () => {
    const loaded = loadConfig(undefined, { SMS_PROXY_ENDPOINT: '127.0.0.1:0' })
    expect('config' in loaded && loaded.config.endpoint).toEqual({ host: '127.0.0.1', port: 0 })
  })

  test('fills in ${NAME}, also where a number is wanted; $${NAME} is the text itself', () => {
    const config = good('node: ${NODE}\nserver_name: gw-${NODE}-$${NODE}', { NODE: '7' })
    expect(config.node).toBe(7)
    expect(config.server_name).toBe('gw-7-${NODE}')
  })

  test('fills in ${NAME} in a list too, and a list of texts where it stands for one', () => {
    const { links, pools } = good(
      `smpp: { links: [${LINK.replace('p }', '"${PW}" }')}, ${LINK.replace('1, name: a', '2, name: b')}],
        pools: [{ id: 0, name: p, links: "\${LINKS}" }] }`,
      { PW: 'hunter2', LINKS: 'b, a' },
    ).smpp
    expect(links[0]?.password).toBe('hunter2')
    expect(pools[0]?.links).toEqual(['b', 'a'])
  })

  test('that lacks a name is one error, which says the name and where it is wanted', () => {
    expect(bad('node: ${NODE}')).toEqual([
      expect.stringContaining('sms-proxy.yaml:1:7: node names ${NODE}, which is not set in the environment'),
    ])
    expect(bad('env: ${toString}')).toEqual([
      expect.stringContaining('env names ${toString}, which is not set in the environment'),
    ])
    expect(bad('security: { allowed_ips: ["${NET}"] }')).toEqual([
      expect.stringContaining(': security.allowed_ips[0] names ${NET}, which is not set'),
    ])
  })

  test('may lack the names of a value that it replaces', () => {
    const yaml = `storage: { db_path: "\${DB}" }\nsmpp: { links: [${LINK.replace('p }', '"${PW}" }')}] }`
    const env = { SMS_PROXY_STORAGE__DB_PATH: '/b.db', SMS_PROXY_SMPP__LINKS__0__PASSWORD: '${PW}' }
    const config = good(yaml, env)
    expect([config.storage.db_path, config.smpp.links[0]?.password]).toEqual(['/b.db', '${PW}'])
  })

  test('fills sections and entries that the file leaves empty', () => {
    const config = good('storage:\nsmpp: { links: [~] }', {
      SMS_PROXY_STORAGE__DB_PATH: '/b.db',
      ...{ SMS_PROXY_SMPP__LINKS__0__ID: '1', SMS_PROXY_SMPP__LINKS__0__NAME: 'a' },
      ...{ SMS_PROXY_SMPP__LINKS__0__HOST: 'h', SMS_PROXY_SMPP__LINKS__0__SYSTEM_ID: 's' },
      SMS_PROXY_SMPP__LINKS__0__PASSWORD: 'p',
    })
    expect([config.storage.db_path, config.smpp.links[0]?.name]).toEqual(['/b.db', 'a'])
  })

  test('switches off and on, and gives decimals', () => {
    const yaml = `smpp: { links: [${LINK}, ${LINK.replace('1, name: a', '2, name: b, enabled: false')}] }`
    const config = good(yaml, {
      ...{ SMS_PROXY_SMPP__LINKS__0__ENABLED: 'false', SMS_PROXY_SMPP__LINKS__1__ENABLED: 'true' },
      SMS_PROXY_MONITORING__SAMPLING: '0.5',
    })
    expect(config.smpp.links.map(({ enabled }) => enabled)).toEqual([false, true])
    expect(config.monitoring.sampling).toBe(0.5)
  })

  test.each([
    ['SMS_PROXY_SMPP__LINKS', 'a,b', 'smpp.links must be a list, not a single value'],
    ['SMS_PROXY_SMPP__LINKS__0', 'x', 'smpp.links[0] must have keys and values'],
    ['SMS_PROXY_SMPP__LINKS__2__ID', '1', 'is for entry 2, and there are only 1'],
    [
      'SMS_PROXY_SECURITY__OPEN_ROUTES',
      Array(5).fill('/dashboard/stats').join(),
      'security.open_routes has more than 4 entries',
    ],
  ])('is no way around what a list holds: %s of %s', (name, value, words) => {
    expect(bad(`smpp: { links: [${LINK}] }`, { [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${name}: ${words.replaceAll(/[[\]]/g, '\\$&')}`)),
    ])
  })

  test('is checked like the file, by the name of the variable', () => {
    expect(
      bad('{}', { SMS_PROXY_STORAGE__DB_PTH: 'x', SMS_PROXY_NODE: 'x', SMS_PROXY_SMPP__LINKS__4__ID: '1' }),
    ).toEqual([
      'SMS_PROXY_SMPP__LINKS__4__ID: is for entry 4, and there are only 0',
      expect.stringContaining('SMS_PROXY_NODE: node is "x"'),
      expect.stringContaining(
        'SMS_PROXY_STORAGE__DB_PTH: storage.db_pth is no key of the configuration: did you mean db_path?',
      ),
    ])
  })

  test('alone gives the admin key', () => {
    expect(good('{}', { ADMIN_API_KEY: 'k' }).adminKey).toBe('k')
    expect(good('{}', { ADMIN_API_KEY: '' }).adminKey).toBeUndefined()
    expect(bad('security: { admin_key: k }')).toHaveLength(1)
  })
})

describe('a secret', () => {
  const secret = fc.stringMatching(/^[A-Z][A-Z0-9]{19}$/)
  const state = { rulesLoaded: false, rulesError: '', filters: {} }

  test('is never shown by server-config', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^Q[A-Z0-9]{7}$/), secret, (password, adminKey) => {
        const yaml = `smpp: { links: [{ id: 1, name: a, host: h, system_id: s, password: ${password} }] }`
        const shown = JSON.stringify(describeConfig(good(yaml, { ADMIN_API_KEY: adminKey }), state))
        expect(shown).not.toContain(password)
        expect(shown).not.toContain(adminKey)
      }),
      { numRuns: 20 },
    )
  })

  test('is never repeated by a problem, wherever it was written by mistake', () => {
    const forms = ['X', '[X]', '{ a: X }', '"X', '*X', '!X y', '@X', '"\\q X"', '${SECRET}']
    fc.assert(
      fc.property(secret, fc.constantFrom(...forms), (password, form) => {
        const written = form.replace('X', () => password)
        const yaml = `smpp:\n  links:\n    - { id: 1, name: a, host: h, system_id: s }\n    - password: ${written}\n`
        const problems = bad(yaml, { SECRET: password })
        expect(problems.length).toBeGreaterThan(0)
        expect(problems.join('\n')).not.toContain(password)
      }),
    )
  })

  test('that came by ${NAME} into another value is not repeated either', () => {
    expect(bad('node: ${PASSWORD}', { PASSWORD: 'hunter2' })).toEqual([
      expect.stringContaining('node does not fit (it comes from ${PASSWORD})'),
    ])
    expect(bad('log: { level: "${PASSWORD}" }', { PASSWORD: 'wran' })).toEqual([
      expect.stringMatching(
        /level does not fit \(it comes from \$\{PASSWORD\}\): wanted is one of .*, error$/,
      ),
    ])
  })
})

test('the password of the cluster is in no answer, no complaint, and may come by ${NAME}', () => {
  const yaml = 'aerospike: { hosts: h, user: u, password: "${PASSWORD}" }'
  const config = good(yaml, { PASSWORD: 'hunter2' })
  expect(config.aerospike?.password).toBe('hunter2')
  const shown = describeConfig(config, { rulesLoaded: true, rulesError: '', filters: {} })
  expect(JSON.stringify(shown)).not.toContain('hunter2')
  expect(bad(yaml, { PASSWORD: 'hunter2'.repeat(10) })).toEqual([
    expect.stringMatching(/aerospike\.password does not fit: wanted is text of 0 to 60 octets[^2]*$/),
  ])
})

test('server-config tells of broken rules and of a spool, and writes an address as it is called', () => {
  const config = good('endpoint: "[::1]:80"\naerospike: { hosts: h, spool: true, spool_max: 5000 }')
  expect(describeConfig(config, { rulesLoaded: true, rulesError: 'line 3', filters: {} })).toMatchObject({
    endpoint: '[::1]:80',
    aerospike: { spool: true, spool_max: 5000 },
    smpp: { rules_loaded: true, rules_error: 'line 3' },
  })
})

test('server-config shows the cluster as the reference does', () => {
  const config = good(
    'aerospike: { hosts: aero-1.local, port: 3001, namespace: ns, sweep_time: 90m, ttl: 1d }',
  )
  const shown = describeConfig(config, { rulesLoaded: true, rulesError: '', filters: {} })
  expect(shown.aerospike).toEqual({
    ...{ hosts: 'aero-1.local', port: 3001, namespace: 'ns', sweep_time: '1h30m0s', ttl: '86400s' },
  })
})

test('server-config has the shape and the durations of the reference', () => {
  const config = good('tls: null\nsecurity: { token_ttl: 1d }\n')
  expect(describeConfig(config, { rulesLoaded: true, rulesError: '', filters: {} })).toEqual({
    env: 'production',
    server_name: 'sms-proxy',
    endpoint: '0.0.0.0:8088',
    tls: false,
    storage: { db_path: join(folder, 'data/sms.db') },
    aerospike: { hosts: '', port: 0, namespace: '', sweep_time: '0s', ttl: '0s' },
    security: { token_ttl: '24h0m0s' },
    grpc: { port: 0, timeout: '0s' },
    smpp: { rules_loaded: true },
    filters: {},
    statistic_exporter: { enabled: false, target: '', bucket: '', tls: false },
    monitoring: { otel: false, sampling: 0.1, collector: 'otel-collector:4317' },
  })
})
