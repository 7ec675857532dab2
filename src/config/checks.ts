import { createPrivateKey, X509Certificate } from 'node:crypto'
import { accessSync, constants, readFileSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { parseIpList } from '../ip_list.ts'
import { nearest } from '../nearest.ts'
import { parseHosts } from './hosts.ts'
import { type Config, linksAlone } from './schema.ts'

/** Something that is wrong between values which are right by themselves. */
export interface Complaint {
  /** Where it stands, if not where `path` is in the configuration: another file. */
  readonly place?: string
  readonly path: string
  readonly message: string
  readonly publicMessage?: string
}

/** Looks at a configuration as a whole; the parts that parse rules and filters add theirs. */
export type Check = (config: Config) => readonly Complaint[]

/** What this version does not do yet: refused when it is switched on, not ignored. */
const NOT_YET: readonly {
  readonly path: string
  readonly on: (config: Config) => boolean
  readonly what: string
}[] = [
  { path: 'grpc', on: config => config.grpc !== undefined, what: 'gRPC' },
  {
    path: 'statistic_exporter.enabled',
    on: config => config.statistic_exporter.enabled,
    what: 'the export of statistics',
  },
  { path: 'monitoring.otel', on: config => config.monitoring.otel, what: 'OpenTelemetry' },
]

const notYet: Check = config =>
  NOT_YET.filter(({ on }) => on(config)).map(({ path, what }) => ({
    path,
    message: `asks for ${what}, which this version does not have: leave it out, or switch it off`,
  }))

const names: Check = ({ smpp }) => {
  const { links, pools } = smpp
  const complaints: Complaint[] = []
  const twins = <T>(list: readonly T[], at: string, key: string, of: (item: T) => string | number): void => {
    const first = new Map<string | number, number>()
    for (const [index, item] of list.entries()) {
      const before = first.get(of(item))
      if (before === undefined) first.set(of(item), index)
      else {
        const message = `is ${JSON.stringify(of(item))}, as ${at}[${before}].${key} is: each needs its own`
        complaints.push({ path: `${at}[${index}].${key}`, message })
      }
    }
  }
  twins(links, 'smpp.links', 'id', link => link.id)
  twins(links, 'smpp.links', 'name', link => link.name)
  twins(pools, 'smpp.pools', 'id', pool => pool.id)
  twins(pools, 'smpp.pools', 'name', pool => pool.name)
  const alone = linksAlone(smpp).map(link => link.name)
  for (const [index, pool] of pools.entries()) {
    if (!alone.includes(pool.name)) continue
    const message = `is "${pool.name}", as a link in no pool is called, which is a pool of its own: rename one`
    complaints.push({ path: `smpp.pools[${index}].name`, message })
  }
  return complaints
}

/** A link belongs to one pool, so that `esme` says which pool a message takes. */
const poolLinks: Check = ({ smpp: { links, pools } }) => {
  const complaints: Complaint[] = []
  const known = links.map(link => link.name)
  const owner = new Map<string, string>()
  for (const [index, pool] of pools.entries()) {
    const at = `smpp.pools[${index}].links`
    if (pool.links.length === 0) complaints.push({ path: at, message: 'is empty: name at least one link' })
    for (const [place, name] of pool.links.entries()) {
      const path = `${at}[${place}]`
      const before = owner.get(name)
      if (!known.includes(name)) {
        const meant = nearest(name, known)
        const hint = meant ? `did you mean ${meant}?` : `known are ${known.join(', ') || 'none'}`
        complaints.push({ path, message: `is ${JSON.stringify(name)}, and no link has that name: ${hint}` })
      } else if (before !== undefined) {
        complaints.push({
          path,
          message: `is "${name}", which is in pool ${before} already: a link is in one pool`,
        })
      } else owner.set(name, pool.name)
    }
  }
  return complaints
}

const networks: Check = ({ security }) =>
  (['allowed_ips', 'trusted_proxies'] as const).flatMap(key => {
    const parsed = parseIpList(security[key])
    if (!('problems' in parsed)) return []
    return parsed.problems.map(({ index, message }) => ({ path: `security.${key}[${index}]`, message }))
  })

const clusterHosts: Check = ({ aerospike }) => {
  const parsed = aerospike && parseHosts(aerospike.hosts, aerospike.port)
  if (!parsed || 'hosts' in parsed) return []
  const message = `names ${JSON.stringify(parsed.wrong)}, which is no host, nor host:port`
  return [{ path: 'aerospike.hosts', message }]
}

const CLUSTER_FILES = ['tls_ca', 'tls_cert', 'tls_key'] as const

/** What needs something else beside it to be of use. */
const clusterAccess: Check = ({ aerospike }) => {
  if (!aerospike) return []
  const complaints: Complaint[] = []
  for (const key of [...CLUSTER_FILES, 'tls_name'] as const) {
    if (aerospike[key] !== undefined && !aerospike.tls)
      complaints.push({ path: `aerospike.${key}`, message: 'is set while tls is false: switch tls on' })
  }
  for (const [one, other] of [
    ['tls_cert', 'tls_key'],
    ['user', 'password'],
  ] as const) {
    if ((aerospike[one] === undefined) === (aerospike[other] === undefined)) continue
    const [there, missing] = aerospike[one] === undefined ? [other, one] : [one, other]
    complaints.push({ path: `aerospike.${there}`, message: `is set without ${missing}: they go together` })
  }
  return complaints
}

const files: Check = ({ tls, aerospike, smpp }) => {
  const wanted = [
    { path: 'tls.cert', file: tls?.cert },
    { path: 'tls.key', file: tls?.key },
    ...CLUSTER_FILES.map(key => ({ path: `aerospike.${key}`, file: aerospike?.[key] })),
    ...smpp.links.map(({ tls_ca }, index) => ({ path: `smpp.links[${index}].tls_ca`, file: tls_ca })),
    { path: 'smpp.rules', file: smpp.rules && 'file' in smpp.rules ? smpp.rules.file : undefined },
  ]
  return wanted.flatMap(({ path, file }) => {
    const why = file === undefined ? undefined : unreadable(file)
    if (why === undefined) return []
    const message = (what: string): string => `names ${what}, which cannot be read: ${why}`
    return [{ path, message: message(String(file)), publicMessage: message('a file') }]
  })
}

/** Why a file cannot be read; undefined when it can. */
export function unreadable(file: string): string | undefined {
  try {
    accessSync(file, constants.R_OK)
    return undefined
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') return 'there is no such file'
    return code === 'EACCES' ? 'no permission' : code
  }
}

/** What a start would say of a file's content in the words of OpenSSL, if at all. */
const certificates: Check = ({ tls, aerospike, smpp }) => {
  const complaints: Complaint[] = []
  const read = <T>(path: string, file: string | undefined, what: string, parse: (pem: string) => T) => {
    if (file === undefined || unreadable(file) !== undefined) return undefined
    try {
      return parse(readFileSync(file, 'utf8'))
    } catch {
      const message = (name: string): string => `names ${name}, which holds no ${what} in PEM`
      complaints.push({ path, message: message(file), publicMessage: message('a file') })
      return undefined
    }
  }
  const certificate = (pem: string) => new X509Certificate(pem)
  const pair = (certPath: string, certFile: string | undefined, keyPath: string, keyFile?: string): void => {
    const cert = read(certPath, certFile, 'certificate', certificate)
    const key = read(keyPath, keyFile, 'private key without a passphrase', createPrivateKey)
    if (!cert || !key || cert.checkPrivateKey(key)) return
    const message = `is not the key of the certificate in ${certPath}: name a pair`
    complaints.push({ path: keyPath, message })
  }
  pair('tls.cert', tls?.cert, 'tls.key', tls?.key)
  pair('aerospike.tls_cert', aerospike?.tls_cert, 'aerospike.tls_key', aerospike?.tls_key)
  read('aerospike.tls_ca', aerospike?.tls_ca, 'certificate', certificate)
  for (const [index, { tls_ca }] of smpp.links.entries())
    read(`smpp.links[${index}].tls_ca`, tls_ca, 'certificate', certificate)
  return complaints
}

const linkTls: Check = ({ smpp }) =>
  smpp.links.flatMap(({ tls, tls_ca }, index) =>
    tls_ca !== undefined && !tls
      ? [{ path: `smpp.links[${index}].tls_ca`, message: 'is set while tls is false: switch tls on' }]
      : [],
  )

/** C-Octet Strings carry one octet a character: a PDU with any other could never be written (SMPP 3.4 §3.1). */
const smppTexts: Check = ({ smpp }) =>
  smpp.links.flatMap((link, index) =>
    Object.entries({
      system_id: link.system_id,
      password: link.password,
      system_type: link.system_type,
      'addresses.range': link.addresses.range,
      service_type: link.service_type,
    })
      .filter(([, text]) => /[^\0-\xff]/.test(text))
      .map(([key]) => ({
        path: `smpp.links[${index}].${key}`,
        message: 'holds a character that SMPP cannot carry: letters and digits always do',
      })),
  )

/** Blanks at its ends are not part of a header's value (RFC 9110 §5.5). */
const HEADER_VALUE = /^[!-~]([ -~]*[!-~])?$/

const adminKeys: Check = ({ adminKey }) => {
  if (adminKey === undefined || HEADER_VALUE.test(adminKey)) return []
  const message =
    'can be in no header: wanted are visible ASCII characters, and nothing around them (a line end?)'
  return [{ place: 'ADMIN_API_KEY', path: '', message }]
}

export const CHECKS: readonly Check[] = [
  notYet,
  names,
  poolLinks,
  networks,
  clusterHosts,
  clusterAccess,
  files,
  certificates,
  linkTls,
  smppTexts,
  adminKeys,
]
