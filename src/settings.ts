import { readFileSync } from 'node:fs'
import { type Complaint, type Config, linksAlone, parseTree, placeOf, plain } from './config/index.ts'
import { codeOf } from './errors.ts'
import { type IpList, NO_IPS, parseIpList } from './ip_list.ts'
import type { LinkSettings, NetworkSettings } from './network.ts'
import { compileRules, NO_RULES, type Rules } from './routing/rules.ts'

/** The configuration in the words of the parts, none of which knows it. */

/** Rules from the configuration or the file that it names, checked against its pools. */
export function readRules({
  smpp,
}: Config): { readonly rules: Rules } | { readonly problems: readonly Complaint[] } {
  const { rules: source } = smpp
  if (!source) return { rules: NO_RULES }
  const pools = [...smpp.pools, ...linksAlone(smpp)].map(each => each.name)
  if ('list' in source) {
    const read = compileRules(source.list, { pools })
    if ('rules' in read) return read
    return { problems: read.problems.map(({ path, message }) => ({ path: `smpp.${path}`, message })) }
  }
  const parsed = parseFile(source.file)
  if ('problems' in parsed) return parsed
  const { tree } = parsed
  const read = compileRules(plain(tree), { pools })
  if ('rules' in read) return read
  const placeOfRule = (path: string) => placeOf(tree, path.replace(/^rules/, ''))
  return { problems: read.problems.map(problem => ({ place: placeOfRule(problem.path), ...problem })) }
}

function parseFile(file: string): ReturnType<typeof parseTree> {
  try {
    return parseTree(readFileSync(file, 'utf8'), file)
  } catch (error) {
    const message = `cannot be read: ${codeOf(error)}`
    return { problems: [{ place: file, path: '', message }] }
  }
}

/** The file that the rules are in; undefined when they stand in the configuration, or there are none. */
export const fileOfRules = ({ smpp: { rules } }: Config): string | undefined =>
  rules && 'file' in rules ? rules.file : undefined

export function networkSettings(config: Config, rules: Rules): NetworkSettings {
  const { smpp } = config
  return {
    links: smpp.links.map(linkSettings),
    pools: smpp.pools,
    rules,
    queueTimeoutMs: smpp.queue_timeout,
    queueMax: smpp.queue_max,
  }
}

const VERSIONS = { '3.3': 0x33, '3.4': 0x34 } as const

function linkSettings(link: Config['smpp']['links'][number]): LinkSettings {
  return {
    id: link.id,
    name: link.name,
    address: { host: link.host, port: link.port, tls: tlsOf(link) },
    systemId: link.system_id,
    password: link.password,
    systemType: link.system_type,
    addresses: link.addresses,
    interfaceVersion: VERSIONS[link.interface_version],
    bind: link.bind,
    connectTimeoutMs: link.connect_timeout,
    responseTimeoutMs: link.response_timeout,
    enquireLinkMs: link.enquire_link,
    window: link.window,
    limitTps: link.limit_tps,
    enabled: link.enabled,
    shortCodeTon: link.short_code.ton,
    shortCodeNpi: link.short_code.npi,
    serviceType: link.service_type,
    weight: link.weight,
  }
}

function tlsOf({ tls, tls_ca }: Config['smpp']['links'][number]): boolean | { readonly caPem: string } {
  return tls && tls_ca !== undefined ? { caPem: readFileSync(tls_ca, 'utf8') } : tls
}

/** A list that the configuration's own check has passed. */
export function ipList(entries: readonly string[]): IpList {
  const parsed = parseIpList(entries)
  return 'list' in parsed ? parsed.list : NO_IPS
}
