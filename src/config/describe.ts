import type { Config } from './schema.ts'
import { goDuration } from './units.ts'

/** What only the running server knows. */
export interface RunningState {
  readonly rulesLoaded: boolean
  /** Why the file of rules as it stands is not in force; empty when it is. */
  readonly rulesError: string
  readonly filters: Readonly<Record<string, FilterDescription>>
}

export interface FilterDescription {
  readonly active: boolean
  readonly blacklist: boolean
  readonly description: string
  readonly snippet: string
  /** Why its file as it stands is not in force. */
  readonly error?: string
}

/**
 * The answer of `server-config`: effective values, durations as Go prints them. It is written out field by
 * field, so that a new secret in the configuration does not appear here by itself. What is not configured has
 * zero values.
 */
export function describeConfig(config: Config, { rulesLoaded, rulesError, filters }: RunningState) {
  const { aerospike, grpc, statistic_exporter, monitoring } = config
  return {
    env: config.env,
    server_name: config.server_name,
    endpoint: showEndpoint(config.endpoint),
    tls: config.tls !== undefined,
    storage: { db_path: config.storage.db_path },
    aerospike: {
      hosts: aerospike?.hosts ?? '',
      port: aerospike?.port ?? 0,
      namespace: aerospike?.namespace ?? '',
      sweep_time: goDuration(aerospike?.sweep_time ?? 0),
      ttl: `${(aerospike?.ttl ?? 0) / 1000}s`,
      ...(aerospike?.spool && { spool: true, spool_max: aerospike.spool_max }),
    },
    security: { token_ttl: goDuration(config.security.token_ttl) },
    grpc: { port: grpc?.port ?? 0, timeout: goDuration(grpc?.timeout ?? 0) },
    smpp: { rules_loaded: rulesLoaded, ...(rulesError !== '' && { rules_error: rulesError }) },
    filters,
    statistic_exporter: {
      enabled: statistic_exporter.enabled,
      target: statistic_exporter.target,
      bucket: statistic_exporter.bucket,
      tls: statistic_exporter.tls,
    },
    monitoring: {
      otel: monitoring.otel,
      sampling: monitoring.sampling,
      collector: monitoring.collector,
    },
  }
}

export const showEndpoint = ({ host, port }: Config['endpoint']): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
