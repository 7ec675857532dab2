import { Type } from '@sinclair/typebox'
import { STRATEGIES } from '../routing/strategy.ts'
import {
  decimal,
  duration,
  endpoint,
  flag,
  list,
  oneOf,
  optional,
  path,
  type Read,
  secret,
  section,
  size,
  text,
  whole,
} from './forms.ts'

/**
 * The configuration: types, defaults, `sms-proxy init` and every check of a single value come from here.
 * Checks that need two values are in checks.ts.
 */

const SECOND = 1000
const HOUR = 3600 * SECOND
const YEAR = 365 * 24 * HOUR

const port = (description: string, fallback?: number) =>
  whole(description, {
    minimum: 1,
    maximum: 65_535,
    ...(fallback === undefined ? {} : { default: fallback }),
  })

const rate = (description: string) =>
  section(description, {
    rps: decimal('requests a second; 0 is no limit', { default: 0, minimum: 0, maximum: 1e6 }),
    burst: whole('requests at once, after a pause; 0 is one second of rps', {
      default: 0,
      minimum: 0,
      maximum: 1e6,
    }),
  })

const tls = section('HTTPS; without this section the server speaks plain HTTP', {
  cert: path('certificate chain, PEM', { example: '/etc/sms-proxy/tls.crt' }),
  key: path('private key, PEM', { example: '/etc/sms-proxy/tls.key' }),
})

const aerospike = section(
  'keep messages in an Aerospike cluster that several gateways share, in place of storage',
  {
    hosts: text('hosts to ask first, separated by commas; the others are learned from them', {
      example: 'aero-1.local,aero-2.local',
      minLength: 1,
    }),
    port: port('port of the hosts that name none', 3000),
    namespace: text('namespace', { default: 'sms', minLength: 1, maxLength: 31 }),
    sweep_time: duration('between two searches for what is past its time', {
      default: '1h',
      minimum: SECOND,
      maximum: 24 * HOUR,
    }),
    ttl: duration('how long a message is kept; the namespace needs an nsup-period for it', {
      default: '86400s',
      minimum: 60 * SECOND,
      maximum: 10 * YEAR,
    }),
    tls: flag("speak TLS; the nodes' certificates must hold", false),
    tls_ca: optional(
      path('certificates of a private authority, PEM', { example: '/etc/sms-proxy/aerospike-ca.crt' }),
    ),
    tls_cert: optional(
      path("this gateway's own certificate, PEM, for a cluster that asks for one", {
        example: '/etc/sms-proxy/aerospike.crt',
      }),
    ),
    tls_key: optional(path('its private key, PEM', { example: '/etc/sms-proxy/aerospike.key' })),
    tls_name: optional(
      text('name in the certificates of the hosts, if it is not the name they are reached by', {
        example: 'aerospike.local',
        minLength: 1,
        maxLength: 253,
      }),
    ),
    user: optional(
      text('user, for a cluster that asks for one', { example: 'sms', minLength: 1, maxLength: 63 }),
    ),
    password: optional(
      secret('its password; better not here but in the environment, see above', {
        example: 'secret',
        maxLength: 60,
      }),
    ),
    spool: flag('while the cluster is away take messages into a file beside storage.db_path', false),
    spool_max: whole('writes that wait there, at most: about half a KiB each', {
      default: 1_000_000,
      minimum: 1000,
      maximum: 1e8,
    }),
  },
)

const link = section('an account at an SMSC', {
  id: whole('number that callers send as "esme"', { example: 1, minimum: 0, maximum: 2 ** 31 - 1 }),
  name: text('name, for pools and logs', { example: 'smpp-link-1', minLength: 1, maxLength: 64 }),
  host: text('host of the SMSC', { example: '127.0.0.1', minLength: 1, maxLength: 253 }),
  port: port('port of the SMSC', 2775),
  tls: flag("speak TLS; the SMSC's certificate must hold", false),
  tls_ca: optional(
    path('certificates of a private authority, PEM', { example: '/etc/sms-proxy/smsc-ca.crt' }),
  ),
  system_id: text('account name', { example: 'my_system', minLength: 1, maxLength: 15 }),
  password: secret('password; better not here but in the environment, see above', {
    example: 'secret',
    maxLength: 8,
  }),
  system_type: text('as the SMSC asks for it, often empty', { default: '', maxLength: 12 }),
  addresses: section(
    'numbers whose MO messages and receipts come to this bind, where the SMSC wants to know',
    {
      ton: whole('type of number', { default: 0, minimum: 0, maximum: 6 }),
      npi: whole('numbering plan', { default: 0, minimum: 0, maximum: 18 }),
      range: text('a number, or a pattern as the SMSC writes it', { default: '', maxLength: 40 }),
    },
  ),
  service_type: text('of each message, as the SMSC asks for it, often empty', { default: '', maxLength: 5 }),
  interface_version: oneOf('SMPP version that is announced', ['3.3', '3.4'], '3.4'),
  bind: oneOf(
    'how to bind (a pair is a transmitter and a receiver)',
    ['transceiver', 'transmitter', 'receiver', 'pair'],
    'transceiver',
  ),
  connect_timeout: duration('for connecting', { default: '10s', minimum: 100, maximum: 300 * SECOND }),
  response_timeout: duration('for each answer of the SMSC', {
    default: '5s',
    minimum: 100,
    maximum: 300 * SECOND,
  }),
  enquire_link: duration('silence after which the SMSC is asked for a sign of life', {
    default: '30s',
    minimum: SECOND,
    maximum: HOUR,
  }),
  window: whole('parts sent and not yet answered, at most', { default: 100, minimum: 1, maximum: 10_000 }),
  limit_tps: whole('parts in any second, at most; 0 is no limit', { default: 100, minimum: 0, maximum: 1e6 }),
  weight: whole('share of a pool whose strategy is weighted', { default: 1, minimum: 1, maximum: 1000 }),
  short_code: section('how senders and receivers of 3 to 6 digits are written', {
    ton: whole('type of number', { default: 3, minimum: 0, maximum: 6 }),
    npi: whole('numbering plan', { default: 0, minimum: 0, maximum: 18 }),
  }),
  enabled: flag('bind at the start', true),
})

const pool = section('links that stand in for each other', {
  id: whole('number', { example: 0, minimum: 0, maximum: 2 ** 31 - 1 }),
  name: text('name, for rules and logs', { example: 'pool-1', minLength: 1, maxLength: 64 }),
  links: list(
    'names of links; for the strategy "priority" the first is the first choice',
    Type.String(),
    100,
  ),
  strategy: oneOf('how a link is picked', STRATEGIES, 'least_loaded'),
})

export const ConfigSchema = section('Configuration of sms-proxy', {
  env: text('what this installation is for; shown, nothing hangs on it', {
    default: 'production',
    maxLength: 64,
  }),
  server_name: text('name of this gateway in logs and answers', {
    default: 'sms-proxy',
    minLength: 1,
    maxLength: 64,
  }),
  node: whole('number of this gateway among those that share a store; the next free one if another has it', {
    default: 0,
    minimum: 0,
    maximum: 31,
  }),
  endpoint: endpoint('where the HTTP server listens', '0.0.0.0:8088'),
  shutdown_timeout: duration('for requests in flight when the server is told to stop', {
    default: '10s',
    minimum: 0,
    maximum: 300 * SECOND,
  }),
  tls: optional(tls),
  log: section('logging, to the standard output', {
    level: oneOf('the least that is said', ['debug', 'info', 'warn', 'error'], 'info'),
    format: oneOf(
      'how it looks (auto is pretty on a terminal, JSON lines elsewhere)',
      ['auto', 'json', 'pretty'],
      'auto',
    ),
  }),
  storage: section('the database: users, apps, and messages without aerospike', {
    db_path: path('SQLite file', { default: './data/sms.db' }),
    retention: duration('how long a message is kept', {
      default: '30d',
      minimum: 60 * SECOND,
      maximum: 10 * YEAR,
    }),
  }),
  aerospike: optional(aerospike),
  security: section('who may call', {
    token_ttl: duration('how long a token from login is valid', {
      default: '24h',
      minimum: SECOND,
      maximum: YEAR,
    }),
    allowed_ips: list(
      'networks that may send; empty: all (an app can have its own list)',
      Type.String(),
      1000,
    ),
    trusted_proxies: list('networks whose X-Forwarded-For is believed', Type.String(), 1000),
    // Where the reference's sections and its summary disagree, an operator may go by the sections.
    open_routes: list(
      'routes that need no admin key: /dashboard/stats, /api/v1/user/register, …/validate, …/delete',
      Type.String({
        enum: ['/dashboard/stats', '/api/v1/user/register', '/api/v1/user/validate', '/api/v1/user/delete'],
      }),
      4,
    ),
  }),
  rate_limit: section('limits of HTTP requests; who is over one hears 429', {
    global: rate('all requests together'),
    per_app: rate('/api/v1/sms/*, for each app'),
  }),
  license: section('licence', {
    file: path('where the licence is kept', { default: './data/license.json' }),
    public_key: text('key that licences are signed with; empty: no licence is needed or taken', {
      default: '',
    }),
  }),
  grpc: optional(
    section('gRPC server', {
      port: port('port', 50_051),
      timeout: duration('for each call', { default: '5s', minimum: 100, maximum: 300 * SECOND }),
    }),
  ),
  smpp: section('the way to the SMSCs', {
    rules: optional(
      Type.Unsafe<{ readonly file: string } | { readonly list: readonly unknown[] }>({
        form: 'rules',
        description: 'which message takes which pool: a file, or the list itself',
        examples: ['./rules.yaml'],
      }),
    ),
    max_parts: whole('parts of one message, at most; a longer text is refused', {
      default: 10,
      minimum: 1,
      maximum: 255,
    }),
    queue_timeout: duration('how long a message waits for room on a link', {
      default: '10s',
      minimum: 0,
      maximum: 300 * SECOND,
    }),
    queue_max: whole('messages that wait in one pool, at most', {
      default: 10_000,
      minimum: 1,
      maximum: 1e6,
    }),
    links: list('accounts at SMSCs', link, 1000),
    pools: list('links that stand in for each other; a link in none is a pool of its own', pool, 1000),
  }),
  filters: section('code that lets messages pass or refuses them', {
    dir: path('folder of the filters, one *.js file each', { default: './filters' }),
    timeout: duration('for one filter and one message', {
      default: '20ms',
      minimum: 1,
      maximum: 10 * SECOND,
    }),
    memory: size('for one filter', { default: '8MB', minimum: 1024 ** 2, maximum: 1024 ** 3 }),
    on_error: oneOf('what becomes of a message whose filter fails', ['reject', 'pass'], 'reject'),
  }),
  statistic_exporter: section('send statistics elsewhere', {
    enabled: flag('switch it on', false),
    target: text('host and port', { default: '' }),
    bucket: text('name of the bucket', { default: '' }),
    tls: flag('speak TLS', false),
  }),
  monitoring: section('tracing', {
    otel: flag('send traces to an OpenTelemetry collector', false),
    sampling: decimal('share of requests that are traced', { default: 0.1, minimum: 0, maximum: 1 }),
    collector: text('host and port of the collector', { default: 'otel-collector:4317' }),
  }),
})

/** Durations in milliseconds, sizes in octets, paths absolute. */
export type Config = Read<typeof ConfigSchema> & {
  /** `ADMIN_API_KEY` of the environment; undefined: the admin routes answer 503. */
  readonly adminKey: string | undefined
}

/** Links that are in no pool: each is a pool of its own, under its own name. */
export function linksAlone({ links, pools }: Config['smpp']): Config['smpp']['links'] {
  const pooled = new Set(pools.flatMap(pool => pool.links))
  return links.filter(link => !pooled.has(link.name))
}
